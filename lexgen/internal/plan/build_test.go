package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

// config is one of two packages, one of which exists.
func config() *Config {
	return &Config{
		Packages: []PackageConfig{
			{Prefixes: []string{"com.example"}, Name: "comexample", Path: "x.test/comexample", Dir: "comexample"},
			{Prefixes: []string{"org.other"}, Name: "other", Path: "x.test/other", External: true},
		},
		Generate: []string{"com.example.*"},
	}
}

// build plans lexicons, each by NSID and its definitions.
func build(t testing.TB, cfg *Config, lexicons map[string]string) (*Program, error) {
	t.Helper()
	var docs []*schema.Document
	var nsids []syntax.NSID
	for nsid, defs := range lexicons {
		d, err := schema.Parse(nsid+".json", []byte(`{"lexicon": 1, "id": "`+nsid+`", "defs": {`+defs+`}}`))
		if err == nil {
			err = d.Err()
		}
		if err != nil {
			t.Fatal(err)
		}
		docs, nsids = append(docs, d), append(nsids, d.ID)
	}
	set, err := resolve.New(docs, nil)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(nsids)
	roots, err := cfg.Roots(nsids)
	if err != nil {
		return nil, err
	}
	closure, err := set.Closure(roots)
	if err != nil {
		t.Fatal(err)
	}
	return Build(set, cfg, closure.IDs)
}

// show is what a plan says of one declaration, a line each.
func show(d Decl) []string {
	var out []string
	field := func(f Field) {
		form := []string{"", "*", "?"}[f.Form]
		out = append(out, strings.TrimSpace(fmt.Sprintf("  %s %s%s %q %s", f.Go, form, typeName(f.Type), f.JSON, f.Default)))
	}
	switch d := d.(type) {
	case *Struct:
		out = append(out, fmt.Sprintf("struct %s %s %s", d.Name, d.LexType, d.NSID))
		for _, f := range d.Fields {
			field(f)
		}
	case *Params:
		out = append(out, "params "+d.Name)
		for _, f := range d.Fields {
			field(f)
		}
	case *Union:
		members := ""
		for _, m := range d.Members {
			members += " " + m.Go.Name
		}
		out = append(out, fmt.Sprintf("union %s by %s of%s", d.Name, d.New, members))
	case *Strings:
		out = append(out, strings.TrimSpace("strings "+d.Name))
		for _, v := range d.Values {
			out = append(out, fmt.Sprintf("%s = %q", v.Name, v.Value))
		}
	case *Alias:
		out = append(out, "alias "+d.Name+" "+typeName(d.Type))
	case *Method:
		line := "method " + d.Service + "." + d.Name
		if d.Pager != nil {
			line += " " + d.Pager.Pages + " " + d.Pager.All
		}
		out = append(out, line)
	}
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return out
}

func typeName(t *Type) string {
	switch {
	case t.Go.Name != "":
		return t.Go.Name
	case t.Kind == Array:
		return "[]" + typeName(t.Elem)
	}
	return []string{"bool", "int64", "string", "Bytes", "CIDLink", "Blob", "Unknown", "object", "union"}[t.Kind]
}

func TestBuildDecidesNamesAndForms(t *testing.T) {
	for _, tc := range []struct {
		name, nsid, defs string
		want             []string
	}{
		{"L22 what may be absent or null", "com.example.a", `"main": {"type": "object", "required": ["a", "b", "l"], "nullable": ["b", "c", "l"], "properties": {
			"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "integer"}, "d": {"type": "boolean"}, "e": {"type": "bytes"}, "f": {"type": "unknown"}, "g": {"type": "cid-link"}, "h": {"type": "blob"},
			"l": {"type": "array", "items": {"type": "integer"}}, "o": {"type": "object", "properties": {}}}}`, []string{
			`struct AO`, `struct A com.example.a`, `A string "a"`, `B *string "b"`, `C ?int64 "c"`, `D *bool "d"`, `E Bytes "e"`, `F Unknown "f"`, `G *CIDLink "g"`, `H *Blob "h"`, `L []int64 "l"`, `O *AO "o"`}},
		{"P88 a required field with a default", "com.example.a", `"main": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "default": 3}, "b": {"type": "integer", "default": 4}}}`, []string{
			"struct A com.example.a", `A int64 "a" 3`, `B *int64 "b"`}},
		{"P88 a required field with the default of what it refers to, and one that may be null", "com.example.a", `"main": {"type": "object", "required": ["a", "b"], "nullable": ["b"], "properties": {"a": {"type": "ref", "ref": "#s"}, "b": {"type": "boolean", "default": true}}}, "s": {"type": "string", "default": "x"}`, []string{
			"struct A com.example.a", `A AS "a" "x"`, `B *bool "b" true`, "strings AS"}},
		{"L31 records", "com.example.a", `"main": {"type": "record", "key": "tid", "record": {"type": "object", "properties": {}}}`, []string{"struct A com.example.a ANSID"}},
		{"L27 unions", "com.example.a", `"main": {"type": "object", "properties": {"u": {"type": "union", "refs": ["#b"]}, "l": {"type": "array", "items": {"type": "object", "properties": {}}}}}, "b": {"type": "object", "properties": {}}`, []string{
			"struct A com.example.a", `L []ALItem "l"`, `U AUUnion "u"`, "struct ALItem", "union AUUnion by NewAUUnion of AB", "struct AB com.example.a#b"}},
		{"L16 values", "com.example.a", `"main": {"type": "object", "properties": {"e": {"type": "string", "enum": ["on", "!on", "2x"]}, "k": {"type": "string", "knownValues": ["com.example.a#t", "org.other.defs#t"]}, "n": {"type": "ref", "ref": "#n"}}}, "n": {"type": "string", "knownValues": ["x"]}, "t": {"type": "token"}`, []string{
			"struct A com.example.a", `E *AE "e"`, `K *string "k"`, `N *AN "n"`, "strings AE", `AE2x = "2x"`, `AENotOn = "!on"`, `AEOn = "on"`, "strings", `AKT = "com.example.a#t"`, `AKDefsT = "org.other.defs#t"`, "strings AN", `ANX = "x"`, "strings", `AT = "com.example.a#t"`}},
		{"a named array", "com.example.a", `"l": {"type": "array", "items": {"type": "string", "format": "did"}}, "d": {"type": "string", "format": "did"}`, []string{"alias AD DID", "alias AL []DID"}},
		{"L32 a query with a cursor", "com.example.feed.list", `"main": {"type": "query", "parameters": {"type": "params", "properties": {"cursor": {"type": "string"}, "limit": {"type": "integer", "default": 50}}},
			"output": {"encoding": "application/json", "schema": {"type": "object", "required": ["items"], "properties": {"cursor": {"type": "string"}, "items": {"type": "array", "items": {"type": "string"}}}}}}`, []string{
			"method FeedService.List ListPages ListAll", "params FeedListParams", `Cursor *string "cursor"`, `Limit *int64 "limit" 50`, "struct FeedListOutput", `Cursor *string "cursor"`, `Items []string "items"`}},
		{"a method of three segments", "com.example.ping", `"main": {"type": "procedure", "input": {"encoding": "*/*"}}`, []string{"method Client.Ping"}},
		{"L33 a subscription", "com.example.feed.watch", `"main": {"type": "subscription", "message": {"schema": {"type": "union", "refs": ["#m"]}}}, "m": {"type": "object", "required": ["seq"], "properties": {"seq": {"type": "integer"}}}`, []string{
			"method FeedService.Watch", "union FeedWatchMessage by NewFeedWatchMessage of FeedWatchM", "struct FeedWatchM com.example.feed.watch#m", `Seq int64 "seq"`}},
		{"L34 a permission set", "com.example.access", `"main": {"type": "permission-set", "title": "All", "permissions": []}`, []string{"strings", `AccessNSID = "com.example.access"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			prog, err := build(t, config(), map[string]string{tc.nsid: tc.defs, "org.other.defs": `"t": {"type": "token"}`})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range prog.Packages[0].Files[0].Decls {
				got = append(got, show(d)...)
			}
			want := slices.Clone(tc.want)
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAllIsOverTheListThatWasThereFirst(t *testing.T) {
	list := func(name string) string { return `"` + name + `": {"type": "array", "items": {"type": "string"}}` }
	for _, tc := range []struct{ name, required, properties, want string }{
		{"one list", `"a"`, list("a"), "A"},
		{"a second list that is optional", `"b"`, list("a") + ", " + list("b"), "B"},
		{"lists that are optional", ``, list("b") + ", " + list("a"), "B"},
		{"two lists that are required", `"a", "b"`, list("a") + ", " + list("b"), ""},
		{"no list", ``, `"a": {"type": "string"}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			prog, err := build(t, config(), map[string]string{"com.example.feed.list": `"main": {"type": "query", "parameters": {"type": "params", "properties": {"cursor": {"type": "string"}}},
				"output": {"encoding": "application/json", "schema": {"type": "object", "required": [` + tc.required + `], "properties": {"cursor": {"type": "string"}, ` + tc.properties + `}}}}`})
			if err != nil {
				t.Fatal(err)
			}
			p := prog.Packages[0].Groups[0].Methods[0].Pager
			got := ""
			if p.Items != nil {
				got = p.Items.Go
			}
			if got != tc.want || (p.All == "ListAll") != (got != "") {
				t.Errorf("%s goes over %q, want %q", p.All, got, tc.want)
			}
		})
	}
}

func TestBuildWritesTheComments(t *testing.T) {
	prog, err := build(t, config(), map[string]string{"com.example.server.getIt": `"main": {"type": "query", "output": {"encoding": "application/json", "schema": {"type": "object", "properties": {"b": {"type": "blob", "maxSize": 5}}}}, "errors": [{"name": "Gone"}]}`})
	if err != nil {
		t.Fatal(err)
	}
	p := prog.Packages[0]
	got := map[string]string{
		"package": strings.Join(p.Docs.Package, "|"), "example": strings.Join(p.Docs.Example, "|"), "client": strings.Join(p.Docs.Client, "|"),
		"service": strings.Join(p.Groups[0].Doc, "|"), "error": strings.Join(p.Errors[0].Doc, "|"), "method": strings.Join(p.Groups[0].Methods[0].Doc, "|"),
	}
	for _, d := range p.Files[0].Decls {
		if s, ok := d.(*Struct); ok {
			got["limits"] = strings.Join(s.Fields[0].LimitsDoc, "|")
		}
	}
	want := map[string]string{
		"package": "Package comexample has the methods, records and objects of com.example.|Pointers and nil slices are optional fields; what a lexicon does not have is kept in Extra, so that reading, changing and writing a value loses nothing. The comments are the lexicons' own; where they say nothing of a field, its name in JSON stands for it.",
		"example": "api := comexample.NewClient(session)|out, err := api.Server.GetIt(ctx)",
		"client":  "A Client calls the methods of com.example. Make it with NewClient; it is safe for concurrent use.",
		"service": "ServerService calls the methods of com.example.server; it is the field Server of [Client].", "error": "ErrGone is an error of [ServerService.GetIt].",
		"method": "GetIt calls com.example.server.getIt.|Errors: [ErrGone].",
		"limits": "ServerGetItOutputBLimits returns what the lexicon says of the blobs in the field B of [ServerGetItOutput], for xrpc.WithBlobLimits.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What a value may be is said where it is used, and nothing of it twice.
func TestBuildDocumentsFields(t *testing.T) {
	object := func(name string) string { return `"` + name + `": {"type": "object", "properties": {}}` }
	for _, tc := range []struct{ name, schema, want string }{
		{"what the lexicon says", `"type": "string", "description": "A word"`, "A word."},
		{"its name, where that says nothing", `"type": "string"`, `"f" in JSON.`},
		{"what the lexicon says of a list's items", `"type": "array", "items": {"type": "string", "description": "A word"}`, "A word."},
		{"lengths", `"type": "string", "maxLength": 3000, "maxGraphemes": 300`, `"f" in JSON. At most 300 graphemes, 3000 bytes.`},
		{"two limits each", `"type": "string", "minLength": 2, "maxLength": 25000, "minGraphemes": 1, "maxGraphemes": 1`, `"f" in JSON. Exactly 1 grapheme, from 2 to 25,000 bytes.`},
		{"a shortest length", `"type": "bytes", "minLength": 1`, `"f" in JSON. At least 1 byte.`},
		{"a shortest length of nothing", `"type": "bytes", "minLength": 0, "maxLength": 9`, `"f" in JSON. At most 9 bytes.`},
		{"a constant", `"type": "string", "const": "a\"b"`, `"f" in JSON. Always "a\"b".`},
		{"a range", `"type": "integer", "minimum": -100000, "maximum": 100`, `"f" in JSON. From -100,000 to 100.`},
		{"one end of a range", `"type": "integer", "minimum": 0`, `"f" in JSON. At least 0.`},
		{"the other end", `"type": "integer", "maximum": 7`, `"f" in JSON. At most 7.`},
		{"integers", `"type": "integer", "enum": [1, 2, 3]`, `"f" in JSON. One of 1, 2 and 3.`},
		{"one integer", `"type": "integer", "const": 4`, `"f" in JSON. Always 4.`},
		{"one boolean", `"type": "boolean", "const": true`, `"f" in JSON. Always true.`},
		{"a blob", `"type": "blob", "accept": ["image/png", "image/*"], "maxSize": 1000000`, `"f" in JSON. Of type image/png or image/*, at most 1,000,000 bytes.`},
		{"a blob of any type", `"type": "blob", "accept": ["*/*"]`, `"f" in JSON.`},
		{"a list", `"type": "array", "maxLength": 8, "items": {"type": "string", "maxGraphemes": 64, "maxLength": 640}`, `"f" in JSON. At most 8 items, each at most 64 graphemes, 640 bytes.`},
		{"a default", `"type": "integer", "default": 5`, `"f" in JSON. Default: 5.`},
		{"known values", `"type": "string", "knownValues": ["on", "off"]`, `"f" in JSON. Known values: [AFOn], [AFOff].`},
		{"many known values", `"type": "string", "knownValues": ["a", "b", "c", "d", "e", "f", "g"]`, `"f" in JSON. Known values: the constants from [AFA] to [AFG].`},
		{"known values of a list's items", `"type": "array", "items": {"type": "string", "knownValues": ["on"]}`, `"f" in JSON. Known values: [AFOn].`},
		{"values", `"type": "string", "enum": ["on", "off"]`, `"f" in JSON. One of the constants of [AF].`},
		{"values of a list's items", `"type": "array", "items": {"type": "string", "enum": ["on"]}`, `"f" in JSON. Each is one of the constants of [AF].`},
		{"known values elsewhere", `"type": "ref", "ref": "org.other.defs#k", "description": "A word"`, `A word. Known values: the constants of [other.DefsK].`},
		{"an object", `"type": "ref", "ref": "#x"`, `"f" in JSON: [AX].`},
		{"objects", `"type": "array", "items": {"type": "ref", "ref": "#x"}`, `"f" in JSON: a list of [AX].`},
		{"an object elsewhere", `"type": "ref", "ref": "org.other.defs"`, `"f" in JSON: [other.Defs].`},
		{"an object that is described", `"type": "ref", "ref": "#x", "description": "An x."`, `An x.`},
		{"one of two", `"type": "union", "refs": ["#x", "org.other.defs"]`, `"f" in JSON: one of [AX] and [other.Defs].`},
		{"one of two, described", `"type": "union", "refs": ["#x", "#y"], "description": "The thing"`, `The thing. One of [AX] and [AY].`},
		{"one of one, described", `"type": "union", "refs": ["#x"], "description": "The thing"`, `The thing. See [AX].`},
		{"one of many", `"type": "union", "refs": ["#x", "#y", "#z", "#u", "#v", "#w", "org.other.defs"]`, `"f" in JSON: [AFUnion].`},
		{"L10 deprecated", `"type": "string", "description": "DEPRECATED, use g", "maxLength": 9`, "At most 9 bytes.|Deprecated: use g."},
		{"P43 a hostile type of a blob", `"type": "blob", "accept": ["a\n//go:build x"]`, `"f" in JSON. Of type a //go:build x.`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			prog, err := build(t, config(), map[string]string{
				"com.example.a":  `"main": {"type": "object", "properties": {"f": {` + tc.schema + `}}}, ` + object("x") + "," + object("y") + "," + object("z") + "," + object("u") + "," + object("v") + "," + object("w"),
				"org.other.defs": object("main") + `, "k": {"type": "string", "knownValues": ["on"]}`,
			})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(prog.Packages[0].Files[0].Decls[0].(*Struct).Fields[0].Doc, "|")
			if got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestBuildSaysWhereTypesAreUsed(t *testing.T) {
	prog, err := build(t, config(), map[string]string{"com.example.a": `"main": {"type": "record", "key": "any", "description": "A thing", "record": {"type": "object", "required": ["n", "d"], "nullable": ["n", "d"], "properties": {
		"u": {"type": "union", "refs": ["#b"], "description": "Said once"},
		"l": {"type": "array", "items": {"type": "object", "properties": {}, "description": "Said of items"}},
		"e": {"type": "string", "enum": ["on", "off"]}, "k": {"type": "string", "knownValues": ["com.example.a#t", "x"]}, "one": {"type": "string", "knownValues": ["com.example.a#t"]},
		"n": {"type": "string"}, "d": {"type": "ref", "ref": "#s"}}}},
		"b": {"type": "object", "properties": {}}, "t": {"type": "token", "description": "A sign"}, "s": {"type": "string", "default": "x", "maxLength": 3}, "many": {"type": "array", "items": {"type": "union", "closed": true, "refs": ["#b"]}, "maxLength": 4}`})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	add := func(name string, d Doc) { got = append(got, name+": "+strings.Join(d, "|")) }
	for _, d := range prog.Packages[0].Files[0].Decls {
		switch d := d.(type) {
		case *Struct:
			add(d.Name, d.Doc)
			for _, f := range d.Fields {
				add("  "+f.Go, f.Doc)
			}
		case *Union:
			add(d.Name, d.Doc)
		case *Alias:
			add(d.Name, d.Doc)
		case *Strings:
			add(d.Name, d.Doc)
			add("  const", d.ValuesDoc)
			for _, v := range d.Values {
				add("  "+v.Name, v.Doc)
			}
		}
	}
	want := []string{
		"A: A is the record com.example.a: A thing.",
		`  U: Said once. See [AB].`, `  L: "l" in JSON: a list of [ALItem].`, `  E: "e" in JSON. One of the constants of [AE].`, `  K: "k" in JSON. Known values: [AKT], [AKX].`, `  One: "one" in JSON. Known values: [AOneT].`,
		`  N: "n" in JSON. Nil is null.`, `  D: "d" in JSON: [AS]. Nil is null. At most 3 bytes. Default: "x", if a server leaves it out.`,
		"AUUnion: AUUnion is the field U of [A], an open union of [AB].|The zero value is absent.",
		"ALItem: ALItem is an item of the field L of [A]: Said of items.",
		"AE: AE is the field E of [A], one of the constants below.", "  const: The values of [AE].", "  AEOn: ", "  AEOff: ",
		": ", "  const: Known values of the field K of [A].", "  AKT: The token [AT].", "  AKX: ",
		": ", "  const: ", "  AOneT: AOneT is a known value of the field One of [A]: the token [AT].",
		"AB: AB is the object com.example.a#b.",
		": ", "  const: ", "  AT: AT is the token com.example.a#t: A sign.",
		"AS: AS is the string com.example.a#s. At most 3 bytes.", "  const: ",
		"AMany: AMany is the list com.example.a#many. At most 4 items.",
		"AManyUnion: AManyUnion is an item of [AMany], a closed union of [AB].|The zero value is absent.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLinksToTokensAreToThoseThatAreGenerated(t *testing.T) {
	for name, tc := range map[string]struct {
		generate []string
		want     string
	}{
		"with the token":    {[]string{"com.example.*"}, "The token [BT]."},
		"without the token": {[]string{"com.example.a"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.Generate = tc.generate
			prog, err := build(t, cfg, map[string]string{
				"com.example.a": `"k": {"type": "string", "knownValues": ["com.example.b#t", "org.other.defs#t", "com.example.b", "com.example.b#none"]}`,
				"com.example.b": `"t": {"type": "token"}`, "org.other.defs": `"t": {"type": "token"}`,
			})
			if err != nil {
				t.Fatal(err)
			}
			values := prog.Packages[0].Files[0].Decls[0].(*Strings).Values
			if got := strings.Join(values[0].Doc, "|"); got != tc.want {
				t.Errorf("the comment is %q, want %q", got, tc.want)
			}
			for _, v := range values[1:] {
				if len(v.Doc) > 0 {
					t.Errorf("%s has the comment %q", v.Name, v.Doc)
				}
			}
		})
	}
}

func TestEndpointsAreNamedAsTheirDefinitions(t *testing.T) {
	query := `"main": {"type": "query", "output": {"encoding": "application/json", "schema": {"type": "object", "properties": {}}}}`
	t.Run("P95 one name for each method, in order", func(t *testing.T) {
		prog, err := build(t, config(), map[string]string{"com.example.feed.list": query, "com.example.ping": query, "com.example.feed.get": query})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range prog.Packages[0].Endpoints {
			got = append(got, m.Endpoint+" "+m.NSID)
		}
		if diff := cmp.Diff([]string{"FeedGet com.example.feed.get", "FeedList com.example.feed.list", "Ping com.example.ping"}, got); diff != "" {
			t.Error(diff)
		}
	})
	documents := map[string]string{"com.example.feed.get": query, "com.example.feed": `"get": {"type": "object", "properties": {}}`}
	t.Run("P95 a clash is an error that a rename settles, for the one name alone", func(t *testing.T) {
		_, err := build(t, config(), documents)
		clashes := Clashes(err)
		if len(clashes) != 1 || clashes[0].Name != "FeedGet" || clashes[0].Key != "com.example.feed.get:defs.main(endpoint)" {
			t.Fatal(err)
		}
		cfg := config()
		cfg.Rename = map[string]string{clashes[0].Key: clashes[0].Proposal}
		prog, err := build(t, cfg, documents)
		if err != nil {
			t.Fatal(err)
		}
		m := prog.Packages[0].Endpoints[0]
		if m.Endpoint != "FeedGet2" || m.Name != "Get" || m.Output.Go.Name != "FeedGetOutput" {
			t.Errorf("%+v", m)
		}
	})
	t.Run("P95 what parameters are read by is no name of one", func(t *testing.T) {
		_, err := build(t, config(), map[string]string{"com.example.feed.get": `"main": {"type": "query", "parameters": {"type": "params", "properties": {"decodeQuery": {"type": "string"}}}}`})
		if clashes := Clashes(err); len(clashes) != 1 || clashes[0].Name != "DecodeQuery" {
			t.Error(err)
		}
	})
}

func TestRoots(t *testing.T) {
	there := []syntax.NSID{"com.example.a", "com.example.b.c", "org.other.defs"}
	cfg := &Config{Generate: []string{"com.example.*"}, Skip: []string{"com.example.b.*"}, Direct: []string{"com.example.b"}}
	roots, err := cfg.Roots(there)
	if diff := cmp.Diff([]syntax.NSID{"com.example.a"}, roots); diff != "" || err != nil {
		t.Error(diff, err)
	}
	cfg = &Config{Generate: []string{"com.example", "none.x.y"}, Skip: []string{"com.example.b"}, Direct: []string{"org.other.defs", "org.none"}}
	_, err = cfg.Roots(there)
	want := `config: generate: "com.example" is no lexicon; all that is below it is "com.example.*"
config: generate: "none.x.y" matches no lexicon among the inputs
config: skip: "com.example.b" is no lexicon; all that is below it is "com.example.b.*"
config: direct: "org.other.defs" is a lexicon, not a prefix; what it begins with is "org.other"
config: direct: "org.none" matches no lexicon among the inputs`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a name":              {func(c *Config) { c.Packages[0].Name = "com-example" }, `packages: "com-example" is not a name of a package`},
		"no path":             {func(c *Config) { c.Packages[0].Path = "" }, "packages: comexample needs a path and prefixes"},
		"neither dir nor ext": {func(c *Config) { c.Packages[0].Dir = "" }, `packages: comexample needs either a dir or "external": true`},
		"one prefix":          {func(c *Config) { c.Packages[1].Prefixes = []string{"com.example"} }, "packages: prefix com.example belongs to both comexample and other"},
		"one path":            {func(c *Config) { c.Packages[1].Path = "x.test/comexample" }, "packages: comexample and other have one path, x.test/comexample"},
		"a pattern":           {func(c *Config) { c.Packages[0].Prefixes[0] = "com.example.*" }, `packages: comexample: "com.example.*" is no prefix`},
		"an empty prefix":     {func(c *Config) { c.Direct = []string{""} }, "direct: a prefix is empty"},
		"a rename":            {func(c *Config) { c.Rename = map[string]string{"x": "y"} }, `rename: x: "y" is not an exported Go name`},
		"nothing":             {func(c *Config) { c.Generate = nil }, "generate: names nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			tc.change(cfg)
			if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

package schema_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/google/go-cmp/cmp"
)

const fixtures = "../../../internal/interop/testdata/lexicon"

type fixture struct {
	Name    string
	Lexicon json.RawMessage
}

func readFixtures(t *testing.T, name string, count int) []fixture {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	var out []fixture
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if len(out) != count {
		t.Fatalf("%s has %d cases, want %d", name, len(out), count)
	}
	return out
}

// parse is Parse, for who wants no fault.
func parse(text []byte) (*schema.Document, error) {
	doc, err := schema.Parse("x.json", text)
	if err != nil {
		return nil, err
	}
	return doc, doc.Err()
}

func TestInteropFixtures(t *testing.T) {
	for _, f := range readFixtures(t, "lexicon-valid.json", 3) {
		t.Run("L1 L34 valid "+f.Name, func(t *testing.T) {
			if _, err := parse(f.Lexicon); err != nil {
				t.Error(err)
			}
		})
	}
	for _, f := range readFixtures(t, "lexicon-invalid.json", 7) {
		t.Run("L1 L2 L3 invalid "+f.Name, func(t *testing.T) {
			_, err := parse(f.Lexicon)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "x.json:") {
				t.Errorf("the error does not name the file: %v", err)
			}
		})
	}
}

func TestCorpus(t *testing.T) {
	var got []string
	for _, dir := range []string{"../../../lexicons", filepath.Join(fixtures, "catalog")} {
		err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ".json" {
				return err
			}
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			doc, err := schema.Parse(name, data)
			if err != nil {
				t.Error(err)
			} else if doc.Err() != nil || len(doc.Warnings) > 0 {
				t.Error(doc.Err(), doc.Warnings)
			}
			rel, err := filepath.Rel("../../..", name)
			got = append(got, filepath.ToSlash(rel))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	// The lock file says what was copied.
	lock, err := os.ReadFile("../../../lexicons/lexicons.lock")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(lock)) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if strings.HasSuffix(name, ".json") && (strings.HasPrefix(name, "lexicons/") || strings.HasPrefix(name, "internal/interop/testdata/lexicon/catalog/")) {
			want = append(want, name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("read %d lexicons (-copied +read):\n%s", len(got), diff)
	}
}

func TestParseKeepsOrder(t *testing.T) {
	d, err := schema.Parse("x.json", []byte(`{"lexicon":1,"id":"com.example.x","newer":{},"defs":{
		"zebra":{"type":"object","required":["b"],"nullable":["a"],"newer":1,"properties":{"c":{"type":"string"},"a":{"type":"integer"},"b":{"type":"blob"}}},
		"ant":{"type":"token"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, def := range d.Defs {
		got = append(got, def.Name)
	}
	for _, p := range d.Def("zebra").Type.(*schema.Object).Properties {
		name := p.Name
		if p.Required {
			name += " required"
		}
		if p.Nullable {
			name += " nullable"
		}
		got = append(got, p.Type.At().Path+" "+name)
	}
	want := []string{"zebra", "ant", "defs.zebra.properties.c c", "defs.zebra.properties.a a nullable", "defs.zebra.properties.b b required"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", ``, "x.json:1: not JSON: unexpected EOF"},
		{"half", "{\"lexicon\":1,\n\"id\":\"com.example.x\",\n", "x.json:2: com.example.x: not JSON: unexpected EOF"},
		{"no JSON", "{\"lexicon\":1,\n\"id\":\"com.example.x\",\n!\n}", "x.json:3: com.example.x: not JSON: invalid character '!'"},
		{"more", "{}\n{}", "x.json:2: something follows"},
		{"an array", `[]`, "x.json:1: not an object"},
		{"not UTF-8", "{\"id\":\"\xff\"}", "not UTF-8"},
		{"too deep", strings.Repeat(`{"a":`, 1000), "nested deeper"},
		{"another version", `{"lexicon":2,"id":"com.example.x","defs":{"a":{"type":"token"}}}`, "lexicon is not 1"},
		{"a fraction", `{"lexicon":1,"id":"com.example.x","defs":{"a":{"type":"integer","maximum":1.5}}}`, "defs.a.maximum: 1.5 is not a 64-bit integer"},
		{"a number beyond all limits", `{"lexicon":1,"id":"com.example.x","defs":{"a":{"type":"integer","maximum":1e999999999}}}`, "defs.a.maximum: 1e999999999 is not a 64-bit integer"},
		{"a name that no ref can have", `{"lexicon":1,"id":"com.example.x","defs":{"a#b":{"type":"token"}}}`, `"a#b" is not a name of a definition`},
		{"an error without a name", `{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"query","errors":[{"name":""}]}}}`, "is not an error's name"},
		{"L31 a record without a key", `{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"record","record":{"type":"object"}}}}`, "defs.main: key is missing: it is tid, nsid, any or literal:…"},
		{"L31 a key of a record", `{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"record","key":"x","record":{"type":"object"}}}}`, "defs.main: key"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestParseTolerates(t *testing.T) {
	property := func(schema string) string {
		return `"defs":{"main":{"type":"object","required":["p"],"properties":{"p":` + schema + `}}}`
	}
	const at = "x.json:2: com.example.x: defs."
	for _, tc := range []struct {
		name, rest     string
		warnings, defs []string
	}{
		{"P98 no definitions", `"defs":{}`, []string{"x.json:2: com.example.x: defs: is empty: nothing comes of it"}, nil},
		{"P98 a name with an underscore", `"defs":{"a_b":{"type":"token"}}`, []string{at + `a_b: "a_b": names of definitions are letters and digits`}, []string{"a_b"}},
		{"P98 values that are repeated", property(`{"type":"string","enum":["a","b","a"]}`), []string{at + `main.properties.p.enum[2]: "a" appears twice`}, []string{"main"}},
		{"P98 integers that are repeated", property(`{"type":"integer","enum":[1,1]}`), []string{at + `main.properties.p.enum[1]: 1 appears twice`}, []string{"main"}},
		{"P98 errors that are repeated", `"defs":{"main":{"type":"query","errors":[{"name":"A"},{"name":"A"}]}}`, []string{at + `main.errors[1]: error "A" appears twice`}, []string{"main"}},
		{"P98 a property $bytes", `"defs":{"main":{"type":"object","required":["$bytes"],"properties":{"$bytes":{"type":"string"}}}}`, []string{at + "main.properties.$bytes: names that begin with $ belong to the protocol: the property has no field, and its value is kept in Extra"}, []string{"main"}},
		{"P98 names of other signs", `"defs":{"a-b":{"type":"token"},"1st one":{"type":"token"},"é":{"type":"token"}}`, []string{
			at + `a-b: "a-b": names of definitions are letters and digits`, at + `"1st one": "1st one": names of definitions are letters and digits`, at + `é: "é": names of definitions are letters and digits`}, []string{"a-b", "1st one", "é"}},
		{"P98 a key twice", `"defs":{"a":{"type":"token"},"b":{"type":"token"},"a":{"type":"string"}}`, []string{at + "a: appears twice; the last one counts"}, []string{"a", "b"}},
		{"P98 a query with input", `"defs":{"main":{"type":"query","input":{"encoding":"*/*"}}}`, []string{at + "main.input: a query has no input; it is passed over"}, []string{"main"}},
		{"P98 a parameter that may be null", `"defs":{"main":{"type":"query","parameters":{"type":"params","nullable":["a"],"properties":{"a":{"type":"string"}}}}}`, []string{at + "main.parameters.properties.a: a parameter cannot be null; that it is nullable is passed over"}, []string{"main"}},
		{"P98 a parameter $x", `"defs":{"main":{"type":"query","parameters":{"type":"params","properties":{"$x":{"type":"string"}}}}}`, []string{at + "main.parameters.properties.$x: names that begin with $ belong to the protocol: the property has no field, and it cannot be sent"}, []string{"main"}},
		{"P98 an error with a space", `"defs":{"main":{"type":"query","errors":[{"name":"Not Found"}]}}`, []string{at + `main.errors[0]: name "Not Found": names of errors have no spaces`}, []string{"main"}},
		{"P98 an encoding that is empty", `"defs":{"main":{"type":"query","output":{"encoding":""}}}`, []string{at + "main.output: encoding is empty; the body is a stream of bytes of any type"}, []string{"main"}},
		{"P98 a property without a name", `"defs":{"main":{"type":"object","required":[""],"properties":{"":{"type":"string"}}}}`, []string{at + `main.properties."": a property without a name has no field; its value is kept in Extra`}, []string{"main"}},
		{"P98 a closed union of nothing", property(`{"type":"union","closed":true,"refs":[]}`), []string{at + "main.properties.p: a closed union without members has no value; it is read as an open one"}, []string{"main"}},
		{"P98 limits below nothing", property(`{"type":"string","minLength":-1,"maxLength":-2}`), []string{at + "main.properties.p: minLength is negative; it is not checked", at + "main.properties.p: maxLength is negative; it is not checked"}, []string{"main"}},
		{"integers with a point or an exponent", property(`{"type":"integer","maximum":3.0,"enum":[1e0]}`), nil, []string{"main"}},
		{"a definition that is wrong leaves the others", `"defs":{"a":{"type":"newer"},"b":{"type":"token"},"c":{"type":"object","properties":{"d":{"type":"newer"}}}}`, nil, []string{"b", `a: x.json:2: com.example.x: defs.a: type "newer" is not known here`, `c: x.json:2: com.example.x: defs.c.properties.d: type "newer" is not known here`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// Also with a byte order mark, and with lines as Windows ends them.
			doc, err := schema.Parse("x.json", []byte("\uFEFF"+`{"lexicon":1,"id":"com.example.x",`+"\r\n"+tc.rest+"}\r\n"))
			if err != nil {
				t.Fatal(err)
			}
			var warnings []string
			for _, w := range doc.Warnings {
				warnings = append(warnings, w.Error())
			}
			if diff := cmp.Diff(tc.warnings, warnings); diff != "" {
				t.Error(diff)
			}
			var defs []string
			for _, d := range doc.Defs {
				defs = append(defs, d.Name)
			}
			for _, f := range doc.Faults {
				defs = append(defs, f.Name+": "+f.Err.Error())
				if doc.Fault(f.Name) != f.Err || doc.Def(f.Name) != nil {
					t.Errorf("%s is not found", f.Name)
				}
			}
			if diff := cmp.Diff(tc.defs, defs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHeadOf(t *testing.T) {
	for text, want := range map[string]schema.Head{
		`{"id":"com.example.x","defs":{"a":{"lexicon":1}},"lexicon":1}`: {Lexicon: true, ID: "com.example.x"},
		`{"version":1}`: {},
		`["lexicon"]`:   {},
		`{"lexicon":1,"id":"com.example.x","defs":{`: {Lexicon: true, ID: "com.example.x"},
		`{"lexicon":1,"id":7}`:                       {Lexicon: true},
	} {
		if got, _ := schema.HeadOf([]byte(text)); got != want {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestChildren(t *testing.T) {
	doc, err := parse([]byte(`{"lexicon":1,"id":"com.example.x","defs":{
		"main":{"type":"procedure","parameters":{"type":"params","properties":{"p":{"type":"array","items":{"type":"string"}}}},
			"input":{"encoding":"application/json","schema":{"type":"object","properties":{"a":{"type":"ref","ref":"#b"},"u":{"type":"union","refs":["#b","com.example.y"]}}}},
			"output":{"encoding":"application/json","schema":{"type":"ref","ref":"#c"}}},
		"other":{"type":"array","items":{"type":"array","items":{"type":"ref","ref":"#d"}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	var paths, refs []string
	for _, def := range doc.Defs {
		for child := range schema.All(def.Type) {
			paths = append(paths, strings.TrimPrefix(child.At().Path, "defs."))
		}
		refs = slices.AppendSeq(refs, schema.References(def.Type))
	}
	want := []string{
		"main", "main.parameters.properties.p", "main.parameters.properties.p.items", "main.input.schema", "main.input.schema.properties.a",
		"main.input.schema.properties.u", "main.output.schema", "other", "other.items", "other.items.items",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"#b", "#b", "com.example.y", "#c", "#d"}, refs); diff != "" {
		t.Error(diff)
	}
	for child := range schema.All(doc.Defs[0].Type) { // who looks for one stops there
		if child.At().Path == "defs.main.input.schema" {
			break
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"query","parameters":{"type":"params","properties":{"a":{"type":"array","items":{"type":"string"}}}}}}}`,
		`{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"record","key":"tid","record":{"type":"object","required":["a"],"properties":{"a":{"type":"union","refs":["#b"]}}}}}}`,
		`{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"array","items":null}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := schema.Parse("x.json", data)
		if (d == nil) == (err == nil) {
			t.Errorf("document %v, error %v", d, err)
		}
	})
}

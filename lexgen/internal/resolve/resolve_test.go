package resolve

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

// parse reads lexicons: of the NSID com.example.<name>, from the definitions by name.
func parse(t testing.TB, defs map[string]string) []*schema.Document {
	t.Helper()
	var docs []*schema.Document
	for name, text := range defs {
		d, err := schema.Parse(name+".json", []byte(`{"lexicon": 1, "id": "com.example.`+name+`", "defs": {`+text+`}}`))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, d)
	}
	return docs
}

func newSet(t testing.TB, defs map[string]string, broken map[syntax.NSID]error) *Set {
	t.Helper()
	s, err := New(parse(t, defs), broken)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// object is a main definition.
func object(properties string) string {
	return `"main": {"type": "object", "properties": {` + properties + `}}`
}

func TestNewRefusesTwoOfOneName(t *testing.T) {
	docs := parse(t, map[string]string{"a": object("")})
	other := *docs[0]
	other.File = "b.json"
	if _, err := New(append(docs, &other), nil); err == nil || err.Error() != "b.json: com.example.a is in a.json already" {
		t.Error(err)
	}
}

func TestRef(t *testing.T) {
	s := newSet(t, map[string]string{"a": object("") + `, "b": {"type": "token"}, "c": {"type": "newer"}`}, map[syntax.NSID]error{"com.example.broken": errors.New("it is broken")})
	at := schema.Pos{File: "a.json", Line: 3, NSID: "com.example.a", Path: "defs.x"}
	if s.Document("com.example.a") == nil || s.Document("com.example.b") != nil || len(s.Documents()) != 1 {
		t.Error("not the documents that it was made of")
	}
	for ref, want := range map[string]string{
		"com.example.a": "com.example.a", "com.example.a#main": "com.example.a", "#main": "com.example.a", // L5
		"#b": "com.example.a#b", "com.example.a#b": "com.example.a#b",
		"#c":                 `a.json:1: com.example.a: defs.c: type "newer" is not known here`,
		"com.example.broken": "it is broken",
		"#d":                 `a.json:3: com.example.a: defs.x: ref "#d": com.example.a has no definition "d"`,
		"com.example.d#x":    `a.json:3: com.example.a: defs.x: ref "com.example.d#x": no lexicon com.example.d among the inputs`,
		"nothing":            `a.json:3: com.example.a: defs.x: ref "nothing": `,
	} {
		t.Run("L5 "+ref, func(t *testing.T) {
			id, def, err := s.Ref(at, ref)
			got := id.String()
			if err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, want) || (def == nil) != (err != nil) {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// show is a closure, for comparing.
func show(c *Closure) []string {
	var out []string
	for _, id := range c.IDs {
		out = append(out, id.String())
	}
	for _, w := range c.Warnings {
		out = append(out, "warning: "+w)
	}
	for _, err := range c.LeftOut {
		out = append(out, "left out: "+err.Error())
	}
	return out
}

func TestClosure(t *testing.T) {
	const (
		b  = `, "b": {"type": "object", "properties": {}}`
		at = "a.json:1: com.example.a: defs.main"
	)
	broken := map[syntax.NSID]error{"com.example.broken": errors.New("broken.json is broken")}
	for _, tc := range []struct {
		name string
		a    string
		want []string
	}{
		{"all that is referred to", object(`"x": {"type": "array", "items": {"type": "ref", "ref": "com.example.other#y"}}`), []string{"com.example.a", "com.example.other#y", "com.example.other#z"}},
		{"L6 a ref to a method", `"main": {"type": "query"}, "b": {"type": "object", "properties": {"x": {"type": "ref", "ref": "#main"}}}`, []string{"com.example.a", `left out: a.json:1: com.example.a: defs.b.properties.x: ref "#main": points at a method or permission set, not at data; com.example.a#b is left out`}},
		{"P98 a ref to a token", object(`"x": {"type": "ref", "ref": "#t"}`) + `, "t": {"type": "token"}`, []string{"com.example.a", "com.example.a#t", `warning: ` + at + `.properties.x: ref "#t": a token is not data; the value is the string "com.example.a#t". It is better listed in knownValues of a string`}},
		{"P98 members that are no objects", object(`"x": {"type": "union", "refs": ["#s", "#b", "#t"]}, "y": {"type": "union", "closed": true, "refs": ["#b", "#t"]}`) + b + `, "s": {"type": "string"}, "t": {"type": "token"}`, []string{"com.example.a", "com.example.a#b", "com.example.a#s", "com.example.a#t",
			`warning: ` + at + `.properties.x: ref "#s": only objects and records can be members of a union; it is passed over`,
			`warning: ` + at + `.properties.x: ref "#t": only objects and records can be members of a union; it is passed over`,
			`warning: ` + at + `.properties.y: ref "#t": only objects and records can be members of a union; it is passed over`}},
		{"P98 a closed union of tokens", object(`"x": {"type": "union", "closed": true, "refs": ["#t"]}`) + `, "t": {"type": "token"}`, []string{"com.example.a", "com.example.a#t",
			`warning: ` + at + `.properties.x: ref "#t": only objects and records can be members of a union; it is passed over`,
			`warning: ` + at + `.properties.x: a closed union without members has no value; it is read as an open one`}},
		{"a member twice", object(`"x": {"type": "union", "refs": ["#b", "com.example.a#b"]}`) + b, []string{"com.example.a", "com.example.a#b", `warning: ` + at + `.properties.x: ref "com.example.a#b": the union has this member already`}},
		{"L33 messages that are no union", `"main": {"type": "subscription", "message": {"schema": {"type": "string"}}}`, []string{"left out: " + at + ".message.schema: the message of a subscription must be a union; com.example.a is left out"}},
		{"L7 constants outside limits", object(`"y": {"type": "integer", "minimum": 2, "const": 1}, "z": {"type": "integer", "enum": [1, 9], "maximum": 5}, "s": {"type": "string", "minGraphemes": 2, "const": "a"}`), []string{
			"left out: " + at + ".properties.y: const 1 is out of range\n" + at + ".properties.z: enum 9 is out of range\n" + at + ".properties.s: const \"a\": its length is out of range; com.example.a is left out"}},
		{"P98 limits that nothing is within", object(`"a": {"type": "integer", "minimum": 4, "maximum": 3}, "b": {"type": "string", "minLength": 4, "maxLength": 3}, "c": {"type": "string", "minGraphemes": 4, "maxGraphemes": 3}, "d": {"type": "array", "items": {"type": "string"}, "minLength": 4, "maxLength": 3}, "e": {"type": "bytes", "minLength": 4, "maxLength": 3}`), []string{"com.example.a",
			"warning: " + at + ".properties.a: minimum is greater than maximum; neither is checked", "warning: " + at + ".properties.b: minLength is greater than maxLength; neither is checked",
			"warning: " + at + ".properties.c: minGraphemes is greater than maxGraphemes; neither is checked", "warning: " + at + ".properties.d: minLength is greater than maxLength; neither is checked",
			"warning: " + at + ".properties.e: minLength is greater than maxLength; neither is checked"}},
		{"P98 const beside default", object(`"a": {"type": "integer", "const": 1, "default": 1}, "b": {"type": "integer", "const": 1, "default": 2}, "c": {"type": "string", "const": "a", "default": "a"}, "d": {"type": "string", "const": "a", "default": "b"}, "e": {"type": "boolean", "const": true, "default": true}, "f": {"type": "boolean", "const": true, "default": false}`), []string{"com.example.a",
			"warning: " + at + ".properties.b: default 2 is not const 1", "warning: " + at + `.properties.d: default "b" is not const "a"`, "warning: " + at + ".properties.f: default false is not const true"}},
		{"P98 const outside enum", object(`"a": {"type": "integer", "const": 1, "enum": [2]}, "b": {"type": "string", "const": "a", "enum": ["b"]}`), []string{"com.example.a",
			"warning: " + at + ".properties.a: const 1 is not in enum; const counts", "warning: " + at + `.properties.b: const "a" is not in enum; const counts`}},
		{"P98 enum beside knownValues", object(`"a": {"type": "string", "enum": ["a"], "knownValues": ["a", "b"]}`), []string{"com.example.a", "warning: " + at + ".properties.a: has both enum and knownValues; enum counts"}},
		{"P98 defaults outside limits", object(`"x": {"type": "integer", "maximum": 3, "default": 4}, "y": {"type": "string", "maxLength": 1, "default": "ab"}`), []string{"com.example.a", "warning: " + at + ".properties.x: default 4 is out of range", "warning: " + at + `.properties.y: default "ab": its length is out of range`}},
		{"P45 P98 what requires itself", `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "ref", "ref": "#b"}}}, "b": {"type": "object", "required": ["y"], "properties": {"y": {"type": "ref", "ref": "#main"}}}`, []string{"com.example.a", "com.example.a#b",
			"warning: " + at + ".properties.x: com.example.a is required to hold itself: no finite value can exist; the property is read as an optional one",
			"warning: a.json:1: com.example.a: defs.b.properties.y: com.example.a#b is required to hold itself: no finite value can exist; the property is read as an optional one"}},
		{"P45 what may hold itself", `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "array", "items": {"type": "ref", "ref": "#main"}}, "y": {"type": "ref", "ref": "#main"}}}`, []string{"com.example.a"}},
		{"an array of itself", `"b": {"type": "array", "items": {"type": "array", "items": {"type": "ref", "ref": "#c"}}}, "c": {"type": "array", "items": {"type": "ref", "ref": "#b"}}`, []string{
			"left out: a.json:1: com.example.a: defs.b: an array of itself; com.example.a#b is left out",
			"left out: a.json:1: com.example.a: defs.c: an array of itself; com.example.a#c is left out"}},
		{"P92 what needs what is broken", object(`"x": {"type": "ref", "ref": "com.example.broken#y"}`) + b, []string{"com.example.a#b", "left out: broken.json is broken; com.example.broken#y is left out", `left out: ` + at + `.properties.x: ref "com.example.broken#y": com.example.broken#y is left out; com.example.a is left out`}},
		{"P92 an open union loses a member", object(`"x": {"type": "union", "refs": ["com.example.broken", "#b"]}`) + b, []string{"com.example.a", "com.example.a#b", `warning: ` + at + `.properties.x: ref "com.example.broken": com.example.broken is left out; this member of the union is an unknown one`, "left out: broken.json is broken; com.example.broken is left out"}},
		{"P92 an open union loses a member that needs what is left out", object(`"x": {"type": "union", "refs": ["#c", "#b"]}`) + b + `, "c": {"type": "object", "properties": {"t": {"type": "ref", "ref": "#t"}}}, "t": {"type": "integer", "minimum": 2, "const": 1}`, []string{"com.example.a", "com.example.a#b",
			`warning: ` + at + `.properties.x: ref "#c": com.example.a#c is left out; this member of the union is an unknown one`,
			`left out: a.json:1: com.example.a: defs.c.properties.t: ref "#t": com.example.a#t is left out; com.example.a#c is left out`, "left out: a.json:1: com.example.a: defs.t: const 1 is out of range; com.example.a#t is left out"}},
		{"P92 a closed union needs its members", object(`"x": {"type": "union", "closed": true, "refs": ["com.example.broken", "#b"]}`) + b, []string{"com.example.a#b", "left out: broken.json is broken; com.example.broken is left out", `left out: ` + at + `.properties.x: ref "com.example.broken": com.example.broken is left out; com.example.a is left out`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSet(t, map[string]string{"a": tc.a, "other": `"y": {"type": "object", "properties": {"z": {"type": "ref", "ref": "#z"}}}, "z": {"type": "string"}`}, broken)
			c, err := s.Closure([]syntax.NSID{"com.example.a"})
			if err != nil {
				t.Fatal(err)
			}
			want, got := tc.want, show(c)
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a lexicon that is broken is left out", func(t *testing.T) {
		c, err := newSet(t, nil, broken).Closure([]syntax.NSID{"com.example.broken"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"left out: broken.json is broken; com.example.broken is left out"}, show(c)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("L8 what is not there is an error", func(t *testing.T) {
		s := newSet(t, map[string]string{"a": object(`"x": {"type": "ref", "ref": "com.example.none"}, "y": {"type": "union", "refs": ["#none"]}`)}, nil)
		_, err := s.Closure([]syntax.NSID{"com.example.a"})
		want := at + ".properties.x: ref \"com.example.none\": no lexicon com.example.none among the inputs\n" + at + `.properties.y: ref "#none": com.example.a has no definition "none"`
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	})
}

func TestAllowMissing(t *testing.T) {
	docs := parse(t, map[string]string{"a": `"main": {"type": "procedure",
		"input": {"encoding": "application/json", "schema": {"type": "ref", "ref": "com.example.none"}},
		"output": {"encoding": "application/json", "schema": {"type": "object", "properties": {"u": {"type": "union", "closed": true, "refs": ["com.example.none#x", "#b"]}, "l": {"type": "array", "items": {"type": "ref", "ref": "com.example.known"}}}}}},
		"b": {"type": "object", "properties": {}}`})
	warnings := AllowMissing(docs, func(nsid syntax.NSID) bool { return nsid == "com.example.known" || nsid == "com.example.a" })
	want := []string{
		`a.json:2: com.example.a: defs.main.input.schema: ref "com.example.none": no lexicon com.example.none among the inputs; the value is kept as it is sent`,
		`a.json:3: com.example.a: defs.main.output.schema.properties.u: ref "com.example.none#x": no lexicon com.example.none among the inputs; this member of the union is an unknown one`,
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Error(diff)
	}
	method := docs[0].Def("main").Type.(*schema.Method)
	if _, ok := method.Input.Schema.(*schema.Missing); !ok {
		t.Errorf("the input is a %T", method.Input.Schema)
	}
	if u := method.Output.Schema.(*schema.Object).Properties[0].Type.(*schema.Union); u.Closed || !slices.Equal(u.Refs, []string{"#b"}) {
		t.Errorf("the union is %+v", u)
	}
}

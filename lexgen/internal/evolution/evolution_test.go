package evolution

import (
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/google/go-cmp/cmp"
)

func parse(t testing.TB, defs string) Documents {
	t.Helper()
	if defs == "" {
		return nil
	}
	d, err := schema.Parse("a.json", []byte(`{"lexicon": 1, "id": "com.example.a", "defs": {`+defs+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	return Documents{d}
}

func TestCompare(t *testing.T) {
	property := func(schema string) string { return `"main": {"type": "object", "properties": {"x": ` + schema + `}}` }
	const (
		two     = `, "a": {"type": "object"}, "b": {"type": "object"}`
		x       = "com.example.a: defs.main.properties.x: "
		noDefs  = `"t": {"type": "token"}`
		integer = `{"type": "integer"}`
	)
	for _, tc := range []struct {
		name          string
		before, after string
		want          []string
	}{
		{"nothing", property(integer), property(integer), nil},
		{"a new lexicon", "", noDefs, []string{"allowed    com.example.a: the lexicon is new"}},
		{"a lexicon removed", noDefs, "", []string{"forbidden  com.example.a: the lexicon was removed"}},
		{"definitions", noDefs, `"u": {"type": "token"}`, []string{"allowed    com.example.a: defs.u: the definition is new", "forbidden  com.example.a: defs.t: the definition was removed"}},
		{"a new optional property", `"main": {"type": "object"}`, property(integer), []string{"allowed    " + x + "the property is new"}},
		{"a new required property", `"main": {"type": "object"}`, `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}`, []string{"forbidden  " + x + "the property is new and required: make it optional"}},
		{"an optional property removed", property(integer), `"main": {"type": "object"}`, []string{"allowed    " + x + "the property was removed: it is kept in Extra; better keep it, deprecated"}},
		{"a required property removed", `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}`, `"main": {"type": "object"}`, []string{"forbidden  " + x + "the property was required and is removed"}},
		{"required", property(integer), `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}`, []string{"forbidden  " + x + "was optional and is required"}},
		{"no longer required", `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}`, property(integer), []string{"forbidden  " + x + "was required and is optional"}},
		{"nullable", property(integer), `"main": {"type": "object", "nullable": ["x"], "properties": {"x": {"type": "integer"}}}`, []string{"forbidden  " + x + "nullable was false and is true"}},
		{"another type", property(integer), property(`{"type": "cid-link"}`), []string{"forbidden  " + x + "the type was integer and is cid-link"}},
		{"limits of integers", property(`{"type": "integer", "minimum": 1, "maximum": 3}`), property(`{"type": "integer", "minimum": 2, "enum": [2]}`), []string{"forbidden  " + x + "minimum was 1 and is 2", "forbidden  " + x + "maximum was removed: 3", "forbidden  " + x + "enum changed"}},
		{"limits of strings", property(`{"type": "string", "maxLength": 3, "format": "did"}`), property(`{"type": "string", "maxGraphemes": 3, "format": "handle"}`), []string{`forbidden  ` + x + `format was "did" and is "handle"`, "forbidden  " + x + "maxLength was removed: 3", "forbidden  " + x + "maxGraphemes is new: 3"}},
		{"a constant", property(`{"type": "boolean", "const": true}`), property(`{"type": "boolean", "const": false}`), []string{"forbidden  " + x + "const was true and is false"}},
		{"enum", property(`{"type": "string", "enum": ["a", "b"]}`), property(`{"type": "string", "enum": ["b", "a", "c"]}`), []string{"forbidden  " + x + "enum changed"}},
		{"enum in another order", property(`{"type": "string", "enum": ["a", "b"]}`), property(`{"type": "string", "enum": ["b", "a"]}`), nil},
		{"known values", property(`{"type": "string", "knownValues": ["a", "b"]}`), property(`{"type": "string", "knownValues": ["b", "c"]}`), []string{`allowed    ` + x + `known value "c" is new`, `allowed    ` + x + `known value "a" was removed`}},
		{"a default", property(`{"type": "integer"}`), property(`{"type": "integer", "default": 3}`), []string{"allowed    " + x + "default changed: what is left out means something else"}},
		{"arrays", property(`{"type": "array", "items": {"type": "integer"}}`), property(`{"type": "array", "maxLength": 2, "items": {"type": "string"}}`), []string{"forbidden  " + x + "maxLength is new: 2", "forbidden  com.example.a: defs.main.properties.x.items: the type was integer and is string"}},
		{"bytes and blobs", property(`{"type": "blob", "accept": ["image/*"]}`), property(`{"type": "blob", "accept": ["video/*"], "maxSize": 5}`), []string{"forbidden  " + x + "accept changed", "forbidden  " + x + "maxSize is new: 5"}},
		{"the same reference", property(`{"type": "ref", "ref": "#a"}`) + two, property(`{"type": "ref", "ref": "com.example.a#a"}`) + two, nil},
		{"another reference", property(`{"type": "ref", "ref": "#a"}`) + two, property(`{"type": "ref", "ref": "#b"}`) + two, []string{"forbidden  " + x + "the type was com.example.a#a and is com.example.a#b"}},
		{"an open union", property(`{"type": "union", "refs": ["#a"]}`) + two, property(`{"type": "union", "refs": ["#b"]}`) + two, []string{"allowed    " + x + "member com.example.a#b is new", "allowed    " + x + "member com.example.a#a was removed: it is read as an unknown one"}},
		{"a closed union", property(`{"type": "union", "closed": true, "refs": ["#a"]}`) + two, property(`{"type": "union", "closed": true, "refs": ["#a", "#b"]}`) + two, []string{"forbidden  " + x + "member com.example.a#b is new, and the union is closed"}},
		{"a union that closes", property(`{"type": "union", "refs": ["#a"]}`) + two, property(`{"type": "union", "closed": true, "refs": ["#a"]}`) + two, []string{"forbidden  " + x + "closed was false and is true"}},
		{"a record's key", `"main": {"type": "record", "key": "tid", "record": {"type": "object"}}`, `"main": {"type": "record", "key": "any", "record": {"type": "object"}}`, []string{"forbidden  com.example.a: defs.main: key was tid and is any"}},
		{"bodies", `"main": {"type": "procedure", "input": {"encoding": "*/*"}, "output": {"encoding": "application/json"}}`, `"main": {"type": "procedure", "input": {"encoding": "image/png"}}`, []string{"forbidden  com.example.a: defs.main.input: encoding was */* and is image/png", "forbidden  com.example.a: defs.main: the output was removed"}},
		{"errors", `"main": {"type": "query", "errors": [{"name": "A"}]}`, `"main": {"type": "query", "errors": [{"name": "B"}]}`, []string{"allowed    com.example.a: defs.main: error B is new", "allowed    com.example.a: defs.main: error A was removed"}},
		{"the first parameter", `"main": {"type": "query"}`, `"main": {"type": "query", "parameters": {"type": "params", "properties": {"p": {"type": "string"}}}}`, []string{"allowed    com.example.a: defs.main.parameters.properties.p: the property is new"}},
		{"a query that becomes a procedure", `"main": {"type": "query"}`, `"main": {"type": "procedure"}`, []string{"forbidden  com.example.a: defs.main: the type was query and is procedure"}},
		{"subprotocols", `"main": {"type": "subscription"}`, `"main": {"type": "subscription", "subprotocol": "xrpc.v1.json"}`, []string{`forbidden  com.example.a: defs.main: the subprotocol changed from "" to "xrpc.v1.json": who agrees on none gets other frames`}},
		{"P96 permissions", `"main": {"type": "permission-set", "title": "A", "permissions": [{"type": "permission", "resource": "rpc", "lxm": ["a.b.c", "a.b.d"]}, {"type": "permission", "resource": "repo", "collection": ["a.b.e"]}]}`, `"main": {"type": "permission-set", "title": "B", "permissions": [{"lxm": ["a.b.d", "a.b.c"], "type": "permission", "resource": "rpc"}, {"type": "permission", "resource": "repo", "collection": ["a.b.f"]}]}`, []string{
			`allowed    com.example.a: defs.main: permission collection=["a.b.f"] resource="repo" is new`, `allowed    com.example.a: defs.main: permission collection=["a.b.e"] resource="repo" was removed: who relies on it is refused`, "allowed    com.example.a: defs.main: what people read of the set changed"}},
		{"messages", `"main": {"type": "subscription", "message": {"schema": {"type": "union", "refs": ["#a"]}}}` + two, `"main": {"type": "subscription"}` + two, []string{"forbidden  com.example.a: defs.main: the messages were removed"}},
	} {
		t.Run("L54 "+tc.name, func(t *testing.T) {
			var got []string
			for _, c := range Compare(parse(t, tc.before), parse(t, tc.after)) {
				got = append(got, strings.TrimSpace(c.String()))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/lexgen/internal/program"
)

// many repeats a text, with its number in the place of %d, and the next one behind #a.
func many(n int, format string) string {
	var parts []string
	for i := range n {
		text := strings.ReplaceAll(format, "#a%d+", fmt.Sprintf("#a%d", i+1))
		parts = append(parts, strings.ReplaceAll(text, "%d", fmt.Sprint(i)))
	}
	return strings.Join(parts, ", ")
}

// TestHostileLexicons shows that whatever a lexicon says becomes Go that compiles, or is told with its place.
func TestHostileLexicons(t *testing.T) {
	c := newTypeChecker(t)
	property := func(schema string) string { return object(`"x": ` + schema) }
	quoted := func(text string) string { return fmt.Sprintf("%q", text) }
	for _, tc := range []struct {
		name, text string // text: definitions, or a whole file
		told       string // part of an error or a warning, "": none
	}{
		{"an empty file", "\n", ""},
		{"a number", "1\n", "no lexicon"},
		{"null", "null\n", "no lexicon"},
		{"a million brackets", strings.Repeat("[", 1_000_000), "no lexicon"},
		{"a million braces", `{"lexicon": 1, "id": "com.example.a", "defs": ` + strings.Repeat(`{"a":`, 200_000), "com.example.a"},
		{"an id that is a path", `{"lexicon": 1, "id": "../../etc/passwd", "defs": {"a": {"type": "token"}}}`, "lexicons/a.json:1: id: "},
		{"an id with a path in it", `{"lexicon": 1, "id": "com.example.a/../b", "defs": {"a": {"type": "token"}}}`, "lexicons/a.json:1: id: "},
		{"an id with a line break", `{"lexicon": 1, "id": "com.example.a\nb", "defs": {"a": {"type": "token"}}}`, "lexicons/a.json:1: id: "},
		{"an id that is a number", `{"lexicon": 1, "id": 7, "defs": {"a": {"type": "token"}}}`, "id"},
		{"two ids", `{"lexicon": 1, "id": "com.example.b", "id": "com.example.a", "defs": {"a": {"type": "token"}}}`, "id: appears twice"},
		{"lexicon 2", `{"lexicon": 2, "id": "com.example.a", "defs": {"a": {"type": "token"}}}`, "lexicon is not 1"},
		{"lexicon true", `{"lexicon": true, "id": "com.example.a", "defs": {"a": {"type": "token"}}}`, "lexicon: not an integer"},
		{"defs that is an array", `{"lexicon": 1, "id": "com.example.a", "defs": []}`, "defs is missing or not an object"},
		{"invalid UTF-8", "{\"lexicon\": 1, \"id\": \"com.example.a\", \"defs\": {\"a\": {\"type\": \"token\", \"description\": \"\xff\"}}}", "not UTF-8"},
		{"a definition that is null", `"a": null`, "defs.a: not an object"},
		{"a definition without a name", `"": {"type": "token"}`, "is not a name of a definition"},
		{"a name that is a path", `"../x": {"type": "token"}`, "names of definitions are letters and digits"},
		{"a name that is code", `"a(){}": {"type": "token"}, "*/ func": {"type": "object", "properties": {}}`, "names of definitions are letters and digits"},
		{"a name of two lines", `"a\n//go:build ignore": {"type": "object", "properties": {}}`, "is not a name of a definition"},
		{"a name that turns around", `"a\u202e": {"type": "token"}`, "is not a name of a definition"},
		{"a name that no ref can have", `"a#b": {"type": "token"}`, "is not a name of a definition"},
		{"names of signs", `"-": {"type": "object", "properties": {}}, ".": {"type": "object", "properties": {}}`, "is both"},
		{"a name of 10,000 letters", quoted(strings.Repeat("a", 10_000)) + `: {"type": "token"}`, "is not a name of a definition"},
		{"a type that is an array", `"a": {"type": ["string"]}`, "defs.a.type: not a string"},
		{"properties that are an array", `"main": {"type": "object", "properties": []}`, "not an object"},
		{"required that is a string", `"main": {"type": "object", "required": "x", "properties": {}}`, "not an array"},
		{"a ref that is empty", property(`{"type": "ref", "ref": ""}`), "ref is missing"},
		{"a ref that is a hash", property(`{"type": "ref", "ref": "#"}`), `ref "#"`},
		{"a ref with two hashes", property(`{"type": "ref", "ref": "#a#b"}`), `ref "#a#b"`},
		{"a ref to a URL", property(`{"type": "ref", "ref": "https://example.test/a"}`), `ref "https://example.test/a"`},
		{"a ref to itself", `"a": {"type": "array", "items": {"type": "ref", "ref": "#a"}}`, "an array of itself"},
		{"a ring of refs", `"a": {"type": "object", "required": ["x"], "properties": {"x": {"type": "ref", "ref": "#b"}}}, "b": {"type": "object", "required": ["x"], "properties": {"x": {"type": "ref", "ref": "#c"}}}, "c": {"type": "object", "required": ["x"], "properties": {"x": {"type": "ref", "ref": "#a"}}}`, "no finite value can exist"},
		{"arrays 90 deep", property(strings.Repeat(`{"type": "array", "items": `, 90) + `{"type": "string"}` + strings.Repeat("}", 90)), "arrays are nested deeper than 32"},
		{"arrays 32 deep", property(strings.Repeat(`{"type": "array", "items": `, 32) + `{"type": "string"}` + strings.Repeat("}", 32)), ""},
		{"90 named arrays in each other", `"a90": {"type": "array", "items": {"type": "string"}}, ` + many(90, `"a%d": {"type": "array", "items": {"type": "ref", "ref": "#a%d+"}}`), "arrays are nested deeper than 32"},
		{"objects 90 deep", property(strings.Repeat(`{"type": "object", "properties": {"x": `, 90) + `{"type": "string"}` + strings.Repeat("}}", 90)), ""},
		{"objects 300 deep", property(strings.Repeat(`{"type": "object", "properties": {"x": `, 300) + `{"type": "string"}` + strings.Repeat("}}", 300)), "nested deeper"},
		{"an integer beyond 64 bits", property(`{"type": "integer", "maximum": 9223372036854775808}`), "is not a 64-bit integer"},
		{"the least integer", `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer", "minimum": -9223372036854775808, "default": -9223372036854775808}}}`, ""},
		{"an exponent beyond all", property(`{"type": "integer", "default": 1e999999999}`), "is not a 64-bit integer"},
		{"a negative length", property(`{"type": "string", "maxLength": -1}`), "maxLength is negative"},
		{"limits that contradict each other", property(`{"type": "string", "minLength": 9, "maxLength": 1}`), "minLength is greater than maxLength"},
		{"an enum that is a string", property(`{"type": "string", "enum": "a"}`), "not an array"},
		{"an enum of integers that is an object", property(`{"type": "integer", "enum": {"a": 1}}`), "enum: not an array"},
		{"an enum of nothing", property(`{"type": "string", "enum": []}`), ""},
		{"an enum of objects", property(`{"type": "string", "enum": [{}]}`), "not a string"},
		{"20,000 values", property(`{"type": "string", "enum": [` + many(20_000, `"v%d"`) + `]}`), ""},
		{"20,000 integers", property(`{"type": "integer", "enum": [` + many(20_000, `%d`) + `]}`), ""},
		{"20,000 values of signs", property(`{"type": "string", "knownValues": [` + many(20_000, `"%d+"`) + `]}`), ""},
		{"5,000 properties", object(many(5_000, `"p%d": {"type": "integer"}`)), ""},
		{"2,000 definitions in a union", object(`"x": {"type": "union", "refs": [`+many(2_000, `"#d%d"`)+`]}`) + ", " + many(2_000, `"d%d": {"type": "object", "properties": {}}`), ""},
		{"code in a default", property(`{"type": "string", "default": "\"}; func init() { panic(1) }; var _ = S{X: \""}`), ""},
		{"code in a required default", `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string", "default": "\"}\n` + "`" + `+panic(1)"}}}`, ""},
		{"code in a description", `"main": {"type": "object", "description": "*/ func init() {} /*\n//go:embed /etc/passwd\n//go:build ignore", "properties": {}}`, ""},
		{"text that turns around", `"main": {"type": "object", "description": "\u202eevil\u2066", "properties": {"\u202ex": {"type": "string", "description": "\u2028func"}}}`, ""},
		{"null bytes", `"main": {"type": "object", "properties": {"a\u0000b": {"type": "string", "knownValues": ["\u0000"]}}}`, ""},
		{"lone surrogates", `"main": {"type": "object", "properties": {"a\ud800": {"type": "string", "default": "\udfff"}}}`, ""},
		{"properties of signs", object(`"+": {"type": "string"}, "-": {"type": "string"}`), "X is both"},
		{"a property without a name", object(`"": {"type": "string"}`), "a property without a name has no field"},
		{"a property of 100,000 letters", object(quoted(strings.Repeat("x", 100_000)) + `: {"type": "string"}`), ""},
		{"properties named as methods", object(`"decodeLex": {"type": "string"}, "marshalJSON": {"type": "string"}`), "a method of all generated types"},
		{"a definition named as the client", `"main": {"type": "token"}, "client": {"type": "object", "properties": {}}`, ""},
		{"an encoding that is code", `"main": {"type": "query", "output": {"encoding": "a/b\"; panic(1)"}}`, "is not one MIME type"},
		{"an encoding that is newer", `"main": {"type": "query", "output": {"encoding": "a/\u202e"}}`, "is not known; the body is a stream of bytes"},
		{"an error that is code", `"main": {"type": "query", "errors": [{"name": "A(){}"}, {"name": "*/"}]}`, ""},
		{"an error of two lines", `"main": {"type": "query", "errors": [{"name": "A\n//go:embed x"}]}`, "names of errors have no spaces"},
		{"a key of records that is code", `"main": {"type": "record", "key": "literal:\"+panic(1)", "record": {"type": "object", "properties": {}}}`, ""},
		{"a query in a definition", `"main": {"type": "object", "properties": {}}, "q": {"type": "query"}`, "a query must be the main definition"},
		{"parameters that are refs", `"main": {"type": "query", "parameters": {"type": "params", "properties": {"x": {"type": "ref", "ref": "#y"}}}}, "y": {"type": "string"}`, "a parameter is a boolean"},
		{"arrays of arrays as parameters", `"main": {"type": "query", "parameters": {"type": "params", "properties": {"x": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}}}}`, "parameters.properties.x"},
		{"parameters of the names of variables", `"main": {"type": "query", "parameters": {"type": "params", "properties": {"q": {"type": "string"}, "p": {"type": "integer", "default": 1}, "encodeQuery": {"type": "string"}}}}`, "a method of all parameters"},
		{"an accept that is code", property(`{"type": "blob", "accept": ["\"); panic(1)"]}`), ""},
		{"a permission set of anything", `"main": {"type": "permission-set", "title": "\u202e", "detail": "*/", "permissions": [1, null, {"a": {"b": [1, {"c": null}]}}]}`, ""},
		{"a subscription without messages", `"main": {"type": "subscription", "parameters": {"type": "params", "properties": {"cursor": {"type": "integer"}}}}`, ""},
		{"messages of messages", `"main": {"type": "subscription", "message": {"schema": {"type": "union", "refs": ["#main"]}}}`, "only objects and records can be members of a union"},
	} {
		t.Run("P43 P44 P92 P125 "+tc.name, func(t *testing.T) {
			dir := t.TempDir()
			text := tc.text
			if strings.HasPrefix(text, `"`) {
				text = document("com.example.a", text)
			}
			config := filepath.Join(dir, "lexgen.json")
			writeFile(t, config, errorsConfig)
			writeFile(t, filepath.Join(dir, "lexicons/a.json"), text)
			writeFile(t, filepath.Join(dir, "lexicons/other.json"), document("com.example.other", none))
			before := readTree(t, dir)
			for _, strict := range []bool{false, true} {
				started := time.Now()
				prog, err := program.Read(t.Context(), config, strict)
				var told []string
				if err == nil {
					told = prog.Warnings
					if err := c.check(prog); err != nil {
						t.Errorf("%.2000s", err.Error())
					}
				} else {
					told = strings.Split(err.Error(), "\n")
				}
				for _, line := range told {
					if !strings.Contains(line, "lexicons/a.json") {
						t.Errorf("no place: %.2000s", line)
					}
					if strings.ContainsAny(line, "\x00\r\u2028\u202e\u2066") {
						t.Errorf("a control character: %.2000q", line)
					}
				}
				if all := strings.Join(told, "\n"); !strings.Contains(all, tc.told) {
					t.Errorf("strict %t: it does not say %q: %.2000s", strict, tc.told, all)
				}
				if took := time.Since(started); took > 20*time.Second {
					t.Errorf("it took %s", took)
				}
			}
			if len(readTree(t, dir)) != len(before) {
				t.Error("something was written")
			}
		})
	}
}

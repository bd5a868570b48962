package main

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/install"
	"github.com/google/go-cmp/cmp"
)

const errorsConfig = `{
  "inputs": ["lexicons"],
  "packages": [{"prefixes": ["com.example"], "name": "comexample", "path": "example.test/comexample", "dir": "comexample"}],
  "generate": ["com.example.*"]
}`

// document wraps definitions into a lexicon.
func document(id, defs string) string {
	return `{"lexicon": 1, "id": "` + id + `", "defs": {` + defs + `}}`
}

func object(properties string) string {
	return `"main": {"type": "object", "properties": {` + properties + `}}`
}

func TestErrorsSayWhere(t *testing.T) {
	for _, tc := range []struct {
		name   string
		defs   string
		config string
		want   []string // parts of the error
	}{
		{"L2 a query that is not main", `"a": {"type": "query"}`, "", []string{"lexicons/a.json:1: com.example.a: defs.a: a query must be the main definition"}},
		{"L3 a definition of unknown", `"a": {"type": "unknown"}`, "", []string{"defs.a: unknown cannot be a definition"}},
		{"L3 a definition that is a ref", `"a": {"type": "ref", "ref": "#b"}`, "", []string{"defs.a: ref cannot be a definition"}},
		{"P45 a type that is not known", object(`"x": {"type": "float"}`), "", []string{"lexicons/a.json:1: com.example.a: defs.main.properties.x: type \"float\" is not known here"}},
		{"a type inside an array", object(`"x": {"type": "array", "items": {"type": "object", "properties": {"y": {}}}}`), "", []string{"defs.main.properties.x.items.properties.y: type is missing"}},
		{"L6 ref to a method", `"main": {"type": "query"}, "b": {"type": "object", "properties": {"x": {"type": "ref", "ref": "#main"}}}`, "", []string{"defs.b.properties.x", "points at a method or permission set, not at data"}},
		{"L7 required but not there", `"main": {"type": "object", "required": ["y"], "properties": {}}`, "", []string{`defs.main: "y" is required, and there is no such property`}},
		{"L7 nullable but not there", `"main": {"type": "object", "nullable": ["y"], "properties": {}}`, "", []string{`defs.main: "y" is nullable, and there is no such property`}},
		{"L7 constant out of range", object(`"x": {"type": "integer", "maximum": 3, "const": 4}`), "", []string{"defs.main.properties.x: const 4 is out of range"}},
		{"L8 no such lexicon", object(`"x": {"type": "ref", "ref": "com.example.none"}`), "", []string{"lexicons/a.json:1: com.example.a: defs.main.properties.x", "no lexicon com.example.none among the inputs"}},
		{"L8 no such definition", object(`"x": {"type": "ref", "ref": "#none"}`), "", []string{"defs.main.properties.x", `com.example.a has no definition "none"`}},
		{"L30 an object as a parameter", `"main": {"type": "query", "parameters": {"type": "params", "properties": {"x": {"type": "object", "properties": {}}}}}`, "", []string{"defs.main.parameters.properties.x: a parameter is a boolean, integer, string or an array of these"}},
		{"L32 an encoding with parameters", `"main": {"type": "query", "output": {"encoding": "text/plain; charset=utf-8"}}`, "", []string{"defs.main.output: encoding"}},
		{"L33 a subscription of strings", `"main": {"type": "subscription", "message": {"schema": {"type": "string"}}}`, "", []string{"lexicons/a.json:1: com.example.a: defs.main.message.schema: the message of a subscription must be a union"}},
		{"P44 two fields of one name", object(`"cid": {"type": "string"}, "CID": {"type": "string"}`), "", []string{"type A: CID is both", "defs.main.properties.cid", "defs.main.properties.CID", `"rename": {"com.example.a:defs.main.properties.CID": "CID2"}`}},
		{"P44 two fields that differ in case", object(`"foo": {"type": "string"}, "Foo": {"type": "string"}`), "", []string{"Foo is both"}},
		{"a field called extra", object(`"extra": {"type": "string"}`), "", []string{"Extra is both the field of unknown properties and"}},
		{"a type and a synthesised one", `"main": {"type": "query", "output": {"encoding": "application/json", "schema": {"type": "object"}}}, "output": {"type": "object"}`, "", []string{"package comexample: AOutput is both", "defs.output", "defs.main.output"}},
		{"an array of itself", `"b": {"type": "array", "items": {"type": "ref", "ref": "#b"}}`, "", []string{"defs.b: an array of itself"}},
		{"two packages", object(`"x": {"type": "ref", "ref": "org.other.defs"}`), "", []string{"org.other.defs belongs to no package"}},
		{"a rename of nothing", object(``), strings.Replace(errorsConfig, `"inputs"`, `"rename": {"com.example.a:defs.x": "X"}, "inputs"`, 1), []string{`rename: nothing is called "com.example.a:defs.x"`}},
		{"a rename that is no name", object(``), strings.Replace(errorsConfig, `"inputs"`, `"rename": {"com.example.a:defs.x": "a b"}, "inputs"`, 1), []string{`"a b" is not an exported Go name`}},
		{"a misspelled key", object(``), strings.Replace(errorsConfig, `"inputs"`, `"packges": [], "inputs"`, 1), []string{`unknown field "packges"`}},
		{"a module that is not there", object(``), strings.Replace(errorsConfig, `"lexicons"`, `"module:example.test/none/lexicons"`, 1), []string{"inputs: module:example.test/none/lexicons: the current module uses no such module"}},
		{"a pattern without a match", object(``), strings.Replace(errorsConfig, `"com.example.*"`, `"com.example.*", "com.none.*"`, 1), []string{`config: generate: "com.none.*" matches no lexicon among the inputs`}},
		{"a prefix where a pattern is meant", object(``), strings.Replace(errorsConfig, `"com.example.*"`, `"com.example"`, 1), []string{`config: generate: "com.example" is no lexicon; all that is below it is "com.example.*"`}},
		{"a pattern where a prefix is meant", object(``), strings.Replace(errorsConfig, `["com.example"]`, `["com.example.*"]`, 1), []string{`lexgen.json: packages: comexample: "com.example.*" is no prefix: only generate and skip have patterns; write "com.example"`}},
		{"a pattern that says what is direct", object(``), strings.Replace(errorsConfig, `"inputs"`, `"direct": ["com.example.*"], "inputs"`, 1), []string{`lexgen.json: direct: "com.example.*" is no prefix`}},
		{"nothing is direct", object(``), strings.Replace(errorsConfig, `"inputs"`, `"direct": ["com.exmaple"], "inputs"`, 1), []string{`config: direct: "com.exmaple" matches no lexicon among the inputs`}},
		{"a lexicon that is direct", object(``), strings.Replace(errorsConfig, `"inputs"`, `"direct": ["com.example.a"], "inputs"`, 1), []string{`config: direct: "com.example.a" is a lexicon, not a prefix; what it begins with is "com.example"`}},
		{"a skip of nothing", object(``), strings.Replace(errorsConfig, `"inputs"`, `"skip": ["com.none.x"], "inputs"`, 1), []string{`config: skip: "com.none.x" matches no lexicon among the inputs`}},
		{"an input that is not there", object(``), strings.Replace(errorsConfig, `"lexicons"`, `"lexikons"`, 1), []string{"inputs: lexikons: ", "no such file"}},
		{"an input without lexicons", object(``), strings.Replace(errorsConfig, `["lexicons"]`, `["lexicons", "comexample"]`, 1), []string{"inputs: comexample: no .json file is there"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			config := tc.config
			if config == "" {
				config = errorsConfig
			}
			writeFile(t, filepath.Join(dir, "lexgen.json"), config)
			writeFile(t, filepath.Join(dir, "lexicons/a.json"), document("com.example.a", tc.defs))
			writeFile(t, filepath.Join(dir, "lexicons/other.json"), document("org.other.defs", object("")))
			writeFile(t, filepath.Join(dir, "go.mod"), "module x.test\n")
			writeFile(t, filepath.Join(dir, "comexample/mine.txt"), "")
			before := readTree(t, dir)
			var stderr bytes.Buffer
			if status := run(t.Context(), []string{"generate", "--strict", "--config", filepath.Join(dir, "lexgen.json")}, io.Discard, &stderr, install.Network{}); status != 1 {
				t.Fatalf("exit status %d; %s", status, stderr.String())
			}
			for _, part := range tc.want {
				if !strings.Contains(stderr.String(), part) {
					t.Errorf("the error does not say %q:\n%s", part, stderr.String())
				}
			}
			if diff := cmp.Diff(before, readTree(t, dir)); diff != "" {
				t.Errorf("something was written:\n%s", diff)
			}
		})
	}
}

func TestRenameSettlesAClash(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "lexgen.json"), strings.Replace(errorsConfig, `"inputs"`, `"rename": {"com.example.a:defs.main.properties.CID": "UpperCID"}, "inputs"`, 1))
	writeFile(t, filepath.Join(dir, "lexicons/a.json"), document("com.example.a", object(`"cid": {"type": "string"}, "CID": {"type": "string"}`)))
	if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err != nil {
		t.Fatal(err)
	}
	if text := readTree(t, dir)["comexample/a.go"]; !strings.Contains(text, "UpperCID *string") {
		t.Error(text)
	}
}

func TestPackageCycle(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "lexgen.json"), `{"inputs": ["lexicons"], "generate": ["com.example.*"], "packages": [
		{"prefixes": ["com.example.a"], "name": "a", "path": "example.test/a", "dir": "a"},
		{"prefixes": ["com.example.b"], "name": "b", "path": "example.test/b", "dir": "b"}]}`)
	writeFile(t, filepath.Join(dir, "lexicons/a.json"), document("com.example.a.x", object(`"b": {"type": "ref", "ref": "com.example.b.x"}`)))
	writeFile(t, filepath.Join(dir, "lexicons/b.json"), document("com.example.b.x", object(`"a": {"type": "ref", "ref": "com.example.a.x"}`)))
	_, err := generate(t.Context(), filepath.Join(dir, "lexgen.json"))
	if err == nil || !strings.Contains(err.Error(), "example.test/a → example.test/b → example.test/a; merge them") {
		t.Error(err)
	}
}

func TestExternalPackage(t *testing.T) {
	t.Run("P47 types of a package that exists are referred to", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "lexgen.json"), `{"inputs": ["lexicons"], "generate": ["io.github.somebody.*"], "packages": [
			{"prefixes": ["io.github.somebody"], "name": "somebody", "path": "example.test/somebody", "dir": "somebody"},
			{"prefixes": ["com.atproto"], "name": "comatproto", "path": "github.com/gimucco/atproto-go/generated/comatproto", "external": true}]}`)
		ref, err := filepath.Abs("../lexicons/com/atproto/repo/strongRef.json")
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "lexicons/strongRef.json"), readTree(t, filepath.Dir(ref))["strongRef.json"])
		writeFile(t, filepath.Join(dir, "lexicons/like.json"), document("io.github.somebody.like", object(`"subject": {"type": "ref", "ref": "com.atproto.repo.strongRef"}`)))
		if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err != nil {
			t.Fatal(err)
		}
		if text := readTree(t, dir)["somebody/like.go"]; !strings.Contains(text, "Subject *comatproto.RepoStrongRef") {
			t.Error(text)
		}
	})
}

func TestWriteKeepsWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "lexgen.json"), errorsConfig)
	writeFile(t, filepath.Join(dir, "lexicons/a.json"), document("com.example.a", object("")))
	writeFile(t, filepath.Join(dir, "comexample/old.go"), "// Code generated by lexgen; DO NOT EDIT.\n\npackage comexample\n")
	writeFile(t, filepath.Join(dir, "comexample/old_codec.go"), "// Code generated by lexgen; DO NOT EDIT.\n\npackage comexample\n")
	writeFile(t, filepath.Join(dir, "comexample/mine_test.go"), "package comexample\n")
	writeFile(t, filepath.Join(dir, "comexample/testdata/x.json"), "{}")
	if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err != nil {
		t.Fatal(err)
	}
	got := readTree(t, dir)
	var names []string
	for _, name := range []string{"comexample/a.go", "comexample/a_codec.go", "comexample/doc.go", "comexample/records.go", "comexample/lexgen.names", "comexample/mine_test.go", "comexample/testdata/x.json", "lexgen.json", "lexicons/a.json"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
		names = append(names, name)
	}
	if len(got) != len(names) {
		t.Errorf("there is more than %v: %d files", names, len(got))
	}

	// A file of the same name that somebody else wrote is not overwritten.
	writeFile(t, filepath.Join(dir, "comexample/a.go"), "package comexample // mine\n")
	before := readTree(t, dir)
	if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err == nil || !strings.Contains(err.Error(), "a.go exists and was not written by lexgen") {
		t.Error(err)
	}
	if diff := cmp.Diff(before, readTree(t, dir)); diff != "" {
		t.Error(diff)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/program"
	"github.com/google/go-cmp/cmp"
)

// tolerate generates from some files and returns the warnings and the code. What is generated has to be Go.
func tolerate(t *testing.T, c *typeChecker, config string, files map[string]string) (warnings []string, code map[string]string) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "lexgen.json"), config)
	for name, text := range files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	prog, err := program.Read(t.Context(), filepath.Join(dir, "lexgen.json"), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.check(prog); err != nil {
		t.Error(err)
	}
	if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err != nil {
		t.Error(err)
	}
	return prog.Warnings, readTree(t, dir)
}

const none = `"a": {"type": "token"}`

func TestWhatCannotBeUsedIsLeftOut(t *testing.T) {
	files := map[string]string{
		"lexicons/broken.json": `{"lexicon": 1, "id": "com.example.broken",` + "\n" + `"defs": {`,
		"lexicons/newer.json":  document("com.example.newer", `"main": {"type": "space"}, "part": {"type": "object", "properties": {}}`),
		"lexicons/needs.json":  document("com.example.needs", object(`"x": {"type": "array", "items": {"type": "ref", "ref": "com.example.newer"}}`)+`, "more": {"type": "object", "properties": {"y": {"type": "ref", "ref": "#main"}}}`+`, "part": {"type": "object", "properties": {"y": {"type": "ref", "ref": "com.example.newer#part"}}}`),
		"lexicons/open.json":   document("com.example.open", object(`"x": {"type": "union", "refs": ["com.example.broken", "#b"]}, "y": {"type": "ref", "ref": "#closed"}`)+`, "b": {"type": "object", "properties": {}}, "closed": {"type": "object", "properties": {"x": {"type": "union", "closed": true, "refs": ["com.example.broken", "#b"]}}}`),
		"lexicons/union.json":  document("com.example.union", object(`"x": {"type": "union", "refs": ["com.example.broken", "#b"]}`)+`, "b": {"type": "object", "properties": {}}`),
		"lexicons/other.json":  document("com.example.other", none),
		"lexicons/noid.json":   `{"lexicon": 1, "defs": {}}`,
		"lexicons/stray.json":  `{"name": "a package", "version": "1"}`,
		"lexicons/list.json":   `[1]`,
	}
	want := []string{
		`lexicons/list.json: no lexicon, which is a JSON object with a key "lexicon"; it is passed over`,
		`lexicons/stray.json: no lexicon, which is a JSON object with a key "lexicon"; it is passed over`,
		`lexicons/noid.json:1: id is missing`,
		`lexicons/broken.json:2: com.example.broken: not JSON: unexpected EOF; com.example.broken is left out`,
		`lexicons/needs.json:1: com.example.needs: defs.main.properties.x.items: ref "com.example.newer": com.example.newer is left out; com.example.needs is left out`,
		`lexicons/needs.json:1: com.example.needs: defs.more.properties.y: ref "#main": com.example.needs is left out; com.example.needs#more is left out`,
		`lexicons/newer.json:1: com.example.newer: defs.main: type "space" is not known here; com.example.newer is left out`,
		`lexicons/open.json:1: com.example.open: defs.closed.properties.x: ref "com.example.broken": com.example.broken is left out; com.example.open#closed is left out`,
		`lexicons/open.json:1: com.example.open: defs.main.properties.y: ref "#closed": com.example.open#closed is left out; com.example.open is left out`,
		`lexicons/union.json:1: com.example.union: defs.main.properties.x: ref "com.example.broken": com.example.broken is left out; this member of the union is an unknown one`,
	}
	c := newTypeChecker(t)
	t.Run("P92 a lexicon that is broken or newer, and what needs it, is left out", func(t *testing.T) {
		warnings, code := tolerate(t, c, errorsConfig, files)
		if diff := cmp.Diff(want, warnings); diff != "" {
			t.Error(diff)
		}
		for name, parts := range map[string][]string{
			"comexample/needs.go": {"type NeedsPart struct", "Y *NewerPart"},
			"comexample/newer.go": {"type NewerPart struct"},
			"comexample/open.go":  {"type OpenB struct"},
			"comexample/union.go": {"open union of [UnionB]."},
			"comexample/other.go": {"OtherA = "},
		} {
			for _, part := range parts {
				if !strings.Contains(code[name], part) {
					t.Errorf("%s does not have %q", name, part)
				}
			}
		}
		if strings.Contains(code["comexample/open.go"], "OpenClosed") || code["comexample/broken.go"] != "" {
			t.Error("something is there that was left out")
		}
	})
	t.Run("P92 --strict refuses", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "lexgen.json"), errorsConfig)
		for name, text := range files {
			writeFile(t, filepath.Join(dir, name), text)
		}
		have := readTree(t, dir)
		status, _, stderr := lexgen(t, "generate", "--strict", "--config", filepath.Join(dir, "lexgen.json"))
		for _, part := range []string{"warning: " + want[0], "lexgen: " + want[2], want[3], want[6]} {
			if status != 1 || !strings.Contains(stderr, part) {
				t.Errorf("status %d, and it does not say %q:\n%s", status, part, stderr)
			}
		}
		if diff := cmp.Diff(have, readTree(t, dir)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("P92 what nothing asks for is not parsed", func(t *testing.T) {
		for name, config := range map[string]string{
			"another prefix": strings.Replace(errorsConfig, `["com.example.*"]`, `["com.example.other"]`, 1),
			"skip":           strings.Replace(errorsConfig, `"inputs"`, `"skip": ["com.example.broken", "com.example.newer", "com.example.needs", "com.example.open", "com.example.union"], "inputs"`, 1),
		} {
			warnings, _ := tolerate(t, c, config, files)
			if diff := cmp.Diff(want[:3], warnings); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
}

func TestWhatTheReferenceTakes(t *testing.T) {
	c := newTypeChecker(t)
	const at = "lexicons/a.json:1: com.example.a: defs."
	for _, tc := range []struct {
		name, defs string
		want       []string // warnings
		code       string   // part of it
	}{
		{"P98 names with an underscore", `"a_b": {"type": "object", "properties": {}}, "main": {"type": "object", "properties": {"x": {"type": "ref", "ref": "#a_b"}}}`, []string{at + `a_b: "a_b": names of definitions are letters and digits`}, "X *AAB"},
		{"P98 values that are repeated", object(`"x": {"type": "string", "enum": ["on", "off", "on"]}`), []string{at + `main.properties.x.enum[2]: "on" appears twice`}, `AXOn  AX = "on"`},
		{"P98 no definitions", ``, []string{at[:len(at)-1] + ": is empty: nothing comes of it", "config: nothing is generated into package comexample; its folder is left as it is"}, ""},
		{"P98 a property $bytes", object(`"$bytes": {"type": "string"}, "x": {"type": "string"}`), []string{at + `main.properties.$bytes: names that begin with $ belong to the protocol: the property has no field, and its value is kept in Extra`}, "X *string"},
		{"P98 a default outside its limits", object(`"x": {"type": "integer", "maximum": 3, "default": 4}, "y": {"type": "string", "enum": ["a"], "default": "b"}`), []string{at + `main.properties.x: default 4 is out of range`, at + `main.properties.y: default "b" is not in enum`}, "Default: 4."},
		{"P98 a ref to a token", `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "ref", "ref": "#t"}, "y": {"type": "array", "items": {"type": "ref", "ref": "#t"}}}}, "t": {"type": "token"}`, []string{
			at + `main.properties.x: ref "#t": a token is not data; the value is the string "com.example.a#t". It is better listed in knownValues of a string`,
			at + `main.properties.y.items: ref "#t": a token is not data; the value is the string "com.example.a#t". It is better listed in knownValues of a string`}, "X string"},
		{"P98 tokens in a union", object(`"x": {"type": "union", "refs": ["#b", "#t"]}`) + `, "b": {"type": "object", "properties": {}}, "t": {"type": "token"}`, []string{at + `main.properties.x: ref "#t": only objects and records can be members of a union; it is passed over`}, "an open union of [AB]."},
		{"P98 messages that are bytes", `"main": {"type": "subscription", "message": {"schema": {"type": "union", "refs": ["#b"]}}}, "b": {"type": "bytes"}`, []string{at + `main.message.schema: ref "#b": only objects and records can be members of a union; it is passed over`}, "an open union that names no member yet."},
		{"P98 a required parameter with a default", `"main": {"type": "query", "parameters": {"type": "params", "required": ["x"], "properties": {"x": {"type": "integer", "default": 5}}}}`, []string{at + "main.parameters.properties.x: a required parameter has a default; it may be left out"}, "Default, sent if nil: 5."},
		{"P98 an output that is a list", `"main": {"type": "query", "output": {"encoding": "application/json", "schema": {"type": "ref", "ref": "#l"}}}, "l": {"type": "array", "items": {"type": "string"}}`, []string{at + "main.output.schema: a body that is neither an object nor a union is kept as it is sent"}, "*lex.Any, error"},
		{"P98 an input that is a token", `"main": {"type": "procedure", "input": {"encoding": "application/json", "schema": {"type": "ref", "ref": "#t"}}}, "t": {"type": "token"}`, []string{
			at + `main.input.schema: ref "#t": a token is not data; the value is the string "com.example.a#t". It is better listed in knownValues of a string`,
			at + "main.input.schema: a body that is neither an object nor a union is kept as it is sent"}, "input *lex.Any"},
		{"an encoding that is a list", `"main": {"type": "procedure", "input": {"encoding": "image/png,image/jpeg"}}`, []string{at + `main.input: encoding "image/png,image/jpeg" is a list; the body is a stream of bytes of any type`}, `"*/*"`},
		{"P98 names of other signs", `"a-b": {"type": "object", "properties": {}}, "main": {"type": "object", "properties": {"x": {"type": "ref", "ref": "#a-b"}}}`, []string{at + `a-b: "a-b": names of definitions are letters and digits`}, "X *AAB"},
		{"P98 errors with spaces", `"main": {"type": "query", "errors": [{"name": "Not Found"}]}`, []string{at + `main.errors[0]: name "Not Found": names of errors have no spaces`}, "[ErrNotFound]"},
		{"P45 P98 what requires itself", `"main": {"type": "object", "required": ["x"], "properties": {"x": {"type": "ref", "ref": "#main"}}}`, []string{at + "main.properties.x: com.example.a is required to hold itself: no finite value can exist; the property is read as an optional one"}, "X *A "},
		{"members that are repeated", object(`"x": {"type": "union", "refs": ["#b", "com.example.a#b"]}`) + `, "b": {"type": "object", "properties": {}}`, []string{at + `main.properties.x: ref "com.example.a#b": the union has this member already`}, "an open union of [AB]."},
		{"a warning once, however often a definition is used", object(`"x": {"type": "ref", "ref": "#s"}, "y": {"type": "ref", "ref": "#s"}, "z": {"type": "array", "items": {"type": "ref", "ref": "#s"}}`) + `, "s": {"type": "string", "format": "newer"}`, []string{at + `s: format "newer" is not known; it becomes a plain string`}, "type AS = string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			warnings, code := tolerate(t, c, errorsConfig, map[string]string{"lexicons/a.json": document("com.example.a", tc.defs)})
			if diff := cmp.Diff(tc.want, warnings); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(code["comexample/a.go"], tc.code) {
				t.Errorf("no %q in:\n%s", tc.code, code["comexample/a.go"])
			}
		})
	}
}

func TestTheEarlierInputWins(t *testing.T) {
	c := newTypeChecker(t)
	config := strings.Replace(errorsConfig, `["lexicons"]`, `["first", "second"]`, 1)
	const field = `"x": {"type": "string"}`
	for name, tc := range map[string]struct {
		second string
		want   []string
	}{
		"P98 the same lexicon in two inputs": {`{"defs": {` + object(field) + `},` + "\n" + `"id": "com.example.a", "lexicon": 1}`, nil},
		"P98 another lexicon of the name":    {document("com.example.a", object(`"y": {"type": "string"}`)), []string{"second/b.json: com.example.a is in first/a.json already, and differs from it; the one in first/a.json is used"}},
	} {
		t.Run(name, func(t *testing.T) {
			warnings, code := tolerate(t, c, config, map[string]string{"first/a.json": document("com.example.a", object(field)), "second/b.json": tc.second})
			if diff := cmp.Diff(tc.want, warnings); diff != "" || !strings.Contains(code["comexample/a.go"], "X *string") {
				t.Error(diff, code["comexample/a.go"])
			}
		})
	}
}

func TestInputsThatAreLinks(t *testing.T) {
	t.Run("P94 links are followed, each folder once", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "lexgen.json"), errorsConfig)
		writeFile(t, filepath.Join(dir, "elsewhere/deep/a.json"), document("com.example.a", none))
		writeFile(t, filepath.Join(dir, "file.json"), document("com.example.b", none))
		for name, to := range map[string]string{"lexicons": "real", "real/deep": "../elsewhere/deep", "real/again": ".", "real/b.json": "../file.json", "real/gone.json": "none.json"} {
			if err := os.MkdirAll(filepath.Join(dir, "real"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		warnings, err := generate(t.Context(), filepath.Join(dir, "lexgen.json"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"lexicons/gone.json: a link to nothing; it is passed over"}, warnings); diff != "" {
			t.Error(diff)
		}
		for _, name := range []string{"a.go", "b.go"} {
			if _, err := os.Stat(filepath.Join(dir, "comexample", name)); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAbsolutePaths(t *testing.T) {
	t.Run("P94 inputs and folders may be absolute", func(t *testing.T) {
		dir, elsewhere := t.TempDir(), t.TempDir()
		writeFile(t, filepath.Join(elsewhere, "lexicons/a.json"), document("com.example.a", none))
		writeFile(t, filepath.Join(dir, "lexgen.json"), strings.NewReplacer(
			`["lexicons"]`, `["`+filepath.ToSlash(filepath.Join(elsewhere, "lexicons"))+`"]`, `"dir": "comexample"`, `"dir": "`+filepath.ToSlash(filepath.Join(elsewhere, "out"))+`"`,
		).Replace(errorsConfig))
		for range 2 {
			if warnings, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err != nil || len(warnings) > 0 {
				t.Fatal(err, warnings)
			}
		}
		if _, err := os.Stat(filepath.Join(elsewhere, "out/a.go")); err != nil {
			t.Error(err)
		}
	})
	t.Run("P94 two packages in one folder are refused by name", func(t *testing.T) {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "lexicons/a.json"), document("com.example.a", none))
		writeFile(t, filepath.Join(dir, "lexicons/b.json"), document("org.other.b", none))
		writeFile(t, filepath.Join(dir, "lexgen.json"), strings.NewReplacer(`"packages": [`, `"packages": [{"prefixes": ["org.other"], "name": "other", "path": "example.test/other", "dir": "./x/../comexample"}, `, `["com.example.*"]`, `["com.example.*", "org.other.*"]`).Replace(errorsConfig))
		if _, err := generate(t.Context(), filepath.Join(dir, "lexgen.json")); err == nil || !strings.Contains(err.Error(), "comexample are one folder; give each package its own") {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "comexample")); err == nil {
			t.Error("a folder was left")
		}
	})
}

package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/lexgen/internal/input"
)

// library is of lexicons in files of their own, by their NSIDs: definitions. One that begins with a brace is a whole file.
func library(t testing.TB, lexicons map[string]string) *input.Library {
	t.Helper()
	t.Chdir(t.TempDir())
	for nsid, text := range lexicons {
		if !strings.HasPrefix(text, "{") {
			text = fmt.Sprintf("{\"lexicon\":1,\n\"id\":%q,\n\"defs\":{%s}}", nsid, text)
		}
		if err := os.WriteFile(nsid+".json", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	lib, err := input.Read(t.Context(), ".", []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func record(properties string) string {
	return `"main":{"type":"record","key":"tid","description":"x","record":{"type":"object","properties":{` + properties + `}}}`
}

func query(rest string) string {
	return `"main":{"type":"query","description":"x","output":{"encoding":"application/json","schema":{"type":"object","properties":{}}}` + rest + `}`
}

func queryOf(parameters, required, output string) string {
	return `"main":{"type":"query","description":"x","parameters":{"type":"params",` + parameters + `},"output":{"encoding":"application/json","schema":{"type":"object","required":[` + required + `],"properties":{` + output + `}}}}`
}

func TestRules(t *testing.T) {
	const (
		note   = "com.example.note"
		get    = "com.example.getNote"
		list   = `"notes":{"type":"array","items":{"type":"ref","ref":"#note"}}`
		plain  = `"note":{"type":"object","properties":{}}`
		cursor = `"cursor":{"type":"string"}`
	)
	covered := make(map[string]bool)
	for _, tc := range []struct {
		name     string
		lexicons map[string]string
		want     []string // rule and place
	}{
		{"a lexicon to be proud of", map[string]string{
			note: record(`"text":{"type":"string","maxGraphemes":300,"maxLength":3000},"createdAt":{"type":"string","format":"datetime"},"langs":{"type":"array","maxLength":3,"items":{"type":"string","format":"language"}},
				"image":{"type":"blob","maxSize":1000},"subject":{"type":"string","format":"did"},"kind":{"type":"string","maxLength":100,"knownValues":["short-note","com.example.defs#long","!x"]}`),
			"com.example.defs": `"long":{"type":"token"},` + plain,
			"com.example.listNotes": queryOf(`"properties":{"limit":{"type":"integer","maximum":100,"default":50},"cursor":{"type":"string"},"actor":{"type":"string","format":"at-identifier"},"includeOld":{"type":"boolean","default":false}}`,
				`"notes"`, cursor+`,"notes":{"type":"array","items":{"type":"ref","ref":"com.example.defs#note"}}`),
			"com.example.subscribeNotes": `"main":{"type":"subscription","description":"x","parameters":{"type":"params","properties":{"cursor":{"type":"integer"}}},"message":{"schema":{"type":"union","refs":["com.example.defs#note"]}}}`,
			"com.example.authBasic":      `"main":{"type":"permission-set","title":"x","permissions":[]}`,
		}, nil},

		{"a definition of a type that is not known", map[string]string{note: `"a":{"type":"newer"},"b":{"type":"token"}`}, []string{"invalid defs.a"}},
		{"a lexicon that is not JSON", map[string]string{note: `{"lexicon":1,"id":"com.example.note","defs":`}, []string{"invalid "}},
		{"a lexicon without an id", map[string]string{note: `{"lexicon":1,"defs":{}}`}, []string{"invalid "}},
		{"constraints that contradict each other", map[string]string{note: `"a":{"type":"string","const":"abc","maxLength":2}`}, []string{"invalid defs.a"}},
		{"limits that nothing is within", map[string]string{note: `"a":{"type":"string","minLength":3,"maxLength":2}`}, []string{"odd defs.a"}},
		{"a reference to nothing", map[string]string{note: `"a":{"type":"object","properties":{"x":{"type":"ref","ref":"#none"},"y":{"type":"ref","ref":"org.other.x"}}}`}, []string{"missing-ref defs.a.properties.x", "missing-ref defs.a.properties.y"}},
		{"a reference to what is broken is no finding of its own", map[string]string{note: `"a":{"type":"object","properties":{"x":{"type":"ref","ref":"#b"}}},"b":{"type":"newer"}`}, []string{"invalid defs.b"}},
		{"values that are there twice", map[string]string{note: `"a":{"type":"string","knownValues":["x","x"]}`}, []string{"odd defs.a.knownValues[1]"}},
		{"a default out of range", map[string]string{note: `"a":{"type":"integer","maximum":1,"default":2}`}, []string{"odd defs.a"}},
		{"a file that is no lexicon", map[string]string{note: `{"name":"x"}`}, []string{"odd "}},

		{"names", map[string]string{"com.example.Note": record(`"Text":{"type":"string","maxLength":1},"snake_case":{"type":"boolean"}`) + `,"Thing":{"type":"token"}`},
			[]string{"camel-case ", "camel-case defs.Thing", "camel-case defs.main.record.properties.Text", "camel-case defs.main.record.properties.snake_case"}},
		{"names of errors", map[string]string{get: query(`,"errors":[{"name":"not_found"},{"name":"NotFound"}]`)}, []string{"camel-case defs.main"}},
		{"a reserved word", map[string]string{"com.example.default": `"delete":{"type":"token"}`}, []string{"reserved-name ", "reserved-name defs.delete"}},
		{"fixed strings", map[string]string{note: `"a":{"type":"string","knownValues":["good-value","BadValue","bad_value"]},"b":{"type":"string","format":"language","knownValues":["pt-BR"]}`}, []string{"kebab-case defs.a"}},
		{"a record in the plural", map[string]string{"com.example.notes": record("")}, []string{"record-name defs.main"}},
		{"a record that only sounds so", map[string]string{"com.example.status": record(""), "com.example.address": record("")}, nil},
		{"names of methods", map[string]string{"com.example.notes": query(""), "com.example.createNote": query(""), get: strings.Replace(query(""), `"query"`, `"procedure"`, 1)},
			[]string{"method-name com.example.createNote defs.main", "method-name com.example.getNote defs.main", "method-name com.example.notes defs.main"}},
		{"the name of a subscription", map[string]string{"com.example.streamNotes": `"main":{"type":"subscription","description":"x"}`}, []string{"method-name defs.main"}},
		{"a lexicon that is a group", map[string]string{note: record(""), "com.example.note.text": record(""), "com.example.note.word": record("")}, []string{"name-clash "}},
		{"a lexicon with the name of a definition", map[string]string{note: record("") + `,"text":{"type":"token"}`, "com.example.note.text": record("")}, []string{"name-clash "}},
		{"data as main", map[string]string{note: `"main":{"type":"object","properties":{}}`}, []string{"main-data defs.main"}},
		{"no description", map[string]string{note: strings.Replace(record(""), `"description":"x",`, "", 1), get: strings.Replace(query(""), `"description":"x",`, "", 1), "com.example.auth": `"main":{"type":"permission-set","permissions":[]}`},
			[]string{"description com.example.auth defs.main", "description com.example.getNote defs.main", "description com.example.note defs.main"}},
		{"a description of the whole lexicon", map[string]string{note: `{"lexicon":1,"id":"com.example.note","description":"x","defs":{"main":{"type":"record","key":"tid","record":{"type":"object"}}}}`}, nil},
		{"fields that say little", map[string]string{note: record(`"uri":{"type":"string","format":"at-uri"},"cid":{"type":"string","format":"cid","description":"of the note"}`)}, []string{"vague-field defs.main.record.properties.uri"}},
		{"no limits in a record", map[string]string{note: record(`"a":{"type":"string"},"b":{"type":"bytes"},"c":{"type":"blob"},"d":{"type":"array","items":{"type":"string"}},"e":{"type":"object","properties":{"f":{"type":"string"}}}`)},
			[]string{"max-length defs.main.record.properties.a", "max-length defs.main.record.properties.b", "max-length defs.main.record.properties.c", "max-length defs.main.record.properties.d", "max-length defs.main.record.properties.d.items", "max-length defs.main.record.properties.e.properties.f"}},
		{"no limits elsewhere", map[string]string{get: queryOf(`"properties":{"q":{"type":"string"}}`, "", `"text":{"type":"string"}`)}, nil},
		{"a format and a length", map[string]string{note: `"a":{"type":"string","format":"uri","maxLength":100}`}, []string{"format-and-length defs.a"}},
		{"graphemes", map[string]string{note: `"a":{"type":"string","maxGraphemes":10},"b":{"type":"string","maxGraphemes":10,"maxLength":99},"c":{"type":"string","maxGraphemes":10,"maxLength":100},"d":{"type":"string","maxGraphemes":10,"maxLength":200},"e":{"type":"string","maxGraphemes":10,"maxLength":201}`},
			[]string{"graphemes defs.a", "graphemes defs.b", "graphemes defs.e"}},
		{"formats that are missing", map[string]string{note: `"a":{"type":"object","properties":{"createdAt":{"type":"string"},"did":{"type":"string"},"at":{"type":"string"},"url":{"type":"string","format":"uri"},"lang":{"type":"string","knownValues":["en"]}}}`},
			[]string{"missing-format defs.a.properties.createdAt", "missing-format defs.a.properties.did"}},
		{"an enum", map[string]string{note: `"a":{"type":"string","enum":["x"]},"b":{"type":"integer","enum":[1]}`}, []string{"closed-enum defs.a", "closed-enum defs.b"}},
		{"a closed union", map[string]string{note: plain + `,"a":{"type":"array","items":{"type":"union","closed":true,"refs":["#note"]}}`}, []string{"closed-union defs.a.items"}},
		{"required, with a default", map[string]string{note: `"a":{"type":"object","required":["a","b","c"],"properties":{"a":{"type":"integer","default":1},"b":{"type":"string","default":"x"},"c":{"type":"boolean","default":false},"d":{"type":"integer","default":1}}}`},
			[]string{"required-default defs.a.properties.a", "required-default defs.a.properties.b", "required-default defs.a.properties.c"}},
		{"true by default", map[string]string{get: queryOf(`"properties":{"all":{"type":"boolean","default":true},"old":{"type":"boolean","default":false}}`, "", "")}, []string{"default-true defs.main.parameters.properties.all"}},
		{"accounts in parameters", map[string]string{get: queryOf(`"properties":{"actor":{"type":"string","format":"handle"},"actors":{"type":"array","items":{"type":"string","format":"did"}}}`, "", "")},
			[]string{"account-parameter defs.main.parameters.properties.actor", "account-parameter defs.main.parameters.properties.actors.items"}},
		{"handles in a record", map[string]string{note: record(`"to":{"type":"string","format":"handle"},"from":{"type":"string","format":"at-identifier"}`)},
			[]string{"handle-in-record defs.main.record.properties.from", "handle-in-record defs.main.record.properties.to"}},
		{"a link in a record", map[string]string{note: record(`"to":{"type":"cid-link"}`)}, []string{"cid-link defs.main.record.properties.to"}},
		{"no output", map[string]string{get: `"main":{"type":"query","description":"x"}`}, []string{"no-output defs.main"}},
		{"bare values in an output", map[string]string{get: queryOf(`"properties":{}`, "", `"dids":{"type":"array","items":{"type":"string","format":"did"}}`)}, []string{"list-of-values defs.main.output.schema.properties.dids"}},
		{"a limit that is none", map[string]string{get: queryOf(`"properties":{"limit":{"type":"string"}}`, "", "")}, []string{"pagination defs.main.parameters.properties.limit"}},
		{"a limit that is required", map[string]string{get: queryOf(`"required":["limit"],"properties":{"limit":{"type":"integer","maximum":5}}`, "", "")}, []string{"pagination defs.main.parameters.properties.limit"}},
		{"a limit without one", map[string]string{get: queryOf(`"properties":{"limit":{"type":"integer"}}`, "", "")}, []string{"pagination defs.main.parameters.properties.limit"}},
		{"a cursor that is a number", map[string]string{get: plain + "," + queryOf(`"properties":{"cursor":{"type":"integer"}}`, `"notes"`, cursor+","+list)}, []string{"pagination defs.main.parameters.properties.cursor"}},
		{"a cursor with nowhere to come from", map[string]string{get: plain + "," + queryOf(`"properties":{"cursor":{"type":"string"}}`, `"notes"`, list)}, []string{"pagination defs.main.output.schema"}},
		{"a cursor with nowhere to go", map[string]string{get: queryOf(`"properties":{}`, "", cursor)}, []string{"pagination defs.main.output.schema"}},
		{"a cursor that is always there", map[string]string{get: plain + "," + queryOf(`"properties":{"cursor":{"type":"string"}}`, `"cursor","notes"`, cursor+","+list)}, []string{"pagination defs.main.output.schema.properties.cursor"}},
		{"a cursor without a list", map[string]string{get: plain + "," + queryOf(`"properties":{"cursor":{"type":"string"}}`, "", cursor+","+list)}, []string{"pagination defs.main.output.schema"}},
		{"the cursor of a subscription that is a string", map[string]string{"com.example.subscribeNotes": `"main":{"type":"subscription","description":"x","parameters":{"type":"params","properties":{"cursor":{"type":"string"}}}}`}, []string{"pagination defs.main.parameters.properties.cursor"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			findings, err := Lint(library(t, tc.lexicons), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range findings {
				covered[f.Rule] = true
				where := f.Rule + " "
				if f.Path != "" && strings.Contains(strings.Join(tc.want, ""), string(f.NSID)+" ") {
					where += string(f.NSID) + " "
				}
				got = append(got, where+f.Path)
				if f.Message == "" || (f.Severity == Error) != (f.Rule == invalid || f.Rule == missingRef) {
					t.Errorf("%+v", f)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%v", diff, findings)
			}
		})
	}
	for _, r := range Rules() {
		if !covered[r.Name] {
			t.Errorf("no lexicon breaks the rule %s", r.Name)
		}
		if r.Text == "" {
			t.Errorf("the rule %s says nothing", r.Name)
		}
	}
}

func TestLint(t *testing.T) {
	lexicons := map[string]string{
		"com.example.a": "\"main\":{\"type\":\"object\",\"properties\":{\n\"x\":{\"type\":\"ref\",\"ref\":\"org.other.x\"}}}",
		"com.example.b": `"main":{"type":"newer"}`,
	}
	t.Run("a finding says where it is", func(t *testing.T) {
		findings, err := Lint(library(t, lexicons), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []Finding{
			{Warning, "main-data", "com.example.a.json", 3, "com.example.a", "defs.main", "main is a type of data, which nothing stores or calls: a definition of com.example.defs stays when this lexicon goes"},
			{Error, "missing-ref", "com.example.a.json", 4, "com.example.a", "defs.main.properties.x", `ref "org.other.x": no lexicon org.other.x among the inputs`},
			{Error, "invalid", "com.example.b.json", 3, "com.example.b", "defs.main", `type "newer" is not known here`},
		}
		if diff := cmp.Diff(want, findings); diff != "" {
			t.Error(diff)
		}
		if s := findings[1].String(); s != `com.example.a.json:4: com.example.a: defs.main.properties.x: error: ref "org.other.x": no lexicon org.other.x among the inputs (missing-ref)` {
			t.Error(s)
		}
	})
	t.Run("lexicons that are referred to are not looked at", func(t *testing.T) {
		with := library(t, map[string]string{"org.other.x": `"main":{"type":"object","properties":{}},"Bad_Name":{"type":"newer"}`, "org.other.y": `{"lexicon":1,"id":"org.other.y"}`, "com.example.b": `"main":{"type":"token"}`})
		findings, err := Lint(library(t, lexicons), with, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			if f.Rule == missingRef || strings.HasPrefix(string(f.NSID), "org.") {
				t.Error(f)
			}
		}
	})
	t.Run("rules can be left out", func(t *testing.T) {
		findings, err := Lint(library(t, lexicons), nil, []string{missingRef, "main-data"})
		if err != nil || len(findings) != 1 || findings[0].Rule != invalid {
			t.Error(findings, err)
		}
		if _, err := Lint(library(t, lexicons), nil, []string{"no-such-rule"}); err == nil {
			t.Error("a rule that there is not")
		}
	})
	t.Run("what we ship has no errors", func(t *testing.T) {
		root, err := filepath.Abs("../../..")
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"lexicons", "lexgen/testdata/lexicons", "examples/thirdparty/lexicons"} {
			if _, err := os.Stat(filepath.Join(root, dir)); err != nil {
				t.Error(err)
			}
			lib, err := input.Read(t.Context(), root, []string{dir})
			if err != nil {
				t.Fatal(err)
			}
			with, err := input.Read(t.Context(), root, []string{"lexicons"})
			if err != nil {
				t.Fatal(err)
			}
			findings, err := Lint(lib, with, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings {
				if f.Severity == Error {
					t.Error(f)
				}
			}
		}
	})
}

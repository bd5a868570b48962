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

func TestInteropFixtures(t *testing.T) {
	for _, f := range readFixtures(t, "lexicon-valid.json", 3) {
		t.Run("L1 L34 valid "+f.Name, func(t *testing.T) {
			if _, err := schema.Parse("x.json", f.Lexicon); err != nil {
				t.Error(err)
			}
		})
	}
	for _, f := range readFixtures(t, "lexicon-invalid.json", 7) {
		t.Run("L1 L2 L3 invalid "+f.Name, func(t *testing.T) {
			_, err := schema.Parse("x.json", f.Lexicon)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "x.json: ") {
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
			if _, err := schema.Parse(name, data); err != nil {
				t.Error(err)
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
		{"nothing", ``, "x.json: unexpected EOF"},
		{"half", `{"lexicon":1`, "unexpected EOF"},
		{"more", `{} {}`, "something follows"},
		{"an array", `[]`, "not an object"},
		{"not UTF-8", "{\"id\":\"\xff\"}", "not UTF-8"},
		{"too deep", strings.Repeat(`{"a":`, 1000), "nested deeper"},
		{"another version", `{"lexicon":2,"id":"com.example.x","defs":{"a":{"type":"token"}}}`, "lexicon is not 1"},
		{"a fraction", `{"lexicon":1,"id":"com.example.x","defs":{"a":{"type":"integer","maximum":1.5}}}`, "defs.a.maximum: 1.5 is not a 64-bit integer"},
		{"a query with input", `{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"query","input":{"encoding":"*/*"}}}}`, "defs.main.input: a query has no input"},
		{"L31 a key of a record", `{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"record","key":"x","record":{"type":"object"}}}}`, "defs.main: key"},
		{"an error twice", `{"lexicon":1,"id":"com.example.x","defs":{"main":{"type":"query","errors":[{"name":"A"},{"name":"A"}]}}}`, "defs.main.errors[1]: error A appears twice"},
		{"a name with a dot", `{"lexicon":1,"id":"com.example.x","defs":{"a.b":{"type":"token"}}}`, "is not a name of a definition"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := schema.Parse("x.json", []byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
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

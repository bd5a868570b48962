package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

// module writes a tiny module with two protections and a list of mutants.
func module(t *testing.T, list string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                         "module m\n\ngo 1.26.0\n",
		"m.go":                           "package m\n\n// Even accepts even numbers.\nfunc Even(n int) bool {\n\tif n < 0 {\n\t\treturn false\n\t}\n\treturn n%2 == 0\n}\n",
		"m_test.go":                      "package m\n\nimport \"testing\"\n\nfunc TestEven(t *testing.T) {\n\tt.Run(\"O1 odd ones\", func(t *testing.T) {\n\t\tif Even(1) {\n\t\t\tt.Error(\"1\")\n\t\t}\n\t})\n}\n\nfunc TestFails(t *testing.T) { t.Fail() }\n\nfunc TestSkipped(t *testing.T) { t.Skip() }\n",
		"internal/tools/mutants/all.txt": list,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		name, block string
		want, why   string
	}{
		{"a test that notices", "test . TestEven/O1_odd\n-n%2 == 0\n+true", "1 killed, 0 survived, 0 broken", ""},
		{"several changes", "test . TestEven\n-n < 0\n+n < 1\n-n%2 == 0\n+n > 0", "1 killed, 0 survived, 0 broken", ""},
		{"a test that does not notice", "test . TestEven\n-n < 0\n+n < -10", "0 killed, 1 survived, 0 broken", "passes all the same"},
		{"text that is not there", "test . TestEven\n-n%3 == 0\n+true", "0 killed, 0 survived, 1 broken", "has 0 places"},
		{"text that is there twice", "test . TestEven\n-return\n+panic(1)", "0 killed, 0 survived, 1 broken", "has 2 places"},
		{"what does not compile", "test . TestEven\n-n%2 == 0\n+x", "0 killed, 0 survived, 1 broken", "undefined: x"},
		{"a pattern that matches nothing", "test . TestOdd\n-n%2 == 0\n+true", "0 killed, 0 survived, 1 broken", "matches no test"},
		{"a pattern whose subtest matches nothing", "test . TestEven/O2\n-n%2 == 0\n+true", "0 killed, 0 survived, 1 broken", "matches no test"},
		{"an alternative that matches nothing", "test . TestEven|TestOdd\n-n%2 == 0\n+true", "0 killed, 0 survived, 1 broken", "\"TestOdd\""},
		{"a test that is skipped", "test . TestSkipped\n-n%2 == 0\n+true", "0 killed, 0 survived, 1 broken", "matches no test that passes"},
		{"a test that fails already", "test . TestFails\n-n%2 == 0\n+true", "0 killed, 0 survived, 1 broken", "fails already"},
		{"a file that is not there", "test . TestEven\n-n\n+m\n", "0 killed, 0 survived, 1 broken", ""},
		{"a test that does not end", "test . TestEven\n-return n%2 == 0\n+for {\n+}", "0 killed, 0 survived, 1 broken", "say \"hangs\""},
		{"a test that is known not to end", "test . TestEven\nhangs\n-return n%2 == 0\n+for {\n+}", "1 killed, 0 survived, 0 broken", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := "m.go"
			if strings.HasPrefix(tt.name, "a file") {
				file = "n.go"
			}
			dir := module(t, "mutant x\nitems O1\nfile "+file+"\n"+tt.block+"\n")
			before, err := os.ReadFile(filepath.Join(dir, "m.go"))
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			ok, err := run(t.Context(), dir, options{seed: 7, timeout: 2 * time.Second}, &out)
			if err != nil {
				t.Fatal(err)
			}
			if want := "\nmutants: " + tt.want + "\n"; !strings.HasSuffix(out.String(), want) || !strings.Contains(out.String(), tt.why) || !strings.HasPrefix(out.String(), "seed 7: ") {
				t.Errorf("printed\n%swant %q and %q", &out, tt.want, tt.why)
			}
			if ok != strings.HasPrefix(tt.want, "1 killed") {
				t.Errorf("all killed: %v", ok)
			}
			if after, err := os.ReadFile(filepath.Join(dir, "m.go")); err != nil || string(after) != string(before) {
				t.Errorf("the tree was changed: %s, %v", after, err)
			}
		})
	}
}

func TestMutantsOfAModuleWithin(t *testing.T) {
	dir := module(t, "mutant x\nfile sub/s/s.go\ntest ./sub/s TestTwo\n-2\n+3\n")
	for name, text := range map[string]string{
		"sub/go.mod":      "module m/sub\n\ngo 1.26.0\n",
		"sub/s/s.go":      "package s\n\nfunc Two() int { return 2 }\n",
		"sub/s/s_test.go": "package s\n\nimport \"testing\"\n\nfunc TestTwo(t *testing.T) {\n\tif Two() != 2 {\n\t\tt.Fail()\n\t}\n}\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if ok, err := run(t.Context(), dir, options{timeout: time.Minute}, &out); !ok || err != nil {
		t.Errorf("printed %s, %v", &out, err)
	}
}

func TestOnly(t *testing.T) {
	dir := module(t, "mutant x\nitems O1\nfile m.go\ntest . TestEven\n-n%2 == 0\n+true\n\nmutant other\nfile m.go\ntest . TestEven\n-n < 0\n+n < -1\n")
	for only, want := range map[string]string{"O1": "mutants: 1 killed, 0 survived, 0 broken\n", "other": "mutants: 0 killed, 1 survived, 0 broken\n"} {
		var out strings.Builder
		if _, err := run(t.Context(), dir, options{only: only, timeout: time.Minute}, &out); err != nil || !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s: printed %s, %v", only, &out, err)
		}
	}
	if ok, err := run(t.Context(), dir, options{only: "nothing"}, new(strings.Builder)); ok || err == nil {
		t.Errorf("nothing to do is no success: %v, %v", ok, err)
	}
}

func TestDraw(t *testing.T) {
	var all []mutant.Mutant
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		all = append(all, mutant.Mutant{Name: name})
	}
	three := draw(all, 3, 1)
	if diff := cmp.Diff(three, draw(all, 3, 1)); diff != "" || len(three) != 3 {
		t.Errorf("one seed, two draws: %s", diff)
	}
	if cmp.Equal(three, draw(all, 3, 2)) && cmp.Equal(three, draw(all, 3, 3)) {
		t.Error("the seed does not matter")
	}
	if diff := cmp.Diff(all, draw(all, 100, 1)); diff != "" {
		t.Error(diff)
	}
}

// Trying all mutants takes long. That each finds its file and its lines is seen at once.
func TestEveryMutantApplies(t *testing.T) {
	const root = "../../.."
	all, err := mutant.ReadFolder(filepath.Join(root, folder))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 250 {
		t.Errorf("only %d mutants found", len(all))
	}
	for _, m := range all {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.File)))
		if err != nil {
			t.Errorf("%s: %v", m.Source, err)
			continue
		}
		if _, err := m.Apply(string(text)); err != nil {
			t.Errorf("%s: %v", m.Source, err)
		}
	}
}

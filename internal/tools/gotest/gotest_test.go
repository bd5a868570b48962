package gotest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	results, err := Read(strings.NewReader(strings.Join([]string{
		`{"Action":"start","Package":"m/a"}`,
		`{"Action":"run","Package":"m/a","Test":"TestX"}`,
		`{"Action":"run","Package":"m/a","Test":"TestX/O1_one"}`,
		`{"Action":"output","Package":"m/a","Test":"TestX/O1_one","Output":"said\n"}`,
		`{"Action":"pass","Package":"m/a","Test":"TestX/O1_one"}`,
		`{"Action":"pass","Package":"m/a","Test":"TestX"}`,
		`{"Action":"run","Package":"m/a","Test":"TestSkipped"}`,
		`{"Action":"skip","Package":"m/a","Test":"TestSkipped"}`,
		`{"Action":"run","Package":"m/a","Test":"TestDied"}`,
		`{"Action":"output","Package":"m/a","Output":"panic: no\n"}`,
		`{"Action":"fail","Package":"m/a"}`,
		`{"Action":"start","Package":"m/b"}`,
		`go: a word of the go command`,
	}, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	want := map[Test]Outcome{
		{"m/a", "TestX"}: Pass, {"m/a", "TestX/O1_one"}: Pass, {"m/a", "TestSkipped"}: Skip, {"m/a", "TestDied"}: Fail,
	}
	if diff := cmp.Diff(want, results.Tests); diff != "" {
		t.Errorf("tests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]Outcome{"m/a": Fail, "m/b": Fail}, results.Packages); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if got := results.Output(Test{"m/a", "TestX/O1_one"}); got != "said\n" {
		t.Errorf("output %q", got)
	}
	if got, want := results.Other, "panic: no\ngo: a word of the go command"; got != want {
		t.Errorf("other output %q, want %q", got, want)
	}
	if diff := cmp.Diff([]Test{{"m/a", "TestDied"}}, results.Failures()); diff != "" || results.Passed() {
		t.Errorf("failures %s, passed %v", diff, results.Passed())
	}
}

func TestRun(t *testing.T) {
	module := func(t *testing.T, test string) string {
		dir := t.TempDir()
		for name, text := range map[string]string{"go.mod": "module m\n\ngo 1.26.0\n", "a_test.go": "package m\n\nimport \"testing\"\n\n" + test} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for _, tt := range []struct {
		name, test    string
		passed, built bool
	}{
		{"a test that passes", "func TestX(t *testing.T) {}", true, true},
		{"a test that fails", "func TestX(t *testing.T) { t.Fail() }", false, true},
		{"a test that does not compile", "func TestX(t *testing.T) { x }", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			results, err := Run(t.Context(), module(t, tt.test), ".")
			if err != nil {
				t.Fatal(err)
			}
			if results.Passed() != tt.passed || results.BuildFailed == tt.built {
				t.Errorf("passed %v, build failed %v: %s", results.Passed(), results.BuildFailed, results.Other)
			}
		})
	}
	t.Run("a folder without a module", func(t *testing.T) {
		if results, err := Run(t.Context(), t.TempDir(), "./nothing"); err == nil && results.Passed() {
			t.Error("it passed")
		}
	})
}

func TestIncludeTakesTheResultsOfAnotherRun(t *testing.T) {
	read := func(pkg, outcome string) *Results {
		r, err := Read(strings.NewReader(fmt.Sprintf(`{"Action":"start","Package":%[1]q}
{"Action":"run","Package":%[1]q,"Test":"TestX"}
{"Action":"output","Package":%[1]q,"Test":"TestX","Output":"of %[1]s"}
{"Action":%[2]q,"Package":%[1]q,"Test":"TestX"}
{"Action":%[2]q,"Package":%[1]q}
`, pkg, outcome)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	all := read("a", "pass")
	if all.Include(read("b", "pass")); !all.Passed() || len(all.Tests) != 2 || all.Output(Test{"b", "TestX"}) != "of b" {
		t.Errorf("passed %v: %v", all.Passed(), all.Tests)
	}
	if all.Include(read("c", "fail")); all.Passed() || len(all.Failures()) != 1 {
		t.Errorf("passed %v: %v", all.Passed(), all.Tests)
	}
}

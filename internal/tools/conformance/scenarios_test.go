package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/internal/tools/gotest"
	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

func TestReadScenarios(t *testing.T) {
	file := filepath.Join(t.TempDir(), scenarioFile)
	if items, err := readScenarios(file); len(items) != 0 || err != nil {
		t.Errorf("no list: %v, %v", items, err)
	}
	write(t, file, "## Late\nP10 A sentence, once\n## Early\nP9   two | e2e: TestX/P9; crash TestCrash\n")
	got, err := readScenarios(file)
	if err != nil {
		t.Fatal(err)
	}
	want := []item{
		{id: "P9", demand: "two", section: "Early", elsewhere: []string{"TestX/P9", "crash TestCrash"}},
		{id: "P10", demand: "A sentence, once", section: "Late"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(item{})); diff != "" {
		t.Errorf("scenarios (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"P9", "9 two", "P9 two | TestX", "P9 two\nP9 again"} {
		write(t, file, bad)
		if _, err := readScenarios(file); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestCheckElsewhere(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a_test.go"), "package e2e\n\nfunc TestX(t *testing.T) {\n\tt.Run(\"P9 a\", nil)\n}\n")
	write(t, filepath.Join(dir, "crash", "a_test.go"), "package crash\n\nfunc TestCrash(t *testing.T) {}\n")
	items := []item{
		{id: "P9", elsewhere: []string{"TestX/P9", "crash TestCrash"}},
		{id: "P10", elsewhere: []string{"TestX/P10", "TestCrash", "storm TestX"}},
	}
	got, err := checkElsewhere(items, dir)
	want := []string{"P10: there is no test TestX/P10 in e2e", "P10: there is no test TestCrash in e2e", "P10: there is no test storm TestX in e2e"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if len(items[0].elsewhere) != 2 || len(items[1].elsewhere) != 0 {
		t.Errorf("what counts: %q, %q", items[0].elsewhere, items[1].elsewhere)
	}
}

func TestScenarioReport(t *testing.T) {
	items, err := parseLines("x", "## First\nP1 one\nP2 two | e2e: TestX/P2\nP3 three|3 | e2e: crash TestCrash\n## Second\nP4 four\nP5 five\nP6 six\n", parseScenario)
	if err != nil {
		t.Fatal(err)
	}
	m := func(name string, ids ...string) mutant.Mutant { return mutant.Mutant{Name: name, Items: ids} }
	r := newScenarioReport(items, []mutant.Mutant{m("a", "O1", "P1", "P77"), m("b", "P1", "P2", "P3", "P5"), m("c", "P1"), m("d", "P1")}, results(map[string]gotest.Outcome{
		"TestA/P1_a": gotest.Pass, "TestA/O9_P1_P15_b": gotest.Pass, "internal/keeper TestB/P3_a": gotest.Pass, "TestB/P5_a": gotest.Pass,
		"TestB/P5_b": gotest.Fail, "TestC/P6_a": gotest.Pass, "oauth/oauthtest TestC/P4_a": gotest.Pass,
	}))
	if got, want := r.summary(), "scenarios: 6: 3 shown, 1 by make e2e alone, 2 open"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	want := []string{"open: P4: no test shows it: four", "open: P5: TestB/P5_b did not pass", "P6: no mutant takes its protection out"}
	if diff := cmp.Diff(want, r.problems()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	_, tables, _ := strings.Cut(r.document(), "\n\n6 scenarios: 3 shown, 1 by the module e2e alone, 2 open.\n")
	document := "\n## First\n\n" +
		"| scenario | demand | shown by | result of this run | fails when |\n|---|---|---|---|---|\n" +
		"| P1 | one | `oauth TestA/O9_P1_P15_b`, `oauth TestA/P1_a` | 2 passed | a; b; c; and 1 more |\n" +
		"| P2 | two | `e2e TestX/P2` ‡ | not run here | b |\n" +
		"| P3 | three\\|3 | `internal/keeper TestB/P3_a`, `e2e/crash TestCrash` ‡ | 1 passed | b |\n" +
		"\n## Second\n\n" +
		"| scenario | demand | shown by | result of this run | fails when |\n|---|---|---|---|---|\n" +
		"| P4 | four |  | **open** |  |\n" +
		"| P5 | five | `oauth TestB/P5_a` | **open**: 1 of 2 did not pass | b |\n" +
		"| P6 | six | `oauth TestC/P6_a` | 1 passed |  |\n"
	if diff := cmp.Diff(document, tables); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// What run writes of scenarios, and when it fails for them.
func TestRunOfScenarios(t *testing.T) {
	for _, tt := range []struct{ name, list, problem string }{
		{"each is shown", "P1 one\nP2 two | e2e: TestX\n", ""},
		{"one is shown by a module that is an example", "P1 one\nP4 four\n", ""},
		{"one is open", "P1 one\nP3 three\n", "open: P3: no test shows it: three\n"},
		{"a test of e2e is not there", "P1 one\nP2 two | e2e: TestY\n", "P2: there is no test TestY in e2e\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "go.mod"), "module github.com/gimucco/atproto-go\n\ngo 1.26.0\n")
			write(t, filepath.Join(dir, "oauth", "a_test.go"), "package oauth\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Run(\"O1 P1 a\", func(t *testing.T) {}) }\n")
			write(t, filepath.Join(dir, "examples", "webapp", "go.mod"), "module github.com/gimucco/atproto-go/examples/webapp\n\ngo 1.26.0\n")
			write(t, filepath.Join(dir, "examples", "webapp", "site", "a_test.go"), "package site\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Run(\"P4 a\", func(t *testing.T) {}) }\n")
			write(t, filepath.Join(dir, "e2e", "a_test.go"), "package e2e\n\nfunc TestX(t *testing.T) {}\n")
			write(t, filepath.Join(dir, lists, "oauth.txt"), "O1 MUST one\n")
			write(t, filepath.Join(dir, lists, scenarioFile), tt.list)
			write(t, filepath.Join(dir, mutantLists, "a.txt"), "mutant m\nitems P1 P2 P3 P4\nfile a.go\ntest ./oauth TestX\n-a\n+b\n")
			var log strings.Builder
			err := run(t.Context(), dir, dir, &log)
			if (err == nil) != (tt.problem == "") || !strings.Contains(log.String(), tt.problem) {
				t.Errorf("got %v, printed %s", err, &log)
			}
			document, err := os.ReadFile(filepath.Join(dir, "docs", "SCENARIOS.md"))
			if err != nil || !strings.Contains(string(document), "| P1 | one | `oauth TestX/O1_P1_a` | 1 passed | m |\n") {
				t.Errorf("wrote %s, %v", document, err)
			}
		})
	}
}

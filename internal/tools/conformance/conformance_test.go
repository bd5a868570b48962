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

func TestParseList(t *testing.T) {
	got, err := parseList("oauth.txt", "# of the client\n\nO0 REC before any heading\n## Callback\nO59  MUST   taken  once\nO116 MUST/REF  two | does not apply: there is one\nO117 REF two | departs: one is enough\nO118 REF three | not yet: a room\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []item{
		{id: "O0", level: "REC", demand: "before any heading", section: "oauth"},
		{id: "O59", level: "MUST", demand: "taken once", section: "Callback"},
		{id: "O116", level: "MUST/REF", demand: "two", notForUs: "there is one", section: "Callback"},
		{id: "O117", level: "REF", demand: "two", departs: "one is enough", section: "Callback"},
		{id: "O118", level: "REF", demand: "three", notYet: "a room", section: "Callback"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(item{})); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"O59 MUST", "59 MUST once", "O59a MUST once", "O59 MUST once | no reason", "O59 MUST once | does not apply: ", "O59 MUST once | departs: ", "O59 MUST once | not yet: "} {
		if _, err := parseList("x.txt", "\n"+bad); err == nil || !strings.HasPrefix(err.Error(), "x.txt:2: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestReadLists(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "O10 MUST ten\nO2 MUST two\n", "b.txt": "## B\nO3 MUST three\n", parityFile: "not | read\n", scenarioFile: "P1 not read\n"} {
		write(t, filepath.Join(dir, name), text)
	}
	items, err := readLists(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, it := range items {
		ids = append(ids, it.id)
	}
	if diff := cmp.Diff([]string{"O2", "O3", "O10"}, ids); diff != "" {
		t.Error(diff)
	}
	write(t, filepath.Join(dir, "c.txt"), "O3 MUST again\n")
	if _, err := readLists(dir); err == nil {
		t.Error("an item listed twice is no error")
	}
	if _, err := readLists(t.TempDir()); err == nil {
		t.Error("no item at all is no error")
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// results puts together what a run would say. Names have the package before them if it is not
// oauth.
func results(outcomes map[string]gotest.Outcome) *gotest.Results {
	r := &gotest.Results{Tests: make(map[gotest.Test]gotest.Outcome), Packages: map[string]gotest.Outcome{}}
	for name, outcome := range outcomes {
		pkg, test, ok := strings.Cut(name, " ")
		if !ok {
			pkg, test = "oauth", name
		}
		r.Tests[gotest.Test{Package: module + pkg, Name: test}] = outcome
		if outcome == gotest.Fail || r.Packages[module+pkg] == "" {
			r.Packages[module+pkg] = outcome
		}
	}
	return r
}

func TestStates(t *testing.T) {
	const list = "O1 MUST one\nO2 MUST two\nO3 MUST three | does not apply: no\n"
	one, two := gotest.Pass, gotest.Pass
	for _, tt := range []struct {
		name     string
		outcomes map[string]gotest.Outcome
		mutants  []mutant.Mutant
		summary  string
		problem  string // "": none
	}{
		{"all shown", map[string]gotest.Outcome{"TestX/O1_a": one, "TestX/O2_b": two}, nil, "3 items: 2 shown, 1 do not apply, 0 open", ""},
		{"two at once, and one of another list", map[string]gotest.Outcome{"TestX/O1_P7_O2_b": one}, nil, "2 shown", ""},
		{"a slash in the name", map[string]gotest.Outcome{"TestX": one, "TestX/O1_O2_https://x": one}, nil, "2 shown", ""},
		{"an item without a test", map[string]gotest.Outcome{"TestX/O1_a": one}, nil, "1 shown, 1 do not apply, 1 open", "open: O2: no test shows it: two"},
		{"an item in the name of a function", map[string]gotest.Outcome{"TestX/O1_a": one, "O2": two}, nil, "1 open", "open: O2"},
		{"an item within a name", map[string]gotest.Outcome{"TestX/O1_a_O2": one}, nil, "1 open", "open: O2"},
		{"a test above that names an item shows it once", map[string]gotest.Outcome{"TestX/O1_a": one, "TestX/O1_a/b": one, "TestX/O2": two}, nil, "2 shown", ""},
		{"a test of the sandbox", map[string]gotest.Outcome{"oauth/oauthtest TestX/O1_a": one, "TestX/O2_b": two}, nil, "1 shown, 1 do not apply, 1 open", "open: O1: no test shows it"},
		{"a test that failed", map[string]gotest.Outcome{"TestX/O1_a": one, "TestX/O1_b": gotest.Fail, "TestX/O2_b": two}, nil, "1 open", "open: O1: TestX/O1_b did not pass"},
		{"a test that was skipped", map[string]gotest.Outcome{"TestX/O1_a": one, "TestX/O2_b": gotest.Skip}, nil, "1 open", "open: O2: TestX/O2_b did not pass"},
		{"a failure of another test", map[string]gotest.Outcome{"TestX/O1_a": one, "TestX/O2_b": two, "TestY": gotest.Fail}, nil, "2 shown", "failed: oauth TestY"},
		{"a test that names what is not listed", map[string]gotest.Outcome{"TestX/O1_a": one, "TestX/O2_O4_b": two}, nil, "2 shown", "oauth TestX/O2_O4_b names O4"},
		{"a mutant that names what is not listed", map[string]gotest.Outcome{"TestX/O1_a": one, "TestX/O2_b": two}, []mutant.Mutant{{Source: "a.txt:1", Items: []string{"O1", "O5"}}}, "2 shown", "mutant a.txt:1 names O5"},
		{"a test of what does not apply", map[string]gotest.Outcome{"TestX/O1_a": one, "TestX/O2_O3_b": two}, nil, "2 shown", "O3 does not apply"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			items, err := parseList("x.txt", list)
			if err != nil {
				t.Fatal(err)
			}
			r := newReport(items, tt.mutants, results(tt.outcomes))
			if !strings.Contains(r.summary(), tt.summary) {
				t.Errorf("got %q, want %q", r.summary(), tt.summary)
			}
			problems := strings.Join(r.problems(), "\n")
			if (tt.problem == "") != (problems == "") || !strings.Contains(problems, tt.problem) {
				t.Errorf("problems %q, want %q", problems, tt.problem)
			}
		})
	}
	t.Run("what is not built yet", func(t *testing.T) {
		items, err := parseList("x.txt", "O1 MUST one\nO2 MUST two | not yet: a room\n")
		if err != nil {
			t.Fatal(err)
		}
		r := newReport(items, nil, results(map[string]gotest.Outcome{"TestX/O1_a": one}))
		if want := "2 items: 1 shown, 0 do not apply, 0 open, 1 of parts that are not built yet"; !strings.Contains(r.summary(), want) || len(r.problems()) > 0 || !strings.Contains(r.document(subject{}), "| O2 | MUST | two | not yet: a room |") {
			t.Errorf("got %q, %v", r.summary(), r.problems())
		}
		r = newReport(items, nil, results(map[string]gotest.Outcome{"TestX/O1_O2_a": one}))
		if problems := strings.Join(r.problems(), "\n"); !strings.Contains(problems, "O2 is not built yet, says the list, but tests name it") {
			t.Errorf("got %q", problems)
		}
	})
	t.Run("what does not compile", func(t *testing.T) {
		r := newReport(nil, nil, &gotest.Results{BuildFailed: true, Other: "undefined: x"})
		if got := strings.Join(r.problems(), ""); !strings.Contains(got, "undefined: x") {
			t.Errorf("problems %q", got)
		}
	})
}

func TestDocument(t *testing.T) {
	items, err := parseList("x.txt", "## First\nO1 MUST a | does not apply: so|so\nO2 RFC b | departs: in a|way\n## Second\nO3 REC c\n")
	if err != nil {
		t.Fatal(err)
	}
	r := newReport(items, []mutant.Mutant{{Name: "no check", Items: []string{"O2"}}, {Name: "no other", Items: []string{"O2"}}}, results(map[string]gotest.Outcome{
		"TestA/O2_a": gotest.Pass, "TestB/O2_a|b": gotest.Pass, "TestC/O2_c": gotest.Pass, "cmd/x TestD/O2_d": gotest.Pass, "internal/scenario TestSandbox/O2_d": gotest.Pass,
	}))
	document := r.document(subject{title: "Conformance", demands: "What is demanded"})
	_, tables, _ := strings.Cut(document, "\n\n3 items: 1 shown, 1 do not apply, 1 open. Departures from the letter, each with its reason in its row: 1.\n")
	want := "\n## First\n\n" +
		"| item | level | demand | shown by | fails when |\n|---|---|---|---|---|\n" +
		"| O1 | MUST | a | does not apply: so\\|so |  |\n" +
		"| O2 | RFC | b | `oauth TestA/O2_a`, `internal/scenario TestSandbox/O2_d` †, and 3 more; departs: in a\\|way | no check; no other |\n" +
		"\n## Second\n\n" +
		"| item | level | demand | shown by | fails when |\n|---|---|---|---|---|\n" +
		"| O3 | REC | c | **open** |  |\n"
	if diff := cmp.Diff(want, tables); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

func TestParity(t *testing.T) {
	p, err := parseParity("# comment\n\na | oauth TestX/O1 a b; oauth TestY\nb | does not apply: no reason to\nc | open: cmd/atproto\nd | oauth TestGone\ne | oauth TestFails\n")
	if err != nil {
		t.Fatal(err)
	}
	carried, problems := p.check(results(map[string]gotest.Outcome{"TestX/O1_a_b": gotest.Pass, "TestY": gotest.Pass, "TestFails": gotest.Fail}))
	want := []string{"open: parity.txt:5: c", "parity.txt:6: there is no test oauth TestGone", "parity.txt:7: oauth TestFails did not pass"}
	if diff := cmp.Diff(want, problems); diff != "" || carried != 2 {
		t.Errorf("%d carried, problems (-want +got):\n%s", carried, diff)
	}
	for _, bad := range []string{"a", "a | TestX"} {
		if _, err := parseParity(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// A tiny module in place of ours: what run writes, and when it fails.
func TestRun(t *testing.T) {
	for _, tt := range []struct{ name, list, err string }{
		{"every item is shown", "O1 MUST one\n", ""},
		{"an item is open", "O1 MUST one\nO2 MUST two\n", "not everything is shown"},
		{"an item belongs nowhere", "O1 MUST one\nZ2 MUST two\n", "not everything is shown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "go.mod"), "module github.com/gimucco/atproto-go\n\ngo 1.26.0\n")
			write(t, filepath.Join(dir, "oauth", "a_test.go"), "package oauth\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Run(\"O1 X1 a\", func(t *testing.T) {}) }\n")
			write(t, filepath.Join(dir, lists, "oauth.txt"), tt.list)
			write(t, filepath.Join(dir, lists, "xrpc.txt"), "X1 MUST calls\n")
			write(t, filepath.Join(dir, lists, parityFile), "a | oauth TestX\n")
			var log strings.Builder
			err := run(t.Context(), dir, filepath.Join(dir, "out"), &log)
			if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if !strings.HasSuffix(log.String(), "parity: 1 of 1 lines carried\n") {
				t.Errorf("printed %s", &log)
			}
			for file, want := range map[string]string{
				"oauth/CONFORMANCE.md": "| O1 | MUST | one | `oauth TestX/O1_X1_a` |  |\n",
				"xrpc/CONFORMANCE.md":  "| X1 | MUST | calls | `oauth TestX/O1_X1_a` |  |\n",
				"docs/SCENARIOS.md":    "# Scenarios",
			} {
				document, err := os.ReadFile(filepath.Join(dir, "out", file))
				if err != nil || !strings.Contains(string(document), want) {
					t.Errorf("wrote %s: %s, %v", file, document, err)
				}
			}
		})
	}
}

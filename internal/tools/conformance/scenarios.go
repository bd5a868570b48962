package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gimucco/atproto-go/internal/tools/gotest"
	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

// scenarioFile is the list of scenarios: what other clients, or this one in the past, were seen to
// do wrong. A line is a number, a demand in one sentence and, if tests of the module e2e show it,
// their folder there and their names:
//
//	P7   a handler of events that uses its session waits for nobody
//	P77  an update survives a purge that waited for it | e2e: TestPurgeWaitsForAWriter/P77
//	P6   a process that is killed leaves no record damaged | e2e: crash TestCrash; storm TestStorm
//
// Missing numbers belong to scenarios that are still to come.
const scenarioFile = "scenarios.txt"

// readScenarios reads the list. The file may be missing.
func readScenarios(file string) ([]item, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	items, err := parseLines(filepath.Base(file), string(text), parseScenario)
	if err != nil {
		return nil, err
	}
	return items, inOrder(items)
}

func parseScenario(line string) (item, error) {
	demand, more, elsewhere := strings.Cut(line, " | ")
	id, demand, _ := strings.Cut(demand, " ")
	it := item{id: id, demand: strings.TrimSpace(demand)}
	if !itemID.MatchString(id) || it.demand == "" {
		return item{}, fmt.Errorf("%q is not a number and a demand", line)
	}
	if elsewhere {
		tests, ok := strings.CutPrefix(more, "e2e: ")
		if !ok {
			return item{}, errors.New("what follows \" | \" is \"e2e: \" and names of tests")
		}
		for test := range strings.SplitSeq(tests, ";") {
			it.elsewhere = append(it.elsewhere, strings.TrimSpace(test))
		}
	}
	return it, nil
}

// checkElsewhere returns the listed tests of e2e that do not exist, and removes them from the
// items. These tests do not run here, so it searches the source: for a function with that name and,
// after a slash, a subtest whose name begins with the rest.
func checkElsewhere(items []item, e2e string) (missing []string, err error) {
	for i, it := range items {
		items[i].elsewhere = nil
		for _, test := range it.elsewhere {
			folder, name, ok := strings.Cut(test, " ")
			if !ok {
				folder, name = "", test
			}
			files, err := filepath.Glob(filepath.Join(e2e, folder, "*_test.go"))
			if err != nil {
				return nil, err
			}
			function, subtest, _ := strings.Cut(name, "/")
			there := false
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					return nil, err
				}
				there = there || strings.Contains(string(text), "\nfunc "+function+"(") &&
					(subtest == "" || strings.Contains(string(text), `t.Run("`+subtest+" "))
			}
			if there {
				items[i].elsewhere = append(items[i].elsewhere, test)
			} else {
				missing = append(missing, fmt.Sprintf("%s: there is no test %s in e2e", it.id, test))
			}
		}
	}
	return missing, nil
}

// A scenarioReport is a report of scenarios.
type scenarioReport struct{ *report }

func newScenarioReport(items []item, mutants []mutant.Mutant, results *gotest.Results) scenarioReport {
	return scenarioReport{gather(items, nil, mutants, results)}
}

// byE2E reports whether only tests of e2e show a scenario.
func (r scenarioReport) byE2E(it item) bool {
	return len(r.passed[it.id])+len(r.failed[it.id]) == 0 && len(it.elsewhere) > 0
}

func (r scenarioReport) counts() (shown, byE2E, open int) {
	for _, it := range r.items {
		switch {
		case r.byE2E(it):
			byE2E++
		case r.open(it):
			open++
		default:
			shown++
		}
	}
	return shown, byE2E, open
}

func (r scenarioReport) open(it item) bool { return !r.byE2E(it) && r.state(it) == open }

func (r scenarioReport) summary() string {
	shown, byE2E, open := r.counts()
	return fmt.Sprintf("scenarios: %d: %d shown, %d by make e2e alone, %d open", len(r.items), shown, byE2E, open)
}

// problems returns the problems of the scenarios. The other report names all other failures.
func (r scenarioReport) problems() (problems []string) {
	for _, it := range r.items {
		switch {
		case r.open(it) && len(r.failed[it.id]) > 0:
			problems = append(problems, fmt.Sprintf("open: %s: %s did not pass", it.id, r.failed[it.id][0].Name))
		case r.open(it):
			problems = append(problems, fmt.Sprintf("open: %s: no test shows it: %s", it.id, it.demand))
		case len(r.mutants[it.id]) == 0:
			problems = append(problems, fmt.Sprintf("%s: no mutant takes its protection out", it.id))
		}
	}
	return problems
}

// document returns the table. It contains nothing that changes from run to run.
func (r scenarioReport) document() string {
	shown, byE2E, open := r.counts()
	var b strings.Builder
	fmt.Fprintf(&b, `# Scenarios

What clients were seen to do wrong, and the tests that show that this one does not. `+"`make tables`"+` runs the tests and
writes this file from what passed; it fails while a scenario is open. `+"`make mutate`"+` takes the protections out, one at a time, and
expects the tests to fail. Scenarios of other parts of the module are added with them.

Tests are named as `+"`go test -run`"+` takes them. Those marked † run on the real PDS as well (`+"`make e2e-pds`"+`); those marked ‡ are
in the module e2e (`+"`make e2e`, `make crash`, `make storm`"+`) and did not run for this table. The rules for a refresh (P1–P6, P52, P53,
P114–P119) are also tried in random order, in time that is not real, by `+"`make simulate`"+`.

%d scenarios: %d shown, %d by the module e2e alone, %d open.
`, len(r.items), shown, byE2E, open)
	section := ""
	for i, it := range r.items {
		if i == 0 || it.section != section {
			section = it.section
			fmt.Fprintf(&b, "\n## %s\n\n| scenario | demand | shown by | result of this run | fails when |\n|---|---|---|---|---|\n", section)
		}
		names := named(r.passed[it.id])
		for _, test := range it.elsewhere {
			if strings.Contains(test, " ") {
				test = "e2e/" + test
			} else {
				test = "e2e " + test
			}
			names = append(names, "`"+cell(test)+"` ‡")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", it.id, cell(it.demand), strings.Join(names, ", "), r.result(it), cell(some(r.mutants[it.id])))
	}
	return b.String()
}

func (r scenarioReport) result(it item) string {
	passed, failed := len(r.passed[it.id]), len(r.failed[it.id])
	switch {
	case r.byE2E(it):
		return "not run here"
	case failed > 0:
		return fmt.Sprintf("**open**: %d of %d did not pass", failed, passed+failed)
	case passed == 0:
		return "**open**"
	}
	return fmt.Sprintf("%d passed", passed)
}

// some names the first few of many.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(names[:most], "; "), len(names)-most)
}

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/internal/tools/gotest"
	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

const (
	module   = "github.com/gimucco/atproto-go/"
	scenario = module + "internal/scenario" // runs on the sandbox here, and on the real PDS in e2e
	sandbox  = module + "oauth/oauthtest"   // its tests show how strict the sandbox is, not what the client does
)

// A report combines the demands and the results of tests.
type report struct {
	items   []item
	passed  map[string][]gotest.Test // by item, sorted
	failed  map[string][]gotest.Test // failed or skipped
	mutants map[string][]string      // names, by item
	strange []string                 // names of items that are in no list
	broken  []string                 // failures of tests and packages
}

// newReport collects the results of a run for complete lists: an item that is in no list is a
// mistake.
func newReport(items []item, mutants []mutant.Mutant, results *gotest.Results) *report {
	families := make(map[byte]bool) // letters of other lists are not checked
	for _, it := range items {
		families[it.id[0]] = true
	}
	return gather(items, families, mutants, results)
}

func gather(items []item, complete map[byte]bool, mutants []mutant.Mutant, results *gotest.Results) *report {
	r := &report{
		items:  items,
		passed: make(map[string][]gotest.Test), failed: make(map[string][]gotest.Test),
		mutants: make(map[string][]string),
	}
	listed := make(map[string]bool)
	for _, it := range items {
		listed[it.id] = true
	}
	ours := func(who string, ids []string) (known []string) {
		for _, id := range ids {
			switch {
			case listed[id]:
				known = append(known, id)
			case complete[id[0]]:
				r.strange = append(r.strange, fmt.Sprintf("%s names %s, which no list has", who, id))
			}
		}
		return known
	}
	tests := make([]gotest.Test, 0, len(results.Tests))
	for t := range results.Tests {
		tests = append(tests, t)
	}
	slices.SortFunc(tests, gotest.Compare)
	for _, t := range tests {
		for _, id := range ours(short(t.Package)+" "+t.Name, itemsShownBy(t, results)) {
			if t.Package == sandbox {
				continue
			}
			if results.Tests[t] == gotest.Pass {
				r.passed[id] = append(r.passed[id], t)
			} else {
				r.failed[id] = append(r.failed[id], t)
			}
		}
	}
	for _, m := range mutants {
		for _, id := range ours("mutant "+m.Source, m.Items) {
			r.mutants[id] = append(r.mutants[id], m.Name)
		}
	}
	for _, t := range results.Failures() {
		r.broken = append(r.broken, fmt.Sprintf("failed: %s %s\n%s", short(t.Package), t.Name, results.Output(t)))
	}
	if !results.Passed() && len(r.broken) == 0 {
		r.broken = append(r.broken, "the tests did not run to their end:\n"+results.Other)
	}
	return r
}

// itemsShownBy returns the items in a test's own name. Items in the name of a test above belong to
// that test. But if there is no test above, the name itself contains the slash.
func itemsShownBy(t gotest.Test, results *gotest.Results) []string {
	parts := strings.Split(t.Name, "/")
	for i := 1; i < len(parts); i++ {
		above := strings.Join(parts[:i+1], "/")
		if _, exists := results.Tests[gotest.Test{Package: t.Package, Name: above}]; exists && above != t.Name {
			continue
		}
		return itemsOf(parts[i])
	}
	return nil
}

// A state is the result for an item.
type state int

const (
	open state = iota
	shown
	excepted
	pending // its subject is not built yet
)

func (r *report) state(it item) state {
	switch {
	case it.notForUs != "":
		return excepted
	case it.notYet != "":
		return pending
	case len(r.passed[it.id]) > 0 && len(r.failed[it.id]) == 0:
		return shown
	}
	return open
}

func (r *report) count(s state) int {
	n := 0
	for _, it := range r.items {
		if r.state(it) == s {
			n++
		}
	}
	return n
}

func (r *report) summary() string {
	return fmt.Sprintf("conformance: %s; %d depart", r.counts(), r.departures())
}

// counts returns how many items are in each state.
func (r *report) counts() string {
	text := fmt.Sprintf("%d items: %d shown, %d do not apply, %d open", len(r.items), r.count(shown), r.count(excepted), r.count(open))
	if n := r.count(pending); n > 0 {
		text += fmt.Sprintf(", %d of parts that are not built yet", n)
	}
	return text
}

// departures counts the items that are met in another way than the text demands.
func (r *report) departures() int {
	n := 0
	for _, it := range r.items {
		if it.departs != "" {
			n++
		}
	}
	return n
}

// problems returns the reasons why a run is not a success.
func (r *report) problems() []string {
	problems := slices.Concat(r.broken, r.strange)
	for _, it := range r.items {
		switch {
		case r.state(it) == open && len(r.failed[it.id]) > 0:
			problems = append(problems, fmt.Sprintf("open: %s: %s did not pass", it.id, r.failed[it.id][0].Name))
		case r.state(it) == open:
			problems = append(problems, fmt.Sprintf("open: %s: no test shows it: %s", it.id, it.demand))
		case r.state(it) == excepted && len(r.passed[it.id])+len(r.failed[it.id]) > 0:
			problems = append(problems, fmt.Sprintf("%s does not apply, says the list, but tests name it", it.id))
		case r.state(it) == pending && len(r.passed[it.id])+len(r.failed[it.id]) > 0:
			problems = append(problems, fmt.Sprintf("%s is not built yet, says the list, but tests name it", it.id))
		}
	}
	return problems
}

// document returns the table. It contains nothing that changes from run to run.
func (r *report) document(about subject) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# %s

%s, and the tests that show it. `+"`make tables`"+`
runs the tests and writes this file from what passed; it fails while an item is open. `+"`make mutate`"+` takes the
protections out, one at a time, and expects the tests to fail.

The demands are in our own words in `+"`internal/tools/conformance`"+`. MUST and SHOULD are those of the atproto specification, RFC those
of an RFC that it refers to; REF is what the reference server enforces without the specification saying so, REC a
recommendation. Tests are named as `+"`go test -run`"+` takes them; those marked † run on the real PDS as well (`+"`make e2e-pds`"+`).

%s. Departures from the letter, each with its reason in its row: %d.
`, about.title, about.demands, r.counts(), r.departures())
	section := ""
	for i, it := range r.items {
		if i == 0 || it.section != section {
			section = it.section
			fmt.Fprintf(&b, "\n## %s\n\n| item | level | demand | shown by | fails when |\n|---|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", it.id, it.level, cell(it.demand), r.evidence(it), cell(strings.Join(r.mutants[it.id], "; ")))
	}
	return b.String()
}

// evidence returns the cell with the tests that show an item.
func (r *report) evidence(it item) string {
	switch r.state(it) {
	case excepted:
		return "does not apply: " + cell(it.notForUs)
	case pending:
		return "not yet: " + cell(it.notYet)
	case open:
		return "**open**"
	}
	names := strings.Join(named(r.passed[it.id]), ", ")
	if it.departs != "" {
		return names + "; departs: " + cell(it.departs)
	}
	return names
}

// named returns the tests that a row names, and how many more there are.
func named(tests []gotest.Test) []string {
	const most = 2
	tests = slices.Clone(tests)
	// Tests of commands come last, because they rest on the others. A test that the real server
	// passes too is always named.
	slices.SortStableFunc(tests, func(a, b gotest.Test) int {
		return cmp.Compare(strings.Count(a.Package, "/cmd/"), strings.Count(b.Package, "/cmd/"))
	})
	if i := slices.IndexFunc(tests, func(t gotest.Test) bool { return t.Package == scenario }); i >= 0 && len(tests) > 1 {
		real := tests[i]
		tests = slices.Insert(slices.Delete(tests, i, i+1), 1, real)
	}
	var names []string
	for i, t := range tests {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(tests)-most))
			break
		}
		name := "`" + short(t.Package) + " " + cell(t.Name) + "`"
		if t.Package == scenario {
			name += " †"
		}
		names = append(names, name)
	}
	return names
}

// short returns a package's path inside the module.
func short(pkg string) string { return strings.TrimPrefix(pkg, module) }

// cell escapes text for a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// Conformance runs the tests, and writes which test shows that a demand of the specifications is
// met.
//
//	go run ./internal/tools/conformance    # writes oauth/CONFORMANCE.md, xrpc/CONFORMANCE.md and docs/SCENARIOS.md
//
// The demands are the items in the .txt files of this folder, one on each line:
//
//	## Callback
//	O59  MUST  a login's state works once, also when two callbacks come at once
//	O116  MUST  … | does not apply: reason
//	O100  MUST  … | departs: reason
//	X38  MUST  … | not yet: what has to be built first
//
// A subtest shows an item if its name begins with the item, as in
//
//	t.Run("O59 P27 state is taken once", …)
//
// An item is met if at least one such subtest passed and none failed. Otherwise it is open, and the
// exit status is 1. The exit status is also 1 if a test fails, if a test or a mutant names an item
// that is in no list, or if a line of parity.txt names a test that did not pass.
//
// scenarios.txt is a separate list of what clients were seen to do wrong. It need not be complete.
// Each of its scenarios has a mutant. Tests of the module e2e do not run here: the report only says
// that the list names them, and it is an error if they do not exist.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/internal/tools/gotest"
	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

const (
	lists       = "internal/tools/conformance" // folder of the lists
	parityFile  = "parity.txt"                 // the list of behaviours, which are not items
	mutantLists = "internal/tools/mutants"
)

// packages are the packages whose tests show items, if they exist. Those in one line run together.
// The generator's tests compile whole modules, and would disturb tests that wait for claims.
var packages = [][]string{{
	"./oauth/...", "./identity/...", "./internal/safehttp", "./internal/scenario", "./xrpc/...", "./generated/...", "./serviceauth/...", "./video/...",
	"./internal/dpop", "./internal/keeper", "./internal/vault", "./internal/token", "./internal/serverclock", "./internal/clientmetadata/...", "./cmd/...",
	"./apppassword", "./records", "./internal/tools/house",
}, {
	"./lexgen/...",
}}

// modules are folders of modules whose tests run, too: they need nothing but Go.
var modules = []string{"examples/webapp"}

// A subject is what items with the same letter are about.
type subject struct {
	letter         byte
	file           string // relative to the root
	title, demands string
}

var subjects = []subject{
	{'O', "oauth/CONFORMANCE.md", "Conformance of the OAuth client", "What the atproto OAuth profile and the RFCs below it demand of a client"},
	{'X', "xrpc/CONFORMANCE.md", "Conformance of calls", "What the specifications of XRPC, lexicons and blobs demand of a client that calls methods"},
}

// scenariosOut is the file for the scenarios.
const scenariosOut = "docs/SCENARIOS.md"

func main() {
	out := flag.String("out", ".", "folder that stands for the module's own, to write to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".", *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run runs the tests of the module in root and writes the documents below out.
func run(ctx context.Context, root, out string, log io.Writer) error {
	items, err := readLists(filepath.Join(root, lists))
	if err != nil {
		return err
	}
	scenarios, err := readScenarios(filepath.Join(root, lists, scenarioFile))
	if err != nil {
		return err
	}
	missing, err := checkElsewhere(scenarios, filepath.Join(root, "e2e"))
	if err != nil {
		return err
	}
	parity, err := readParity(filepath.Join(root, lists, parityFile))
	if err != nil {
		return err
	}
	mutants, err := mutant.ReadFolder(filepath.Join(root, mutantLists))
	if err != nil {
		return err
	}
	var results *gotest.Results
	test := func(dir string, args ...string) error {
		more, err := gotest.Run(ctx, dir, append([]string{"-count=1"}, args...)...)
		if err != nil {
			return err
		}
		if results == nil {
			results = more
		} else {
			results.Include(more)
		}
		return nil
	}
	for _, together := range packages {
		var args []string
		for _, pkg := range together {
			folder := filepath.Join(root, filepath.FromSlash(strings.TrimSuffix(pkg, "/...")))
			if _, err := os.Stat(folder); err == nil {
				args = append(args, pkg)
			}
		}
		if len(args) == 0 {
			continue
		}
		if err := test(root, args...); err != nil {
			return err
		}
	}
	for _, module := range modules {
		dir := filepath.Join(root, filepath.FromSlash(module))
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			continue
		}
		if err := test(dir, "./..."); err != nil {
			return err
		}
	}
	if results == nil {
		return errors.New("there is nothing to test")
	}
	s := newScenarioReport(scenarios, mutants, results)
	documents := map[string]string{scenariosOut: s.document()}
	var problems, summaries []string
	for _, about := range subjects {
		its := slices.DeleteFunc(slices.Clone(items), func(it item) bool { return it.id[0] != about.letter })
		if len(its) == 0 {
			continue
		}
		r := newReport(its, mutants, results)
		documents[about.file] = r.document(about)
		for _, p := range r.problems() {
			if !slices.Contains(problems, p) { // each report names its own failures
				problems = append(problems, p)
			}
		}
		summaries = append(summaries, r.summary())
	}
	for _, it := range items {
		if !slices.ContainsFunc(subjects, func(about subject) bool { return about.letter == it.id[0] }) {
			problems = append(problems, fmt.Sprintf("%s belongs to no subject", it.id))
		}
	}
	for file, document := range documents {
		file = filepath.Join(out, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(document), 0o644); err != nil {
			return err
		}
	}
	carried, parityProblems := parity.check(results)
	problems = slices.Concat(problems, s.problems(), missing, parityProblems)
	for _, p := range problems {
		fmt.Fprintln(log, p)
	}
	for _, summary := range summaries {
		fmt.Fprintln(log, summary)
	}
	fmt.Fprintln(log, s.summary())
	if len(parity) > 0 {
		fmt.Fprintf(log, "parity: %d of %d lines carried\n", carried, len(parity))
	}
	if len(problems) > 0 {
		return errors.New("not everything is shown")
	}
	return nil
}

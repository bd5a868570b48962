// Tally reads the output of `go test -json`, prints what a person wants to see of it,
// and counts. A skipped test counts as a failure: what cannot run has not passed. (To
// gotestsum it is none, which is why that is not used.)
//
//	go test -json ./... | go run ./tally e2e
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gimucco/atproto-go/internal/tools/gotest"
)

func main() {
	name := "tests"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	passed, failed, skipped, err := tally(os.Stdin, os.Stdout)
	fmt.Printf("%s: %d passed, %d failed, %d skipped\n", name, passed, failed, skipped)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
	}
	if err != nil || failed > 0 || skipped > 0 || passed == 0 {
		os.Exit(1)
	}
}

// tally counts the tests that have no subtests, those that failed with subtests that did,
// and packages that failed though none of their tests did.
func tally(in io.Reader, out io.Writer) (passed, failed, skipped int, err error) {
	results, err := gotest.Follow(in, func(soFar *gotest.Results, e gotest.Event) {
		switch e.Action {
		case "", "build-output":
			fmt.Fprint(out, e.Output)
		case "pass", "fail", "skip":
			if e.Test == "" {
				return
			}
			fmt.Fprintf(out, "%-4s  %6.2fs  %s\n", strings.ToUpper(e.Action), e.Elapsed, e.Test)
			if e.Action != "pass" {
				fmt.Fprint(out, soFar.Output(gotest.Test{Package: e.Package, Name: e.Test}))
			}
		}
	})
	if err != nil {
		return 0, 0, 0, err
	}
	parents := make(map[gotest.Test]bool)
	for t := range results.Tests {
		for i, c := range t.Name {
			if c == '/' {
				parents[gotest.Test{Package: t.Package, Name: t.Name[:i]}] = true
			}
		}
	}
	explained := make(map[string]bool) // packages that failed by a test of theirs
	for t, outcome := range results.Tests {
		switch {
		case outcome == gotest.Fail:
			explained[t.Package] = true
			failed++
		case outcome == gotest.Skip:
			skipped++
		case !parents[t]:
			passed++
		}
	}
	for pkg, outcome := range results.Packages {
		if outcome == gotest.Fail && !explained[pkg] {
			fmt.Fprintf(out, "package %s failed, or did not end\n%s", pkg, results.Other)
			failed++
		}
	}
	return passed, failed, skipped, nil
}

// Package gotest runs `go test -json` and returns the result of each test.
//
//	results, err := gotest.Run(ctx, ".", "-count=1", "./oauth")
//	results.Tests[gotest.Test{Package: "example.com/m/oauth", Name: "TestLogin/O59_state"}]
//
// The testjson package of gotestsum reads the same lines. It is not used, because its dependencies
// would be in the go.mod of everybody who uses this module.
package gotest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// A Test is a test or a subtest. Its name has the form of -json and -run: words joined by
// underscores, and a subtest after a slash.
type Test struct {
	Package string // import path
	Name    string
}

// An Outcome is the result of a test or of a package.
type Outcome string

// The outcomes. A test that began and did not end, because its process died, has failed.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Skip Outcome = "skip"
)

// Results are the results of one run.
type Results struct {
	Tests    map[Test]Outcome
	Packages map[string]Outcome

	// BuildFailed is set if something did not compile, so that nothing is known about its tests.
	BuildFailed bool

	// Other is output that belongs to no test: errors of the compiler, panics, and messages of the
	// go command.
	Other string

	output map[Test]*strings.Builder
}

// Failures returns the tests that failed, sorted by package and name. It includes a test that
// failed only because of its subtests.
func (r *Results) Failures() []Test {
	var failed []Test
	for t, outcome := range r.Tests {
		if outcome == Fail {
			failed = append(failed, t)
		}
	}
	slices.SortFunc(failed, Compare)
	return failed
}

// Passed reports whether all packages passed, and there was at least one.
func (r *Results) Passed() bool {
	for _, outcome := range r.Packages {
		if outcome == Fail {
			return false
		}
	}
	return !r.BuildFailed && len(r.Packages) > 0
}

// Include adds the results of another run with other packages.
func (r *Results) Include(other *Results) {
	maps.Copy(r.Tests, other.Tests)
	maps.Copy(r.Packages, other.Packages)
	maps.Copy(r.output, other.output)
	r.BuildFailed = r.BuildFailed || other.BuildFailed
	r.Other += other.Other
}

// Output returns what a test printed.
func (r *Results) Output(t Test) string {
	if b := r.output[t]; b != nil {
		return b.String()
	}
	return ""
}

// Compare orders tests by package, then by name.
func Compare(a, b Test) int {
	return cmp.Or(strings.Compare(a.Package, b.Package), strings.Compare(a.Name, b.Name))
}

// An Event is a line of `go test -json` (go doc test2json).
type Event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	Elapsed     float64 // seconds
	FailedBuild string
}

// Read reads the output of `go test -json`. Lines that are not events become part of Other.
func Read(in io.Reader) (*Results, error) {
	return Follow(in, func(*Results, Event) {})
}

// Follow is Read for programs that show progress. It calls tell with each event, and with the
// results so far. A line that is not an event becomes an event with only an Output.
func Follow(in io.Reader, tell func(soFar *Results, e Event)) (*Results, error) {
	r := &Results{
		Tests:    make(map[Test]Outcome),
		Packages: make(map[string]Outcome),
		output:   make(map[Test]*strings.Builder),
	}
	var other strings.Builder
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e Event
			if json.Unmarshal(line, &e) != nil {
				e = Event{Output: string(line)}
				other.Write(line)
			} else {
				r.add(e, &other)
			}
			tell(r, e)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("output of go test: %w", err)
		}
	}
	for t, outcome := range r.Tests {
		if outcome == "" {
			r.Tests[t] = Fail
		}
	}
	for pkg, outcome := range r.Packages {
		if outcome == "" {
			r.Packages[pkg] = Fail
		}
	}
	r.Other = other.String()
	return r, nil
}

func (r *Results) add(e Event, other *strings.Builder) {
	t := Test{e.Package, e.Test}
	switch e.Action {
	case "start":
		r.Packages[e.Package] = ""
	case "run":
		r.Tests[t] = ""
	case "output", "build-output":
		if e.Test == "" {
			other.WriteString(e.Output)
			return
		}
		if r.output[t] == nil {
			r.output[t] = new(strings.Builder)
		}
		r.output[t].WriteString(e.Output)
	case "build-fail":
		r.BuildFailed = true
	case "pass", "fail", "skip":
		r.BuildFailed = r.BuildFailed || e.FailedBuild != ""
		if e.Test == "" {
			r.Packages[e.Package] = Outcome(e.Action)
		} else {
			r.Tests[t] = Outcome(e.Action)
		}
	}
}

// Run runs `go test -json` in dir with more arguments. Failing tests, and tests that do not
// compile, are results and not errors.
func Run(ctx context.Context, dir string, args ...string) (*Results, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok || ok && !exit.Exited() {
		return nil, fmt.Errorf("go test: %w", err)
	}
	results, readErr := Read(&stdout)
	if readErr != nil {
		return nil, readErr
	}
	results.Other += stderr.String()
	if err != nil && len(results.Packages) == 0 && !results.BuildFailed {
		return nil, fmt.Errorf("go test: %w: %s", err, results.Other)
	}
	return results, nil
}

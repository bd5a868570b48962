// Tally reads the output of `go test -json`, prints what a person wants to see of it,
// and counts. A skipped test counts as a failure: what cannot run has not passed.
//
//	go test -json ./... | go run ./tally e2e
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is a line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

func main() {
	name := "tests"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	passed, failed, skipped := tally(os.Stdin, os.Stdout)
	fmt.Printf("%s: %d passed, %d failed, %d skipped\n", name, passed, failed, skipped)
	if failed > 0 || skipped > 0 || passed == 0 {
		os.Exit(1)
	}
}

// tally counts the tests that have no subtests, and packages that failed without one.
func tally(in io.Reader, out io.Writer) (passed, failed, skipped int) {
	outcome := make(map[string]string) // by package and test
	running := make(map[string]bool)   // packages that have begun and not ended
	output := make(map[string]*strings.Builder)
	var order []string
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var e event
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			// What is not an event is a message of the go command.
			fmt.Fprintln(out, scanner.Text())
			continue
		}
		key := e.Package + "\x00" + e.Test
		switch e.Action {
		case "start":
			running[e.Package] = true
		case "output", "build-output":
			if output[key] == nil {
				output[key] = new(strings.Builder)
			}
			output[key].WriteString(e.Output)
			if e.Action == "build-output" {
				fmt.Fprint(out, e.Output)
			}
		case "pass", "fail", "skip":
			if e.Test == "" {
				delete(running, e.Package)
			}
			if e.Test == "" && e.Action != "fail" {
				continue
			}
			outcome[key] = e.Action
			order = append(order, key)
			if e.Test != "" {
				fmt.Fprintf(out, "%-4s  %6.2fs  %s\n", strings.ToUpper(e.Action), e.Elapsed, e.Test)
			}
			if e.Action != "pass" && output[key] != nil {
				fmt.Fprint(out, output[key])
			}
		}
	}
	failures := 0 // of tests, to tell whether a package failed for another reason
	for _, key := range order {
		pkg, test, _ := strings.Cut(key, "\x00")
		parent := false
		for other := range outcome {
			parent = parent || test != "" && strings.HasPrefix(other, pkg+"\x00"+test+"/")
		}
		switch {
		case test == "", parent && outcome[key] == "pass":
		case outcome[key] == "pass":
			passed++
		case outcome[key] == "skip":
			skipped++
		default:
			failures++
			failed++
		}
	}
	for _, key := range order {
		if pkg, test, _ := strings.Cut(key, "\x00"); test == "" && failures == 0 {
			fmt.Fprintf(out, "package %s failed\n", pkg)
			failed++
		}
	}
	for pkg := range running {
		fmt.Fprintf(out, "package %s did not end\n", pkg)
		failed++
	}
	return passed, failed, skipped
}

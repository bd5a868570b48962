package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/gimucco/atproto-go/internal/tools/gotest"
)

// parity is the list of what other libraries test, and of our tests for the same. A line is a
// behaviour and, after " | ", one of: the package and names of tests, the reason why there is no
// test, or that there is none yet:
//
//	a state works once | oauth TestStateIsTakenOnce; internal/scenario TestSandbox/BadInput
//	tables are made for MySQL 5 | does not apply: …
//	the command prints its help | open: cmd/atproto
type parity []parityLine

type parityLine struct {
	source    string // file and line
	behaviour string
	tests     []gotest.Test
	notForUs  string
	open      bool
}

// readParity reads the list. The file may be missing.
func readParity(file string) (parity, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseParity(string(text))
}

func parseParity(text string) (parity, error) {
	var lines parity
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		p := parityLine{source: fmt.Sprintf("%s:%d", parityFile, i+1)}
		behaviour, carrier, ok := strings.Cut(line, " | ")
		p.behaviour = behaviour
		switch why, excepted := strings.CutPrefix(carrier, "does not apply: "); {
		case !ok:
			return nil, fmt.Errorf("%s: there is no \" | \"", p.source)
		case excepted:
			p.notForUs = why
		case strings.HasPrefix(carrier, "open:"):
			p.open = true
		default:
			for test := range strings.SplitSeq(carrier, ";") {
				fields := strings.Fields(test)
				if len(fields) < 2 {
					return nil, fmt.Errorf("%s: %q is not a package and a test", p.source, test)
				}
				p.tests = append(p.tests, gotest.Test{Package: path.Join(module, fields[0]), Name: strings.Join(fields[1:], "_")})
			}
		}
		lines = append(lines, p)
	}
	return lines, nil
}

// check compares the list with a run. It returns how many lines have tests that passed, or a reason
// why they have none.
func (p parity) check(results *gotest.Results) (carried int, problems []string) {
	for _, line := range p {
		if line.open {
			problems = append(problems, fmt.Sprintf("open: %s: %s", line.source, line.behaviour))
			continue
		}
		ok := true
		for _, t := range line.tests {
			switch outcome, ran := results.Tests[t]; {
			case !ran:
				ok = false
				problems = append(problems, fmt.Sprintf("%s: there is no test %s %s", line.source, short(t.Package), t.Name))
			case outcome != gotest.Pass:
				ok = false
				problems = append(problems, fmt.Sprintf("%s: %s %s did not pass", line.source, short(t.Package), t.Name))
			}
		}
		if ok {
			carried++
		}
	}
	return carried, problems
}

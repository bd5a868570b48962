package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/tools/gotest"
	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

// A verdict is the result of a mutant.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "SURVIVED"
	broken   verdict = "BROKEN"
)

// A lab tries mutants in a temporary folder. It can try several at once.
type lab struct {
	root    string
	temp    string
	timeout time.Duration

	sound map[string]error // by package and pattern: why the test proves nothing, even without a mutant
}

// newLab runs the tests of all mutants on the unchanged tree, once for each package. A test that
// fails then proves nothing.
func newLab(ctx context.Context, root string, timeout time.Duration, all []mutant.Mutant) (*lab, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	l := &lab{root: root, temp: temp, timeout: timeout, sound: make(map[string]error)}
	patterns := make(map[string][]string)
	for _, m := range all {
		if !slices.Contains(patterns[m.Package], m.Run) {
			patterns[m.Package] = append(patterns[m.Package], m.Run)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(patterns)) {
		runs := patterns[pkg]
		results, err := l.test(ctx, pkg, strings.Join(runs, "|"), time.Duration(len(runs))*timeout)
		if err != nil {
			l.close()
			return nil, err
		}
		for _, run := range runs {
			l.sound[pkg+" "+run] = checkSound(results, run)
		}
	}
	return l, nil
}

func (l *lab) close() { os.RemoveAll(l.temp) }

// try tries one mutant. why says why it was not killed. An error ends the run.
func (l *lab) try(ctx context.Context, m mutant.Mutant) (v verdict, why string, err error) {
	temp, err := os.MkdirTemp(l.temp, "")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(temp)
	overlay, err := l.overlay(m, temp)
	if err != nil {
		return broken, err.Error(), nil
	}
	if unsound := l.sound[m.Package+" "+m.Run]; unsound != nil {
		return broken, fmt.Sprintf("%s %s: %v", m.Package, m.Run, unsound), nil
	}
	results, err := l.test(ctx, m.Package, m.Run, l.timeout, "-overlay", overlay)
	if err != nil {
		return "", "", err
	}
	switch {
	case results.BuildFailed:
		return broken, "it does not compile:\n" + results.Other, nil
	case results.Passed():
		return survived, fmt.Sprintf("%s %s passes all the same", m.Package, m.Run), nil
	case !m.Hangs && timedOut(results):
		return broken, fmt.Sprintf("%s %s does not end within %s; if that is how it fails, say \"hangs\"", m.Package, m.Run, l.timeout), nil
	}
	return killed, "", nil
}

// overlay writes the changed copy of a mutant's file to temp, and the file that makes the go
// command read it instead of the original.
func (l *lab) overlay(m mutant.Mutant, temp string) (string, error) {
	file := filepath.Join(l.root, filepath.FromSlash(m.File))
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	changed, err := m.Apply(string(text))
	if err != nil {
		return "", err
	}
	copied := filepath.Join(temp, "copy.go")
	if err := os.WriteFile(copied, []byte(changed), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: copied}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(temp, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// test runs tests. It leaves out vet, because style does not matter here.
func (l *lab) test(ctx context.Context, pkg, run string, timeout time.Duration, args ...string) (*gotest.Results, error) {
	dir, pkg := l.module(pkg)
	args = append(args, "-count=1", "-vet=off", "-timeout", timeout.String(), "-run", run, pkg)
	return gotest.Run(ctx, dir, args...)
}

// module returns the folder of the module that a package of the list is in, and the package as it is called
// there: some examples are modules of their own.
func (l *lab) module(pkg string) (dir, within string) {
	rel := strings.TrimPrefix(pkg, "./")
	for parent := rel; parent != "."; parent = path.Dir(parent) {
		dir := filepath.Join(l.root, filepath.FromSlash(parent))
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, "./" + strings.TrimPrefix(strings.TrimPrefix(rel, parent), "/")
		}
	}
	return l.root, pkg
}

func timedOut(results *gotest.Results) bool {
	const words = "panic: test timed out after"
	if strings.Contains(results.Other, words) {
		return true
	}
	for t := range results.Tests {
		if strings.Contains(results.Output(t), words) {
			return true
		}
	}
	return false
}

// checkSound checks that each alternative of a -run pattern matched a test that passed, and none
// that failed. If the last parts of a pattern match nothing, the tests above still run, so a
// passing run alone does not prove this.
func checkSound(results *gotest.Results, pattern string) error {
	if results.BuildFailed {
		return errors.New("it fails already:\n" + strings.TrimSpace(results.Other))
	}
	for _, alternative := range splitOutside(pattern, '|') {
		var parts []*regexp.Regexp
		for _, part := range splitOutside(alternative, '/') {
			re, err := regexp.Compile(strings.Map(underscore, part))
			if err != nil {
				return err
			}
			parts = append(parts, re)
		}
		passed := false
		for t, outcome := range results.Tests {
			names := strings.Split(t.Name, "/")
			depth := min(len(names), len(parts))
			matches := true
			for i := range depth {
				matches = matches && parts[i].MatchString(names[i])
			}
			switch {
			case !matches:
			case outcome == gotest.Fail: // also a test above the intended ones
				return fmt.Errorf("%s fails already", t.Name)
			case outcome == gotest.Pass && depth == len(parts):
				passed = true
			}
		}
		if !passed {
			return fmt.Errorf("%q matches no test that passes", alternative)
		}
	}
	return nil
}

// underscore returns what package testing makes of a space in names and patterns.
func underscore(r rune) rune {
	if r == ' ' {
		return '_'
	}
	return r
}

// splitOutside splits a pattern like package testing: not inside brackets or parentheses, and not
// after a backslash.
func splitOutside(pattern string, separator byte) []string {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '[' || c == '(':
			depth++
		case c == ']' || c == ')':
			depth--
		case c == separator && depth == 0:
			parts = append(parts, pattern[start:i])
			start = i + 1
		}
	}
	return append(parts, pattern[start:])
}

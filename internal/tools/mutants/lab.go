package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/tools/gotest"
	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

// A verdict is what became of a mutant.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "SURVIVED"
	broken   verdict = "BROKEN"
)

// A lab tries mutants in a temporary folder.
type lab struct {
	root    string
	temp    string
	timeout time.Duration

	sound map[string]error // by package and pattern: why the test proves nothing, without any mutant
}

func newLab(root string, timeout time.Duration) (*lab, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	return &lab{root: root, temp: temp, timeout: timeout, sound: make(map[string]error)}, nil
}

func (l *lab) close() { os.RemoveAll(l.temp) }

// try tries one mutant. why explains what is not killed; an error ends the run.
func (l *lab) try(ctx context.Context, m mutant.Mutant) (v verdict, why string, err error) {
	overlay, err := l.overlay(m)
	if err != nil {
		return broken, err.Error(), nil
	}
	unsound, err := l.unsound(ctx, m)
	if err != nil {
		return "", "", err
	}
	if unsound != nil {
		return broken, unsound.Error(), nil
	}
	results, err := l.test(ctx, m, "-overlay", overlay)
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

// overlay writes the changed copy of a mutant's file, and what tells the go command to
// read it in the file's place.
func (l *lab) overlay(m mutant.Mutant) (string, error) {
	file := filepath.Join(l.root, filepath.FromSlash(m.File))
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	changed, err := m.Apply(string(text))
	if err != nil {
		return "", err
	}
	copied := filepath.Join(l.temp, "copy.go")
	if err := os.WriteFile(copied, []byte(changed), 0o600); err != nil {
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: copied}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(l.temp, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// unsound says why the test of a mutant would prove nothing: it fails already, or the
// pattern matches none.
func (l *lab) unsound(ctx context.Context, m mutant.Mutant) (unsound, err error) {
	key := m.Package + " " + m.Run
	if known, ok := l.sound[key]; ok {
		return known, nil
	}
	results, err := l.test(ctx, m)
	if err != nil {
		return nil, err
	}
	switch {
	case !results.Passed():
		words := []string{key + " fails already:", strings.TrimSpace(results.Other)}
		for _, failed := range results.Failures() {
			words = append(words, failed.Name)
		}
		unsound = errors.New(strings.Join(words, "\n"))
	default:
		unsound = checkMatched(results, m.Run)
	}
	l.sound[key] = unsound
	return unsound, nil
}

// test runs a mutant's test. vet is left out, as it is about style here and not about
// what the test proves.
func (l *lab) test(ctx context.Context, m mutant.Mutant, args ...string) (*gotest.Results, error) {
	args = append(args, "-count=1", "-vet=off", "-timeout", l.timeout.String(), "-run", m.Run, m.Package)
	return gotest.Run(ctx, l.root, args...)
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

// checkMatched makes sure that each alternative of a -run pattern matched a test that
// passed. A pattern whose last parts match nothing still runs the tests above, so that a run
// which passes does not say it.
func checkMatched(results *gotest.Results, pattern string) error {
	for _, alternative := range splitOutside(pattern, '|') {
		var parts []*regexp.Regexp
		for _, part := range splitOutside(alternative, '/') {
			re, err := regexp.Compile(strings.Map(underscore, part))
			if err != nil {
				return fmt.Errorf("pattern %q: %w", pattern, err)
			}
			parts = append(parts, re)
		}
		if !matchedOne(results, parts) {
			return fmt.Errorf("pattern %q matches no test that passes", alternative)
		}
	}
	if len(results.Tests) == 0 {
		return errors.New("no test ran")
	}
	return nil
}

func matchedOne(results *gotest.Results, parts []*regexp.Regexp) bool {
	for t, outcome := range results.Tests {
		names := strings.Split(t.Name, "/")
		if outcome != gotest.Pass || len(names) < len(parts) {
			continue
		}
		all := true
		for i, re := range parts {
			all = all && re.MatchString(names[i])
		}
		if all {
			return true
		}
	}
	return false
}

// underscore is what package testing makes of a space in names and patterns.
func underscore(r rune) rune {
	if r == ' ' {
		return '_'
	}
	return r
}

// splitOutside splits a pattern as package testing does: not within brackets or
// parentheses, nor after a backslash.
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

// Package lint says what is wrong with lexicons, and what the style guide advises against
// (https://atproto.com/guides/lexicon-style-guide).
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Severity is how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // others cannot use it
	Warning Severity = "warning" // they can
)

// A Finding is what is wrong in one place.
type Finding struct {
	Severity Severity    `json:"severity"`
	Rule     string      `json:"rule"`
	File     string      `json:"file"`
	Line     int         `json:"line,omitempty"` // from 1 on; 0 if it is not known
	NSID     syntax.NSID `json:"nsid,omitempty"`
	Path     string      `json:"path,omitempty"` // "defs.main.output"
	Message  string      `json:"message"`
}

// String is "file:line: NSID: path: warning: message (rule)".
func (f Finding) String() string {
	at := schema.Pos{File: f.File, Line: f.Line, NSID: f.NSID, Path: f.Path}.String()
	if at != "" {
		at += ": "
	}
	return fmt.Sprintf("%s%s: %s (%s)", at, f.Severity, f.Message, f.Rule)
}

// A Rule is a kind of finding. Its name switches it off.
type Rule struct{ Name, Text string }

// The rules that are no matter of style.
const (
	invalid    = "invalid"
	missingRef = "missing-ref"
	odd        = "odd"
)

// Rules are all that there are.
func Rules() []Rule {
	out := []Rule{
		{invalid, "is no valid lexicon: lexgen leaves it out, and others refuse it"},
		{missingRef, "refers to a lexicon or a definition that is not there"},
		{odd, "is read otherwise than it is written"},
	}
	for _, r := range styles {
		out = append(out, Rule{r.name, r.text})
	}
	return out
}

// Lint looks at the lexicons of a library. Those in with may be referred to, and are not looked at. off are rules to leave
// out. The findings come in the order of files and lines.
func Lint(lib, with *input.Library, off []string) ([]Finding, error) {
	for _, name := range off {
		if !slices.ContainsFunc(Rules(), func(r Rule) bool { return r.Name == name }) {
			return nil, fmt.Errorf("there is no rule %q", name)
		}
	}
	l := &linter{off: off}
	for _, err := range lib.Broken {
		l.add(Error, invalid, err)
	}
	for _, w := range lib.Warnings {
		l.add(Warning, odd, errors.New(w))
	}
	docs, broken := l.read(lib)
	all := slices.Clone(docs)
	if with != nil {
		for _, nsid := range with.NSIDs() {
			if lib.Has(nsid) {
				continue
			}
			if doc, err := with.Document(nsid); err != nil {
				broken[nsid] = err
			} else {
				all = append(all, doc)
			}
		}
	}
	set, err := resolve.New(all, broken)
	if err != nil {
		return nil, err
	}
	for _, doc := range docs {
		found := set.Check(doc.ID)
		for _, err := range found.Wrong {
			l.add(Error, invalid, err)
		}
		for _, err := range found.Missing {
			l.add(Error, missingRef, err)
		}
		for _, err := range found.Odd {
			l.add(Warning, odd, err)
		}
		for _, r := range styles {
			if !slices.Contains(off, r.name) {
				r.check(&view{doc: doc, set: set, found: func(at schema.Pos, format string, args ...any) {
					l.add(Warning, r.name, at.Errorf(format, args...))
				}})
			}
		}
	}
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Rule, b.Rule))
	})
	return l.findings, nil
}

type linter struct {
	off      []string
	findings []Finding
}

// read parses the lexicons of a library.
func (l *linter) read(lib *input.Library) (docs []*schema.Document, broken map[syntax.NSID]error) {
	broken = make(map[syntax.NSID]error)
	for _, nsid := range lib.NSIDs() {
		doc, err := lib.Document(nsid)
		if err != nil {
			l.add(Error, invalid, err)
			broken[nsid] = err
			continue
		}
		for _, f := range doc.Faults {
			l.add(Error, invalid, f.Err)
		}
		for _, w := range doc.Warnings {
			l.add(Warning, odd, w)
		}
		docs = append(docs, doc)
	}
	return docs, broken
}

func (l *linter) add(severity Severity, rule string, err error) {
	if slices.Contains(l.off, rule) {
		return
	}
	at, cause, _ := schema.Placed(err)
	l.findings = append(l.findings, Finding{severity, rule, at.File, at.Line, at.NSID, at.Path, strings.TrimSpace(cause.Error())})
}

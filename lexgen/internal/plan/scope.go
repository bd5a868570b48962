package plan

import (
	"errors"
	"fmt"
	"strconv"
)

// A Clash is two things that would have the same Go name.
type Clash struct {
	Scope string // "package comatproto"
	Name  string
	Key   string // what a rename line of the config would name; "" if neither can be renamed
	A, B  string // what they are
}

// Error names both and the line that settles it.
func (c *Clash) Error() string {
	hint := ""
	if c.Key != "" {
		hint = fmt.Sprintf("; choose a name in the config: \"rename\": {%s: %s}", strconv.Quote(c.Key), strconv.Quote(c.Name+"2"))
	}
	return fmt.Sprintf("%s: %s is both %s and %s%s", c.Scope, c.Name, c.A, c.B, hint)
}

// Clashes are all clashes among the errors of Build.
func Clashes(err error) []*Clash {
	switch e := err.(type) {
	case *Clash:
		return []*Clash{e}
	case interface{ Unwrap() []error }:
		var out []*Clash
		for _, err := range e.Unwrap() {
			out = append(out, Clashes(err)...)
		}
		return out
	case interface{ Unwrap() error }:
		return Clashes(e.Unwrap())
	}
	return nil
}

// A scope holds names that must differ, and says of each where it comes from.
type scope struct {
	what  string // "package comatproto"
	taken map[string]owner
	errs  []error
}

type owner struct{ source, key string }

func newScope(what string) *scope { return &scope{what: what, taken: make(map[string]owner)} }

// reserve takes a name for the generator's own use.
func (s *scope) reserve(why string, names ...string) {
	for _, n := range names {
		s.taken[n] = owner{source: why}
	}
}

// take takes a name for a source. key is what a rename line would name, "" where
// there is nothing to rename.
func (s *scope) take(name, source, key string) {
	other, clash := s.taken[name]
	if !clash {
		s.taken[name] = owner{source, key}
		return
	}
	if key == "" {
		key = other.key
	}
	s.errs = append(s.errs, &Clash{Scope: s.what, Name: name, Key: key, A: other.source, B: source})
}

func (s *scope) err() error { return errors.Join(s.errs...) }

package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Clash is two things that would have the same Go name.
type Clash struct {
	Scope    string // "package comatproto"
	Name     string
	Key      string // what a rename line of the config would name; "" if neither can be renamed
	Proposal string // a name for that which is free
	A, B     string // what they are

	scope *scope
	base  string // the name that a rename line would replace, which Name may only contain
}

// Error names both and the line that settles it.
func (c *Clash) Error() string {
	hint := ""
	if c.Key != "" {
		hint = fmt.Sprintf("; choose a name in the config: \"rename\": {%s: %s}", strconv.Quote(c.Key), strconv.Quote(c.Proposal))
	}
	return fmt.Sprintf("%s: %s is both %s and %s%s", c.Scope, c.Name, c.A, c.B, hint)
}

// clashes notes the clashes of a scope that is complete.
func (b *builder) clashes(s *scope) {
	for _, c := range s.clashes {
		b.fail(c)
	}
}

// propose finds names that settle the clashes: such as are free, and for each thing one, however often it clashes.
func (b *builder) propose() {
	var all []*Clash
	for _, err := range b.errs {
		all = append(all, Clashes(err)...)
	}
	slices.SortStableFunc(all, func(a, b *Clash) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name), cmp.Compare(a.B, b.B))
	})
	chosen := make(map[string]string)
	for _, c := range all {
		if c.Key == "" {
			continue
		}
		if chosen[c.Key] == "" {
			name := next(c.base)
			for rest := c.derived(name); c.scope.has(rest); rest = c.derived(name) {
				name = next(name)
			}
			chosen[c.Key] = name
			c.scope.reserve("a proposal", c.derived(name))
		}
		c.Proposal = chosen[c.Key]
	}
}

// derived is what Name would be if its base were another.
func (c *Clash) derived(base string) string { return base + strings.TrimPrefix(c.Name, c.base) }

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
	what    string // "package comatproto"
	taken   map[string]owner
	clashes []*Clash
}

type owner struct{ source, key, base string }

func (s *scope) has(name string) bool {
	_, ok := s.taken[name]
	return ok
}

func newScope(what string) *scope { return &scope{what: what, taken: make(map[string]owner)} }

// reserve takes a name for the generator's own use.
func (s *scope) reserve(why string, names ...string) {
	for _, n := range names {
		s.taken[n] = owner{source: why}
	}
}

// take takes a name for a source. key is what a rename line would name, "" where
// there is nothing to rename; base is what such a line replaces, which name begins with.
func (s *scope) take(name, source, key, base string) {
	other, clash := s.taken[name]
	if !clash {
		s.taken[name] = owner{source, key, base}
		return
	}
	if key == "" {
		key, base = other.key, other.base
	}
	s.clashes = append(s.clashes, &Clash{Scope: s.what, Name: name, Key: key, A: other.source, B: source, scope: s, base: base})
}

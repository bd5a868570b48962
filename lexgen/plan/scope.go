package plan

import (
	"errors"
	"fmt"
	"strconv"
)

// A scope holds names that must differ, and says of each where it comes from.
type scope struct {
	what  string // "package comatproto"
	taken map[string]string
	errs  []error
}

func newScope(what string) *scope { return &scope{what: what, taken: make(map[string]string)} }

// reserve takes a name for the generator's own use.
func (s *scope) reserve(why string, names ...string) {
	for _, n := range names {
		s.taken[n] = why
	}
}

// take takes a name for a source. key is what a rename line would name, "" where
// there is nothing to rename.
func (s *scope) take(name, source, key string) {
	other, clash := s.taken[name]
	if !clash {
		s.taken[name] = source
		return
	}
	hint := ""
	if key != "" {
		hint = fmt.Sprintf("; choose a name in the config: \"rename\": {%s: %s}", strconv.Quote(key), strconv.Quote(name+"2"))
	}
	s.errs = append(s.errs, fmt.Errorf("%s: %s is both %s and %s%s", s.what, name, other, source, hint))
}

func (s *scope) err() error { return errors.Join(s.errs...) }

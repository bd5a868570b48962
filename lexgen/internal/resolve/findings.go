package resolve

import "github.com/gimucco/atproto-go/xrpc/syntax"

// Findings are what is wrong with the definitions of a lexicon that could be read, whatever needs them.
type Findings struct {
	Wrong   []error // cannot be used
	Missing []error // refers to what is not there
	Odd     []error // is used otherwise than it is written
}

// Check checks the definitions of a lexicon by themselves: that another one is wrong is said where that one is.
func (s *Set) Check(nsid syntax.NSID) Findings {
	var f Findings
	for _, id := range s.definitions(nsid) {
		if s.fault(id) != nil {
			continue
		}
		c := s.check(id)
		f.Wrong, f.Missing, f.Odd = append(f.Wrong, c.errs...), append(f.Missing, c.missing...), append(f.Odd, c.warnings...)
	}
	return f
}

package resolve

import (
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// AllowMissing replaces references to lexicons that are not known: a ref becomes
// a schema.Missing, a member of a union is left to the unknown ones, for which the
// union is opened. It changes docs, and returns a warning for each. Refs to a
// definition that a known lexicon does not have stay, and stay errors.
func AllowMissing(docs []*schema.Document, known func(syntax.NSID) bool) (warnings []string) {
	m := &missing{known: known}
	for _, doc := range docs {
		for i := range doc.Defs {
			doc.Defs[i].Type = m.replace(doc.Defs[i].Type)
		}
	}
	return m.warnings
}

type missing struct {
	known    func(syntax.NSID) bool
	warnings []string
}

// absent notes a reference whose lexicon is not there.
func (m *missing) absent(at schema.Pos, ref, instead string) bool {
	nsid, _, _ := strings.Cut(ref, "#")
	if _, err := syntax.ParseNSID(nsid); err != nil || m.known(syntax.NSID(nsid)) {
		return false
	}
	m.warnings = append(m.warnings, at.Errorf("ref %q: no lexicon %s among the inputs; %s", ref, nsid, instead).Error())
	return true
}

func (m *missing) replace(t schema.Type) schema.Type {
	switch t := t.(type) {
	case *schema.Ref:
		if m.absent(t.Pos, t.Ref, "the value is kept as it is sent") {
			return &schema.Missing{Base: t.Base}
		}
	case *schema.Union:
		var there []string
		for _, ref := range t.Refs {
			if !m.absent(t.Pos, ref, "this member of the union is an unknown one") {
				there = append(there, ref)
			}
		}
		if len(there) < len(t.Refs) {
			t.Refs, t.Closed = there, false
		}
	}
	for child := range schema.Children(t) {
		*child = m.replace(*child)
	}
	return t
}

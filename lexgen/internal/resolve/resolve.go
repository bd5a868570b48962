// Package resolve finds what references point at and checks what a document alone
// cannot show: that targets exist and are of a kind that may be referred to, that
// constraints do not contradict each other, and which types contain themselves.
package resolve

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An ID names a definition: its document and its name there.
type ID struct {
	NSID syntax.NSID
	Name string
}

// String is what refers to the definition, and what $type says: "nsid#name", without
// "#main".
func (id ID) String() string {
	if id.Name == "main" {
		return string(id.NSID)
	}
	return string(id.NSID) + "#" + id.Name
}

// A Set is all documents that references can point into.
type Set struct {
	docs map[syntax.NSID]*schema.Document
}

// New returns the set of docs. Two documents with the same NSID are an error.
func New(docs []*schema.Document) (*Set, error) {
	s := &Set{docs: make(map[syntax.NSID]*schema.Document, len(docs))}
	var errs []error
	for _, d := range slices.SortedFunc(slices.Values(docs), func(a, b *schema.Document) int { return cmp.Compare(a.File, b.File) }) {
		if other := s.docs[d.ID]; other != nil {
			errs = append(errs, fmt.Errorf("%s: %s is in %s already", d.File, d.ID, other.File))
			continue
		}
		s.docs[d.ID] = d
	}
	return s, errors.Join(errs...)
}

// Documents returns all documents, sorted by NSID.
func (s *Set) Documents() []*schema.Document {
	return slices.SortedFunc(maps.Values(s.docs), func(a, b *schema.Document) int { return cmp.Compare(a.ID, b.ID) })
}

// Document returns the document of an NSID, nil if there is none.
func (s *Set) Document(nsid syntax.NSID) *schema.Document { return s.docs[nsid] }

// Def returns a definition, nil if there is none.
func (s *Set) Def(id ID) *schema.Def {
	if d := s.docs[id.NSID]; d != nil {
		return d.Def(id.Name)
	}
	return nil
}

// Ref resolves a reference written at a place: "nsid", "nsid#name" or "#name".
func (s *Set) Ref(at schema.Pos, ref string) (ID, *schema.Def, error) {
	nsid, name, found := strings.Cut(ref, "#")
	id := ID{NSID: syntax.NSID(nsid), Name: name}
	if nsid == "" {
		id.NSID = at.NSID
	} else if _, err := syntax.ParseNSID(nsid); err != nil {
		return ID{}, nil, at.Errorf("ref %q: %w", ref, err)
	}
	if !found {
		id.Name = "main"
	}
	if def := s.Def(id); def != nil {
		return id, def, nil
	}
	if s.docs[id.NSID] == nil {
		return ID{}, nil, at.Errorf("ref %q: no lexicon %s among the inputs", ref, id.NSID)
	}
	return ID{}, nil, at.Errorf("ref %q: %s has no definition %q", ref, id.NSID, id.Name)
}

// Closure returns roots and all they refer to, sorted, after checking each.
func (s *Set) Closure(roots []ID) ([]ID, error) {
	seen := make(map[ID]bool)
	var errs []error
	todo := slices.Clone(roots)
	for len(todo) > 0 {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		def := s.Def(id)
		if def == nil {
			errs = append(errs, fmt.Errorf("no definition %s among the inputs", id))
			continue
		}
		refs, err := s.check(def.Type)
		if err != nil {
			errs = append(errs, err)
		}
		todo = append(todo, refs...)
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
		return nil, errors.Join(errs...)
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b ID) int {
		return cmp.Or(cmp.Compare(a.NSID, b.NSID), cmp.Compare(a.Name, b.Name))
	}), nil
}

// Recursive says whether a value of type target holds, through required objects
// only, a value of the definition it is used in: such a field cannot be kept by value.
func (s *Set) Recursive(in, target ID) bool {
	seen := make(map[ID]bool)
	var reaches func(ID) bool
	reaches = func(id ID) bool {
		if id == in {
			return true
		}
		if seen[id] {
			return false
		}
		seen[id] = true
		def := s.Def(id)
		return def != nil && slices.ContainsFunc(s.held(def.Type), reaches)
	}
	return reaches(target)
}

// held lists the definitions that a type holds by value.
func (s *Set) held(t schema.Type) []ID {
	var out []ID
	switch t := t.(type) {
	case *schema.Record:
		return s.held(t.Object)
	case *schema.Object:
		for _, p := range t.Properties {
			if p.Required && !p.Nullable {
				out = append(out, s.held(p.Type)...)
			}
		}
	case *schema.Ref:
		if id, _, err := s.Ref(t.Pos, t.Ref); err == nil {
			out = append(out, id)
		}
	}
	return out
}

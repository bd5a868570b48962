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
	"strconv"
	"strings"
	"unicode"

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

// shown is the ID in a message: a name that is wrong may hold anything.
func (id ID) shown() string {
	if s := id.String(); strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(s)
	}
	return id.String()
}

// A Set is all documents that references can point into.
type Set struct {
	docs    map[syntax.NSID]*schema.Document
	broken  map[syntax.NSID]error
	endless map[ID][]error // warnings, see finite
}

// New returns the set of docs. broken are documents that could not be read, and why. Two documents with the same NSID
// are an error.
func New(docs []*schema.Document, broken map[syntax.NSID]error) (*Set, error) {
	s := &Set{docs: make(map[syntax.NSID]*schema.Document, len(docs)), broken: broken}
	var errs []error
	for _, d := range slices.SortedFunc(slices.Values(docs), func(a, b *schema.Document) int { return cmp.Compare(a.File, b.File) }) {
		if other := s.docs[d.ID]; other != nil {
			errs = append(errs, fmt.Errorf("%s: %s is in %s already", d.File, d.ID, other.File))
			continue
		}
		s.docs[d.ID] = d
	}
	s.finite()
	return s, errors.Join(errs...)
}

// finite makes properties optional that require what they are in, as those of objects that require each other: no
// value would end. All are found before the first is changed, so that it does not matter which definition is asked for.
func (s *Set) finite() {
	s.endless = make(map[ID][]error)
	var found []*schema.Property
	for _, doc := range s.Documents() {
		for _, def := range doc.Defs {
			id := ID{doc.ID, def.Name}
			for t := range schema.All(def.Type) {
				object, ok := t.(*schema.Object)
				if r, is := t.(*schema.Record); is {
					object, ok = r.Object, true
				}
				if !ok {
					continue
				}
				for i := range object.Properties {
					p := &object.Properties[i]
					ref, ok := p.Type.(*schema.Ref)
					if !ok || !p.Required || p.Nullable {
						continue
					}
					if target, _, err := s.Ref(ref.Pos, ref.Ref); err == nil && s.recursive(id, target) {
						found = append(found, p)
						s.endless[id] = append(s.endless[id], ref.Pos.Errorf("%s is required to hold itself: no finite value can exist; the property is read as an optional one", id))
					}
				}
			}
		}
	}
	for _, p := range found {
		p.Required = false
	}
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

// A FaultError is a reference to a definition that is there and cannot be used.
type FaultError struct {
	ID  ID
	Err error // what is wrong with it
}

// Error says what is wrong.
func (e *FaultError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *FaultError) Unwrap() error { return e.Err }

// missingError is a reference to nothing.
type missingError string

func (e missingError) Error() string { return string(e) }

// Ref resolves a reference written at a place: "nsid", "nsid#name" or "#name". A definition that is there and cannot be
// used is a *FaultError.
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
	if err := s.fault(id); err != nil {
		return id, nil, &FaultError{id, err}
	}
	what := fmt.Sprintf("no lexicon %s among the inputs", id.NSID)
	if s.docs[id.NSID] != nil {
		what = fmt.Sprintf("%s has no definition %q", id.NSID, id.Name)
	}
	return ID{}, nil, at.Errorf("ref %q: %w", ref, missingError(what))
}

// fault is why a definition that is there cannot be used, nil if it is not there or can.
func (s *Set) fault(id ID) error {
	if err := s.broken[id.NSID]; err != nil {
		return err
	}
	if d := s.docs[id.NSID]; d != nil {
		return d.Fault(id.Name)
	}
	return nil
}

// recursive says whether a value of type target holds, through required objects
// only, a value of the definition it is used in: such a field cannot be kept by value.
func (s *Set) recursive(in, target ID) bool {
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

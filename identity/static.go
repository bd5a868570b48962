package identity

import (
	"context"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Static is a Resolver with fixed answers; it sends no requests. It is for tests, and for
// programs that work without a network. NewStatic makes one from accounts; you may also fill both
// maps yourself. It is safe for concurrent use while nobody changes the maps.
type Static struct {
	// Handles maps each handle, in lower case, to the DID that it names.
	Handles map[syntax.Handle]syntax.DID
	// Documents maps each DID to its document. Callers share the documents.
	Documents map[syntax.DID]*Document
}

var _ Resolver = (*Static)(nil)

// NewStatic returns a Static with these accounts. The Handle of each account names its DID. An
// account without a Document gets one that claims the Handle and names the PDS, so that Lookup
// returns the account as it was given. Handle and PDS may be empty; HandleInvalid counts as empty.
func NewStatic(accounts ...Identity) *Static {
	s := &Static{Handles: make(map[syntax.Handle]syntax.DID), Documents: make(map[syntax.DID]*Document)}
	for _, a := range accounts {
		handle := a.Handle.Normalize()
		if handle == syntax.HandleInvalid {
			handle = ""
		}
		if handle != "" {
			s.Handles[handle] = a.DID
		}
		doc := a.Document
		if doc == nil {
			doc = &Document{ID: a.DID}
			if handle != "" {
				doc.AlsoKnownAs = []string{"at://" + string(handle)}
			}
			if a.PDS != "" {
				doc.Services = []Service{{ID: "#" + pdsID, Type: pdsType, Endpoint: a.PDS}}
			}
		}
		s.Documents[a.DID] = doc
	}
	return s
}

// ResolveHandle implements Resolver. It fails with ErrInvalidHandle, ErrReservedTLD or
// ErrNotFound.
func (s *Static) ResolveHandle(_ context.Context, h syntax.Handle) (syntax.DID, error) {
	h = h.Normalize()
	if err := checkHandle(h); err != nil {
		return "", err
	}
	did, ok := s.Handles[h]
	if !ok {
		return "", failure(string(h), ErrNotFound, "not among the %d handles of a Static", len(s.Handles))
	}
	return did, nil
}

// ResolveDID implements Resolver. It fails with ErrInvalidDID or ErrNotFound.
func (s *Static) ResolveDID(_ context.Context, did syntax.DID) (*Document, error) {
	if err := did.Validate(); err != nil {
		return nil, &Error{Subject: shorten(string(did)), Kind: ErrInvalidDID, Err: err}
	}
	doc := s.Documents[did]
	if doc == nil {
		return nil, failure(string(did), ErrNotFound, "not among the %d documents of a Static", len(s.Documents))
	}
	return doc, nil
}

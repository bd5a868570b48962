package identity

import (
	"context"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Resolver answers the two questions that Lookup combines. Implementations are safe for
// concurrent use and fail with an *Error, whose Kind tells "does not exist" from "could not be
// asked".
type Resolver interface {
	// ResolveHandle returns the DID that a handle names. The account of that DID may not claim the
	// handle.
	ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error)
	// ResolveDID returns the document of a DID. The ID of the document is did.
	ResolveDID(ctx context.Context, did syntax.DID) (*Document, error)
}

// An Identity is the result of Lookup: an account.
type Identity struct {
	DID      syntax.DID    // the account
	Handle   syntax.Handle // its handle in lower case; HandleInvalid if no handle resolves to the account
	PDS      string        // origin of its server, without a trailing slash
	Document *Document     // the account's DID document
}

// Lookup resolves an account and verifies its handle in both directions.
//
// If id is a handle, the DID that it names must claim it; otherwise Lookup fails with
// ErrHandleMismatch. If id is a DID, and its handle does not resolve back or cannot be resolved
// now, the handle becomes syntax.HandleInvalid; that is not an error, because the DID identifies
// the account. Lookup fails with ErrNoPDS if the account has no server, and otherwise with the
// error of r.
func Lookup(ctx context.Context, r Resolver, id syntax.AtIdentifier) (*Identity, error) {
	if did, ok := id.DID(); ok {
		return lookupDID(ctx, r, did)
	}
	h := syntax.Handle(id).Normalize()
	if err := checkHandle(h); err != nil {
		return nil, err
	}
	did, err := r.ResolveHandle(ctx, h)
	if err != nil {
		return nil, err
	}
	doc, pds, err := resolveAccount(ctx, r, did)
	if err != nil {
		return nil, err
	}
	switch claimed, ok := doc.Handle(); {
	case !ok:
		return nil, failure(string(h), ErrHandleMismatch, "%s claims no handle", did)
	case claimed.Normalize() != h:
		return nil, failure(string(h), ErrHandleMismatch, "%s claims %q", did, claimed)
	}
	return &Identity{DID: did, Handle: h, PDS: pds, Document: doc}, nil
}

func lookupDID(ctx context.Context, r Resolver, did syntax.DID) (*Identity, error) {
	doc, pds, err := resolveAccount(ctx, r, did)
	if err != nil {
		return nil, err
	}
	found := &Identity{DID: did, Handle: syntax.HandleInvalid, PDS: pds, Document: doc}
	claimed, ok := doc.Handle()
	claimed = claimed.Normalize()
	if !ok || claimed.Reserved() {
		return found, nil
	}
	named, err := r.ResolveHandle(ctx, claimed)
	if ctx.Err() != nil {
		// The caller has stopped waiting. That does not make the handle invalid.
		return nil, &Error{Subject: string(did), Kind: ErrUnreachable, Err: ctx.Err()}
	}
	if err == nil && named == did {
		found.Handle = claimed
	}
	return found, nil
}

func resolveAccount(ctx context.Context, r Resolver, did syntax.DID) (*Document, string, error) {
	doc, err := resolveDocument(ctx, r, did)
	if err != nil {
		return nil, "", err
	}
	pds, err := doc.PDS()
	if err != nil {
		return nil, "", err
	}
	return doc, pds, nil
}

// resolveDocument checks that the document belongs to did, whoever implements r.
func resolveDocument(ctx context.Context, r Resolver, did syntax.DID) (*Document, error) {
	doc, err := r.ResolveDID(ctx, did)
	if err != nil {
		return nil, err
	}
	if doc == nil || doc.ID != did {
		return nil, failure(string(did), ErrInvalidDocument, "the resolver returned the document of another DID")
	}
	return doc, nil
}

// checkHandle refuses a handle that cannot be resolved, before any request.
func checkHandle(h syntax.Handle) error {
	if err := h.Validate(); err != nil {
		return &Error{Subject: shorten(string(h)), Kind: ErrInvalidHandle, Err: err}
	}
	if h.Reserved() {
		return &Error{Subject: string(h), Kind: ErrReservedTLD}
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

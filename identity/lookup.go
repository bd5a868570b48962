package identity

import (
	"context"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Resolver answers the two questions Lookup puts together. Implementations are
// safe for concurrent use and fail with an *Error, whose Kind tells "does not
// exist" from "could not be asked".
type Resolver interface {
	// ResolveHandle returns the DID a handle names. The account may not claim it.
	ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error)
	// ResolveDID returns the document of a DID, whose ID is did.
	ResolveDID(ctx context.Context, did syntax.DID) (*Document, error)
}

// An Identity is an account as Lookup found it.
type Identity struct {
	DID      syntax.DID    // the account
	Handle   syntax.Handle // its name in lower case; HandleInvalid if the account has none that resolves to it
	PDS      string        // origin of its server, no trailing slash
	Document *Document
}

// Lookup resolves an account and verifies its handle both ways.
//
// Given a handle, the DID it names must claim it, else Lookup fails with
// ErrHandleMismatch. Given a DID, a handle that does not resolve back, or cannot be
// resolved now, becomes syntax.HandleInvalid and is no error: the DID is the account.
// It fails with ErrNoPDS if the account has no server, and otherwise as r does.
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
		// Nobody waits for the answer; do not pass off haste as a broken handle.
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

// resolveDocument makes sure that the document is the one of did, whoever implements r.
func resolveDocument(ctx context.Context, r Resolver, did syntax.DID) (*Document, error) {
	doc, err := r.ResolveDID(ctx, did)
	if err != nil {
		return nil, err
	}
	if doc == nil || doc.ID != did {
		return nil, failure(string(did), ErrInvalidDocument, "the resolver returned another account's")
	}
	return doc, nil
}

// checkHandle refuses what cannot be resolved before anybody is asked.
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

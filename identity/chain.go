package identity

import (
	"context"
	"errors"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Chain returns a Resolver that asks resolvers in order until one has an answer: one
// that finds nothing, or cannot be asked, may know less than the next. That something
// does not exist is said only if all say so. A handle that names several DIDs, and what
// cannot exist by its syntax, ends the search. It panics without resolvers.
func Chain(resolvers ...Resolver) Resolver {
	if len(resolvers) == 0 {
		panic("identity: a chain of no resolvers")
	}
	return chain(resolvers)
}

type chain []Resolver

func (c chain) ResolveHandle(ctx context.Context, h syntax.Handle) (did syntax.DID, err error) {
	return inOrder(ctx, c, func(r Resolver) (syntax.DID, error) { return r.ResolveHandle(ctx, h) })
}

func (c chain) ResolveDID(ctx context.Context, did syntax.DID) (*Document, error) {
	return inOrder(ctx, c, func(r Resolver) (*Document, error) { return r.ResolveDID(ctx, did) })
}

func inOrder[V any](ctx context.Context, c chain, resolve func(Resolver) (V, error)) (V, error) {
	var failed error
	for _, r := range c {
		v, err := resolve(r)
		if err == nil {
			return v, nil
		}
		for _, final := range []error{ErrAmbiguous, ErrInvalidHandle, ErrReservedTLD, ErrInvalidDID, ErrUnsupportedMethod} {
			if errors.Is(err, final) {
				return v, err
			}
		}
		if failed == nil || errors.Is(failed, ErrNotFound) {
			failed = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	var none V
	return none, failed
}

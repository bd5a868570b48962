package identity

import (
	"context"
	"errors"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Chain returns a Resolver that asks several resolvers in order until one has an answer. If one
// finds nothing or cannot be asked, the next is asked, because it may know more. The result is
// "does not exist" only if all resolvers say so. The search ends at a handle that names several
// DIDs, and at a name that cannot exist by its syntax. Chain panics without resolvers.
func Chain(resolvers ...Resolver) Resolver {
	if len(resolvers) == 0 {
		panic("identity: Chain needs at least one resolver")
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

package identity

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A ServiceResolver asks an atproto service for handles, with com.atproto.identity.resolveHandle.
// It is for networks where DNS is filtered, or where web servers refuse requests that do not come
// from a browser. It resolves DIDs like NetworkResolver, so Lookup still verifies the service's
// answer with the account's own document. It keeps no answers. It is safe for concurrent use.
type ServiceResolver struct {
	// NetworkResolver resolves DIDs.
	*NetworkResolver
	service string
}

var _ Resolver = (*ServiceResolver)(nil)

// NewServiceResolver returns a resolver that asks service, the origin of a PDS or AppView such as
// "https://public.api.bsky.app". It fails with ErrInvalidService if service is not an origin.
func NewServiceResolver(service string, cfg Config) (*ServiceResolver, error) {
	origin, err := parseOrigin(service)
	if err != nil {
		return nil, failure(shorten(service), ErrInvalidService, "%w", err)
	}
	return &ServiceResolver{NetworkResolver: NewResolver(cfg), service: origin}, nil
}

// ResolveHandle implements Resolver. It fails with ErrInvalidHandle, ErrReservedTLD,
// ErrNotFound, ErrBlocked or ErrUnreachable.
func (r *ServiceResolver) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	h = h.Normalize()
	if err := checkHandle(h); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	body, err := r.http.GetJSON(ctx, r.service+"/xrpc/com.atproto.identity.resolveHandle?"+url.Values{"handle": {string(h)}}.Encode())
	if err != nil {
		kind := ErrUnreachable
		e, _ := errors.AsType[*safehttp.Error](err)
		switch {
		case errors.Is(err, safehttp.ErrBlocked):
			kind = ErrBlocked
		case e != nil && e.Status == http.StatusBadRequest:
			kind = ErrNotFound // services answer so if the handle does not exist
		}
		return "", &Error{Subject: string(h), Kind: kind, Err: err}
	}
	var out object
	if err := json.Unmarshal(body, &out); err != nil {
		return "", &Error{Subject: string(h), Kind: ErrUnreachable, Err: err}
	}
	did, err := syntax.ParseDID(out.text("did"))
	if err != nil {
		return "", &Error{Subject: string(h), Kind: ErrUnreachable, Err: err}
	}
	return did, nil
}

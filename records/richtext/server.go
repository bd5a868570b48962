package richtext

import (
	"context"
	"errors"
	"net/http"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Server returns a Resolver that asks a server, such as that of the writing account
// (com.atproto.identity.resolveHandle). It trusts the server's answer.
func Server(doer xrpc.Doer) Resolver { return server{doer} }

type server struct{ doer xrpc.Doer }

// ResolveHandle implements Resolver.
func (s server) ResolveHandle(ctx context.Context, handle syntax.Handle) (syntax.DID, error) {
	out, err := comatproto.NewClient(s.doer).Identity.ResolveHandle(ctx, &comatproto.IdentityResolveHandleParams{Handle: handle})
	if err != nil {
		// The reference answers InvalidRequest if it does not find a handle, although the lexicon
		// has a name for that.
		if e, ok := errors.AsType[*xrpc.Error](err); ok && e.Status == http.StatusBadRequest && (e.Name == "HandleNotFound" || e.Name == xrpc.ErrInvalidRequest) {
			return "", errors.Join(identity.ErrNotFound, err)
		}
		return "", err
	}
	return out.DID, nil
}

package oauth

import (
	"errors"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
)

// MissingScope returns the permission for lack of which a PDS refused a call, if err
// says so; its String is the scope to ask for in a new login. The error itself is found
// with errors.Is(err, xrpc.ErrScopeMissing), also where the server does not tell what
// is missing. The session lives on: nothing was refreshed, and nothing ended.
func MissingScope(err error) (scope.Permission, bool) {
	e, ok := errors.AsType[*xrpc.Error](err)
	if !ok || e.Name != xrpc.ErrScopeMissing {
		return nil, false
	}
	_, rest, _ := strings.Cut(e.Message, `"`)
	token, _, found := strings.Cut(rest, `"`)
	if !found {
		return nil, false
	}
	p, err := scope.ParseToken(token)
	return p, err == nil
}

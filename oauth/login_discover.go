package oauth

import (
	"context"
	"slices"

	"github.com/gimucco/atproto-go/identity"
)

// A Discovery says where a login will go, and what the authorization server publishes about itself
// (RFC 8414).
type Discovery struct {
	// Identity is the account; its handle is verified in both directions. It is nil if the login
	// begins at a server, because the user chooses the account there.
	Identity *identity.Identity
	// PDS is the origin of the account's server. It is "" if the login begins at an authorization
	// server that is not a PDS.
	PDS string
	// Issuer is the authorization server.
	Issuer string

	AuthorizationEndpoint string // where the user is sent
	PAREndpoint           string // where authorization requests are pushed (RFC 9126)
	TokenEndpoint         string // where codes and refresh tokens are exchanged
	RevocationEndpoint    string // "" if the server has none

	Prompts []string // values for WithPrompt; nil if the server lists none
	Scopes  []string // scopes that the server lists; it may support others
}

// Discover finds out what Authorize finds out before it begins a login: which account identifier
// means, where its server is, and which authorization server is responsible for it. It makes the
// same checks as Authorize. It sends nothing to the authorization server except the request for its
// metadata. It is for programs that show where a login goes, or that examine a failing login.
//
// identifier has the same forms as in Authorize; if it is empty, Config.DefaultServer is used.
// Errors are ErrUnresolved, ErrInvalidMetadata and ErrNetwork, as for Authorize.
func (c *Client) Discover(ctx context.Context, identifier string) (*Discovery, error) {
	found, err := c.destination(ctx, identifier, new(authorizeOptions))
	if err != nil {
		return nil, err
	}
	return &Discovery{
		Identity:              found.identity,
		PDS:                   found.pds,
		Issuer:                found.server.Issuer,
		AuthorizationEndpoint: found.server.AuthorizationEndpoint,
		PAREndpoint:           found.server.PAREndpoint,
		TokenEndpoint:         found.server.TokenEndpoint,
		RevocationEndpoint:    found.server.RevocationEndpoint,
		Prompts:               slices.Clone(found.server.Prompts),
		Scopes:                slices.Clone(found.server.Scopes),
	}, nil
}

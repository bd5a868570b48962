package oauth

import (
	"context"
	"slices"

	"github.com/gimucco/atproto-go/identity"
)

// A Discovery is where a login will go, and what the authorization server there says about
// itself (RFC 8414).
type Discovery struct {
	// Identity is the account, its handle verified both ways; nil when the login begins at
	// a server, where the user chooses the account.
	Identity *identity.Identity
	// PDS is the origin of the account's server; "" when the login begins at an
	// authorization server that is no PDS.
	PDS string
	// Issuer is the authorization server.
	Issuer string

	AuthorizationEndpoint string // where the user is sent
	PAREndpoint           string // where requests are pushed (RFC 9126)
	TokenEndpoint         string
	RevocationEndpoint    string // "" if the server has none

	Prompts []string // values for WithPrompt; nil if the server does not say
	Scopes  []string // that the server lists; it may know others
}

// Discover finds out what Authorize finds out before it begins a login: which account
// identifier means, where its server is, and which authorization server speaks for it. All
// of it is checked as Authorize checks it, and nothing is sent to the authorization server
// but the request for its metadata. It is for programs that want to show where a login
// goes, or to look into one that fails.
//
// identifier is as in Authorize; nothing typed is Config.DefaultServer. Errors are ErrUnresolved,
// ErrInvalidMetadata and ErrNetwork, as there.
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

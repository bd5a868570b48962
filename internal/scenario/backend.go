// Package scenario tests what a deployment of the AT Protocol must let a client of this module do,
// and how it must fail. The sandbox and the real server run the same subtests, so that the sandbox
// behaves like the real one.
package scenario

import (
	"context"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Backend is a running deployment, with the controls that the scenarios need.
type Backend interface {
	// Environment describes the deployment. It has the accounts alice and bob.
	Environment() *oauthtest.Environment

	// Approve signs in as account and agrees; Deny refuses. Both return the URL that the browser is
	// sent back to. They fail if the server does not send it back.
	Approve(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error)
	Deny(ctx context.Context, authorizeURL string) (*url.URL, error)
	// ApproveLate is Approve for a user who takes longer than the authorization request lives.
	ApproveLate(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error)

	// SetTokenLifetime sets how long new access tokens live.
	SetTokenLifetime(ctx context.Context, d time.Duration) error
	// RotateNonce makes every DPoP nonce that clients know invalid.
	RotateNonce(ctx context.Context) error
	// RevokeSessions ends every session of an account at the server.
	RevokeSessions(ctx context.Context, did syntax.DID) error
	// Fail makes the next n requests to paths that begin with path fail with status. If status is
	// 0, the server carries them out, and their answers are lost.
	Fail(ctx context.Context, path string, status, n int) error
	// Slow makes the next n requests to paths that begin with path wait for d before
	// they are carried out.
	Slow(ctx context.Context, path string, d time.Duration, n int) error
	// PublishPermissionSet publishes a permission set, as if its lexicon document were on the
	// network.
	PublishPermissionSet(ctx context.Context, document []byte) error
	// TokenRequests returns how many requests the token endpoint got, by grant type.
	TokenRequests(ctx context.Context) (map[string]int, error)
}

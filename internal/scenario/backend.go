// Package scenario holds what a deployment of the AT Protocol must let a client of
// this module do, and how it must fail. The sandbox and the real server run the same
// subtests, so that the sandbox stays what it claims to be.
package scenario

import (
	"context"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Backend is a running deployment with the controls that the scenarios need.
type Backend interface {
	// Environment describes the deployment. It has the accounts alice and bob.
	Environment() *oauthtest.Environment

	// Approve signs in as account and agrees; Deny refuses. Both return the URL that
	// the browser is sent back to, and fail if the server does not send it back.
	Approve(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error)
	Deny(ctx context.Context, authorizeURL string) (*url.URL, error)
	// ApproveLate is Approve for a user who takes longer than the authorization
	// request lives.
	ApproveLate(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error)

	// SetTokenLifetime sets how long access tokens live that are issued from now on.
	SetTokenLifetime(ctx context.Context, d time.Duration) error
	// RotateNonce makes every DPoP nonce known to clients stale.
	RotateNonce(ctx context.Context) error
	// RevokeSessions ends every session of an account at the server.
	RevokeSessions(ctx context.Context, did syntax.DID) error
	// Fail makes the next n requests to paths that begin with path fail with status,
	// or, if status is 0, carries them out and loses the answers.
	Fail(ctx context.Context, path string, status, n int) error
	// Slow makes the next n requests to paths that begin with path wait for d before
	// they are carried out.
	Slow(ctx context.Context, path string, d time.Duration, n int) error
	// PublishPermissionSet makes the server know a permission set, as if its lexicon
	// document were on the network.
	PublishPermissionSet(ctx context.Context, document []byte) error
	// TokenRequests returns how many requests the token endpoint got, by grant type.
	TokenRequests(ctx context.Context) (map[string]int, error)
}

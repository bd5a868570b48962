package scenario

import (
	"context"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Sandbox is oauthtest.Server as a Backend.
type Sandbox struct {
	server *oauthtest.Server
	late   atomic.Int64 // how far the server's clock is ahead, in nanoseconds
}

// StartSandbox starts a sandbox that ends with the test.
func StartSandbox(tb testing.TB) *Sandbox {
	b := NewSandbox()
	tb.Cleanup(b.Close)
	return b
}

// NewSandbox starts a sandbox that its caller must close, for tests that need hundreds of them.
func NewSandbox() *Sandbox {
	b := new(Sandbox)
	b.server = oauthtest.NewServer(oauthtest.WithClock(func() time.Time {
		return time.Now().Add(time.Duration(b.late.Load()))
	}))
	return b
}

// Close ends the sandbox.
func (b *Sandbox) Close() { b.server.Close() }

// Environment implements Backend.
func (b *Sandbox) Environment() *oauthtest.Environment { return b.server.Environment() }

// Approve implements Backend.
func (b *Sandbox) Approve(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error) {
	return b.server.Approve(ctx, authorizeURL, account)
}

// ApproveLate implements Backend.
func (b *Sandbox) ApproveLate(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error) {
	b.late.Store(int64(6 * time.Minute)) // requests live for five minutes
	defer b.late.Store(0)
	return b.server.Approve(ctx, authorizeURL, account)
}

// Deny implements Backend.
func (b *Sandbox) Deny(ctx context.Context, authorizeURL string) (*url.URL, error) {
	return b.server.Deny(ctx, authorizeURL)
}

// SetTokenLifetime implements Backend.
func (b *Sandbox) SetTokenLifetime(_ context.Context, d time.Duration) error {
	b.server.SetTokenLifetime(d)
	return nil
}

// RotateNonce implements Backend.
func (b *Sandbox) RotateNonce(context.Context) error {
	b.server.RotateNonce()
	return nil
}

// RevokeSessions implements Backend.
func (b *Sandbox) RevokeSessions(_ context.Context, did syntax.DID) error {
	b.server.RevokeSessions(did)
	return nil
}

// Fail implements Backend.
func (b *Sandbox) Fail(_ context.Context, path string, status, n int) error {
	b.server.Fault(path, oauthtest.Fault{Times: n, Status: status, Drop: status == 0})
	return nil
}

// Slow implements Backend.
func (b *Sandbox) Slow(_ context.Context, path string, d time.Duration, n int) error {
	b.server.Fault(path, oauthtest.Fault{Times: n, Delay: d})
	return nil
}

// PublishPermissionSet implements Backend.
func (b *Sandbox) PublishPermissionSet(_ context.Context, document []byte) error {
	b.server.PublishPermissionSet(document)
	return nil
}

// TokenRequests implements Backend.
func (b *Sandbox) TokenRequests(context.Context) (map[string]int, error) {
	return b.server.Stats().Grants, nil
}

package scenario_test

import (
	"context"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// TestSandbox runs on the sandbox what e2e runs on the real server.
func TestSandbox(t *testing.T) {
	b := new(sandbox)
	b.server = oauthtest.NewServer(oauthtest.WithClock(func() time.Time {
		return time.Now().Add(time.Duration(b.late.Load()))
	}))
	t.Cleanup(b.server.Close)
	scenario.Run(t, b)
}

// A sandbox is oauthtest.Server as a scenario.Backend.
type sandbox struct {
	server *oauthtest.Server
	late   atomic.Int64 // how much the server's clock is ahead, in nanoseconds
}

func (b *sandbox) Environment() *oauthtest.Environment { return b.server.Environment() }

func (b *sandbox) Approve(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error) {
	return b.server.Approve(ctx, authorizeURL, account)
}

func (b *sandbox) ApproveLate(ctx context.Context, authorizeURL string, account oauthtest.Account) (*url.URL, error) {
	b.late.Store(int64(6 * time.Minute)) // requests live for five
	defer b.late.Store(0)
	return b.server.Approve(ctx, authorizeURL, account)
}

func (b *sandbox) Deny(ctx context.Context, authorizeURL string) (*url.URL, error) {
	return b.server.Deny(ctx, authorizeURL)
}

func (b *sandbox) SetTokenLifetime(_ context.Context, d time.Duration) error {
	b.server.SetTokenLifetime(d)
	return nil
}

func (b *sandbox) RotateNonce(context.Context) error {
	b.server.RotateNonce()
	return nil
}

func (b *sandbox) RevokeSessions(_ context.Context, did syntax.DID) error {
	b.server.RevokeSessions(did)
	return nil
}

func (b *sandbox) Fail(_ context.Context, path string, status, n int) error {
	b.server.Fault(path, oauthtest.Fault{Times: n, Status: status, Drop: status == 0})
	return nil
}

func (b *sandbox) Slow(_ context.Context, path string, d time.Duration, n int) error {
	b.server.Fault(path, oauthtest.Fault{Times: n, Delay: d})
	return nil
}

func (b *sandbox) TokenRequests(context.Context) (map[string]int, error) {
	return b.server.Stats().Grants, nil
}

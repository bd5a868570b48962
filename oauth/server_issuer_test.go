package oauth_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A countedResolver counts what it is asked.
type countedResolver struct {
	identity.Resolver
	handles, documents atomic.Int32
}

func (r *countedResolver) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	r.handles.Add(1)
	return r.Resolver.ResolveHandle(ctx, h)
}

func (r *countedResolver) ResolveDID(ctx context.Context, did syntax.DID) (*identity.Document, error) {
	r.documents.Add(1)
	return r.Resolver.ResolveDID(ctx, did)
}

// What a refresh asks before it asks for tokens: the account's document each time, for that
// is what moves.
func TestWhatARefreshAsks(t *testing.T) {
	clock := new(movableClock)
	server := sandbox(t, oauthtest.WithClock(clock.now))
	resolver := &countedResolver{Resolver: server.Environment().Resolver()}
	var resources atomic.Int32
	s := login(t, server, newClient(t, server, clock.configure,
		func(cfg *oauth.Config) { cfg.Resolver = resolver },
		withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == "/.well-known/oauth-protected-resource" {
				resources.Add(1)
			}
			return next()
		})))
	for _, tt := range []struct {
		name                          string
		after                         time.Duration
		documents, handles, resources int32
	}{
		{"P107 the first one asks the PDS", 0, 1, 0, 1},
		{"P107 within minutes neither PDS nor handle", 4 * time.Minute, 1, 0, 0},
		{"P107 after minutes the PDS", 6 * time.Minute, 1, 0, 1},
		{"P107 after a day both", 25 * time.Hour, 1, 1, 1},
		{"P107 and then neither", 25*time.Hour + time.Minute, 1, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock.setAhead(tt.after)
			documents, handles, asked := resolver.documents.Load(), resolver.handles.Load(), resources.Load()
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d, h, r := resolver.documents.Load()-documents, resolver.handles.Load()-handles, resources.Load()-asked; d != tt.documents || h != tt.handles || r != tt.resources {
				t.Errorf("%d documents, %d handles, %d of the PDS", d, h, r)
			}
		})
	}
}

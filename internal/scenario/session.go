package scenario

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

// session tests what a session must survive.
func session(t *testing.T, b Backend) {
	ctx := t.Context()
	alice := b.Environment().Account("alice")

	t.Run("O98 P18 a stale nonce costs one more request", func(t *testing.T) {
		api := comatproto.NewClient(Login(t, b, NewClient(t, b), alice))
		for range 3 {
			if err := b.RotateNonce(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := api.Server.GetSession(ctx); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("P17 O97 nonces are learned from every answer", func(t *testing.T) {
		counter := new(requestCounter)
		client := NewClient(t, b, func(cfg *oauth.Config) {
			counter.rt = cfg.UnguardedTransport
			cfg.UnguardedTransport = counter
		})
		api := comatproto.NewClient(Login(t, b, client, alice))
		const calls = 5
		before := counter.count("/xrpc/com.atproto.server.getSession")
		for range calls {
			if _, err := api.Server.GetSession(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := counter.count("/xrpc/com.atproto.server.getSession") - before; n > calls+1 {
			t.Errorf("%d requests for %d calls", n, calls)
		}
	})
	t.Run("P2 a session resumed twice refreshes once", func(t *testing.T) {
		client := NewClient(t, b)
		first := Login(t, b, client, alice)
		second, err := client.Resume(ctx, first.Key())
		if err != nil {
			t.Fatal(err)
		}
		if first != second {
			t.Error("two live sessions under one key")
		}
	})
	t.Run("P3 O105 two processes refresh once between them", func(t *testing.T) {
		kept := new(store.Memory)
		shared := func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(make([]byte, 32)) }
		// For a session, two Clients are the same as two processes.
		one := Login(t, b, NewClient(t, b, shared), alice)
		two, err := NewClient(t, b, shared).Resume(ctx, one.Key())
		if err != nil {
			t.Fatal(err)
		}
		before, err := b.TokenRequests(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		for _, s := range []*oauth.Session{one, two} {
			both.Go(func() {
				if err := s.Refresh(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		after, err := b.TokenRequests(ctx)
		if err != nil {
			t.Fatal(err)
		}
		// Refreshes that do not overlap may both reach the server, but none may use a token twice.
		if n := after["refresh_token"] - before["refresh_token"]; n < 1 || n > 2 {
			t.Errorf("%d refreshes", n)
		}
		for _, s := range []*oauth.Session{one, two} {
			if _, err := comatproto.NewClient(s).Server.GetSession(ctx); err != nil {
				t.Errorf("after the refresh: %v", err)
			}
		}
	})
	t.Run("P10 O108 a session revoked by its owner ends with its cause", func(t *testing.T) {
		bob := b.Environment().Account("bob")
		client := NewClient(t, b)
		s := Login(t, b, client, bob)
		if err := b.RevokeSessions(ctx, bob.DID); err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(ctx); !errors.Is(err, oauth.ErrRevoked) || !errors.Is(err, oauth.ErrReauthRequired) {
			t.Errorf("refresh: %v", err)
		}
		if _, err := comatproto.NewClient(s).Server.GetSession(ctx); !errors.Is(err, oauth.ErrRevoked) {
			t.Errorf("call: %v", err)
		}
		if _, err := client.Resume(ctx, s.Key()); !errors.Is(err, oauth.ErrSessionUnknown) {
			t.Errorf("resume: %v", err)
		}
	})
	t.Run("P4 O106 a caller who leaves does not break the refresh", func(t *testing.T) {
		s := Login(t, b, NewClient(t, b), alice)
		if err := b.Slow(ctx, "/oauth/token", 300*time.Millisecond, 1); err != nil {
			t.Fatal(err)
		}
		impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := s.Refresh(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the one who left: %v", err)
		}
		if err := s.Refresh(ctx); err != nil {
			t.Errorf("the one who stayed: %v", err)
		}
		if _, err := comatproto.NewClient(s).Server.GetSession(ctx); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
	t.Run("P10 O108 a server that is down for a while costs no session", func(t *testing.T) {
		clock := new(Clock)
		s := Login(t, b, NewClient(t, b, clock.Configure), alice)
		if err := b.Fail(ctx, "/oauth/token", http.StatusServiceUnavailable, 1); err != nil {
			t.Fatal(err)
		}
		err := s.Refresh(ctx)
		e, _ := errors.AsType[*oauth.Error](err)
		if e == nil || e.Kind != oauth.ErrToken || !e.Retryable || e.Status != http.StatusServiceUnavailable {
			t.Errorf("refresh during the failure: %v", err)
		}
		clock.Pass(err)
		if err := s.Refresh(ctx); err != nil {
			t.Errorf("refresh afterwards: %v", err)
		}
	})
	t.Run("O110 a lost answer is reported as what it is", func(t *testing.T) {
		clock := new(Clock)
		s := Login(t, b, NewClient(t, b, clock.Configure), alice)
		if err := b.Fail(ctx, "/oauth/token", 0, 1); err != nil {
			t.Fatal(err)
		}
		err := s.Refresh(ctx)
		send, _ := errors.AsType[*xrpc.SendError](err)
		if !errors.Is(err, oauth.ErrNetwork) || send == nil || send.Sent != xrpc.SentMaybe {
			t.Errorf("the refresh whose answer was lost: %v", err)
		}
		clock.Pass(err)
		if err := s.Refresh(ctx); !errors.Is(err, oauth.ErrAmbiguousRefresh) || !errors.Is(err, oauth.ErrReauthRequired) {
			t.Errorf("the next refresh: %v", err)
		}
	})
}

// requestCounter counts requests by path.
type requestCounter struct {
	rt http.RoundTripper

	mu    sync.Mutex
	paths map[string]int
}

// RoundTrip implements http.RoundTripper.
func (c *requestCounter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if c.paths == nil {
		c.paths = make(map[string]int)
	}
	c.paths[req.URL.Path]++
	c.mu.Unlock()
	return c.rt.RoundTrip(req)
}

func (c *requestCounter) count(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paths[path]
}

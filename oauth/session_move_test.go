package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A moving client has a clock that can be set ahead, and counts its refreshes.
type moving struct {
	*oauth.Client
	clock     *movableClock
	refreshes atomic.Int32
}

func newMoving(tb testing.TB, server *oauthtest.Server, clock *movableClock, change ...func(*oauth.Config)) *moving {
	m := &moving{clock: clock}
	m.Client = newClient(tb, server, append(change, func(cfg *oauth.Config) {
		cfg.Clock = clock.now
	}, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if isRefresh(req) {
			m.refreshes.Add(1)
		}
		return next()
	}))...)
	return m
}

func TestAccountMovesToAnotherPDS(t *testing.T) {
	server := sandbox(t, oauthtest.WithPDS("pds.test", "two.test"))
	kept := new(store.Memory)
	m := newMoving(t, server, new(movableClock), withStore(kept))
	s := login(t, server, m.Client)
	server.MoveAccount(s.DID(), "two.test")
	t.Run("P12 O112 a refresh finds the new PDS, and calls go there", func(t *testing.T) {
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.Host() != "https://two.test" || s.Handle() != "alice.test" {
			t.Errorf("host %s, handle %s", s.Host(), s.Handle())
		}
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
	t.Run("P12 O112 the new PDS is stored", func(t *testing.T) {
		again, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
		if err != nil || again.Host() != "https://two.test" {
			t.Errorf("got %v, %v", again, err)
		}
	})
	t.Run("P12 O102 O112 a URL of the old PDS is refused", func(t *testing.T) {
		_, err := s.AuthenticatedRequest(t.Context(), "GET", "https://pds.test"+callPath, nil)
		wantKind(t, err, oauth.ErrOrigin)
	})
}

func TestAccountMovesToAnotherIssuer(t *testing.T) {
	clock := new(movableClock)
	server := sandbox(t, oauthtest.WithPDS("pds.test", "two.test"), oauthtest.WithClock(clock.now))
	m := newMoving(t, server, clock)
	s := login(t, server, m.Client)
	const document = "https://two.test/.well-known/oauth-protected-resource"
	server.Publish(document, []byte(`{"resource":"https://two.test","authorization_servers":["https://other.test"]}`))
	server.MoveAccount(s.DID(), "two.test")

	t.Run("P12 O113 the refresh token is not sent", func(t *testing.T) {
		err := s.Refresh(t.Context())
		wantKind(t, err, oauth.ErrIssuerChanged)
		if errors.Is(err, oauth.ErrReauthRequired) || m.refreshes.Load() != 0 {
			t.Errorf("got %v after %d refreshes", err, m.refreshes.Load())
		}
	})
	t.Run("P12 O113 nor is the access token, while it lives", func(t *testing.T) {
		before := server.Stats()
		wantKind(t, call(t.Context(), s), oauth.ErrIssuerChanged)
		m.clock.setAhead(2 * time.Minute)
		wantKind(t, call(t.Context(), s), oauth.ErrIssuerChanged)
		if n := server.Stats().Requests[callPath] - before.Requests[callPath]; n != 0 {
			t.Errorf("%d calls arrived", n)
		}
	})
	t.Run("P12 O113 the session is kept, for an account that moves back", func(t *testing.T) {
		server.MoveAccount(s.DID(), "pds.test")
		m.clock.setAhead(4 * time.Minute)
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
		if m.refreshes.Load() == 0 {
			t.Error("its tokens were not renewed")
		}
	})
}

// A brittle resolver fails while it is down.
type brittle struct {
	identity.Resolver
	down atomic.Bool
}

func (b *brittle) ResolveDID(ctx context.Context, did syntax.DID) (*identity.Document, error) {
	if b.down.Load() {
		return nil, &identity.Error{Subject: string(did), Kind: identity.ErrUnreachable, Err: fmt.Errorf("down")}
	}
	return b.Resolver.ResolveDID(ctx, did)
}

func TestDirectoryThatIsDown(t *testing.T) {
	clock := new(movableClock)
	server := sandbox(t, oauthtest.WithClock(clock.now))
	directory := &brittle{Resolver: server.Environment().Resolver()}
	m := newMoving(t, server, clock, func(cfg *oauth.Config) { cfg.Resolver = directory })
	s := login(t, server, m.Client)
	directory.down.Store(true)
	t.Run("P10 O108 O112 sessions verified within a day go on", func(t *testing.T) {
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("O112 O113 after that the session waits, and is kept", func(t *testing.T) {
		m.clock.setAhead(25 * time.Hour)
		before := m.refreshes.Load()
		e := wantKind(t, call(t.Context(), s), oauth.ErrNetwork)
		if !e.Retryable || m.refreshes.Load() != before {
			t.Errorf("got %v after %d refreshes", e, m.refreshes.Load()-before)
		}
	})
	t.Run("P69 O113 and goes on when the directory is back, and the pause is over", func(t *testing.T) {
		directory.down.Store(false)
		wantKind(t, s.Refresh(t.Context()), oauth.ErrNetwork)
		m.clock.setAhead(25*time.Hour + 2*time.Minute)
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
}

func TestDirectoryThatIsDownAfterAMove(t *testing.T) {
	t.Run("P12 O113 an account that is known to have moved is not taken back for want of an answer", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t, oauthtest.WithPDS("pds.test", "two.test"), oauthtest.WithClock(clock.now))
		directory := &brittle{Resolver: server.Environment().Resolver()}
		m := newMoving(t, server, clock, func(cfg *oauth.Config) { cfg.Resolver = directory })
		s := login(t, server, m.Client)
		server.Publish("https://two.test/.well-known/oauth-protected-resource", []byte(`{"resource":"https://two.test","authorization_servers":["https://other.test"]}`))
		server.MoveAccount(s.DID(), "two.test")
		wantKind(t, s.Refresh(t.Context()), oauth.ErrIssuerChanged)
		directory.down.Store(true)
		before := server.Stats().Requests[callPath]
		for _, later := range []time.Duration{2 * time.Minute, 2 * time.Hour} {
			m.clock.setAhead(later)
			wantKind(t, call(t.Context(), s), oauth.ErrIssuerChanged)
		}
		if n := server.Stats().Requests[callPath] - before; n != 0 || m.refreshes.Load() != 0 {
			t.Errorf("%d calls arrived, %d refreshes", n, m.refreshes.Load())
		}
	})
}

// A caching resolver keeps answers for ever.
type stale struct {
	identity.Resolver
	fresh func() identity.Resolver
}

func (s stale) Fresh() identity.Resolver { return s.fresh() }

func TestWhoServesAnAccountIsAskedAnew(t *testing.T) {
	server := sandbox(t)
	var asked atomic.Int32
	network := server.Environment().Resolver()
	client := newClient(t, server, func(cfg *oauth.Config) {
		cfg.Resolver = stale{identity.NewCache(network, identity.CacheConfig{KeepFound: time.Hour}), func() identity.Resolver {
			return counted{network, &asked}
		}}
	})
	t.Run("O33 at the exchange", func(t *testing.T) {
		login(t, server, client)
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
	t.Run("O33 and at a refresh", func(t *testing.T) {
		s := login(t, server, client)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if asked.Load() != 3 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

type counted struct {
	identity.Resolver
	asked *atomic.Int32
}

func (c counted) ResolveDID(ctx context.Context, did syntax.DID) (*identity.Document, error) {
	c.asked.Add(1)
	return c.Resolver.ResolveDID(ctx, did)
}

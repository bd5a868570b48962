package oauth_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestClientShutdown(t *testing.T) {
	t.Run("P73 calls with a living token go on, one that needs a refresh does not", func(t *testing.T) {
		clock := new(movableClock)
		server, kept := sandbox(t, oauthtest.WithClock(clock.now)), new(store.Memory)
		client := newClient(t, server, withStore(kept), clock.configure)
		s := login(t, server, client)
		if err := client.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), s); err != nil {
			t.Errorf("with a living token: %v", err)
		}
		if e := wantKind(t, s.Refresh(t.Context()), oauth.ErrShutdown); errors.Is(e, oauth.ErrReauthRequired) {
			t.Errorf("got %+v", e)
		}
		clock.setAhead(2 * time.Hour)
		wantKind(t, call(t.Context(), s), oauth.ErrShutdown)
		if n := server.Stats().Grants["refresh_token"]; n != 0 {
			t.Errorf("%d refreshes", n)
		}
		if err := call(t.Context(), resumed(t, newClient(t, server, withStore(kept), clock.configure), s.Key())); err != nil {
			t.Errorf("the next process: %v", err)
		}
	})
	t.Run("P73 waits for a refresh under way, and says what is left when it may wait no longer", func(t *testing.T) {
		server := sandbox(t)
		began, goOn := make(chan struct{}), make(chan struct{})
		client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			refresh := isRefresh(req)
			resp, err := next()
			if refresh {
				close(began)
				<-goOn
			}
			return resp, err
		}))
		s := login(t, server, client)
		refreshed := make(chan error, 1)
		go func() { refreshed <- s.Refresh(t.Context()) }()
		<-began
		over, cancel := context.WithCancel(t.Context())
		cancel()
		e := wantKind(t, client.Shutdown(over), oauth.ErrShutdown)
		if !errors.Is(e, context.Canceled) || !strings.Contains(e.Error(), "1 tasks") {
			t.Errorf("got %v", e)
		}
		close(goOn)
		if err := client.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-refreshed; err != nil {
			t.Errorf("what was under way: %v", err)
		}
	})
	t.Run("P73 P5 waits for tokens that the store has not taken, and says so", func(t *testing.T) {
		server := sandbox(t)
		kept := &flakyStore{Store: new(store.Memory)}
		client := newClient(t, server, withStore(kept))
		s := login(t, server, client)
		kept.from(func(n int, _ *store.Record) error {
			if n > 1 {
				return errDown
			}
			return nil
		}, nil)
		wantKind(t, s.Refresh(t.Context()), oauth.ErrStore)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if e := wantKind(t, client.Shutdown(over), oauth.ErrShutdown); !strings.Contains(e.Error(), "the new tokens of 1 sessions are not stored") {
			t.Errorf("got %v", e)
		}
		kept.from(nil, nil)
		if err := client.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), resumed(t, newClient(t, server, withStore(kept)), s.Key())); err != nil {
			t.Errorf("the next process: %v", err)
		}
	})
}

func TestClientStats(t *testing.T) {
	clock := new(movableClock)
	server := sandbox(t, oauthtest.WithClock(clock.now))
	kept := &flakyStore{Store: new(store.Memory)}
	client := newClient(t, server, withStore(kept), clock.configure)
	want := func(t *testing.T, want oauth.Stats) {
		t.Helper()
		if diff := cmp.Diff(want, client.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	}
	s := login(t, server, client)
	other := resumed(t, newClient(t, server, withStore(kept), clock.configure), s.Key())
	t.Run("what was done", func(t *testing.T) {
		want(t, oauth.Stats{Live: 1})
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, oauth.Stats{Live: 1, Refreshes: 1})
		for range 2 { // the first adopts
			if err := other.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, oauth.Stats{Live: 1, Refreshes: 1, Adoptions: 1})
	})
	t.Run("P5 what is not done yet", func(t *testing.T) {
		kept.from(func(n int, _ *store.Record) error {
			if n > 1 {
				return errDown
			}
			return nil
		}, nil)
		wantKind(t, s.Refresh(t.Context()), oauth.ErrStore)
		if got := client.Stats(); got.Unsaved != 1 || got.StoreErrors == 0 || got.Refreshes != 2 {
			t.Errorf("got %+v", got)
		}
		kept.from(nil, nil)
		oauth.WaitUntilSaved(t.Context(), s)
		if got := client.Stats(); got.Unsaved != 0 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("what failed, and what is over", func(t *testing.T) {
		before := client.Stats()
		server.Fault(tokenPath, oauthtest.Fault{Status: 404})
		if err := s.Refresh(t.Context()); err == nil {
			t.Fatal("no error")
		}
		clock.setAhead(2 * time.Minute)
		server.RevokeSessions(s.DID())
		wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		after := client.Stats()
		if after.Failures != before.Failures+1 || after.Endings != 1 || after.Live != 0 {
			t.Errorf("got %+v after %+v", after, before)
		}
	})
}

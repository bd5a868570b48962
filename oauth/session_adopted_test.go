package oauth_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestTokensOfAnotherProcessThatAreDeadAlready(t *testing.T) {
	begin := func(t *testing.T, dead func(token string) bool) (first, second *oauth.Session, calls *atomic.Int32) {
		t.Helper()
		server, kept := sandbox(t), new(store.Memory)
		calls = new(atomic.Int32)
		first = login(t, server, newClient(t, server, withStore(kept)))
		second, err := newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == callPath {
				calls.Add(1)
				if dead(req.Header.Get("Authorization")) {
					return respond(req, 401, `{"error":"invalid_token"}`, "WWW-Authenticate", `DPoP error="invalid_token"`), nil
				}
			}
			return next()
		})).Resume(t.Context(), first.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Refresh(t.Context()); err != nil { // the second does not know of it
			t.Fatal(err)
		}
		server.ResetStats()
		t.Cleanup(func() {
			if n := server.Stats().Grants["refresh_token"]; n != 1 {
				t.Errorf("P8 %d refreshes, want 1", n)
			}
		})
		return first, second, calls
	}
	t.Run("P3 O114 are renewed before the caller hears of it", func(t *testing.T) {
		tokens := make(map[string]int)
		_, second, calls := begin(t, func(token string) bool {
			tokens[token]++
			return len(tokens) < 3 // the first is old, the second looks good and is not
		})
		if err := call(t.Context(), second); err != nil {
			t.Error(err)
		}
		if n := calls.Load(); n != 3 {
			t.Errorf("%d requests, want 3", n)
		}
	})
	t.Run("P8 O114 and where no token is taken, one refresh is all it costs", func(t *testing.T) {
		_, second, calls := begin(t, func(string) bool { return true })
		if err := call(t.Context(), second); err == nil {
			t.Error("no error")
		}
		if n := calls.Load(); n != 3 {
			t.Errorf("%d requests, want 3", n)
		}
	})
}

func TestAdoptedTokensHaveAnEnd(t *testing.T) {
	t.Run("P118 P8 O114 a call gives up where others renew for ever and nothing helps", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		first := login(t, server, newClient(t, server, withStore(kept)))
		calls := 0
		second := resumed(t, newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path != callPath {
				return next()
			}
			if calls++; calls > 50 {
				return next()
			}
			if err := first.Refresh(req.Context()); err != nil {
				t.Error(err)
			}
			return respond(req, 401, `{"error":"invalid_token"}`, "WWW-Authenticate", `DPoP error="invalid_token"`), nil
		})), first.Key())
		if err := call(t.Context(), second); err == nil {
			t.Error("no error")
		}
		if calls < 5 || calls > 15 {
			t.Errorf("%d requests", calls)
		}
	})
}

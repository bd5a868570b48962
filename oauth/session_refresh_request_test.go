package oauth_test

import (
	"crypto/elliptic"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestRefreshRequest(t *testing.T) {
	for name, keys := range map[string][]oauth.ClientKey{"public": nil, "confidential": {{Signer: newKey(t, elliptic.P256())}}} {
		t.Run("O103 of a "+name+" client has all that is demanded, and nothing more", func(t *testing.T) {
			server, w := sandbox(t), new(wire)
			var granted string
			s := login(t, server, confidential(t, server, keys, w.tap(), granting(func(m map[string]any) {
				if granted == "" {
					granted, _ = m["refresh_token"].(string)
				}
			})))
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			sent := w.to(tokenPath)
			exchange, refresh := sent[0], sent[len(sent)-1]
			want := []string{"client_id", "grant_type", "refresh_token"}
			if keys != nil {
				want = []string{"client_assertion", "client_assertion_type", "client_id", "grant_type", "refresh_token"}
			}
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(refresh.form))); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
			if got := refresh.form; got.Get("grant_type") != "refresh_token" || got.Get("refresh_token") != granted || got.Get("client_id") != clientID {
				t.Errorf("form %v", got)
			}
			if diff := cmp.Diff(proofIn(t, exchange).header, proofIn(t, refresh).header); diff != "" {
				t.Errorf("key of the proof (-exchange +refresh):\n%s", diff)
			}
			if refresh.method != "POST" || refresh.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("%s as %q", refresh.method, refresh.header.Get("Content-Type"))
			}
		})
	}
	t.Run("O103 has a proof also while the nonce is stale", func(t *testing.T) {
		// The real server takes the session away from who forgets it.
		server, w := sandbox(t), new(wire)
		s := login(t, server, newClient(t, server, w.tap()))
		server.RotateNonce()
		w.sent = nil
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, sent := range w.to(tokenPath) {
			proofIn(t, sent)
		}
	})
}

func TestNewTokensAreStoredFirst(t *testing.T) {
	t.Run("O104 until they are, calls go with the old ones", func(t *testing.T) {
		server := sandbox(t)
		kept := &flakyStore{Store: new(store.Memory)}
		sent := make(chan string, 10)
		var watching atomic.Bool
		s := login(t, server, newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if watching.Load() && req.URL.Path == callPath {
				sent <- req.Header.Get("Authorization")
			}
			return next()
		})))
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		watching.Store(true)
		var calls sync.WaitGroup
		during := ""
		kept.from(func(n int, _ *store.Record) error {
			if n == 2 { // 1 is the claim
				calls.Go(func() {
					if err := call(t.Context(), s); err != nil {
						t.Error(err)
					}
				})
				during = <-sent
			}
			return nil
		}, nil)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		calls.Wait()
		close(sent)
		if after, again := <-sent; !again || during == after {
			t.Error("a token was used before it was stored")
		}
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes", n)
		}
	})
	t.Run("O104 what is stored is what the server gave, and the spent one is gone", func(t *testing.T) {
		server, w, kept := sandbox(t), new(wire), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		other, err := newClient(t, server, withStore(kept), w.tap()).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := other.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if sent := w.to(tokenPath); sent[0].form.Get("refresh_token") == sent[1].form.Get("refresh_token") {
			t.Error("a refresh token was sent twice")
		}
	})
}

func TestRefreshTokenThatStays(t *testing.T) {
	t.Run("P9 O104 is sent again, here and by another process, where the answer had none", func(t *testing.T) {
		server, w, kept := sandbox(t), new(wire), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept), w.tap(), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			refresh := isRefresh(req)
			resp, err := next()
			if err == nil && refresh {
				resp = rewrite(resp, func(m map[string]any) { delete(m, "refresh_token") })
			}
			return resp, err
		})))
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := w.last(t, tokenPath).form.Get("refresh_token")
		other, err := newClient(t, server, withStore(kept), w.tap()).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		other.Refresh(t.Context()) // the sandbox itself takes none twice
		if sent := w.to(tokenPath); len(sent) != 3 || sent[2].form.Get("refresh_token") != first || first == "" {
			t.Errorf("%d token requests, the last with %q, not %q", len(sent), sent[len(sent)-1].form.Get("refresh_token"), first)
		}
	})
}

func TestTokensThatTheServerRefuses(t *testing.T) {
	for name, header := range map[string][]string{
		"by a DPoP challenge":   {"WWW-Authenticate", `DPoP algs="ES256", error="invalid_token", error_description="expired"`},
		"by a Bearer challenge": {"WWW-Authenticate", `Bearer realm="x", error="invalid_token"`},
	} {
		t.Run("O114 "+name+" are renewed once, and the call succeeds", func(t *testing.T) {
			server, w := sandbox(t), new(wire)
			first := true
			s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path != callPath || !first {
					return next()
				}
				first = false
				return respond(req, 401, `{"error":"InvalidToken"}`, header...), nil
			}), w.tap()))
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
			sent := w.to(callPath)
			if n := server.Stats().Grants["refresh_token"]; n != 1 || len(sent) != 2 || sent[0].header.Get("Authorization") == sent[1].header.Get("Authorization") {
				t.Errorf("%d refreshes, %d calls", n, len(sent))
			}
		})
	}
	t.Run("O114 because another process renewed them are not renewed again", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		other, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
		if n := server.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d refreshes, want that of the other process", n)
		}
	})
	for name, body := range map[string]string{
		"of something else, with 400": `{"error":"InvalidToken","message":"the code from the email is wrong"}`,
		"of itself, with 401":         `{"error":"ExpiredToken"}`,
	} {
		t.Run("O114 a service that speaks "+name+" and not of ours changes nothing", func(t *testing.T) {
			server := sandbox(t)
			calls := 0
			s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path != callPath {
					return next()
				}
				calls++
				if strings.Contains(name, "400") {
					return respond(req, 400, body), nil
				}
				return respond(req, 401, body), nil
			})))
			if err := call(t.Context(), s); err == nil {
				t.Error("no error")
			}
			if n := server.Stats().Grants["refresh_token"]; n != 0 || calls != 1 {
				t.Errorf("%d refreshes, %d calls", n, calls)
			}
		})
	}
	t.Run("P8 O114 for ever leave the session where it is", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		var refuse atomic.Bool
		s := login(t, server, newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == callPath && refuse.Load() {
				return respond(req, 401, `{}`, "WWW-Authenticate", `DPoP error="invalid_token"`), nil
			}
			return next()
		})))
		refuse.Store(true)
		if err := call(t.Context(), s); err == nil {
			t.Error("no error")
		}
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 1 {
			t.Errorf("%d records", n)
		}
		refuse.Store(false)
		if err := call(t.Context(), s); err != nil {
			t.Errorf("when the server has come to its senses: %v", err)
		}
	})
}

func TestTimesOfRefreshes(t *testing.T) {
	t.Run("O107 sessions that began together do not refresh together", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t, oauthtest.WithClock(clock.now))
		server.SetTokenLifetime(10 * time.Minute)
		client := newClient(t, server, clock.configure)
		var sessions []*oauth.Session
		for range 40 {
			sessions = append(sessions, login(t, server, client))
		}
		end := time.Now().Add(11 * time.Minute) // no first token lives as long
		refreshedWith := func(left time.Duration) (n int) {
			clock.setAhead(10*time.Minute - left)
			for _, s := range sessions {
				if err := call(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				oauth.WaitForRefresh(t.Context(), s)
				if s.ExpiresAt().After(end) {
					n++
				}
			}
			return n
		}
		// Of the last minute, half is for all of them, and each has a part of the other half.
		if n := refreshedWith(65 * time.Second); n != 0 {
			t.Errorf("%d sessions refreshed with more than a minute left", n)
		}
		if n := refreshedWith(45 * time.Second); n == 0 || n == len(sessions) {
			t.Errorf("%d of %d sessions refreshed at one time", n, len(sessions))
		}
		if n := refreshedWith(25 * time.Second); n != len(sessions) {
			t.Errorf("%d of %d sessions refreshed ahead of time", n, len(sessions))
		}
	})
}

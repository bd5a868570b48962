package oauth_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A younger request of the same session is answered while the answer to an older one, which
// asks for a nonce, is on its way.
func TestRetryUsesTheNonceOfItsChallenge(t *testing.T) {
	for name, older := range map[string]struct {
		is  func(*http.Request) bool
		do  func(*testing.T, *oauth.Session) error
		all func(*wire) []sentRequest
	}{
		"P102 O98 at the PDS": {
			func(req *http.Request) bool { return req.URL.Path == callPath && req.URL.RawQuery == "older" },
			func(t *testing.T, s *oauth.Session) error {
				resp, err := s.AuthenticatedRequest(t.Context(), "GET", callPath+"?older", nil)
				if err == nil {
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						err = fmt.Errorf("HTTP %d", resp.StatusCode)
					}
				}
				return err
			},
			func(w *wire) []sentRequest { return w.to(callPath) },
		},
		"P102 O98 at the authorization server": {
			isRefresh,
			func(t *testing.T, s *oauth.Session) error { return s.Refresh(t.Context()) },
			func(w *wire) []sentRequest { return w.to(tokenPath)[1:] }, // the first was the login's
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, w := sandbox(t), new(wire)
			var s *oauth.Session
			asked := ""
			s = login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if asked != "" || !older.is(req) {
					if asked != "" && req.URL.Path == callPath && req.URL.RawQuery == "" {
						return respond(req, 200, sessionAnswer, "DPoP-Nonce", "of-the-younger"), nil
					}
					return next()
				}
				resp, err := next()
				if err != nil {
					return nil, err
				}
				asked = resp.Header.Get("DPoP-Nonce")
				if err := call(t.Context(), s); err != nil {
					t.Errorf("the younger: %v", err)
				}
				return resp, nil
			}), w.tap()))
			server.RotateNonce()
			if err := older.do(t, s); err != nil {
				t.Error(err)
			}
			sent := older.all(w)
			if got := proofIn(t, sent[len(sent)-1]).text("nonce"); got != asked || asked == "" {
				t.Errorf("the retry has nonce %q, asked for was %q", got, asked)
			}
			if n := server.Stats().Challenges; n != 2 { // the other one was the login's
				t.Errorf("%d challenges", n)
			}
		})
	}
}

func TestOneNonceChangeCostsOneRequest(t *testing.T) {
	const many = 100
	// The clock stands still, as a sandbox changes its nonce every minute.
	now := time.Now()
	server, kept := sandbox(t, oauthtest.WithClock(func() time.Time { return now })), new(store.Memory)
	configure := func(cfg *oauth.Config) { cfg.Clock = func() time.Time { return now } }
	client := newClient(t, server, configure, withStore(kept))
	var sessions []*oauth.Session
	for range many {
		sessions = append(sessions, login(t, server, client))
	}
	change := func(t *testing.T, sessions []*oauth.Session) {
		t.Helper()
		server.RotateNonce()
		server.ResetStats()
		for _, s := range sessions {
			if err := call(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if n := server.Stats().Requests[callPath]; n != many+1 {
			t.Errorf("%d requests for %d calls", n, many)
		}
	}
	t.Run("P103 O96 of 100 sessions that live", func(t *testing.T) {
		change(t, sessions)
		change(t, sessions)
	})
	t.Run("P103 O96 of 100 sessions that were resumed", func(t *testing.T) {
		another := newClient(t, server, configure, withStore(kept))
		var resumed []*oauth.Session
		for _, s := range sessions {
			r, err := another.Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			resumed = append(resumed, r)
		}
		change(t, resumed)
	})
}

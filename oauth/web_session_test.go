package oauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestWebSetSession(t *testing.T) {
	// give puts session into the browser of s, and returns the cookies of the answer.
	give := func(t *testing.T, s *site, session *oauth.Session) (*httptest.ResponseRecorder, error) {
		t.Helper()
		u, _ := url.Parse(s.URL)
		r := httptest.NewRequestWithContext(t.Context(), "POST", s.URL+"/moved", nil)
		for _, c := range s.browser.Jar.Cookies(u) {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		err := s.web.SetSession(w, r, session)
		s.browser.Jar.SetCookies(u, w.Result().Cookies())
		return w, err
	}
	t.Run("a browser gets a session that no callback brought", func(t *testing.T) {
		s := newSite(t, nil)
		w, err := give(t, s, login(t, s.sandbox, s.web.Client))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.me(t); got != "alice.test" {
			t.Errorf("logged in as %s", got)
		}
		set := w.Result().Cookies()
		if len(set) != 1 || !set[0].HttpOnly || set[0].SameSite != http.SameSiteLaxMode || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("the answer has %v", w.Header())
		}
		if s.post(t, "/logout", s.URL, nil); s.me(t) != "nobody" {
			t.Error("it cannot be logged out")
		}
	})
	t.Run("P76 the session that it replaces is logged out", func(t *testing.T) {
		s := newSite(t, nil)
		s.login(t, "bob", url.Values{"identifier": {"bob.test"}})
		u, _ := url.Parse(s.URL)
		before := s.browser.Jar.Cookies(u)
		if _, err := give(t, s, login(t, s.sandbox, s.web.Client)); err != nil {
			t.Fatal(err)
		}
		if got := s.me(t); got != "alice.test" {
			t.Errorf("logged in as %s", got)
		}
		s.browser.Jar.SetCookies(u, before)
		if got := s.me(t); got != "nobody" {
			t.Errorf("the old session goes on as %s", got)
		}
	})
	t.Run("P76 a user who switches between accounts stays logged in with both", func(t *testing.T) {
		var keys []oauth.SessionKey
		s := newSite(t, func(_ *oauth.Config, web *oauth.Web) {
			web.KeepReplaced = true
			web.LoggedIn = func(w http.ResponseWriter, r *http.Request, result *oauth.CallbackResult) {
				keys = append(keys, result.Session.Key())
				http.Redirect(w, r, "/", http.StatusSeeOther)
			}
		})
		s.login(t, "alice", alice())
		s.login(t, "bob", url.Values{"identifier": {"bob.test"}})
		for i, want := range []string{"alice.test", "bob.test", "alice.test"} {
			session, err := s.web.Client.Resume(t.Context(), keys[i%2])
			if err != nil {
				t.Fatal(err)
			}
			if _, err := give(t, s, session); err != nil {
				t.Fatal(err)
			}
			if got := s.me(t); got != want {
				t.Errorf("switch %d: logged in as %s, want %s", i, got, want)
			}
		}
		if n := s.sandbox.Stats().Requests[revokePath]; n != 0 {
			t.Errorf("%d sessions were revoked", n)
		}
	})
	t.Run("P76 a new session of the same account ends the old one, also where users switch", func(t *testing.T) {
		s := newSite(t, func(_ *oauth.Config, web *oauth.Web) { web.KeepReplaced = true })
		s.login(t, "alice", alice())
		u, _ := url.Parse(s.URL)
		before := s.browser.Jar.Cookies(u)
		s.login(t, "alice", alice())
		if got := s.me(t); got != "alice.test" {
			t.Errorf("logged in as %s", got)
		}
		s.browser.Jar.SetCookies(u, before)
		if got := s.me(t); got != "nobody" {
			t.Errorf("the old session goes on as %s", got)
		}
	})
	t.Run("the same session twice stays logged in", func(t *testing.T) {
		s := newSite(t, nil)
		session := login(t, s.sandbox, s.web.Client)
		for range 2 {
			if _, err := give(t, s, session); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.me(t); got != "alice.test" {
			t.Errorf("logged in as %s", got)
		}
	})
	t.Run("a store that is down leaves the browser as it is", func(t *testing.T) {
		down := &downStore{Store: new(store.Memory)}
		s := newSite(t, nil)
		session := login(t, s.sandbox, s.web.Client)
		down.down.Store(true)
		web := &oauth.Web{Client: newClient(t, s.sandbox, func(cfg *oauth.Config) {
			cfg.Store, cfg.Seal = down, seal.Passphrase("a long passphrase")
		})}
		w := httptest.NewRecorder()
		err := web.SetSession(w, httptest.NewRequestWithContext(t.Context(), "POST", "/moved", strings.NewReader("")), session)
		wantKind(t, err, oauth.ErrStore)
		if len(w.Header()) != 0 {
			t.Errorf("the answer has %v", w.Header())
		}
	})
}

// Two Webs of one application that share a callback: each finishes its own logins only.
func TestWebsOfOneApplication(t *testing.T) {
	s := newSite(t, func(_ *oauth.Config, web *oauth.Web) { web.CookieName = "first" })
	second := &oauth.Web{Client: s.web.Client, CookieName: "second"}
	other := httptest.NewServer(second.LoginHandler())
	t.Cleanup(other.Close)
	s.login(t, "alice", alice())

	elsewhere := &site{Server: other, web: second, sandbox: s.sandbox, browser: s.browser}
	callback := s.approve(t, elsewhere.begin(t, url.Values{"identifier": {"bob.test"}}), "bob")
	if resp, body := s.get(t, callback); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "another browser") {
		t.Errorf("status %d, %s", resp.StatusCode, body)
	}
	if got := s.me(t); got != "alice.test" {
		t.Errorf("logged in as %s", got)
	}
}

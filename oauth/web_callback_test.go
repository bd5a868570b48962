package oauth_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestWebUnfinishedLogins(t *testing.T) {
	cookies := func(s *site) (named []string) {
		u, _ := url.Parse(s.URL)
		for _, c := range s.browser.Jar.Cookies(u) {
			named = append(named, c.Name)
		}
		return named
	}
	t.Run("O64 of many logins that were begun the last eight are kept", func(t *testing.T) {
		clock := new(movableClock)
		s := newSite(t, func(cfg *oauth.Config, _ *oauth.Web) { clock.configure(cfg) })
		u, _ := url.Parse(s.URL)
		s.browser.Jar.SetCookies(u, []*http.Cookie{
			{Name: "atproto-login-x", Value: "not ours", Path: "/"}, {Name: "theme", Value: "dark", Path: "/"},
		})
		var begun []string
		for i := range 12 {
			clock.setAhead(time.Duration(i-12) * time.Second)
			begun = append(begun, s.begin(t, alice()))
		}
		clock.setAhead(0)
		if n := len(cookies(s)); n != 9 {
			t.Errorf("%d cookies: %q", n, cookies(s))
		}
		for i, location := range begun {
			resp, body := s.get(t, s.approve(t, location, "alice"))
			if i < 4 && (resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, "begun in another browser, or has expired")) {
				t.Errorf("login %d: status %d, %s", i, resp.StatusCode, body)
			}
			if i >= 4 && resp.StatusCode != http.StatusSeeOther {
				t.Errorf("login %d: status %d, %s", i, resp.StatusCode, body)
			}
		}
		if got := cookies(s); len(got) != 2 { // the session's, and what is the application's own
			t.Errorf("left: %q", got)
		}
	})
	t.Run("what a request brings is small", func(t *testing.T) {
		s := newSite(t, nil)
		for range 20 {
			s.begin(t, alice("return_to", "/"+strings.Repeat("x", 1000)))
		}
		u, _ := url.Parse(s.URL)
		size := 0
		for _, c := range s.browser.Jar.Cookies(u) {
			size += len(c.String()) + 2
		}
		if size > 1024 {
			t.Errorf("the cookies of logins have %d bytes", size)
		}
	})
}

func TestWebCallback(t *testing.T) {
	head := func(t *testing.T, s *site, address string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "HEAD", address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, _ := s.do(t, req)
		return resp
	}
	t.Run("O59 a HEAD request uses nothing up", func(t *testing.T) {
		s := newSite(t, nil)
		callback := s.approve(t, s.begin(t, alice()), "alice")
		if resp := head(t, s, callback); resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 0 {
			t.Errorf("status %d, %v", resp.StatusCode, resp.Cookies())
		}
		if resp, body := s.get(t, callback); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("status %d, %s", resp.StatusCode, body)
		}
		if resp, _ := s.post(t, "/callback", s.URL, nil); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: status %d, %v", resp.StatusCode, resp.Header)
		}
	})
	t.Run("O59 a callback that comes twice sends who is logged in home", func(t *testing.T) {
		s := newSite(t, func(_ *oauth.Config, web *oauth.Web) { web.Home, web.AfterLogin = "/home", "/welcome" })
		callback := s.approve(t, s.begin(t, alice()), "alice")
		for i, want := range []string{"/welcome", "/home", "/home"} {
			resp, body := s.get(t, callback)
			if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != want {
				t.Errorf("%d: status %d to %q, %s", i, resp.StatusCode, resp.Header.Get("Location"), body)
			}
		}
		s.post(t, "/logout", s.URL, nil)
		if resp, _ := s.get(t, callback); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("logged out: status %d", resp.StatusCode)
		}
	})
	for _, end := range []string{"for 30 seconds", "until it is logged out"} {
		t.Run("O59 a callback that comes again before it is answered gets the same session, "+end, func(t *testing.T) {
			began, goOn := make(chan struct{}), make(chan struct{})
			clock := new(movableClock)
			s := newSite(t, func(cfg *oauth.Config, web *oauth.Web) {
				clock.configure(cfg)
				withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
					if strings.HasSuffix(req.URL.Path, tokenPath) {
						close(began)
						<-goOn
					}
					return next()
				})(cfg)
				web.AfterLogin = "/welcome"
			})
			callback := s.approve(t, s.begin(t, alice()), "alice")
			ctx, stop := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "GET", callback, nil)
			if err != nil {
				t.Fatal(err)
			}
			gone := make(chan error)
			go func() {
				_, err := s.browser.Do(req)
				gone <- err
			}()
			<-began
			stop() // the page is loaded again
			if err := <-gone; err == nil {
				t.Error("the first was answered")
			}
			u, _ := url.Parse(s.URL)
			bound := s.browser.Jar.Cookies(u)
			close(goOn)

			if resp, _ := newSiteBrowser(t, s).get(t, callback); resp.StatusCode != http.StatusBadRequest {
				t.Errorf("another browser: status %d", resp.StatusCode)
			}
			if resp, body := s.get(t, callback); resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/welcome" {
				t.Fatalf("status %d to %q, %s", resp.StatusCode, resp.Header.Get("Location"), body)
			}
			if who := s.me(t); who != "alice.test" {
				t.Errorf("logged in: %s", who)
			}
			if n := s.sandbox.Stats().Grants["authorization_code"]; n != 1 {
				t.Errorf("%d codes were spent", n)
			}

			// Whoever still has the cookie of the login is answered for half a minute, unless the session is over.
			again := newSiteBrowser(t, s)
			again.browser.Jar.SetCookies(u, bound)
			clock.setAhead(29 * time.Second)
			if resp, body := again.get(t, callback); resp.StatusCode != http.StatusSeeOther || again.me(t) != "alice.test" {
				t.Errorf("after 29 s: status %d, %s", resp.StatusCode, body)
			}
			late := func() int {
				late := newSiteBrowser(t, s)
				late.browser.Jar.SetCookies(u, bound)
				resp, _ := late.get(t, callback)
				return resp.StatusCode
			}
			right := callback
			callback = strings.Replace(right, "code=", "code=x", 1)
			if status := late(); status != http.StatusBadRequest {
				t.Errorf("with another code: status %d", status)
			}
			callback = right
			if end == "for 30 seconds" {
				clock.setAhead(30 * time.Second)
			} else {
				s.post(t, "/logout", s.URL, nil)
			}
			if status := late(); status != http.StatusBadRequest {
				t.Errorf("then: status %d", status)
			}
		})
	}
	t.Run("what the application panics with is for its server to deal with", func(t *testing.T) {
		boom := true
		s := newSite(t, func(cfg *oauth.Config, web *oauth.Web) {
			withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if boom && strings.HasSuffix(req.URL.Path, tokenPath) {
					panic(http.ErrAbortHandler)
				}
				return next()
			})(cfg)
		})
		callback := s.approve(t, s.begin(t, alice()), "alice")
		req := httptest.NewRequest("GET", callback, nil)
		u, _ := url.Parse(s.URL)
		for _, c := range s.browser.Jar.Cookies(u) {
			req.AddCookie(c)
		}
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler {
					t.Errorf("it panics with %v", got)
				}
			}()
			s.web.CallbackHandler().ServeHTTP(httptest.NewRecorder(), req)
		}()
		boom = false
		if resp, _ := s.get(t, callback); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("again: status %d", resp.StatusCode)
		}
	})
	t.Run("P76 a store that is down leaves the login to be ended later", func(t *testing.T) {
		kept := &downStore{Store: new(store.Memory)}
		s := newSite(t, func(cfg *oauth.Config, _ *oauth.Web) { withStore(kept)(cfg) })
		callback := s.approve(t, s.begin(t, alice()), "alice")
		kept.down.Store(true)
		if resp, _ := s.get(t, callback); resp.StatusCode != http.StatusServiceUnavailable || len(resp.Cookies()) != 0 {
			t.Errorf("status %d, %v", resp.StatusCode, resp.Cookies())
		}
		kept.down.Store(false)
		if resp, body := s.get(t, callback); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("status %d, %s", resp.StatusCode, body)
		}
	})
	t.Run("pages and fields are the application's to name", func(t *testing.T) {
		s := newSite(t, func(_ *oauth.Config, web *oauth.Web) {
			web.Home, web.AfterLogin, web.AfterLogout = "/home", "/in", "/out"
			web.IdentifierField, web.ReturnToField = "handle", "next"
		})
		for _, tt := range []struct{ next, want string }{{"/page", "/page"}, {"", "/in"}, {"//evil.example.com", "/in"}} {
			got := s.login(t, "alice", url.Values{"handle": {"alice.test"}, "next": {tt.next}, "return_to": {"/other"}})
			if got != tt.want {
				t.Errorf("%q leads to %q, want %q", tt.next, got, tt.want)
			}
		}
		if resp, _ := s.post(t, "/logout", s.URL, nil); resp.Header.Get("Location") != "/out" {
			t.Errorf("logged out to %q", resp.Header.Get("Location"))
		}
		if resp, _ := s.post(t, "/login", s.URL, alice()); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("the field that is not named any more: status %d", resp.StatusCode)
		}
	})
	t.Run("P76 the cookie goes at a logout, also where the record cannot be opened", func(t *testing.T) {
		kept := new(store.Memory)
		s := newSite(t, func(cfg *oauth.Config, _ *oauth.Web) { withStore(kept)(cfg) })
		s.login(t, "alice", alice())
		// Another process that lost the old key, but for what seals cookies.
		for key := range kept.List(t.Context(), store.RecordSession, "") {
			r, err := kept.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			r.Data, r.Revision = bytes.Repeat([]byte{1}, len(r.Data)), r.Revision+1
			if err := kept.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		s.web.Client = newClient(t, s.sandbox, withStore(kept), func(cfg *oauth.Config) {
			local := oauth.Localhost(s.URL+"/callback", "atproto transition:generic")
			cfg.ClientID, cfg.RedirectURIs, cfg.Seal = local.ClientID, local.RedirectURIs, seal.Keys(bytes.Repeat([]byte{7}, 32))
		})
		if resp, body := s.get(t, s.URL+"/me"); resp.StatusCode != 500 || !strings.Contains(body, "cannot be opened") {
			t.Fatalf("status %d, %s", resp.StatusCode, body)
		}
		resp, _ := s.post(t, "/logout", s.URL, nil)
		if resp.StatusCode != http.StatusSeeOther || len(resp.Cookies()) != 1 || resp.Cookies()[0].MaxAge >= 0 {
			t.Errorf("status %d, %v", resp.StatusCode, resp.Cookies())
		}
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records left", n)
		}
		if got := s.me(t); got != "nobody" {
			t.Errorf("logged in as %s", got)
		}
	})
}

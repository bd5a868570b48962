package oauth_test

import (
	"crypto/elliptic"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A site is a web application made of the handlers, and a browser that visits it.
type site struct {
	*httptest.Server
	web     *oauth.Web
	sandbox *oauthtest.Server
	browser *http.Client
}

// newSite starts a site. change may replace what it likes of the Config and of the Web.
func newSite(t *testing.T, change func(*oauth.Config, *oauth.Web)) *site {
	t.Helper()
	s := &site{web: new(oauth.Web), sandbox: sandbox(t)}
	mux := http.NewServeMux()
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	s.web.Client = newClient(t, s.sandbox, func(cfg *oauth.Config) {
		local := oauth.Localhost(s.URL+"/callback", "atproto transition:generic")
		cfg.ClientID, cfg.RedirectURIs = local.ClientID, local.RedirectURIs
		if change != nil {
			change(cfg, s.web)
		}
	})
	mux.Handle("/login", s.web.LoginHandler())
	mux.Handle("/callback", s.web.CallbackHandler())
	mux.Handle("/logout", s.web.LogoutHandler())
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		session, err := s.web.Session(r)
		if errors.Is(err, oauth.ErrReauthRequired) {
			fmt.Fprint(w, "nobody")
			return
		}
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		fmt.Fprint(w, session.Handle())
	})
	s.browser = newBrowser(t)
	return s
}

// newBrowser keeps cookies and stops at redirects.
func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// post posts a form, as a page of origin does ("": none is told).
func (s *site) post(t *testing.T, path, origin string, form url.Values) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	return s.do(t, req)
}

func (s *site) get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.do(t, req)
}

func (s *site) do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := s.browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// begin posts the login form and returns where the user is sent.
func (s *site) begin(t *testing.T, form url.Values) string {
	t.Helper()
	resp, body := s.post(t, "/login", s.URL, form)
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("login: status %d, %s", resp.StatusCode, body)
	}
	return resp.Header.Get("Location")
}

// approve agrees at the server and returns the callback's URL.
func (s *site) approve(t *testing.T, location, account string) string {
	t.Helper()
	callback, err := s.sandbox.Approve(t.Context(), location, s.sandbox.Environment().Account(account))
	if err != nil {
		t.Fatal(err)
	}
	return callback.String()
}

// login logs account in and returns where the user ends up.
func (s *site) login(t *testing.T, account string, form url.Values) string {
	t.Helper()
	resp, body := s.get(t, s.approve(t, s.begin(t, form), account))
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("callback: status %d, %s", resp.StatusCode, body)
	}
	return resp.Header.Get("Location")
}

func (s *site) me(t *testing.T) string {
	t.Helper()
	_, body := s.get(t, s.URL+"/me")
	return body
}

func alice(more ...string) url.Values {
	form := url.Values{"identifier": {"alice.test"}}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestWebLogsInAndOut(t *testing.T) {
	s := newSite(t, nil)
	if got := s.me(t); got != "nobody" {
		t.Fatalf("before the login: %s", got)
	}
	if to := s.login(t, "alice", alice("return_to", "/notes?page=7")); to != "/notes?page=7" {
		t.Errorf("sent to %q", to)
	}
	if got := s.me(t); got != "alice.test" {
		t.Errorf("logged in as %s", got)
	}
	resp, _ := s.post(t, "/logout", s.URL, nil)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != "/" {
		t.Errorf("logout: status %d to %q", resp.StatusCode, resp.Header.Get("Location"))
	}
	if got := s.me(t); got != "nobody" {
		t.Errorf("after the logout: %s", got)
	}
	if n := s.sandbox.Stats().Requests[revokePath]; n != 1 {
		t.Errorf("%d revocations", n)
	}
	u, _ := url.Parse(s.URL)
	if left := s.browser.Jar.Cookies(u); len(left) != 0 {
		t.Errorf("cookies left: %v", left)
	}
	if resp, _ := s.post(t, "/logout", s.URL, nil); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("a logout without a session: status %d", resp.StatusCode)
	}
}

func TestWebBindsLoginsToTheBrowser(t *testing.T) {
	t.Run("O64 a callback in another browser is refused, and the login can still be ended in its own", func(t *testing.T) {
		s := newSite(t, nil)
		callback := s.approve(t, s.begin(t, alice()), "alice")
		own := s.browser
		s.browser = newBrowser(t)
		if resp, _ := s.get(t, callback); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", resp.StatusCode)
		}
		if got := s.me(t); got != "nobody" {
			t.Errorf("the other browser is logged in as %s", got)
		}
		s.browser = own
		if resp, _ := s.get(t, callback); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("O64 several logins at a time do not get into each other's way", func(t *testing.T) {
		s := newSite(t, nil)
		first, second := s.begin(t, alice()), s.begin(t, url.Values{"identifier": {"bob.test"}})
		for _, step := range [][2]string{{first, "alice"}, {second, "bob"}} {
			if resp, body := s.get(t, s.approve(t, step[0], step[1])); resp.StatusCode != http.StatusSeeOther {
				t.Errorf("%s: status %d, %s", step[1], resp.StatusCode, body)
			}
			if got := s.me(t); got != step[1]+".test" {
				t.Errorf("logged in as %s", got)
			}
		}
		// The session of alice, whose key is nowhere any more, was logged out.
		if n := s.sandbox.Stats().Requests[revokePath]; n != 1 {
			t.Errorf("%d revocations", n)
		}
	})
	t.Run("forms of other sites are refused", func(t *testing.T) {
		s := newSite(t, nil)
		s.login(t, "alice", alice())
		for _, path := range []string{"/login", "/logout"} {
			if resp, _ := s.post(t, path, "https://evil.example.com", alice()); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s: status %d", path, resp.StatusCode)
			}
			if resp, _ := s.get(t, s.URL+path+"?identifier=alice.test"); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
				t.Errorf("GET %s: status %d", path, resp.StatusCode)
			}
		}
		if got := s.me(t); got != "alice.test" {
			t.Errorf("logged in as %s", got)
		}
	})
	t.Run("nobody is sent to another site", func(t *testing.T) {
		for _, to := range []string{"https://evil.example.com", "//evil.example.com", `/\evil.example.com`, "/\t/evil.example.com", "javascript:alert(1)", "evil", ""} {
			s := newSite(t, func(_ *oauth.Config, web *oauth.Web) { web.Home = "/home" })
			if got := s.login(t, "alice", alice("return_to", to)); got != "/home" {
				t.Errorf("%q leads to %q", to, got)
			}
		}
	})
}

func TestWebCookies(t *testing.T) {
	t.Run("O64 scripts and other sites do not get them", func(t *testing.T) {
		s := newSite(t, nil)
		resp, _ := s.post(t, "/login", s.URL, alice())
		check := func(c *http.Cookie) {
			t.Helper()
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge <= 0 || c.Domain != "" {
				t.Errorf("%+v", c)
			}
		}
		if len(resp.Cookies()) != 1 || resp.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%v", resp.Header)
		}
		check(resp.Cookies()[0])
		resp, _ = s.get(t, s.approve(t, resp.Header.Get("Location"), "alice"))
		if len(resp.Cookies()) != 2 || resp.Cookies()[0].MaxAge >= 0 || resp.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Fatalf("%v", resp.Header)
		}
		check(resp.Cookies()[1])
	})
	t.Run("on https they are the host's own", func(t *testing.T) {
		server := sandbox(t)
		client := confidential(t, server, []oauth.Key{{Signer: newKey(t, elliptic.P256())}})
		web := &oauth.Web{Client: client}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "https://app.client-host.net/login", strings.NewReader(alice().Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		web.LoginHandler().ServeHTTP(w, r)
		cookies := w.Result().Cookies()
		if w.Code != http.StatusSeeOther || len(cookies) != 1 || !cookies[0].Secure || !strings.HasPrefix(cookies[0].Name, "__Host-") {
			t.Errorf("status %d, %v", w.Code, cookies)
		}
	})
	t.Run("a session's cookie that was made up is nobody's", func(t *testing.T) {
		s := newSite(t, nil)
		s.login(t, "alice", alice())
		u, _ := url.Parse(s.URL)
		for _, value := range []string{"", "x", "AAAA", strings.Repeat("A", 200), "!"} {
			s.browser.Jar.SetCookies(u, []*http.Cookie{{Name: "atproto-session", Value: value, Path: "/"}})
			if got := s.me(t); got != "nobody" {
				t.Errorf("%q is %s", value, got)
			}
		}
	})
}

func TestWebTellsWhatWentWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		do   func(t *testing.T, s *site) (*http.Response, string)
		want int
		text string
	}{
		"an account that does not exist": {func(t *testing.T, s *site) (*http.Response, string) {
			return s.post(t, "/login", s.URL, url.Values{"identifier": {"nobody.test"}})
		}, 400, "no such account"},
		"no identifier and no default server": {func(t *testing.T, s *site) (*http.Response, string) {
			return s.post(t, "/login", s.URL, nil)
		}, 400, "no such account"},
		"a server that is down": {func(t *testing.T, s *site) (*http.Response, string) {
			s.sandbox.Fault("/oauth/par", oauthtest.Fault{Status: 503})
			return s.post(t, "/login", s.URL, alice())
		}, 502, "did not let you"},
		"O60 a refusal": {func(t *testing.T, s *site) (*http.Response, string) {
			callback, err := s.sandbox.Deny(t.Context(), s.begin(t, alice()))
			if err != nil {
				t.Fatal(err)
			}
			return s.get(t, callback.String())
		}, 403, "did not agree"},
		"a callback out of nowhere": {func(t *testing.T, s *site) (*http.Response, string) {
			return s.get(t, s.URL+"/callback?state=x&code=y&iss=z")
		}, 400, "begin again"},
		"a form that is too large": {func(t *testing.T, s *site) (*http.Response, string) {
			return s.post(t, "/login", s.URL, alice("return_to", "/"+strings.Repeat("x", 1<<20)))
		}, 400, ""},
		"an application opened at localhost": {func(t *testing.T, s *site) (*http.Response, string) {
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/login", strings.NewReader(alice().Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "localhost:8080"
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return s.do(t, req)
		}, 500, "open the application there"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := tt.do(t, newSite(t, nil))
			if resp.StatusCode != tt.want || !strings.Contains(body, tt.text) {
				t.Errorf("status %d, %q; want %d", resp.StatusCode, body, tt.want)
			}
		})
	}
	t.Run("the application can answer itself", func(t *testing.T) {
		s := newSite(t, func(_ *oauth.Config, web *oauth.Web) {
			web.CookieName = "mine"
			web.Options = func(r *http.Request) []oauth.AuthorizeOption {
				return []oauth.AuthorizeOption{oauth.WithScope("atproto"), oauth.WithAppState("state of the app")}
			}
			web.LoggedIn = func(w http.ResponseWriter, r *http.Request, result *oauth.CallbackResult) {
				fmt.Fprintf(w, "%s, %s, %s", result.Session.Handle(), result.Session.Scope(), result.AppState)
			}
			web.Failed = func(w http.ResponseWriter, r *http.Request, err error) {
				http.Error(w, "mine: "+err.Error(), http.StatusTeapot)
			}
		})
		resp, body := s.get(t, s.approve(t, s.begin(t, alice()), "alice"))
		if want := "alice.test, atproto, state of the app"; resp.StatusCode != 200 || body != want {
			t.Errorf("status %d, %q", resp.StatusCode, body)
		}
		if name := resp.Cookies()[1].Name; name != "mine" {
			t.Errorf("the cookie is called %q", name)
		}
		if resp, body := s.post(t, "/login", "https://evil.example.com", nil); resp.StatusCode != http.StatusTeapot || !strings.Contains(body, "cross-origin") {
			t.Errorf("status %d, %q", resp.StatusCode, body)
		}
	})
	t.Run("a store that is down costs no cookie", func(t *testing.T) {
		store := &downStore{Store: new(oauth.MemoryStore)}
		s := newSite(t, func(cfg *oauth.Config, _ *oauth.Web) { withStore(store)(cfg) })
		s.login(t, "alice", alice())
		store.down.Store(true)
		if resp, _ := s.post(t, "/logout", s.URL, nil); resp.StatusCode != http.StatusServiceUnavailable || len(resp.Cookies()) != 0 {
			t.Errorf("status %d, %v", resp.StatusCode, resp.Cookies())
		}
		store.down.Store(false)
		if got := s.me(t); got != "alice.test" {
			t.Errorf("afterwards: %s", got)
		}
	})
}

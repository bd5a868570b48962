package oauth_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
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

// newSiteBrowser is another browser at the same site.
func newSiteBrowser(t *testing.T, s *site) *site {
	t.Helper()
	return &site{Server: s.Server, web: s.web, sandbox: s.sandbox, browser: newBrowser(t)}
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

// send posts any body to the login.
func (s *site) send(t *testing.T, contentType, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/login", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
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
	})
	t.Run("the session that a login replaces is logged out, and nobody waits for its server", func(t *testing.T) {
		revoked := make(chan struct{})
		answer := make(chan struct{})
		s := newSite(t, func(cfg *oauth.Config, _ *oauth.Web) {
			withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path == revokePath {
					close(revoked)
					<-answer
				}
				return next()
			})(cfg)
		})
		s.login(t, "alice", alice())
		u, _ := url.Parse(s.URL)
		before := s.browser.Jar.Cookies(u)
		s.login(t, "bob", url.Values{"identifier": {"bob.test"}}) // while the server says nothing
		if got := s.me(t); got != "bob.test" {
			t.Errorf("logged in as %s", got)
		}
		<-revoked
		s.browser.Jar.SetCookies(u, before)
		if got := s.me(t); got != "nobody" {
			t.Errorf("the old session goes on as %s", got)
		}
		close(answer)
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
		if len(resp.Cookies()) != 2 || resp.Cookies()[0].MaxAge >= 0 || resp.Header.Get("Referrer-Policy") != "same-origin" {
			t.Fatalf("%v", resp.Header)
		}
		check(resp.Cookies()[1])
	})
	for name, redirects := range map[string][]string{
		"":                               {"https://app.client-host.net/callback"},
		", also of a client for devices": {"net.client-host.app:/cb", "http://127.0.0.1/cb", "https://app.client-host.net/callback"},
	} {
		t.Run("on https they are the host's own"+name, func(t *testing.T) {
			server := sandbox(t)
			client := confidential(t, server, nil, func(cfg *oauth.Config) { cfg.RedirectURIs = redirects })
			web := &oauth.Web{Client: client, Options: func(*http.Request) []oauth.AuthorizeOption {
				return []oauth.AuthorizeOption{oauth.WithRedirectURI("https://app.client-host.net/callback")}
			}}
			jar := make(map[string]*http.Cookie)
			visit := func(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
				t.Helper()
				for _, c := range jar {
					r.AddCookie(c)
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				for _, c := range w.Result().Cookies() {
					if !c.Secure || !c.HttpOnly || !strings.HasPrefix(c.Name, "__Host-") || c.Path != "/" || c.Domain != "" {
						t.Errorf("%+v", c)
					}
					if jar[c.Name] = c; c.MaxAge < 0 {
						delete(jar, c.Name)
					}
				}
				if w.Code != http.StatusSeeOther {
					t.Fatalf("%s: status %d, %s", r.URL.Path, w.Code, w.Body)
				}
				return w
			}
			post := func(path string, form url.Values) *http.Request {
				r := httptest.NewRequest("POST", "https://app.client-host.net"+path, strings.NewReader(form.Encode()))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				return r
			}
			w := visit(web.LoginHandler(), post("/login", alice()))
			callback, err := server.Approve(t.Context(), w.Header().Get("Location"), server.Environment().Account("alice"))
			if err != nil {
				t.Fatal(err)
			}
			visit(web.CallbackHandler(), httptest.NewRequest("GET", callback.String(), nil))
			if len(jar) != 1 {
				t.Errorf("%d cookies", len(jar))
			}
			r := httptest.NewRequest("GET", "https://app.client-host.net/", nil)
			for _, c := range jar {
				r.AddCookie(c)
			}
			s, err := web.Session(r)
			if err != nil || s.Handle() != "alice.test" {
				t.Fatalf("%v, %v", s, err)
			}
			visit(web.LogoutHandler(), post("/logout", nil))
			if _, err := web.Session(r); !errors.Is(err, oauth.ErrReauthRequired) || len(jar) != 0 {
				t.Errorf("after the logout: %v, %d cookies", err, len(jar))
			}
		})
	}
	t.Run("a name that no cookie can have is refused at once", func(t *testing.T) {
		client := newClient(t, sandbox(t))
		for _, web := range []*oauth.Web{{Client: client, CookieName: "my session"}, {}} {
			for _, handler := range []func() http.Handler{web.LoginHandler, web.CallbackHandler, web.LogoutHandler} {
				func() {
					defer func() {
						if recover() == nil {
							t.Errorf("%+v makes a handler", web)
						}
					}()
					handler()
				}()
			}
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
		}, 413, "too large"},
		"a form that cannot be read": {func(t *testing.T, s *site) (*http.Response, string) {
			return s.send(t, "application/x-www-form-urlencoded", "identifier=%zz")
		}, 400, "cannot be read"},
		"something else than a form": {func(t *testing.T, s *site) (*http.Response, string) {
			return s.send(t, "application/json", `{"identifier":"alice.test"}`)
		}, 415, "not a form"},
		"an identifier that is too long": {func(t *testing.T, s *site) (*http.Response, string) {
			return s.post(t, "/login", s.URL, url.Values{"identifier": {"https://" + strings.Repeat("a", 5000)}})
		}, 400, "more than any handle"},
		"an application opened at localhost": {func(t *testing.T, s *site) (*http.Response, string) {
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/login", strings.NewReader(alice().Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "localhost:8080"
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			return s.do(t, req)
		}, 500, "open the application at that host"},
	} {
		t.Run(name, func(t *testing.T) {
			// With a default server, a form that was not understood would begin a login there.
			resp, body := tt.do(t, newSite(t, func(cfg *oauth.Config, _ *oauth.Web) {
				if name != "no identifier and no default server" {
					cfg.DefaultServer = "https://pds.test"
				}
			}))
			if resp.StatusCode != tt.want || !strings.Contains(body, tt.text) {
				t.Errorf("status %d, %q; want %d", resp.StatusCode, body, tt.want)
			}
		})
	}
	t.Run("what is wrong with the application is not told to users on https", func(t *testing.T) {
		server := sandbox(t)
		web := &oauth.Web{Client: confidential(t, server, nil), Options: func(*http.Request) []oauth.AuthorizeOption {
			return []oauth.AuthorizeOption{oauth.WithScope("atproto secret:plan")}
		}}
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "https://app.client-host.net/login", strings.NewReader(alice().Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		web.LoginHandler().ServeHTTP(w, r)
		if w.Code != 500 || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("status %d, %s", w.Code, w.Body)
		}
	})
	t.Run("O120 and what a server repeats is not logged", func(t *testing.T) {
		var log bytes.Buffer
		var sent string
		s := newSite(t, func(cfg *oauth.Config, _ *oauth.Web) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path != tokenPath {
					return next()
				}
				sent = form(req)
				return respond(req, 400, `{"error":"invalid_request","error_description":"what is `+sent+`?"}`, "DPoP-Nonce", "other"), nil
			})(cfg)
		})
		s.get(t, s.approve(t, s.begin(t, alice()), "alice"))
		if sent == "" || strings.Contains(log.String(), sent) || !strings.Contains(log.String(), "invalid_request") {
			t.Errorf("%q was sent; logged:\n%s", sent, &log)
		}
	})
	t.Run("a logout that only the server could not be told of is one", func(t *testing.T) {
		s := newSite(t, nil)
		s.login(t, "alice", alice())
		s.sandbox.Fault(revokePath, oauthtest.Fault{Status: 500})
		if resp, _ := s.post(t, "/logout", s.URL, nil); resp.StatusCode != http.StatusSeeOther {
			t.Errorf("status %d", resp.StatusCode)
		}
		if got := s.me(t); got != "nobody" {
			t.Errorf("logged in as %s", got)
		}
	})
	t.Run("a logout with a cookie that nobody can open is one", func(t *testing.T) {
		s := newSite(t, nil)
		u, _ := url.Parse(s.URL)
		s.browser.Jar.SetCookies(u, []*http.Cookie{{Name: "atproto-session", Value: "AAAA", Path: "/"}})
		if resp, _ := s.post(t, "/logout", s.URL, nil); resp.StatusCode != http.StatusSeeOther || len(s.browser.Jar.Cookies(u)) != 0 {
			t.Errorf("status %d, %v", resp.StatusCode, s.browser.Jar.Cookies(u))
		}
	})
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
	t.Run("P76 a store that is down costs no cookie but at a logout", func(t *testing.T) {
		kept := &downStore{Store: new(store.Memory)}
		s := newSite(t, func(cfg *oauth.Config, _ *oauth.Web) { withStore(kept)(cfg) })
		s.login(t, "alice", alice())
		kept.down.Store(true)
		resp, _ := s.post(t, "/logout", s.URL, nil)
		if resp.StatusCode != http.StatusServiceUnavailable || len(resp.Cookies()) != 1 || resp.Cookies()[0].MaxAge >= 0 {
			t.Errorf("status %d, %v", resp.StatusCode, resp.Cookies())
		}
		kept.down.Store(false)
		if got := s.me(t); got != "nobody" {
			t.Errorf("afterwards: %s", got)
		}
	})
}

package oauth_test

import (
	"crypto/elliptic"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/store"
)

const homeOrigin = "https://app.client-host.net"

// A secureSite is a site of a client with keys, on https, and the browser that visits it.
type secureSite struct {
	t      *testing.T
	server *oauthtest.Server
	clock  *movableClock
	kept   *downStore
	web    *oauth.Web
	mux    *http.ServeMux
	jar    map[string]string
	keys   []oauth.ClientKey
}

const wideScope = "atproto transition:generic repo:app.bsky.feed.post"

func newSecureSite(t *testing.T, change ...func(*oauth.Config)) *secureSite {
	t.Helper()
	s := &secureSite{
		t: t, clock: new(movableClock), kept: &downStore{Store: new(store.Memory)}, web: &oauth.Web{LoginPage: "/login-page"},
		jar: make(map[string]string), keys: []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}},
	}
	s.server = sandbox(t, oauthtest.WithClock(s.clock.now))
	s.restart(change...)
	s.mux = http.NewServeMux()
	s.mux.Handle("/login", s.web.LoginHandler())
	s.mux.Handle("/callback", s.web.CallbackHandler())
	s.mux.Handle("/logout", s.web.LogoutHandler())
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := s.web.Session(r)
		if err == nil && r.URL.Query().Has("call") {
			err = call(r.Context(), session)
		}
		if err != nil {
			s.web.Fail(w, r, err)
			return
		}
		fmt.Fprintf(w, "%s may %s", session.Handle(), session.Scope())
	})
	s.mux.Handle("/notes", s.web.Require(page))
	s.mux.Handle("/login-page", s.web.Require(page))
	return s
}

// restart takes another client in the place of the one there is, as a new process does.
func (s *secureSite) restart(change ...func(*oauth.Config)) {
	s.t.Helper()
	s.web.Client = confidential(s.t, s.server, s.keys, append([]func(*oauth.Config){withStore(s.kept), s.clock.configure, func(cfg *oauth.Config) {
		cfg.Scope = wideScope
	}}, change...)...)
}

// send sends a request as the browser does, with header fields in pairs.
func (s *secureSite) send(method, target string, form url.Values, header ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = homeOrigin + target
	}
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range s.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if s.jar[c.Name] = c.Value; c.MaxAge < 0 {
			delete(s.jar, c.Name)
		}
	}
	return w
}

var navigation = []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}

func (s *secureSite) navigate(target string) *httptest.ResponseRecorder {
	s.t.Helper()
	return s.send("GET", target, nil, navigation...)
}

// to is where an answer redirects to, or its status.
func to(w *httptest.ResponseRecorder) string {
	if w.Code == http.StatusSeeOther {
		return w.Header().Get("Location")
	}
	return fmt.Sprint(w.Code)
}

// approve agrees as account at the page of location, and returns the callback.
func (s *secureSite) approve(location, account string) string {
	s.t.Helper()
	callback, err := s.server.Approve(s.t.Context(), location, s.server.Environment().Account(account))
	if err != nil {
		s.t.Fatal(err)
	}
	return callback.String()
}

// login logs alice in, who stays signed in at her server, and returns her session.
func (s *secureSite) login() *oauth.Session {
	s.t.Helper()
	w := s.send("POST", "/login", url.Values{"identifier": {"alice.test"}})
	if w = s.navigate(s.approve(to(w), "alice")); to(w) != "/" {
		s.t.Fatalf("%s: %s", to(w), w.Body)
	}
	session := s.session()
	if session == nil {
		s.t.Fatal("nobody is logged in")
	}
	s.server.SetSignedIn(session.DID())
	return session
}

// session is the session that the browser has, nil if none.
func (s *secureSite) session() *oauth.Session {
	r := httptest.NewRequest("GET", homeOrigin, nil)
	for name, value := range s.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	session, _ := s.web.Session(r)
	return session
}

// interrupt loses the answer to a refresh: the session ends at the next one.
func (s *secureSite) interrupt(session *oauth.Session) {
	s.t.Helper()
	s.server.Fault(tokenPath, oauthtest.Fault{Drop: true})
	wantKind(s.t, session.Refresh(s.t.Context()), oauth.ErrNetwork)
	s.clock.setAhead(2 * time.Minute)
}

// lose ends a session by a refresh whose answer was lost.
func (s *secureSite) lose(session *oauth.Session) {
	s.t.Helper()
	s.interrupt(session)
	wantKind(s.t, session.Refresh(s.t.Context()), oauth.ErrAmbiguousRefresh)
}

const (
	signInPage = "https://pds.test/oauth/authorize"
	toLogin    = "/login-page?return_to=%2Fnotes%3Fpage%3D2"
)

func TestWebRequire(t *testing.T) {
	t.Run("who is not logged in is sent to the login page, and comes back", func(t *testing.T) {
		s := newSecureSite(t)
		w := s.navigate("/notes?page=2")
		if to(w) != toLogin || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s, %v", to(w), w.Header())
		}
		s.login()
		if w := s.navigate("/notes"); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "alice.test may atproto") {
			t.Errorf("%s, %s", to(w), w.Body)
		}
	})
	for _, tt := range []struct {
		name, method string
		header       []string
		want         string
	}{
		{"a navigation", "GET", navigation, "/login-page?return_to=%2Fnotes"},
		{"an old browser that wants a page", "GET", []string{"Accept", "text/html,*/*"}, "/login-page?return_to=%2Fnotes"},
		{"a script", "GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, "401"},
		{"an old script", "GET", []string{"Accept", "*/*"}, "401"},
		{"a frame", "GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, "401"},
		{"a HEAD request", "HEAD", navigation, "401"},
		{"a form is never redirected", "POST", navigation, "401"},
	} {
		t.Run("without a session: "+tt.name, func(t *testing.T) {
			s := newSecureSite(t)
			if w := s.send(tt.method, "/notes", nil, tt.header...); to(w) != tt.want {
				t.Errorf("%s, want %s", to(w), tt.want)
			}
		})
	}
	t.Run("the login page itself is not a place to be sent to", func(t *testing.T) {
		s := newSecureSite(t)
		if w := s.navigate("/login-page?return_to=%2Fx"); to(w) != "401" {
			t.Error(to(w))
		}
		s.web.LoginPage, s.web.Home = "", "/notes"
		if w := s.navigate("/notes"); to(w) != "401" {
			t.Error(to(w))
		}
	})
	t.Run("a path that is too long to be carried is left behind", func(t *testing.T) {
		s := newSecureSite(t)
		if w := s.navigate("/notes?q=" + strings.Repeat("x", 4000)); to(w) != "/login-page" {
			t.Error(to(w))
		}
	})
	for name, target := range map[string]string{"a page": "/notes?page=2", "what a page calls": "/notes?call"} {
		t.Run("P76 a store that is down is 503, and the cookie stays: "+name, func(t *testing.T) {
			s := newSecureSite(t)
			s.login()
			s.restart()
			s.kept.down.Store(true)
			w := s.navigate(target)
			if w.Code != 503 || len(w.Result().Cookies()) != 0 {
				t.Errorf("%s, %v", to(w), w.Result().Cookies())
			}
			s.kept.down.Store(false)
			if w := s.navigate(target); w.Code != 200 {
				t.Errorf("afterwards: %s", to(w))
			}
		})
	}
}

func TestWebAsksForLostSessions(t *testing.T) {
	lost := func(t *testing.T, change ...func(*oauth.Config)) *secureSite {
		t.Helper()
		s := newSecureSite(t, change...)
		s.lose(s.login())
		return s
	}
	t.Run("O110 a session that was lost comes back by one redirect and no page", func(t *testing.T) {
		s := lost(t)
		s.restart() // another process, which has never seen it
		w := s.navigate("/notes?page=2")
		if !strings.HasPrefix(to(w), signInPage) {
			t.Fatalf("%s, %s", to(w), w.Body)
		}
		w = s.navigate(s.approve(to(w), "bob")) // whoever asks: nobody is
		if to(w) != "/notes?page=2" {
			t.Fatalf("%s, %s", to(w), w.Body)
		}
		if w := s.navigate("/notes?page=2"); w.Code != 200 || !strings.HasPrefix(w.Body.String(), "alice.test") {
			t.Errorf("%s, %s", to(w), w.Body)
		}
	})
	t.Run("O110 also where a page of its own finds that it is lost", func(t *testing.T) {
		s := newSecureSite(t)
		s.interrupt(s.login())
		s.clock.setAhead(2 * time.Hour)
		w := s.navigate("/notes?call")
		if !strings.HasPrefix(to(w), signInPage) {
			t.Fatalf("%s, %s", to(w), w.Body)
		}
		if w = s.navigate(s.approve(to(w), "alice")); to(w) != "/notes?call" {
			t.Errorf("%s, %s", to(w), w.Body)
		}
	})
	t.Run("O110 P56 also where its record is still there, which it then takes the place of", func(t *testing.T) {
		s := newSecureSite(t)
		old := s.login()
		s.mux.HandleFunc("/refused", func(w http.ResponseWriter, r *http.Request) {
			s.web.Fail(w, r, fmt.Errorf("a call: %w", &oauth.Error{Kind: oauth.ErrRefused}))
		})
		w := s.navigate("/refused")
		if !strings.HasPrefix(to(w), signInPage) {
			t.Fatalf("%s, %s", to(w), w.Body)
		}
		if w = s.navigate(s.approve(to(w), "alice")); to(w) != "/refused" {
			t.Fatalf("%s, %s", to(w), w.Body)
		}
		if got := s.session(); got == nil || got.Key() == old.Key() {
			t.Errorf("%v", got)
		}
		wantKind(t, call(t.Context(), old), oauth.ErrLoggedOut)
	})
	t.Run("O53 the request names the account, and asks for what the session had", func(t *testing.T) {
		sent := make(chan url.Values, 8)
		s := newSecureSite(t, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == "/oauth/par" {
				values, _ := url.ParseQuery(form(req))
				sent <- values
			}
			return next()
		}))
		narrow := func(*http.Request) []oauth.AuthorizeOption {
			return []oauth.AuthorizeOption{oauth.WithScope("atproto transition:generic")}
		}
		s.web.Options = narrow
		session := s.login()
		s.lose(session)
		for len(sent) > 0 {
			<-sent
		}
		s.web.Options = nil
		s.navigate("/notes")
		got := <-sent
		want := []string{"none", string(session.DID()), "atproto transition:generic"}
		if diff := cmp.Diff(want, []string{got.Get("prompt"), got.Get("login_hint"), got.Get("scope")}); diff != "" {
			t.Error(diff)
		}
	})
	for name, end := range map[string]func(s *secureSite, session *oauth.Session){
		"logged out here": func(s *secureSite, _ *oauth.Session) {
			before := s.jar["__Host-atproto-session"]
			s.send("POST", "/logout", nil)
			s.jar["__Host-atproto-session"] = before
		},
		"logged out elsewhere": func(s *secureSite, session *oauth.Session) {
			if err := s.web.Client.Logout(s.t.Context(), session.Key()); err != nil {
				s.t.Error(err)
			}
		},
		"revoked by its server": func(s *secureSite, session *oauth.Session) {
			s.server.RevokeSessions(session.DID())
			wantKind(s.t, session.Refresh(s.t.Context()), oauth.ErrRevoked)
		},
		"logged out after it was lost": func(s *secureSite, session *oauth.Session) {
			s.lose(session)
			before := s.jar["__Host-atproto-session"]
			s.send("POST", "/logout", nil)
			s.jar["__Host-atproto-session"] = before
		},
		"lost longer ago than is remembered": func(s *secureSite, session *oauth.Session) {
			s.lose(session)
			for key := range s.kept.List(s.t.Context(), store.RecordEnding, "") {
				s.kept.Delete(s.t.Context(), key, 0)
			}
			s.restart()
		},
		"lost, and the browser has asked within ten minutes": func(s *secureSite, session *oauth.Session) {
			s.lose(session)
			s.navigate("/notes")
		},
		"never there": func(s *secureSite, _ *oauth.Session) { s.jar["__Host-atproto-session"] = "AAAA" },
	} {
		t.Run("not asked for is a session that was "+name, func(t *testing.T) {
			s := newSecureSite(t)
			end(s, s.login())
			if w := s.navigate("/notes?page=2"); to(w) != toLogin {
				t.Errorf("%s, %s", to(w), w.Body)
			}
		})
	}
	for name, header := range map[string][]string{
		"a script":            {"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"},
		"an image":            {"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"},
		"a frame":             {"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"},
		"what loads ahead":    append([]string{"Sec-Purpose", "prefetch;prerender"}, navigation...),
		"who says no such":    {"Accept", "text/html"},
		"a form that is sent": nil,
	} {
		t.Run("nothing is asked for because of "+name, func(t *testing.T) {
			s := lost(t)
			method := "GET"
			if header == nil {
				method, header = "POST", navigation
			}
			before := s.server.Stats().Requests["/oauth/par"]
			w := s.send(method, "/notes", nil, header...)
			if s.server.Stats().Requests["/oauth/par"] != before || strings.HasPrefix(to(w), signInPage) {
				t.Errorf("%s", to(w))
			}
			if method == "POST" && to(w) != "401" {
				t.Errorf("a form: %s", to(w))
			}
		})
	}
	t.Run("O53 a client without keys asks nobody", func(t *testing.T) {
		s := lost(t)
		s.keys = nil
		s.restart()
		before := s.server.Stats().Requests["/oauth/par"]
		if w := s.navigate("/notes?page=2"); to(w) != toLogin || s.server.Stats().Requests["/oauth/par"] != before {
			t.Errorf("%s", to(w))
		}
	})
	t.Run("P23 another account is refused and revoked", func(t *testing.T) {
		s := newSecureSite(t)
		session := s.login()
		s.lose(session)
		bob := s.server.Environment().Account("bob").DID
		s.restart(rewriting(tokenPath, func(m map[string]any) { m["sub"] = bob }))
		before := s.server.Stats().Requests[revokePath]
		w := s.navigate("/notes?page=2")
		if w = s.navigate(s.approve(to(w), "alice")); to(w) != toLogin {
			t.Errorf("%s, %s", to(w), w.Body)
		}
		if got := s.session(); got != nil {
			t.Errorf("logged in as %s", got)
		}
		if s.server.Stats().Requests[revokePath] == before {
			t.Error("the tokens were not revoked")
		}
	})
	for name, spoil := range map[string]func(s *secureSite){
		"the user is not signed in": func(s *secureSite) { s.server.SetSignedIn() },
		"the server refuses the request": func(s *secureSite) {
			s.server.Fault("/oauth/par", oauthtest.Fault{Status: 400, Body: `{"error":"invalid_request"}`})
		},
		"the server is down": func(s *secureSite) { s.server.Fault("/oauth/par", oauthtest.Fault{Status: 503}) },
		"the server refuses the code": func(s *secureSite) {
			s.server.Fault(tokenPath, oauthtest.Fault{Status: 400, Body: `{"error":"invalid_grant"}`})
		},
		"the account cannot be found now": func(s *secureSite) {
			s.server.SetDIDDocument(s.server.Environment().Account("alice").DID, []byte("{}"))
		},
	} {
		t.Run("an error leads to the login page: "+name, func(t *testing.T) {
			s := lost(t)
			spoil(s)
			w := s.navigate("/notes?page=2")
			if strings.HasPrefix(to(w), signInPage) {
				w = s.navigate(s.approve(to(w), "alice"))
			}
			if to(w) != toLogin {
				t.Errorf("%s, %s", to(w), w.Body)
			}
			if w := s.navigate("/notes?page=2"); to(w) != toLogin {
				t.Errorf("once more: %s", to(w))
			}
		})
	}
	t.Run("P76 a store that is down on the way is 503", func(t *testing.T) {
		s := lost(t)
		w := s.navigate("/notes")
		callback := s.approve(to(w), "alice")
		s.kept.down.Store(true)
		if w := s.navigate(callback); w.Code != 503 {
			t.Errorf("the callback: %s", to(w))
		}
		s.kept.down.Store(false)
		if w := s.navigate(callback); to(w) != "/notes" {
			t.Errorf("afterwards: %s", to(w))
		}
	})
	t.Run("who logs in meanwhile in another tab stays", func(t *testing.T) {
		s := lost(t)
		w := s.navigate("/notes?page=2")
		callback := s.approve(to(w), "alice")
		w = s.send("POST", "/login", url.Values{"identifier": {"bob.test"}})
		s.navigate(s.approve(to(w), "bob"))
		if w := s.navigate(callback); to(w) != "/notes?page=2" {
			t.Errorf("%s", to(w))
		}
		if got := s.session(); got == nil || got.Handle() != "bob.test" {
			t.Errorf("logged in as %v", got)
		}
	})
}

func TestWebUpgrade(t *testing.T) {
	narrow := func(*http.Request) []oauth.AuthorizeOption {
		return []oauth.AuthorizeOption{oauth.WithScope("atproto"), oauth.WithAppState("step 3")}
	}
	setUp := func(t *testing.T) (*secureSite, *oauth.Session) {
		t.Helper()
		s := newSecureSite(t)
		s.web.Options = narrow
		session := s.login()
		s.mux.Handle("/allow", s.web.UpgradeHandler(scope.Repo("app.bsky.feed.post")))
		return s, session
	}
	t.Run("O119 more is allowed, the old session goes, and the state of the application is kept", func(t *testing.T) {
		s, old := setUp(t)
		s.web.LoggedIn = func(w http.ResponseWriter, r *http.Request, result *oauth.CallbackResult) {
			fmt.Fprintf(w, "%s: %s", result.AppState, result.Session.Scope())
		}
		w := s.send("POST", "/allow", nil)
		if !strings.HasPrefix(to(w), signInPage) {
			t.Fatalf("%s, %s", to(w), w.Body)
		}
		if err := call(t.Context(), old); err != nil {
			t.Errorf("the old session while the user is asked: %v", err)
		}
		w = s.navigate(s.approve(to(w), "alice"))
		if w.Body.String() != "step 3: atproto repo:app.bsky.feed.post" {
			t.Errorf("%s, %s", to(w), w.Body)
		}
		if got := s.session(); got == nil || got.Key() == old.Key() || !got.Allows(scope.Repo("app.bsky.feed.post", scope.Create)) {
			t.Errorf("%v", got)
		}
		wantKind(t, call(t.Context(), old), oauth.ErrLoggedOut)
		if err := s.web.Client.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := s.server.Stats().Requests[revokePath]; n != 1 {
			t.Errorf("%d revocations", n)
		}
	})
	for name, tt := range map[string]struct {
		account string
		status  int
		revoked int
	}{"who refuses loses nothing": {"", 403, 0}, "P23 another account is refused and revoked": {"bob", 403, 1}} {
		t.Run(name, func(t *testing.T) {
			s, old := setUp(t)
			w := s.send("POST", "/allow", nil)
			callback, err := s.server.Deny(t.Context(), to(w))
			if tt.account != "" {
				w = s.send("POST", "/allow", nil)
				callback, err = s.server.Approve(t.Context(), to(w), s.server.Environment().Account(tt.account))
			}
			if err != nil {
				t.Fatal(err)
			}
			if w := s.navigate(callback.String()); w.Code != tt.status {
				t.Errorf("%s, %s", to(w), w.Body)
			}
			if got := s.session(); got != old {
				t.Errorf("%v", got)
			}
			if err := call(t.Context(), old); err != nil {
				t.Error(err)
			}
			if n := s.server.Stats().Requests[revokePath]; n != tt.revoked {
				t.Errorf("%d revocations", n)
			}
		})
	}
	t.Run("a store that fails keeps the old session", func(t *testing.T) {
		s, old := setUp(t)
		w := s.send("POST", "/allow", nil)
		callback := s.approve(to(w), "alice")
		flaky := &flakyStore{Store: s.kept.Store}
		s.kept.Store = flaky
		flaky.from(func(int, *store.Record) error { return errDown }, nil)
		if w := s.navigate(callback); w.Code != 503 {
			t.Errorf("%s", to(w))
		}
		flaky.from(nil, nil)
		if got := s.session(); got != old {
			t.Errorf("%v", got)
		}
	})
	t.Run("nobody who is not logged in is asked, and no form of another site", func(t *testing.T) {
		s, _ := setUp(t)
		if w := s.send("POST", "/allow", nil, "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
			t.Errorf("%s", to(w))
		}
		clear(s.jar)
		if w := s.send("POST", "/allow", nil); w.Code != 401 {
			t.Errorf("%s", to(w))
		}
	})
	t.Run("what the client does not declare is refused at once", func(t *testing.T) {
		s, _ := setUp(t)
		defer func() {
			if recover() == nil {
				t.Error("it makes a handler")
			}
		}()
		s.web.UpgradeHandler(scope.Repo("app.bsky.feed.like"))
	})
}

func TestWebIdentityOnly(t *testing.T) {
	s := newSecureSite(t)
	s.web.Options = func(*http.Request) []oauth.AuthorizeOption { return []oauth.AuthorizeOption{oauth.WithIdentityOnly()} }
	t.Run("somebody has to be told who it is", func(t *testing.T) {
		if w := s.send("POST", "/login", url.Values{"identifier": {"alice.test"}}); w.Code != 500 {
			t.Errorf("%s", to(w))
		}
	})
	t.Run("O80 it is told who it is, the tokens are revoked, and nothing is kept", func(t *testing.T) {
		s.web.LoggedIn = func(w http.ResponseWriter, r *http.Request, result *oauth.CallbackResult) {
			fmt.Fprint(w, result.Handle, " ", result.DID, " ", result.Session, " ", result.AppState)
		}
		w := s.send("POST", "/login", url.Values{"identifier": {"alice.test"}, "return_to": {"/x"}})
		w = s.navigate(s.approve(to(w), "alice"))
		want := fmt.Sprint("alice.test ", s.server.Environment().Account("alice").DID, " ", (*oauth.Session)(nil), " /x")
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s, %s; want %s", to(w), w.Body, want)
		}
		if err := s.web.Client.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := s.server.Stats().Requests[revokePath]; n != 1 {
			t.Errorf("%d revocations", n)
		}
		if n := count(t, s.kept.List(t.Context(), store.RecordSession, "")); n != 0 || len(s.jar) != 0 {
			t.Errorf("%d sessions, cookies %v", n, s.jar)
		}
	})
}

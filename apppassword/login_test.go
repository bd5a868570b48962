package apppassword_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An account is what packages that read and write records need of a session.
type account interface {
	xrpc.Doer
	DID() syntax.DID
}

var _ account = (*apppassword.Session)(nil)

func TestLogin(t *testing.T) {
	server := sandbox(t)
	alice, pds := server.Environment().Account("alice"), server.Environment().PDS
	for name, tt := range map[string]struct {
		identifier, password string
		opts                 []apppassword.LoginOption
	}{
		"by handle":                    {"alice.test", botPassword, nil},
		"by a handle as it is written": {" @Alice.test\n", botPassword, nil},
		"P64 by a pasted handle":       {"\u202aalice.test\u202c", botPassword, nil},
		"P64 by the URL of a profile":  {"https://bsky.app/profile/alice.test", botPassword, nil},
		"by DID":                       {string(alice.DID), botPassword, nil},
		"by the account's password":    {"alice.test", alice.Password, nil},
		"at a server":                  {"alice.test", botPassword, []apppassword.LoginOption{apppassword.WithService(pds)}},
		"at a server, with a slash":    {"alice.test", botPassword, []apppassword.LoginOption{apppassword.WithService(pds + "/")}},
		"at a server, by DID":          {string(alice.DID), botPassword, []apppassword.LoginOption{apppassword.WithService(pds)}},
		"at a server, by email":        {alice.Email, botPassword, []apppassword.LoginOption{apppassword.WithService(pds)}},
	} {
		t.Run("X30 "+name, func(t *testing.T) {
			client := newClient(t, server)
			s, err := client.Login(t.Context(), tt.identifier, tt.password, tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{string(alice.DID), "alice.test", pds}, []string{string(s.DID()), string(s.Handle()), s.Host()}); diff != "" {
				t.Error(diff)
			}
			if left := time.Until(s.ExpiresAt()); s.Expired() || left < 59*time.Minute || left > time.Hour {
				t.Errorf("the access token lives for another %s", left)
			}
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff([]apppassword.SessionKey{s.Key()}, sessions(t, client)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoginsThatAreRefused(t *testing.T) {
	server := sandbox(t)
	alice, bob := server.Environment().Account("alice"), server.Environment().Account("bob")
	server.SetAuthFactor(bob.DID, "ABCDE-12345")
	for name, tt := range map[string]struct {
		identifier, password string
		factor               string
		fault                oauthtest.Fault
		want                 apppassword.Kind
		name                 xrpc.ErrorName
		retryable            bool
	}{
		"P78 a wrong password":            {alice.Email[:5] + ".test", "wrong-password", "", oauthtest.Fault{}, apppassword.ErrWrongPassword, "AuthenticationRequired", false},
		"X31 a code is missing":           {"bob.test", bob.Password, "", oauthtest.Fault{}, apppassword.ErrAuthFactorRequired, comatproto.ErrAuthFactorTokenRequired, false},
		"X31 a code is wrong":             {"bob.test", bob.Password, "ABCDE-54321", oauthtest.Fault{}, apppassword.ErrAuthFactorInvalid, "InvalidToken", false},
		"X31 a code is too old":           {"bob.test", bob.Password, "ABCDE-12345", refusing(400, "ExpiredToken"), apppassword.ErrAuthFactorInvalid, "ExpiredToken", false},
		"the account is taken down":       {"alice.test", botPassword, "", refusing(401, "AccountTakedown"), apppassword.ErrAccountTakedown, comatproto.ErrAccountTakedown, false},
		"too many logins":                 {"alice.test", botPassword, "", refusing(429, "RateLimitExceeded"), apppassword.ErrRateLimited, xrpc.ErrRateLimitExceeded, true},
		"the server is down":              {"alice.test", botPassword, "", oauthtest.Gateway(502), apppassword.ErrServer, "", true},
		"the server has another reason":   {"alice.test", botPassword, "", refusing(400, "InvalidRequest"), apppassword.ErrServer, "InvalidRequest", false},
		"another reason is no password's": {"alice.test", botPassword, "", refusing(401, "AccountGone"), apppassword.ErrServer, "AccountGone", false},
		"the server hangs up":             {"alice.test", botPassword, "", oauthtest.Fault{Drop: true}, apppassword.ErrNetwork, "", true},
	} {
		t.Run("X31 "+name, func(t *testing.T) {
			client := newClient(t, server)
			if tt.fault.Status != 0 || tt.fault.Drop {
				server.Fault(createPath, tt.fault)
			}
			var opts []apppassword.LoginOption
			if tt.factor != "" {
				opts = append(opts, apppassword.WithAuthFactor(tt.factor))
			}
			_, err := client.Login(t.Context(), tt.identifier, tt.password, opts...)
			e := wantKind(t, err, tt.want)
			if e.Name != tt.name || e.Retryable != tt.retryable || tt.name != "" && !errors.Is(err, tt.name) {
				t.Errorf("got %q, retryable %t: %v", e.Name, e.Retryable, err)
			}
			if errors.Is(err, apppassword.ErrReauthRequired) {
				t.Error("it asks for a login")
			}
			if keys := sessions(t, client); len(keys) != 0 {
				t.Errorf("there is a session: %v", keys)
			}
		})
	}
	t.Run("X31 the code logs in", func(t *testing.T) {
		s, err := newClient(t, server).Login(t.Context(), "bob.test", bob.Password, apppassword.WithAuthFactor("ABCDE-12345"))
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
}

func TestHowLongToWait(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"Retry-After":                     {http.Header{"Retry-After": {"90"}}, 90 * time.Second},
		"the end of the window":           {http.Header{"Ratelimit-Reset": {strconv.FormatInt(now.Add(5*time.Minute).Unix(), 10)}}, 5 * time.Minute},
		"both: what was asked for":        {http.Header{"Retry-After": {"90"}, "Ratelimit-Reset": {strconv.FormatInt(now.Add(time.Hour).Unix(), 10)}}, 90 * time.Second},
		"a window that ends in a year":    {http.Header{"Ratelimit-Reset": {strconv.FormatInt(now.Add(365*24*time.Hour).Unix(), 10)}}, 24 * time.Hour},
		"a window that ends never":        {http.Header{"Ratelimit-Reset": {"9223372036854775807"}}, 24 * time.Hour},
		"an asked time beyond all":        {http.Header{"Retry-After": {"99999999999"}}, 24 * time.Hour},
		"a window that is over":           {http.Header{"Ratelimit-Reset": {"1"}}, 0},
		"a window whose end is no number": {http.Header{"Ratelimit-Reset": {"soon"}}, 0},
		"nothing":                         {nil, 0},
	} {
		t.Run("X18 "+name, func(t *testing.T) {
			server := sandbox(t)
			fault := refusing(429, "RateLimitExceeded")
			for name, values := range tt.header {
				fault.Header[name] = values
			}
			server.Fault(createPath, fault)
			_, err := newClient(t, server).Login(t.Context(), "alice.test", botPassword)
			if e := wantKind(t, err, apppassword.ErrRateLimited); (e.RetryAfter - tt.want).Abs() > 3*time.Second {
				t.Errorf("wait for %s, want %s", e.RetryAfter, tt.want)
			}
		})
	}
}

func TestLoginsThatAreNotSent(t *testing.T) {
	server := sandbox(t)
	client := newClient(t, server)
	pds := server.Environment().PDS
	for name, tt := range map[string]struct {
		identifier, password, service string
		want                          apppassword.Kind
		says                          string
	}{
		"no password":                     {"alice.test", "", "", apppassword.ErrConfig, "password is empty"},
		"no identifier":                   {"", "x", "", apppassword.ErrConfig, "identifier is empty"},
		"P64 the first part of a handle":  {"alice", "x", "", apppassword.ErrConfig, "type the whole of it, such as alice.bsky.social"},
		"a server":                        {"https://pds.test", "x", "", apppassword.ErrConfig, "the server by WithService"},
		"a password with a line break":    {"alice.test", "hunter2\n", "", apppassword.ErrConfig, "has a line break in it"},
		"no identifier at a server":       {"", "x", pds, apppassword.ErrConfig, "identifier is empty"},
		"an email address without server": {"alice@mail.test", "x", "", apppassword.ErrConfig, "WithService"},
		"an account that there is not":    {"carol.test", "x", "", apppassword.ErrUnresolved, "carol.test"},
		"a service that is no URL":        {"alice.test", "x", "pds.test", apppassword.ErrConfig, "WithService"},
		"a service without https":         {"alice.test", "x", "http://pds.test", apppassword.ErrConfig, "WithService"},
		"a service with a path":           {"alice.test", "x", pds + "/xrpc", apppassword.ErrConfig, "WithService"},
		"a service with credentials":      {"alice.test", "x", "https://me:hunter2@pds.test", apppassword.ErrConfig, "me:xxxxx@"},
	} {
		t.Run("X36 "+name, func(t *testing.T) {
			server.ResetStats()
			var opts []apppassword.LoginOption
			if tt.service != "" {
				opts = append(opts, apppassword.WithService(tt.service))
			}
			for _, f := range []func() error{
				func() error { _, err := client.Login(t.Context(), tt.identifier, tt.password, opts...); return err },
				func() error {
					_, err := client.ResumeOrLogin(t.Context(), tt.identifier, tt.password, opts...)
					return err
				},
			} {
				err := f()
				wantKind(t, err, tt.want)
				if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("got %v, want it to say %q", err, tt.says)
				}
			}
			if n := server.Stats().Requests[createPath]; n != 0 {
				t.Errorf("the password was sent %d times", n)
			}
		})
	}
}

func TestAnswersToALoginThatCannotBeUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		change  func(map[string]any)
		want    apppassword.Kind
		deleted int
	}{
		"no access token":                    {func(m map[string]any) { delete(m, "accessJwt") }, apppassword.ErrServer, 1},
		"an access token that is no text":    {func(m map[string]any) { m["accessJwt"] = 7 }, apppassword.ErrServer, 1},
		"an access token that no header has": {func(m map[string]any) { m["accessJwt"] = "a\r\nb" }, apppassword.ErrServer, 1},
		"no refresh token":                   {func(m map[string]any) { delete(m, "refreshJwt") }, apppassword.ErrServer, 0},
		"no account":                         {func(m map[string]any) { delete(m, "did") }, apppassword.ErrServer, 0},
		"another account":                    {func(m map[string]any) { m["did"] = "did:plc:ewvi7nxzyoun6zhxrhs64oiz" }, apppassword.ErrAccountMismatch, 1},
	} {
		t.Run("P9 "+name, func(t *testing.T) {
			server := sandbox(t)
			client := newClient(t, server, rewriting(createPath, tt.change))
			_, err := client.Login(t.Context(), "alice.test", botPassword)
			wantKind(t, err, tt.want)
			if n := server.Stats().Requests[deletePath]; n != tt.deleted {
				t.Errorf("the session was given back %d times, want %d", n, tt.deleted)
			}
			if keys := sessions(t, client); len(keys) != 0 {
				t.Errorf("there is a session: %v", keys)
			}
		})
	}
	t.Run("P9 at a server, too, when a DID was asked for", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server, rewriting(createPath, func(m map[string]any) { m["did"] = "did:plc:ewvi7nxzyoun6zhxrhs64oiz" }))
		_, err := client.Login(t.Context(), string(server.Environment().Account("alice").DID), botPassword, apppassword.WithService(server.Environment().PDS))
		wantKind(t, err, apppassword.ErrAccountMismatch)
	})
	t.Run("a session that cannot be stored is given back", func(t *testing.T) {
		server := sandbox(t)
		_, err := newClient(t, server, withStore(&fullStore{})).Login(t.Context(), "alice.test", botPassword)
		wantKind(t, err, apppassword.ErrStore)
		if n := server.Stats().Requests[deletePath]; n != 1 {
			t.Errorf("it was given back %d times", n)
		}
	})
	t.Run("X31 what may be missing may be missing, and odd", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server, rewriting(createPath, func(m map[string]any) {
			m["handle"], m["didDoc"], m["active"] = "no handle!", []int{1}, "yes"
			delete(m, "email")
		}))
		s := login(t, client)
		if s.Handle() != syntax.HandleInvalid || s.Host() != server.Environment().PDS {
			t.Errorf("%s at %s", s.Handle(), s.Host())
		}
	})
}

// A fullStore takes nothing.
type fullStore struct{ store.Memory }

func (*fullStore) Put(context.Context, *store.Record) error { return errors.New("no space left") }

func TestDIDDocumentMovesTheHost(t *testing.T) {
	two := oauthtest.WithPDS("entry.test", "pds2.test")
	t.Run("X31 calls and refreshes go where the document of a login points to", func(t *testing.T) {
		server := sandbox(t, two)
		alice := server.Environment().Account("alice")
		server.MoveAccount(alice.DID, "pds2.test")
		var hosts []string
		client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == createPath || req.URL.Path == callPath || req.URL.Path == refreshPath || req.URL.Path == deletePath {
				hosts = append(hosts, strings.TrimPrefix(req.URL.Path, "/xrpc/com.atproto.server.")+" "+req.URL.Host)
			}
			return next()
		}))
		s, err := client.Login(t.Context(), "alice.test", botPassword, apppassword.WithService("https://entry.test"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(call(t.Context(), s), s.Refresh(t.Context()), s.Logout(t.Context())); err != nil {
			t.Fatal(err)
		}
		want := []string{"createSession entry.test", "getSession pds2.test", "refreshSession pds2.test", "deleteSession pds2.test"}
		if diff := cmp.Diff(want, hosts); diff != "" || s.Host() != "https://pds2.test" {
			t.Errorf("at %s: %s", s.Host(), diff)
		}
	})
	t.Run("X31 P12 or that of a refresh, and a restart keeps that", func(t *testing.T) {
		server, kept := sandbox(t, two), new(store.Memory)
		s := login(t, newClient(t, server, withStore(kept)))
		if s.Host() != "https://entry.test" {
			t.Fatal(s.Host())
		}
		server.MoveAccount(s.DID(), "pds2.test")
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		again, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if s.Host() != "https://pds2.test" || again.Host() != s.Host() {
			t.Errorf("at %s and %s", s.Host(), again.Host())
		}
	})
	for name, doc := range map[string]any{
		"of another account":       map[string]any{"id": "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "service": service("https://evil.test")},
		"without https":            map[string]any{"service": service("http://evil.test")},
		"with more than an origin": map[string]any{"service": service("https://evil.test/x")},
		"with another service":     map[string]any{"service": []any{map[string]any{"id": "#atproto_pds", "type": "Other", "serviceEndpoint": "https://evil.test"}}},
		"that is no document":      "evil.test",
		"that is not there":        nil,
	} {
		t.Run("X31 but not one "+name, func(t *testing.T) {
			server := sandbox(t)
			alice := server.Environment().Account("alice")
			s := login(t, newClient(t, server, rewriting(createPath, func(m map[string]any) {
				if d, ok := doc.(map[string]any); ok && d["id"] == nil {
					d["id"] = string(alice.DID)
				}
				m["didDoc"] = doc
			})))
			if s.Host() != server.Environment().PDS {
				t.Errorf("at %s", s.Host())
			}
		})
	}
}

func service(endpoint string) []any {
	return []any{map[string]any{"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": endpoint}}
}

func TestResumeOrLogin(t *testing.T) {
	server, kept := sandbox(t), new(store.Memory)
	alice, bob := server.Environment().Account("alice"), server.Environment().Account("bob")
	start := func(identifier, password string, opts ...apppassword.LoginOption) *apppassword.Session {
		t.Helper()
		s, err := newClient(t, server, withStore(kept)).ResumeOrLogin(t.Context(), identifier, password, opts...)
		if err != nil {
			t.Fatal(err)
		}
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	logins := func() int { return server.Stats().Requests[createPath] }
	first := start("alice.test", botPassword)
	t.Run("a restart logs in once", func(t *testing.T) {
		for range 3 {
			if s := start("@Alice.test", botPassword); s.Key() != first.Key() {
				t.Errorf("got %s, want %s", s, first)
			}
		}
		if n := logins(); n != 1 {
			t.Errorf("%d logins", n)
		}
	})
	t.Run("another account, another way to log in, are other sessions", func(t *testing.T) {
		keys := map[apppassword.SessionKey]bool{first.Key(): true}
		for _, s := range []*apppassword.Session{
			start("bob.test", bob.Password), start(string(alice.DID), botPassword),
			start(alice.Email, botPassword, apppassword.WithService(server.Environment().PDS)),
		} {
			keys[s.Key()] = true
		}
		if len(keys) != 4 || logins() != 4 {
			t.Errorf("%d sessions, %d logins", len(keys), logins())
		}
		start(alice.Email, botPassword, apppassword.WithService(server.Environment().PDS+"/"))
		if logins() != 4 {
			t.Error("one more login for the same")
		}
	})
	t.Run("of several the newest is taken", func(t *testing.T) {
		second, err := newClient(t, server, withStore(kept)).Login(t.Context(), "alice.test", botPassword)
		if err != nil {
			t.Fatal(err)
		}
		if s := start("alice.test", botPassword); s.Key() != second.Key() {
			t.Errorf("got %s, want %s", s, second)
		}
		if err := second.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := start("alice.test", botPassword); s.Key() != first.Key() {
			t.Errorf("got %s, want %s", s, first)
		}
	})
	t.Run("a store that does not answer makes no logins", func(t *testing.T) {
		before := logins()
		_, err := newClient(t, server, withStore(&deafStore{})).ResumeOrLogin(t.Context(), "alice.test", botPassword)
		wantKind(t, err, apppassword.ErrStore)
		if logins() != before {
			t.Error("it did")
		}
	})
	t.Run("what another key has sealed is passed over", func(t *testing.T) {
		client := newClient(t, server, func(cfg *apppassword.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(make([]byte, 32)) })
		s, err := client.ResumeOrLogin(t.Context(), "alice.test", botPassword)
		if err != nil {
			t.Fatal(err)
		}
		if s.Key() == first.Key() {
			t.Error("it was opened")
		}
	})
}

// A deafStore does not answer.
type deafStore struct{ store.Memory }

func (*deafStore) List(context.Context, store.RecordKind, syntax.DID) iter.Seq2[store.RecordKey, error] {
	return func(yield func(store.RecordKey, error) bool) { yield(store.RecordKey{}, errors.New("no answer")) }
}

func TestServersThatAreGone(t *testing.T) {
	for name, fault := range map[string]oauthtest.Fault{"that hangs up": {Refuse: true, Times: -1}, "with a page of somebody else's": func() oauthtest.Fault { f := oauthtest.Gateway(404); f.Times = -1; return f }()} {
		t.Run("P12 P60 a server "+name+" is left for the one that the account's document names", func(t *testing.T) {
			var clock movableClock
			server := sandbox(t, oauthtest.WithPDS("old.test", "new.test"))
			gone := withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path == refreshPath && req.URL.Host == "new.test" {
					server.ClearFaults() // only the old one is gone
				}
				return next()
			})
			s := login(t, newClient(t, server, clock.configure, gone))
			server.MoveAccount(s.DID(), "new.test")
			server.Fault(refreshPath, fault)
			if err := s.Refresh(t.Context()); err == nil {
				t.Fatal("the refresh did not fail")
			}
			if s.Host() != "https://old.test" {
				t.Errorf("at %s before anybody was asked", s.Host())
			}
			clock.setAhead(2 * time.Minute)
			if err := errors.Join(s.Refresh(t.Context()), call(t.Context(), s)); err != nil || s.Host() != "https://new.test" {
				t.Errorf("at %s: %v", s.Host(), err)
			}
		})
	}
	t.Run("P60 one that answers for itself is not", func(t *testing.T) {
		var clock movableClock
		server := sandbox(t)
		alice := server.Environment().Account("alice")
		s := login(t, newClient(t, server, clock.configure))
		server.ResetStats()
		server.Fault(refreshPath, refusing(500, "InternalServerError"))
		if err := s.Refresh(t.Context()); err == nil {
			t.Fatal("the refresh did not fail")
		}
		clock.setAhead(2 * time.Minute)
		if err := s.Refresh(t.Context()); err != nil || server.Stats().Requests["/"+string(alice.DID)] != 0 {
			t.Errorf("somebody was asked who serves the account: %v", err)
		}
	})
}

package oauth_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// at returns a development client's Config for a port.
func at(port int) func(*oauth.Config) {
	return func(cfg *oauth.Config) {
		local := oauth.Localhost(fmt.Sprintf("http://127.0.0.1:%d/callback", port), "atproto transition:generic")
		cfg.ClientID, cfg.RedirectURIs = local.ClientID, local.RedirectURIs
	}
}

func TestRedirectsToTheLetter(t *testing.T) {
	for name, opts := range map[string][]oauthtest.Option{"to the letter": {oauthtest.WithExactRedirectURIs()}, "by the specification": nil} {
		t.Run("P55 O22 a login by Localhost, where redirects are compared "+name, func(t *testing.T) {
			server, kept := sandbox(t, opts...), new(store.Memory)
			s := login(t, server, newClient(t, server, at(4001), withStore(kept)))
			if err := s.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
		})
		t.Run("P55 another port by WithRedirectURI, where redirects are compared "+name, func(t *testing.T) {
			server := sandbox(t, opts...)
			client := newClient(t, server, at(4001))
			begun, query := approved(t, server, client, oauth.WithRedirectURI("http://127.0.0.1:4002/callback"))
			result, err := client.Callback(t.Context(), query, begun.Binding)
			if err != nil {
				t.Fatal(err)
			}
			if err := result.Session.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			if err := result.Session.Logout(t.Context()); err != nil || server.RevokeSessions(result.Session.DID()) != 0 {
				t.Errorf("the logout: %v", err)
			}
		})
		t.Run("P55 a program that takes a free port each time, where redirects are compared "+name, func(t *testing.T) {
			server, kept := sandbox(t, opts...), new(store.Memory)
			first := newClient(t, server, at(4001), withStore(kept))
			s := login(t, server, first)
			cookie, err := first.SealSessionKey(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			w := new(wire)
			second := newClient(t, server, at(4002), withStore(kept), w.tap())
			key, err := second.OpenSessionKey(t.Context(), cookie)
			if err != nil {
				t.Fatalf("its cookie: %v", err)
			}
			again, err := second.Resume(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			granted := oauth.Localhost("http://127.0.0.1:4001/callback", "atproto transition:generic").ClientID
			if got := w.last(t, tokenPath).form.Get("client_id"); got != granted {
				t.Errorf("refreshed as %q, granted to %q", got, granted)
			}
			if n, err := second.Reseal(t.Context()); err != nil || n != 0 {
				t.Errorf("resealed %d, %v", n, err)
			}
			if err := again.Logout(t.Context()); err != nil || server.RevokeSessions(again.DID()) != 0 {
				t.Errorf("the logout: %v", err)
			}
		})
		t.Run("P55 a login that ends in another process, at another port, where redirects are compared "+name, func(t *testing.T) {
			server, kept := sandbox(t, opts...), new(store.Memory)
			begun, query := approved(t, server, newClient(t, server, at(4001), withStore(kept)))
			if _, err := newClient(t, server, at(4002), withStore(kept)).Callback(t.Context(), query, begun.Binding); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("P55 another path, or another scope, is another client", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		client := newClient(t, server, at(4001), withStore(kept))
		s := login(t, server, client)
		cookie, err := client.SealSessionKey(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		for _, local := range []oauth.Config{
			oauth.Localhost("http://127.0.0.1:4001/other", "atproto transition:generic"),
			oauth.Localhost("http://[::1]:4001/callback", "atproto transition:generic"),
			oauth.Localhost("http://127.0.0.1:4001/callback", "atproto"),
		} {
			other := newClient(t, server, withStore(kept), func(cfg *oauth.Config) {
				cfg.ClientID, cfg.RedirectURIs, cfg.Scope = local.ClientID, local.RedirectURIs, local.Scope
			})
			if _, err := other.Resume(t.Context(), s.Key()); !errors.Is(err, oauth.ErrSessionUnknown) {
				t.Errorf("%s resumes it: %v", local.ClientID, err)
			}
			if _, err := other.OpenSessionKey(t.Context(), cookie); !errors.Is(err, oauth.ErrSessionUnknown) {
				t.Errorf("%s opens its cookie: %v", local.ClientID, err)
			}
		}
	})
}

func TestLogoutWithoutARevocationEndpoint(t *testing.T) {
	t.Run("P58 succeeds, and says that the server could not be told", func(t *testing.T) {
		server, kept := sandbox(t, oauthtest.WithoutRevocation()), new(store.Memory)
		var log logBuffer
		s := login(t, server, newClient(t, server, withStore(kept), log.configure))
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := log.String(); strings.Count(got, "no revocation endpoint") != 1 || !strings.Contains(got, "level=WARN") {
			t.Errorf("logged:\n%s", got)
		}
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records", n)
		}
		wantKind(t, call(t.Context(), s), oauth.ErrLoggedOut)
	})
}

func TestResponseMode(t *testing.T) {
	for name, tt := range map[string]struct {
		modes any
		want  string
	}{
		"a server that lists it":         {[]string{"query", "fragment"}, "query"},
		"a server that lists nothing":    {nil, "query"},
		"a server that does not know it": {[]string{"fragment"}, ""},
	} {
		t.Run("P59 is said to "+name, func(t *testing.T) {
			server, w := sandbox(t), new(wire)
			client := newClient(t, server, w.tap(), rewriting(serverDocument, func(m map[string]any) { m["response_modes_supported"] = tt.modes }))
			if _, err := client.Authorize(t.Context(), "alice.test"); err != nil {
				t.Fatal(err)
			}
			if got := w.last(t, parPath).form["response_mode"]; strings.Join(got, " ") != tt.want {
				t.Errorf("sent %q", got)
			}
		})
	}
}

func TestEndpointsThatMove(t *testing.T) {
	const moved = "/oauth/v2/token"
	for _, status := range []int{404, 405, 410} {
		t.Run(fmt.Sprintf("P60 are looked for at once, where the old one answers %d", status), func(t *testing.T) {
			server, kept := sandbox(t), new(store.Memory)
			s := login(t, server, newClient(t, server, withStore(kept)))
			server.MoveTokenEndpoint(moved, status)
			server.ResetStats()
			for range 2 {
				if err := s.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			asked := server.Stats().Requests
			if asked[tokenPath] != 1 || asked[serverDocument] != 1 {
				t.Errorf("%d requests to the old one, %d for metadata", asked[tokenPath], asked[serverDocument])
			}
			again, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Refresh(t.Context()); err != nil || server.Stats().Requests[tokenPath] != 1 {
				t.Errorf("resumed: %v, %d requests to the old one", err, server.Stats().Requests[tokenPath])
			}
		})
		t.Run(fmt.Sprintf("P60 %d of an endpoint that did not move is an error, and the session goes on", status), func(t *testing.T) {
			server := sandbox(t)
			s := login(t, server, newClient(t, server))
			server.ResetStats()
			server.Fault(tokenPath, oauthtest.Fault{Status: status})
			if e := wantKind(t, s.Refresh(t.Context()), oauth.ErrToken); e.Status != status || errors.Is(e, oauth.ErrReauthRequired) {
				t.Errorf("got %v", e)
			}
			if n := server.Stats().Requests[tokenPath]; n != 1 {
				t.Errorf("%d requests", n)
			}
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("P60 are read again when they are ten minutes old, once for all sessions", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t, oauthtest.WithClock(clock.now))
		client := newClient(t, server, clock.configure)
		sessions := []*oauth.Session{login(t, server, client), login(t, server, client)}
		server.MoveTokenEndpoint(moved, 404)
		server.ResetStats()
		clock.setAhead(11 * time.Minute)
		for _, s := range sessions {
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if asked := server.Stats().Requests; asked[tokenPath] != 0 || asked[serverDocument] != 1 {
			t.Errorf("%d requests to the old one, %d for metadata", asked[tokenPath], asked[serverDocument])
		}
	})
	t.Run("P60 metadata that cannot be had stop no session", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t, oauthtest.WithClock(clock.now))
		s := login(t, server, newClient(t, server, clock.configure))
		for i, fault := range []oauthtest.Fault{{Status: 503}, {Status: 404}, {Refuse: true}, {Status: 200, Body: `{}`, Header: http.Header{"Content-Type": {"application/json"}}}} {
			server.ClearFaults()
			fault.Times = -1
			server.Fault(serverDocument, fault)
			clock.setAhead(time.Duration(i+1) * 11 * time.Minute)
			if err := s.Refresh(t.Context()); err != nil {
				t.Errorf("%+v: %v", fault, err)
			}
		}
	})
	t.Run("P60 a logout finds the endpoint for revocations that moved", func(t *testing.T) {
		server := sandbox(t)
		tokens := 0
		s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			switch req.URL.Path {
			case revokePath:
				return respond(req, 404, ``), nil
			case "/oauth/v2/revoke":
				tokens++
				return respond(req, 200, `{}`), nil
			}
			resp, err := next()
			if err == nil && req.URL.Path == serverDocument && tokens == 0 && server.Stats().Requests[tokenPath] > 0 {
				resp = rewrite(resp, func(m map[string]any) { m["revocation_endpoint"] = "https://pds.test/oauth/v2/revoke" })
			}
			return resp, err
		})))
		if err := s.Logout(t.Context()); err != nil || tokens != 1 {
			t.Errorf("got %v, %d revocations", err, tokens)
		}
	})
}

// A spoken dialect is a way in which servers that people run differ.
type spoken struct {
	name  string
	opts  []oauthtest.Option
	after func(*oauthtest.Server) // what happens between login and refresh
}

func dialects() []spoken {
	one := func(name string, opt oauthtest.Option) spoken {
		return spoken{name: name, opts: []oauthtest.Option{opt}}
	}
	all := []spoken{
		one("no nonces", oauthtest.WithoutNonces()),
		one("dead sessions in the words of XRPC", oauthtest.WithDeadSessions(said(400, `{"error":"InvalidRequest","message":"invalid refresh token"}`))),
		one("dead sessions without a word", oauthtest.WithDeadSessions(said(401, ``))),
		one("missing scopes by a challenge", oauthtest.WithMissingScopes(func(s string) oauthtest.Answer {
			return said(403, `{"error":"Forbidden"}`, "WWW-Authenticate", `DPoP error="insufficient_scope", scope="`+s+`"`)
		})),
		one("redirects to the letter", oauthtest.WithExactRedirectURIs()),
		one("no revocation endpoint", oauthtest.WithoutRevocation()),
		one("a response_mode is wanted", oauthtest.WithRequiredResponseMode()),
		one("blobs elsewhere", oauthtest.WithDownloadsAt("cdn.test", 302)),
		one("another server for tokens", oauthtest.WithIssuer("as.test")),
		{name: "the token endpoint moves", after: func(s *oauthtest.Server) { s.MoveTokenEndpoint("/v2/token", 404) }},
		{name: "nonces that change with every answer", after: func(s *oauthtest.Server) { s.RotateNonceAlways(true) }},
		{name: "a gateway that is down once", after: func(s *oauthtest.Server) { s.Fault("/oauth/token", oauthtest.Gateway(529)) }},
	}
	for _, text := range []string{"", "null", `"3600"`, "3.6e3", "3599.84", "1e30", "-1", "{}"} {
		all = append(all, one("expires_in "+text, oauthtest.WithExpiresIn(text)))
	}
	return all
}

// What a program does with a session has to work with every server, whatever it speaks.
func TestEveryDialect(t *testing.T) {
	all := dialects()
	pairs := slices.Clone(all)
	for i, a := range all {
		for _, b := range all[i+1:] {
			if strings.HasPrefix(a.name, "expires_in") || a.after != nil && b.after != nil || strings.HasPrefix(a.name, "dead") && strings.HasPrefix(b.name, "dead") {
				continue // of one kind
			}
			pair := spoken{name: a.name + ", and " + b.name, opts: slices.Concat(a.opts, b.opts), after: a.after}
			if b.after != nil {
				pair.after = b.after
			}
			pairs = append(pairs, pair)
		}
	}
	for _, d := range pairs {
		t.Run("P54 P55 P56 P57 P58 P59 P60 P61 "+d.name, func(t *testing.T) {
			t.Parallel()
			clock := new(movableClock)
			server, kept := sandbox(t, append(d.opts, oauthtest.WithClock(clock.now))...), new(store.Memory)
			configure := []func(*oauth.Config){withScope("atproto repo:com.example.note blob:*/*"), clock.configure, withStore(kept)}
			s := login(t, server, newClient(t, server, configure...))
			if err := write(t, s, "com.example.note"); err != nil {
				t.Errorf("a call: %v", err)
			}
			if err := write(t, s, "com.example.other"); !errors.Is(err, xrpc.ErrScopeMissing) {
				t.Errorf("a call without its scope: %v", err)
			}
			if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), 10, "text/plain")); err != nil || n != 10 {
				t.Errorf("an upload of %d bytes: %v", n, err)
			}
			if d.after != nil {
				d.after(server)
			}
			if err := s.Refresh(t.Context()); err != nil {
				// What may pass is tried again after a pause.
				if e, ok := errors.AsType[*oauth.Error](err); !ok || !e.Retryable {
					t.Errorf("a refresh: %v", err)
				}
				clock.setAhead(2 * time.Minute)
				if err := s.Refresh(t.Context()); err != nil {
					t.Errorf("the next refresh: %v", err)
				}
			}
			clock.setAhead(90 * time.Minute) // the tokens have run out, told or not
			again, err := newClient(t, server, configure...).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []*oauth.Session{again, s} {
				if err := call(t.Context(), s); err != nil {
					t.Errorf("a call with tokens that ran out: %v", err)
				}
				if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), 10, "text/plain")); err != nil || n != 10 {
					t.Errorf("an upload of %d bytes: %v", n, err)
				}
			}
			if err := again.Logout(t.Context()); err != nil {
				t.Errorf("the logout: %v", err)
			}
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
				t.Errorf("%d records after the logout", n)
			}
			// A session that its server ends asks for a login.
			s = login(t, server, newClient(t, server, configure...))
			if server.RevokeSessions(s.DID()); !errors.Is(call(t.Context(), s), oauth.ErrReauthRequired) {
				t.Errorf("after the end of a session: %v", call(t.Context(), s))
			}
		})
	}
}

func TestDownloadsThatAreElsewhere(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprintf("P82 a redirect by %d is followed, without anything of the session", status), func(t *testing.T) {
			server := sandbox(t, oauthtest.WithDownloadsAt("cdn.test", status))
			var elsewhere []http.Header
			s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Host == "cdn.test" {
					elsewhere = append(elsewhere, req.Header.Clone())
				}
				return next()
			})))
			api := comatproto.NewClient(s)
			stored, err := api.Repo.UploadBlob(t.Context(), xrpc.BytesBody([]byte("a blob"), "image/png"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := records.Put(t.Context(), s, "self", &appbsky.ActorProfile{Avatar: &stored.Blob}); err != nil {
				t.Fatal(err)
			}
			blob, err := api.Sync.GetBlob(t.Context(), &comatproto.SyncGetBlobParams{DID: s.DID(), CID: syntax.CID(stored.Blob.Ref)}, xrpc.WithHeader("X-Mine", "secret"))
			if err != nil {
				t.Fatal(err)
			}
			defer blob.Close()
			if data, err := io.ReadAll(blob); string(data) != "a blob" || err != nil {
				t.Errorf("got %q, %v", data, err)
			}
			for _, header := range elsewhere {
				for name := range header {
					if name != "Accept" && name != "User-Agent" {
						t.Errorf("sent along: %s", name)
					}
				}
			}
			if len(elsewhere) != 1 {
				t.Errorf("%d requests there", len(elsewhere))
			}
		})
	}
}

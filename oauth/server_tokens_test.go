package oauth_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/store"
)

// granting changes the token answers that a client gets, and tells what they were.
func granting(change func(granted map[string]any)) func(*oauth.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		resp, err := next()
		if err == nil && req.URL.Path == tokenPath && resp.StatusCode == 200 {
			resp = rewrite(resp, change)
		}
		return resp, err
	})
}

func TestCodeExchange(t *testing.T) {
	t.Run("O73 repeats what was pushed, letter by letter, and proves the same key", func(t *testing.T) {
		const second = "http://127.0.0.1:8765/other?a=%2f&b=+"
		server, w := sandbox(t), new(wire)
		client := newClient(t, server, func(cfg *oauth.Config) {
			local := oauth.Localhost(second, "atproto transition:generic")
			cfg.ClientID, cfg.RedirectURIs = local.ClientID+"&redirect_uri=http%3A%2F%2F127.0.0.1%3A8765%2Fcallback", []string{redirectURI, second}
		}, w.tap())
		login, query := approved(t, server, client, oauth.WithRedirectURI(second))
		if _, err := client.Callback(t.Context(), query, login.Binding); err != nil {
			t.Fatal(err)
		}
		pushed, sent := w.last(t, parPath), w.last(t, tokenPath)
		got := make(map[string]string)
		for name, values := range sent.form {
			got[name] = strings.Join(values, " and ")
		}
		sum := sha256.Sum256([]byte(got["code_verifier"]))
		if challenge := base64.RawURLEncoding.EncodeToString(sum[:]); challenge != pushed.form.Get("code_challenge") {
			t.Errorf("the verifier %q does not belong to the challenge", got["code_verifier"])
		}
		delete(got, "code_verifier")
		want := map[string]string{
			"grant_type": "authorization_code", "code": query.Get("code"), "redirect_uri": second, "client_id": pushed.form.Get("client_id"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("form (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(proofIn(t, pushed).header, proofIn(t, sent).header); diff != "" {
			t.Errorf("header of the proof (-pushed +exchange):\n%s", diff)
		}
	})
	t.Run("O78 fields that nobody knows change nothing", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, server, newClient(t, server, granting(func(m map[string]any) {
			m["id_token"], m["refresh_expires_in"], m["new"] = "a.b.c", "soon", []any{map[string]any{"sub": "did:plc:other"}}
		})))
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
	t.Run("O74 the token type may be written in any case", func(t *testing.T) {
		server := sandbox(t)
		login(t, server, newClient(t, server, granting(func(m map[string]any) { m["token_type"] = "dpop" })))
	})
}

// What the server says after tokens were given is refused, and then they go back.
func TestTokensThatAreNotKept(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   oauth.Kind
		server string // where the login begins; "": at the account
		change func(server *oauthtest.Server) []func(*oauth.Config)
	}{
		{"O74 O80 Bearer", oauth.ErrToken, "", grantingWith(func(m map[string]any) { m["token_type"] = "Bearer" })},
		{"O75 O80 no sub", oauth.ErrToken, "", grantingWith(func(m map[string]any) { delete(m, "sub") })},
		{"O75 O80 a sub that is no DID", oauth.ErrToken, "https://pds.test", grantingWith(func(m map[string]any) { m["sub"] = "alice.test" })},
		{"O75 O80 a DID of a method that no account has", oauth.ErrUnresolved, "https://pds.test",
			grantingWith(func(m map[string]any) { m["sub"] = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme" })},
		{"O76 O80 P23 another account of the same server", oauth.ErrAccountMismatch, "", func(server *oauthtest.Server) []func(*oauth.Config) {
			return []func(*oauth.Config){granting(func(m map[string]any) { m["sub"] = string(server.Environment().Account("bob").DID) })}
		}},
		{"O77 O80 a scope that only begins like atproto", oauth.ErrToken, "", grantingWith(func(m map[string]any) { m["scope"] = "atproto:x transition:generic" })},
		{"O77 O80 no scope", oauth.ErrToken, "", grantingWith(func(m map[string]any) { delete(m, "scope") })},
		{"O79 O80 an account whose PDS names another issuer", oauth.ErrIssuerChanged, "", func(server *oauthtest.Server) []func(*oauth.Config) {
			var exchanged atomic.Bool
			return []func(*oauth.Config){
				granting(func(map[string]any) { exchanged.Store(true) }),
				rewriting(resourceDocument, func(m map[string]any) {
					if exchanged.Load() {
						m["authorization_servers"] = []string{"https://elsewhere.test"}
					}
				}),
			}
		}},
		{"O79 O80 an account that cannot be resolved anew", oauth.ErrNetwork, "", func(server *oauthtest.Server) []func(*oauth.Config) {
			directory := &brittle{Resolver: server.Environment().Resolver()}
			return []func(*oauth.Config){
				func(cfg *oauth.Config) { cfg.Resolver = identity.NewCache(directory, identity.CacheConfig{}) },
				granting(func(map[string]any) { directory.down.Store(true) }),
			}
		}},
		{"O80 no access token", oauth.ErrToken, "", grantingWith(func(m map[string]any) { delete(m, "access_token") })},
		{"O80 no refresh token either", oauth.ErrToken, "", grantingWith(func(m map[string]any) { delete(m, "refresh_token"); delete(m, "sub") })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, kept, w := sandbox(t), new(store.Memory), new(wire)
			var access, refresh string
			client := newClient(t, server, slices.Concat(tt.change(server), []func(*oauth.Config){
				withStore(kept), w.tap(), granting(func(m map[string]any) {
					access, _ = m["access_token"].(string)
					refresh, _ = m["refresh_token"].(string)
				}),
			})...)
			begin := "alice.test"
			if tt.server != "" {
				begin = tt.server
			}
			login, err := client.Authorize(t.Context(), begin)
			if err != nil {
				t.Fatal(err)
			}
			callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Callback(t.Context(), callback.Query(), login.Binding)
			wantKind(t, err, tt.kind)
			want, hint := refresh, "refresh_token"
			if strings.Contains(tt.name, "no refresh token") {
				want, hint = access, "access_token"
			}
			revoked := w.last(t, revokePath).form
			if revoked.Get("token") != want || revoked.Get("token_type_hint") != hint || want == "" {
				t.Errorf("revoked %v, want %q", revoked, want)
			}
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
				t.Errorf("%d sessions are stored", n)
			}
			// It did what it was for.
			if n := server.RevokeSessions(server.Environment().Account("alice").DID); n != 0 {
				t.Errorf("%d sessions live at the server", n)
			}
		})
	}
	t.Run("O80 also where the caller has left meanwhile", func(t *testing.T) {
		server := sandbox(t)
		ctx, cancel := context.WithCancel(t.Context())
		client := newClient(t, server, granting(func(map[string]any) { cancel() }))
		login, query := approved(t, server, client)
		if _, err := client.Callback(ctx, query, login.Binding); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if n := server.RevokeSessions(server.Environment().Account("alice").DID); n != 0 {
			t.Errorf("%d sessions live at the server", n)
		}
	})
	t.Run("O84 also where the store took the session and said it did not", func(t *testing.T) {
		server := sandbox(t)
		kept := &flakyStore{Store: new(store.Memory)}
		kept.from(nil, func(int, *store.Record) error { return errDown })
		_, err := tryLogin(t.Context(), server, newClient(t, server, withStore(kept)))
		if e := wantKind(t, err, oauth.ErrStore); !errors.Is(e, errDown) {
			t.Errorf("the store's own error is not in %v", e)
		}
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d sessions are stored", n)
		}
		if n := server.RevokeSessions(server.Environment().Account("alice").DID); n != 0 {
			t.Errorf("%d sessions live at the server", n)
		}
	})
}

func grantingWith(change func(map[string]any)) func(*oauthtest.Server) []func(*oauth.Config) {
	return func(*oauthtest.Server) []func(*oauth.Config) { return []func(*oauth.Config){granting(change)} }
}

func TestLifeOfAccessTokens(t *testing.T) {
	t.Run("O81 counts from when they were asked for, however long the answer takes", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t)
		client := newClient(t, server, clock.configure, granting(func(map[string]any) { clock.setAhead(20 * time.Minute) }))
		loginURL, query := approved(t, server, client)
		began := time.Now()
		result, err := client.Callback(t.Context(), query, loginURL.Binding)
		if err != nil {
			t.Fatal(err)
		}
		if life := result.Session.ExpiresAt().Sub(began); life > time.Hour+time.Minute || life < 59*time.Minute {
			t.Errorf("the token ends %s after it was asked for, want an hour", life)
		}
	})
	for _, tt := range []struct {
		said any
		want time.Duration
	}{
		{600, 10 * time.Minute}, {int64(1) << 60, 30 * 24 * time.Hour},
	} {
		t.Run(fmt.Sprintf("O81 is %s where the server says %v", tt.want, tt.said), func(t *testing.T) {
			server := sandbox(t)
			began := time.Now()
			s := login(t, server, newClient(t, server, granting(func(m map[string]any) {
				m["expires_in"] = tt.said
			})))
			if life := s.ExpiresAt().Sub(began); life < tt.want || life > tt.want+time.Minute {
				t.Errorf("the token lives for %s", life)
			}
			if s.Expired() {
				t.Errorf("expired: %t", s.Expired())
			}
		})
	}
	for _, resumed := range []bool{false, true} {
		t.Run(fmt.Sprintf("O82 without a refresh token the session ends with it (resumed: %t)", resumed), func(t *testing.T) {
			clock := new(movableClock)
			server, kept := sandbox(t, oauthtest.WithClock(clock.now)), new(store.Memory)
			config := []func(*oauth.Config){clock.configure, withStore(kept), granting(func(m map[string]any) { delete(m, "refresh_token") })}
			s := login(t, server, newClient(t, server, config...))
			if resumed {
				var err error
				if s, err = newClient(t, server, config...).Resume(t.Context(), s.Key()); err != nil {
					t.Fatal(err)
				}
			}
			// Ahead of its time there is nothing to be done, and no harm.
			clock.setAhead(time.Hour - 5*time.Second)
			if err := call(t.Context(), s); err != nil {
				t.Errorf("while the token lives: %v", err)
			}
			if e := wantKind(t, s.Refresh(t.Context()), oauth.ErrToken); errors.Is(e, oauth.ErrReauthRequired) {
				t.Errorf("a refresh ended the session: %v", e)
			}
			clock.setAhead(time.Hour + time.Second)
			if e := wantKind(t, call(t.Context(), s), oauth.ErrSessionExpired); !errors.Is(e, oauth.ErrReauthRequired) {
				t.Errorf("got %v", e)
			}
			if n := server.Stats().Grants["refresh_token"]; n != 0 {
				t.Errorf("%d refreshes were tried", n)
			}
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
				t.Errorf("%d records of the session", n)
			}
		})
	}
}

func TestCodesAreSentOnce(t *testing.T) {
	t.Run("O83 and again after a challenge, which comes before the code is looked at", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		client := newClient(t, server, w.tap())
		login, query := approved(t, server, client)
		server.RotateNonce()
		if _, err := client.Callback(t.Context(), query, login.Binding); err != nil {
			t.Fatal(err)
		}
		if sent := w.to(tokenPath); len(sent) != 2 || sent[0].form.Get("code") != sent[1].form.Get("code") {
			t.Errorf("%d requests", len(sent))
		}
	})
	for name, fault := range map[string]oauthtest.Fault{
		"the answer is lost":            {Drop: true},
		"the connection ends":           {Refuse: true},
		"the server is down":            {Status: 503},
		"the server has too much to do": {Status: 429, Header: http.Header{"Retry-After": {"1"}}},
		"the server says nothing":       {Status: 200, Body: ""},
	} {
		t.Run("O83 and not again when "+name, func(t *testing.T) {
			server := sandbox(t)
			client := newClient(t, server)
			login, query := approved(t, server, client)
			server.Fault(tokenPath, fault)
			if _, err := client.Callback(t.Context(), query, login.Binding); err == nil {
				t.Error("no error")
			}
			if n := server.Stats().Requests[tokenPath]; n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
}

func TestScopeOfTheNewestTokens(t *testing.T) {
	server := sandbox(t)
	granted := "atproto"
	s := login(t, server, newClient(t, server, granting(func(m map[string]any) { m["scope"] = granted })))
	posting := scope.Repo("app.bsky.feed.post", scope.Create)
	t.Run("O85 may be less than was asked for, and decides", func(t *testing.T) {
		if s.Scope() != "atproto" || s.Allows(posting) {
			t.Errorf("scope %q, posting allowed: %t", s.Scope(), s.Allows(posting))
		}
	})
	t.Run("O85 is that of the newest tokens", func(t *testing.T) {
		granted = "atproto repo:app.bsky.feed.post?action=create"
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.Scope() != granted || !s.Allows(posting) {
			t.Errorf("scope %q, posting allowed: %t", s.Scope(), s.Allows(posting))
		}
	})
}

// Tokens that look like something else: of another account, long past, without scope.
func TestTokensAreOpaque(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	jwt := encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(`{"sub":"did:plc:other","exp":1,"scope":"","cnf":{"jkt":"x"}}`)) + ".x"
	for name, text := range map[string]string{"a JWT that says otherwise": jwt, "no JWT": "~a+b/c=", "a dot": "."} {
		t.Run("O86 "+name, func(t *testing.T) {
			server, w := sandbox(t), new(wire)
			client := newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path == callPath {
					return respond(req, 200, `{"did":"did:plc:aaaaaaaaaaaaaaaaaaaaaaaa","handle":"alice.test"}`, "DPoP-Nonce", "n"), nil
				}
				return next()
			}), w.tap(), granting(func(m map[string]any) { m["access_token"] = text }))
			s := login(t, server, client)
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
			sent := w.last(t, callPath)
			sum := sha256.Sum256([]byte(text))
			if got := sent.header.Get("Authorization"); got != "DPoP "+text {
				t.Errorf("Authorization: %q", got)
			}
			if got := proofIn(t, sent).text("ath"); got != encode(sum[:]) {
				t.Errorf("ath %q", got)
			}
			if s.Expired() || s.DID() != server.Environment().Account("alice").DID || s.Scope() == "" {
				t.Errorf("the token was read: expired %t, %s, %q", s.Expired(), s.DID(), s.Scope())
			}
			for range 3 { // the access token stays what it is, the refresh token does not
				if err := s.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// proofIn returns the one DPoP proof of a request.
func proofIn(tb testing.TB, sent sentRequest) signedToken {
	tb.Helper()
	proofs := sent.header.Values("DPoP")
	if len(proofs) != 1 {
		tb.Fatalf("%s %s has %d proofs", sent.method, sent.path, len(proofs))
	}
	return readToken(tb, proofs[0])
}

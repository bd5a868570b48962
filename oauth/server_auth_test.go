package oauth_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A signed token is a JWT in its parts: a client assertion or a DPoP proof.
type signedToken struct {
	header, claims map[string]any
}

// text returns a claim that is a string.
func (s signedToken) text(name string) string {
	value, _ := s.claims[name].(string)
	return value
}

// number returns a claim that is a number, -1 if it is none.
func (s signedToken) number(name string) int64 {
	if value, ok := s.claims[name].(float64); ok {
		return int64(value)
	}
	return -1
}

// readToken takes a JWT apart without a look at its signature.
func readToken(tb testing.TB, compact string) signedToken {
	tb.Helper()
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		tb.Fatalf("%q is no JWT", compact)
	}
	var token signedToken
	for i, into := range []*map[string]any{&token.header, &token.claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(data, into)
		}
		if err != nil {
			tb.Fatalf("part %d of %q: %v", i+1, compact, err)
		}
	}
	return token
}

// serverPaths are where a client authenticates.
var serverPaths = []string{parPath, tokenPath, revokePath}

// lifeOf lets a session log in, refresh under a stale nonce, and log out.
func lifeOf(tb testing.TB, server *oauthtest.Server, client *oauth.Client) {
	tb.Helper()
	s := login(tb, server, client)
	server.RotateNonce()
	if err := s.Refresh(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := s.Logout(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func TestClientAssertions(t *testing.T) {
	server, w := sandbox(t, oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test")), new(wire)
	client := confidential(t, server, []oauth.ClientKey{{ID: "k", Signer: newKey(t, elliptic.P256())}}, w.tap())
	before := time.Now().Unix()
	lifeOf(t, server, client)
	after := time.Now().Unix()
	published, err := jwk.Parse(client.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	key, _ := published.LookupKeyID("k")

	each := func(check func(t *testing.T, path string, sent sentRequest, token signedToken)) func(*testing.T) {
		return func(t *testing.T) {
			for _, path := range serverPaths {
				sent := w.to(path)
				if len(sent) == 0 {
					t.Errorf("nothing was sent to %s", path)
				}
				for _, r := range sent {
					check(t, path, r, readToken(t, r.form.Get("client_assertion")))
				}
			}
		}
	}
	t.Run("O65 have their type beside them, alg and kid in their header, and a signature by the published key", each(func(t *testing.T, path string, sent sentRequest, token signedToken) {
		if got := sent.form["client_assertion_type"]; len(got) != 1 || got[0] != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("%s: client_assertion_type %q", path, got)
		}
		if diff := cmp.Diff(map[string]any{"alg": "ES256", "typ": "JWT", "kid": "k"}, token.header); diff != "" {
			t.Errorf("%s: header (-want +got):\n%s", path, diff)
		}
		if _, err := jws.Verify([]byte(sent.form.Get("client_assertion")), jws.WithKey(jwa.ES256, key)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}))
	t.Run("O66 P13 name the client, and the issuer wherever its endpoints are", each(func(t *testing.T, path string, _ sentRequest, token signedToken) {
		for claim, want := range map[string]string{"iss": clientID, "sub": clientID, "aud": "https://as.test"} {
			if got := token.text(claim); got != want {
				t.Errorf("%s: %s is %q, want %q", path, claim, got, want)
			}
		}
		if want := []string{"aud", "exp", "iat", "iss", "jti", "sub"}; !slices.Equal(slices.Sorted(maps.Keys(token.claims)), want) {
			t.Errorf("%s: claims %v", path, token.claims)
		}
	}))
	t.Run("O66 O71 are dated a little back and good for a minute", each(func(t *testing.T, path string, _ sentRequest, token signedToken) {
		if iat := token.number("iat"); iat < before-5 || iat > after-5 {
			t.Errorf("%s: iat is %d, %d seconds from now", path, iat, iat-after)
		}
		if life := token.number("exp") - token.number("iat"); life != 60 {
			t.Errorf("%s: good for %d seconds", path, life)
		}
	}))
	t.Run("O66 O67 P18 have a jti of their own, the second after a challenge as well", func(t *testing.T) {
		seen := make(map[string]string)
		each(func(t *testing.T, path string, sent sentRequest, token signedToken) {
			jti := token.text("jti")
			if raw, err := base64.RawURLEncoding.DecodeString(jti); err != nil || len(raw) < 12 {
				t.Errorf("%s: jti %q holds no 96 bits", path, jti)
			}
			if seen[jti] != "" {
				t.Errorf("%s: jti %q was sent to %s before", path, jti, seen[jti])
			}
			seen[jti] = path
		})(t)
		// PAR and the refresh were challenged, and sent again.
		want := map[string]int{parPath: 2, tokenPath: 3, revokePath: 1}
		for path, n := range want {
			if got := len(w.to(path)); got != n {
				t.Errorf("%d requests to %s, want %d", got, path, n)
			}
		}
	})
}

func TestPublicClientsSendTheirNameOnly(t *testing.T) {
	server, w := sandbox(t), new(wire)
	lifeOf(t, server, newClient(t, server, w.tap()))
	t.Run("O72 with every request to the server, and no assertion", func(t *testing.T) {
		for _, path := range serverPaths {
			w.last(t, path) // there is one
			for _, sent := range w.to(path) {
				if got := sent.form["client_id"]; len(got) != 1 || !strings.HasPrefix(got[0], "http://localhost") {
					t.Errorf("%s: client_id %q", path, got)
				}
				for _, name := range []string{"client_assertion", "client_assertion_type", "client_secret"} {
					if sent.form.Has(name) {
						t.Errorf("%s: %s is sent", path, name)
					}
				}
			}
		}
	})
	for method, change := range map[string]func(*oauth.Config){
		"none": nil,
		"private_key_jwt": func(cfg *oauth.Config) {
			cfg.ClientID, cfg.RedirectURIs, cfg.ClientKeys = clientID, []string{"https://app.client-host.net/callback"}, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}
		},
	} {
		t.Run("O72 to no server that does not take "+method, func(t *testing.T) {
			server := sandbox(t)
			changes := []func(*oauth.Config){rewriting(serverDocument, func(m map[string]any) {
				m["token_endpoint_auth_methods_supported"] = slices.DeleteFunc([]string{"none", "private_key_jwt"}, func(s string) bool { return s == method })
			})}
			if change != nil {
				changes = append(changes, change)
			}
			_, err := newClient(t, server, changes...).Authorize(t.Context(), "alice.test")
			wantKind(t, err, oauth.ErrInvalidMetadata)
			if n := server.Stats().Requests[parPath]; n != 0 {
				t.Errorf("%d requests were pushed all the same", n)
			}
		})
	}
}

// A leaked key leaves Config.ClientKeys or is marked; either way it signs nothing more.
func TestClientKeyThatIsGone(t *testing.T) {
	one, two := oauth.ClientKey{ID: "one", Signer: newKey(t, elliptic.P256())}, oauth.ClientKey{ID: "two", Signer: newKey(t, elliptic.P256())}
	revoked := one
	revoked.Revoked = true
	for name, keys := range map[string][]oauth.ClientKey{"was left out": {two}, "was revoked": {revoked, two}} {
		resumed := func(t *testing.T) (*oauth.Session, *store.Memory, *wire) {
			t.Helper()
			server, kept, w := sandbox(t), new(store.Memory), new(wire)
			key := login(t, server, confidential(t, server, []oauth.ClientKey{one}, withStore(kept))).Key()
			s, err := confidential(t, server, keys, withStore(kept), w.tap()).Resume(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			return s, kept, w
		}
		t.Run("O69 P14 no refresh is sent with a key that "+name+", nor with another", func(t *testing.T) {
			s, _, w := resumed(t)
			e := wantKind(t, s.Refresh(t.Context()), oauth.ErrClientKeyGone)
			if !errors.Is(e, oauth.ErrReauthRequired) || !strings.Contains(e.Error(), `"one"`) {
				t.Errorf("got %v", e)
			}
			if n := len(w.to(tokenPath)); n != 0 {
				t.Errorf("%d token requests", n)
			}
		})
		t.Run("O69 the record stays, for a process that has the key, when it "+name, func(t *testing.T) {
			s, kept, _ := resumed(t)
			wantKind(t, s.Refresh(t.Context()), oauth.ErrClientKeyGone)
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 1 {
				t.Errorf("%d records", n)
			}
		})
		t.Run("O69 O115 a logout without a key that "+name+" removes the record and sends nothing", func(t *testing.T) {
			s, kept, w := resumed(t)
			wantKind(t, s.Logout(t.Context()), oauth.ErrClientKeyGone)
			if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 || len(w.to(revokePath)) != 0 {
				t.Errorf("%d records, %d revocations", n, len(w.to(revokePath)))
			}
		})
	}
}

// A server that is stricter than any: the smallest lead of our clock is too much for it.
func TestServerWithoutToleranceForTheFuture(t *testing.T) {
	t.Run("O71 P31 takes assertions of a clock that is 40 ms ahead", func(t *testing.T) {
		server := sandbox(t)
		ahead := int64(0)
		client := confidential(t, server, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}, func(cfg *oauth.Config) {
			// Ahead by so little, yet in another second than the server.
			cfg.Clock = func() time.Time { return time.Now().Truncate(time.Second).Add(time.Second + 40*time.Millisecond) }
		}, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if _, assertion, ok := strings.Cut(form(req), "client_assertion="); ok {
				assertion, _, _ = strings.Cut(assertion, "&")
				ahead = max(ahead, readToken(t, assertion).number("iat")-time.Now().Unix())
			}
			return next()
		}))
		login(t, server, client)
		if ahead > 0 {
			t.Errorf("an assertion is %d seconds ahead", ahead)
		}
	})
}

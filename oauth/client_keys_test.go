package oauth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

const clientID = "https://app.client-host.net/client-metadata.json"

func newKey(tb testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func pemOf(tb testing.TB, kind string, marshal func() ([]byte, error)) string {
	tb.Helper()
	der, err := marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func jwkOf(tb testing.TB, key any, id string) string {
	tb.Helper()
	k, err := jwk.FromRaw(key)
	if err != nil {
		tb.Fatal(err)
	}
	if id != "" {
		k.Set(jwk.KeyIDKey, id)
	}
	data, err := json.Marshal(k)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func TestParseClientKeys(t *testing.T) {
	one, two, other := newKey(t, elliptic.P256()), newKey(t, elliptic.P256()), newKey(t, elliptic.P384())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) string {
		return pemOf(t, "PRIVATE KEY", func() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(key) })
	}
	sec1 := "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" +
		pemOf(t, "EC PRIVATE KEY", func() ([]byte, error) { return x509.MarshalECPrivateKey(two) })
	for _, tt := range []struct {
		name, data string
		want       []oauth.ClientKey
		err        string
	}{
		{"PKCS 8", pkcs8(one), []oauth.ClientKey{{Signer: one}}, ""},
		{"SEC 1 behind its parameters", sec1, []oauth.ClientKey{{Signer: two}}, ""},
		{"several blocks", pkcs8(one) + "text\n" + sec1, []oauth.ClientKey{{Signer: one}, {Signer: two}}, ""},
		{"a JWK", " " + jwkOf(t, one, "mine"), []oauth.ClientKey{{ID: "mine", Signer: one}}, ""},
		{"a JWK set", `{"keys":[` + jwkOf(t, one, "") + "," + jwkOf(t, two, "2") + "]}", []oauth.ClientKey{{Signer: one}, {ID: "2", Signer: two}}, ""},
		{"another curve", pkcs8(other), nil, "PEM block 1: an ECDSA key on P-384; ES256 is needed"},
		{"RSA", pkcs8(one) + pkcs8(rsaKey), nil, "PEM block 2: an RSA key; ES256 is needed: a private key on the curve P-256"},
		{"RSA in its own form", pemOf(t, "RSA PRIVATE KEY", func() ([]byte, error) { return x509.MarshalPKCS1PrivateKey(rsaKey), nil }), nil, "PEM block 1: an RSA key; ES256"},
		{"Ed25519", pkcs8(edKey), nil, "PEM block 1: an Ed25519 key; ES256"},
		{"an OpenSSH key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", nil, "PEM block 1: is an OpenSSH key"},
		{"a public key", pemOf(t, "PUBLIC KEY", func() ([]byte, error) { return x509.MarshalPKIXPublicKey(one.Public()) }), nil, `no private key: the PEM blocks are ["PUBLIC KEY"]`},
		{"a public JWK", jwkOf(t, one.Public(), ""), nil, "JWK 1: a public key; ES256 is needed: a private key"},
		{"a JWK of RSA", jwkOf(t, rsaKey, ""), nil, "JWK 1: an RSA key; ES256"},
		{"a JWK of Ed25519", jwkOf(t, edKey, ""), nil, "JWK 1: an Ed25519 key; ES256"},
		{"a JWK of a symmetric key", `{"kty":"oct","k":"secret-part"}`, nil, "JWK 1: a symmetric key; ES256"},
		{"a JWK of another curve", jwkOf(t, other, ""), nil, "JWK 1: an ECDSA key on P-384; ES256 is needed: a private key on the curve P-256"},
		{"one block of two that is damaged", pkcs8(one) + strings.Replace(pkcs8(one), "MIG", "M!G", 1), nil, "1 of 2 PEM blocks are damaged"},
		{"one block of two that is cut off", pkcs8(one) + pkcs8(one)[:80], nil, "1 of 2 PEM blocks are damaged"},
		{"an encrypted key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", nil, "encrypted"},
		{"an empty set", `{"keys":[]}`, nil, "empty"},
		{"nothing", "", nil, "neither"},
		{"a broken JWK", `{"kty":"EC","d":"secret-part"}`, nil, "JWK"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oauth.ParseClientKeys([]byte(tt.data))
			if tt.err != "" {
				if e := wantKind(t, err, oauth.ErrConfig); !strings.Contains(e.Error(), tt.err) || strings.Contains(e.Error(), "secret-part") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			same := cmp.Comparer(func(a, b crypto.Signer) bool { return a.(*ecdsa.PrivateKey).Equal(b) })
			if diff := cmp.Diff(tt.want, got, same); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// confidential makes a client with keys and publishes its metadata on server.
func confidential(tb testing.TB, server *oauthtest.Server, keys []oauth.ClientKey, change ...func(*oauth.Config)) *oauth.Client {
	tb.Helper()
	client := newClient(tb, server, append([]func(*oauth.Config){func(cfg *oauth.Config) {
		cfg.ClientID, cfg.RedirectURIs, cfg.ClientKeys = clientID, []string{"https://app.client-host.net/callback"}, keys
	}}, change...)...)
	server.Publish(clientID, client.Metadata())
	return client
}

func TestConfidentialClient(t *testing.T) {
	for name, opts := range map[string][]oauthtest.Option{
		"O65 O66 O67 O68 logs in, calls, refreshes, logs out": nil, "P13 O65 O66 O67 O68 does so where the authorization server is another host": {oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test")},
	} {
		t.Run(name, func(t *testing.T) {
			server := sandbox(t, opts...)
			var mu sync.Mutex
			seen := make(map[string]string) // assertion → path
			client := confidential(t, server, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if values, err := url.ParseQuery(form(req)); err == nil && values.Get("client_assertion") != "" {
					mu.Lock()
					defer mu.Unlock()
					assertion := values.Get("client_assertion")
					if seen[assertion] != "" {
						t.Errorf("an assertion was sent to %s and to %s", seen[assertion], req.URL.Path)
					}
					seen[assertion] = req.URL.Path
				}
				return next()
			}))
			s := login(t, server, client)
			server.RotateNonce() // the refresh is challenged, and sent again
			if err := s.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := call(t.Context(), s); err != nil {
				t.Error(err)
			}
			if err := s.Logout(t.Context()); err != nil {
				t.Error(err)
			}
			// Two of PAR and of the refresh, for want of a nonce; one of the others.
			if len(seen) != 6 {
				t.Errorf("assertions: %v", seen)
			}
		})
	}
	t.Run("P31 O71 works with a clock that is ahead", func(t *testing.T) {
		server := sandbox(t)
		login(t, server, confidential(t, server, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}, withClock(1500*time.Millisecond)))
	})
	t.Run("O15 with keys in a document of their own", func(t *testing.T) {
		server := sandbox(t)
		const keysURI = "https://app.client-host.net/jwks.json"
		client := confidential(t, server, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}, func(cfg *oauth.Config) { cfg.ClientKeysURI = keysURI })
		server.Publish(keysURI, client.KeySet())
		login(t, server, client)
	})
}

// usedKeys remembers which client key token requests were made with.
type usedKeys struct {
	mu   sync.Mutex
	kids []string
}

func (u *usedKeys) record() func(*oauth.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if values, err := url.ParseQuery(form(req)); err == nil && req.URL.Path == tokenPath {
			var header struct {
				ID string `json:"kid"`
			}
			first, _, _ := strings.Cut(values.Get("client_assertion"), ".")
			data, _ := base64.RawURLEncoding.DecodeString(first)
			json.Unmarshal(data, &header)
			u.mu.Lock()
			defer u.mu.Unlock()
			u.kids = append(u.kids, header.ID)
		}
		return next()
	})
}

// last is the kid of the last token request, "" before there was one.
func (u *usedKeys) last() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.kids) == 0 {
		return ""
	}
	return u.kids[len(u.kids)-1]
}

func TestClientKeysAreRotated(t *testing.T) {
	server := sandbox(t)
	kept := new(store.Memory)
	one, two := oauth.ClientKey{ID: "one", Signer: newKey(t, elliptic.P256())}, oauth.ClientKey{ID: "two", Signer: newKey(t, elliptic.P256())}
	used := new(usedKeys)
	before := login(t, server, confidential(t, server, []oauth.ClientKey{one}, withStore(kept)))

	both := confidential(t, server, []oauth.ClientKey{two, one}, withStore(kept), used.record())
	t.Run("P14 O68 an old session goes on with its key", func(t *testing.T) {
		s, err := both.Resume(t.Context(), before.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := used.last(); got != "one" {
			t.Errorf("key used: %q", got)
		}
	})
	t.Run("P14 O70 a new session has the new key", func(t *testing.T) {
		login(t, server, both)
		if got := used.last(); got != "two" {
			t.Errorf("key used: %q", got)
		}
	})
	t.Run("P14 O69 without its key a session is over here, and nothing is sent", func(t *testing.T) {
		used := new(usedKeys)
		s, err := confidential(t, server, []oauth.ClientKey{two}, withStore(kept), used.record()).Resume(t.Context(), before.Key())
		if err != nil {
			t.Fatal(err)
		}
		err = s.Refresh(t.Context())
		wantKind(t, err, oauth.ErrClientKeyGone)
		if !errors.Is(err, oauth.ErrReauthRequired) || used.last() != "" {
			t.Errorf("got %v, key used: %q", err, used.last())
		}
	})
	t.Run("O69 a key that was only forgotten for a while costs no session", func(t *testing.T) {
		s, err := confidential(t, server, []oauth.ClientKey{two, one}, withStore(kept)).Resume(t.Context(), before.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestMetadata(t *testing.T) { // O3–O18
	server := sandbox(t)
	key := newKey(t, elliptic.P256())
	client := confidential(t, server, []oauth.ClientKey{{Signer: key}, {ID: "old", Signer: newKey(t, elliptic.P256())}}, func(cfg *oauth.Config) {
		cfg.Info = oauth.ClientInfo{Name: "An <app>", URI: "https://app.client-host.net/", PolicyURI: "https://elsewhere.net/policy"}
	})
	t.Run("O3 O5 O7 O12 O13 O14 holds what the profile asks for, and nothing more", func(t *testing.T) {
		var got map[string]any
		if err := json.Unmarshal(client.Metadata(), &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "jwks")
		want := map[string]any{
			"client_id": clientID, "client_name": "An <app>", "application_type": "web",
			"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"},
			"redirect_uris": []any{"https://app.client-host.net/callback"}, "scope": "atproto transition:generic",
			"dpop_bound_access_tokens": true, "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
			"client_uri": "https://app.client-host.net/", "policy_uri": "https://elsewhere.net/policy",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O15 keys are published without their private parts, by RFC 7638 thumbprint", func(t *testing.T) {
		if bytes.Contains(client.Metadata(), []byte(`"d":`)) || bytes.Contains(client.KeySet(), []byte(`"d":`)) {
			t.Error("a private key was published")
		}
		set, err := jwk.Parse(client.KeySet())
		if err != nil || set.Len() != 2 {
			t.Fatalf("got %v, %v", set, err)
		}
		published, _ := set.Key(0)
		sum, err := published.Thumbprint(crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		var raw ecdsa.PublicKey
		if err := published.Raw(&raw); err != nil || !raw.Equal(key.Public()) {
			t.Errorf("another key was published: %v", err)
		}
		if want := base64.RawURLEncoding.EncodeToString(sum); published.KeyID() != want {
			t.Errorf("kid %q, want %q", published.KeyID(), want)
		}
	})
	t.Run("O12 O13 a public client says so", func(t *testing.T) {
		public := confidential(t, server, nil)
		if m := string(public.Metadata()); !strings.Contains(m, `"token_endpoint_auth_method": "none"`) || strings.Contains(m, "signing_alg") || strings.Contains(m, "jwks") {
			t.Error(m)
		}
		login(t, server, public)
	})
	t.Run("O10 O17 a native client", func(t *testing.T) {
		native := confidential(t, server, nil, func(cfg *oauth.Config) { cfg.RedirectURIs = []string{"net.client-host.app:/callback"} })
		if m := string(native.Metadata()); !strings.Contains(m, `"application_type": "native"`) {
			t.Error(m)
		}
		login(t, server, native)
	})
}

// A liar is a Signer that does not sign.
type liar struct{ crypto.Signer }

func (liar) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return []byte("signed"), nil }

func TestKeysThatCannotBeUsed(t *testing.T) { // O15, O16, O17, O19
	server := sandbox(t)
	one, other := newKey(t, elliptic.P256()), newKey(t, elliptic.P384())
	published := func(cfg *oauth.Config) {
		cfg.ClientID, cfg.RedirectURIs, cfg.ClientKeys = clientID, []string{"https://app.client-host.net/callback"}, []oauth.ClientKey{{Signer: one}}
	}
	for _, tt := range []struct {
		name   string
		change func(*oauth.Config)
		want   string
	}{
		{"O19 no signer", func(cfg *oauth.Config) { cfg.ClientKeys = []oauth.ClientKey{{}} }, "Config.ClientKeys[0] has no Signer"},
		{"O19 another curve", func(cfg *oauth.Config) { cfg.ClientKeys = []oauth.ClientKey{{Signer: other}} }, "Config.ClientKeys[0] is a public ECDSA key on P-384; ES256 is needed"},
		{"O15 one kid twice", func(cfg *oauth.Config) {
			cfg.ClientKeys = []oauth.ClientKey{{ID: "a", Signer: one}, {ID: "a", Signer: newKey(t, elliptic.P256())}}
		}, `Config.ClientKeys[1] has the ID "a", which ClientKeys[0] has already`},
		{"one key twice", func(cfg *oauth.Config) {
			cfg.ClientKeys = []oauth.ClientKey{{ID: "a", Signer: one}, {ID: "b", Signer: one}}
		}, "Config.ClientKeys[1] is the same key as ClientKeys[0]"},
		{"O17 a native client", func(cfg *oauth.Config) { cfg.RedirectURIs = []string{"net.client-host.app:/cb"} }, "Config.ClientKeys are for web clients"},
		{"a development client", func(cfg *oauth.Config) {
			dev := oauth.Localhost(redirectURI, "")
			cfg.ClientID, cfg.RedirectURIs, cfg.Scope = dev.ClientID, dev.RedirectURIs, dev.Scope
		}, "Config.ClientKeys cannot be used with the development client"},
		{"O15 a place for keys without keys", func(cfg *oauth.Config) {
			cfg.ClientKeys, cfg.ClientKeysURI = nil, "https://app.client-host.net/jwks.json"
		}, "Config.ClientKeysURI is set without ClientKeys"},
		{"O15 keys by http", func(cfg *oauth.Config) { cfg.ClientKeysURI = "http://app.client-host.net/jwks.json" }, "Config.ClientKeysURI"},
		{"O1 a client below a local name", func(cfg *oauth.Config) { cfg.ClientID = "https://app.local/client-metadata.json" }, "Config.ClientID"},
		{"O1 a client of the reserved test domain", func(cfg *oauth.Config) { cfg.ClientID = "https://app.TEST/client-metadata.json" }, "Config.ClientID"},
		{"O1 a client whose name ends in a dot", func(cfg *oauth.Config) { cfg.ClientID = "https://app.com./client-metadata.json" }, "Config.ClientID"},
		{"O9 a redirect below a local name", func(cfg *oauth.Config) { cfg.RedirectURIs = []string{"https://app.local/cb"} }, "Config.RedirectURIs[0]"},
		{"O11 a native client sent back to elsewhere", func(cfg *oauth.Config) {
			cfg.ClientKeys, cfg.RedirectURIs = nil, []string{"net.client-host.app:/cb", "https://elsewhere.net/cb"}
		}, "Config.RedirectURIs[1]"},
		{"O16 a home page elsewhere", func(cfg *oauth.Config) { cfg.Info.URI = "https://elsewhere.net/" }, "Config.Info.URI"},
		{"O16 a logo by http", func(cfg *oauth.Config) { cfg.Info.LogoURI = "http://app.client-host.net/logo.png" }, "Config.Info.LogoURI"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := oauth.Localhost(redirectURI, "atproto")
			published(&cfg)
			tt.change(&cfg)
			_, err := oauth.NewClient(cfg)
			if e := wantKind(t, err, oauth.ErrConfig); !strings.Contains(e.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("a signer that does not sign", func(t *testing.T) {
		client := confidential(t, server, []oauth.ClientKey{{Signer: liar{one}}})
		_, err := client.Authorize(t.Context(), "alice.test")
		wantKind(t, err, oauth.ErrClientKey)
	})
}

// A slice that is given to NewClient stays the caller's.
func TestNewClientCopiesWhatItIsGiven(t *testing.T) {
	key := newKey(t, elliptic.P256())
	cfg := oauth.Config{
		ClientID: clientID, Scope: "atproto",
		RedirectURIs: []string{"https://app.client-host.net/callback"}, ClientKeys: []oauth.ClientKey{{ID: "mine", Signer: key}},
	}
	client, err := oauth.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := string(client.Metadata())
	cfg.RedirectURIs[0], cfg.ClientKeys[0] = "https://elsewhere.example/", oauth.ClientKey{}
	if got := string(client.Metadata()); got != want {
		t.Errorf("the metadata became %s", got)
	}
}

func TestAnEmptySessionKeySaysSo(t *testing.T) {
	client := newClient(t, sandbox(t))
	_, err := client.Resume(t.Context(), oauth.SessionKey{})
	if wantKind(t, err, oauth.ErrSessionUnknown); !strings.Contains(err.Error(), "it is empty: use the Key of a Session") {
		t.Errorf("got %v", err)
	}
}

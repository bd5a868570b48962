package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

const clientHost = "https://app.realpds-client.net"

// TestClients logs in as clients whose metadata is published.
func TestClients(t *testing.T) {
	server := realpds.Start(t)
	alice := server.Environment().Account("alice")
	kept := new(store.Memory)
	publishWith := func(t *testing.T, path string, change func(*oauth.Config), keys ...oauth.ClientKey) *oauth.Client {
		t.Helper()
		client := scenario.NewClient(t, server, func(cfg *oauth.Config) {
			cfg.ClientID, cfg.RedirectURIs, cfg.ClientKeys = clientHost+path, []string{clientHost + "/callback"}, keys
			cfg.Info = oauth.ClientInfo{Name: "A client", URI: clientHost}
			cfg.Store, cfg.Seal = kept, seal.Keys(bytes.Repeat([]byte{7}, 32))
			change(cfg)
		})
		if err := server.Publish(t.Context(), clientHost+path, client.Metadata()); err != nil {
			t.Fatal(err)
		}
		if err := server.ClearClientCache(t.Context()); err != nil {
			t.Fatal(err)
		}
		return client
	}
	publish := func(t *testing.T, path string, keys ...oauth.ClientKey) *oauth.Client {
		t.Helper()
		return publishWith(t, path, func(*oauth.Config) {}, keys...)
	}
	newKey := func(id string) oauth.ClientKey {
		signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return oauth.ClientKey{ID: id, Signer: signer}
	}
	works := func(t *testing.T, s *oauth.Session) {
		t.Helper()
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		out, err := comatproto.NewClient(s).Server.GetSession(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if out.DID != alice.DID {
			t.Errorf("session of %s", out.DID)
		}
	}

	t.Run("O72 a public client", func(t *testing.T) {
		s := scenario.Login(t, server, publish(t, "/public.json"), alice)
		works(t, s)
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
	})

	t.Run("O10 O22 O50 a native client on a port of its choice", func(t *testing.T) {
		native := publishWith(t, "/native.json", func(cfg *oauth.Config) {
			cfg.RedirectURIs = []string{"http://127.0.0.1/callback"}
		})
		const redirect = "http://127.0.0.1:43211/callback"
		login, err := native.Authorize(t.Context(), string(alice.Handle), oauth.WithRedirectURI(redirect))
		if err != nil {
			t.Fatal(err)
		}
		callback, err := server.Approve(t.Context(), login.URL, alice)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(callback.String(), redirect+"?") {
			t.Errorf("sent back to %s", callback)
		}
		result, err := native.Callback(t.Context(), callback.Query(), login.Binding)
		if err != nil {
			t.Fatal(err)
		}
		works(t, result.Session)
	})

	const path = "/confidential.json"
	one, two := newKey("one"), newKey("two")
	var before *oauth.Session
	t.Run("O65 O66 O67 a confidential client", func(t *testing.T) {
		before = scenario.Login(t, server, publish(t, path, one), alice)
		works(t, before)
	})
	if before == nil {
		return
	}
	t.Run("P14 O68 O70 a new key leaves old sessions alive", func(t *testing.T) {
		client := publish(t, path, two, one)
		old, err := client.Resume(t.Context(), before.Key())
		if err != nil {
			t.Fatal(err)
		}
		works(t, old)
		s := scenario.Login(t, server, client, alice)
		works(t, s)
		works(t, old) // P11 and the second login left it alone
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if err := comatprotoCall(t, s); err == nil {
			t.Error("a session that was logged out goes on")
		}
	})
	t.Run("O69 without its key a session is over", func(t *testing.T) {
		s, err := publish(t, path, two).Resume(t.Context(), before.Key())
		if err != nil {
			t.Fatal(err)
		}
		wantReauth(t, s.Refresh(t.Context()), oauth.ErrClientKeyGone)
	})
	t.Run("O70 a key is published before its time, and used from then on", func(t *testing.T) {
		next := newKey("next")
		next.NotBefore = time.Now().Add(time.Minute)
		client := publish(t, path, next, two)
		if !bytes.Contains(client.Metadata(), []byte(`"next"`)) {
			t.Error("it is not published")
		}
		works(t, scenario.Login(t, server, client, alice))
	})
	t.Run("O15 keys in a document of their own", func(t *testing.T) {
		const path, keysURI = "/with-key-set.json", clientHost + "/jwks.json"
		client := scenario.NewClient(t, server, func(cfg *oauth.Config) {
			cfg.ClientID, cfg.RedirectURIs, cfg.ClientKeys = clientHost+path, []string{clientHost + "/callback"}, []oauth.ClientKey{two}
			cfg.ClientKeysURI = keysURI
		})
		for target, document := range map[string][]byte{clientHost + path: client.Metadata(), keysURI: client.KeySet()} {
			if err := server.Publish(t.Context(), target, document); err != nil {
				t.Fatal(err)
			}
		}
		works(t, scenario.Login(t, server, client, alice))
	})
	for name, ahead := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour, "a little ahead": 30 * time.Second} {
		t.Run("O71 O92 P31 by a clock that is "+name, func(t *testing.T) {
			shifted := func(cfg *oauth.Config) { cfg.Clock = func() time.Time { return time.Now().Add(ahead) } }
			wrong := publishWith(t, path, shifted, two)
			_, err := wrong.Authorize(t.Context(), string(alice.Handle))
			if e, ok := errors.AsType[*oauth.Error](err); !ok || e.ClockOffset.Round(10*time.Second) != -ahead {
				t.Errorf("not corrected, it got %v", err)
			}
			correct := func(cfg *oauth.Config) { shifted(cfg); cfg.CorrectClock = true }
			s := scenario.Login(t, server, publishWith(t, path, correct, two), alice)
			works(t, s)
			// A process that has not heard of the time yet is refused once, and then knows.
			before, err := server.TokenRequests(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			again, err := publishWith(t, path, correct, two).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			works(t, again)
			after, err := server.TokenRequests(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n := after["refresh_token"] - before["refresh_token"]; n < 1 || n > 2 {
				t.Errorf("%d refreshes", n)
			}
		})
	}
}

// TestLoginByServer begins at a server, where the user chooses the account.
func TestLoginByServer(t *testing.T) {
	server := realpds.Start(t)
	env := server.Environment()
	bob := env.Account("bob")
	client := scenario.NewClient(t, server, func(cfg *oauth.Config) { cfg.DefaultServer = env.PDS })
	t.Run("O25 O43 whoever signs in", func(t *testing.T) {
		login, err := client.Authorize(t.Context(), "", oauth.WithPrompt("select_account"))
		if err != nil {
			t.Fatal(err)
		}
		callback, err := server.Approve(t.Context(), login.URL, bob)
		if err != nil {
			t.Fatal(err)
		}
		result, err := client.Callback(t.Context(), callback.Query(), login.Binding)
		if err != nil {
			t.Fatal(err)
		}
		if s := result.Session; s.DID() != bob.DID || s.Handle() != bob.Handle {
			t.Errorf("got %s, %s", s.DID(), s.Handle())
		}
		if err := comatprotoCall(t, result.Session); err != nil {
			t.Error(err)
		}
	})
	t.Run("O76 P23 but not bob where alice was asked for", func(t *testing.T) {
		login, err := client.Authorize(t.Context(), string(env.Account("alice").Handle))
		if err != nil {
			t.Fatal(err)
		}
		callback, err := server.Approve(t.Context(), login.URL, bob)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Callback(t.Context(), callback.Query(), login.Binding); !errors.Is(err, oauth.ErrAccountMismatch) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("O60 refused consent", func(t *testing.T) {
		login, err := client.Authorize(t.Context(), env.PDS, oauth.WithAppState("page 7"))
		if err != nil {
			t.Fatal(err)
		}
		callback, err := server.Deny(t.Context(), login.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Callback(t.Context(), callback.Query(), login.Binding)
		if e, ok := errors.AsType[*oauth.Error](err); !ok || !errors.Is(err, oauth.ErrAccessDenied) || e.AppState != "page 7" {
			t.Errorf("got %v", err)
		}
	})
}

func comatprotoCall(t *testing.T, s *oauth.Session) error {
	t.Helper()
	_, err := comatproto.NewClient(s).Server.GetSession(t.Context())
	return err
}

func wantReauth(t *testing.T, err error, kind oauth.Kind) {
	t.Helper()
	if !errors.Is(err, kind) || !errors.Is(err, oauth.ErrReauthRequired) {
		t.Errorf("got %v, want %q", err, kind)
	}
}

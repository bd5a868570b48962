package oauth_test

import (
	"crypto/elliptic"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// published returns the kids of a key set.
func published(tb testing.TB, client *oauth.Client) (kids []string) {
	tb.Helper()
	set, err := jwk.Parse(client.KeySet())
	if err != nil {
		tb.Fatal(err)
	}
	for i := range set.Len() {
		key, _ := set.Key(i)
		kids = append(kids, key.KeyID())
	}
	return kids
}

func TestKeysHaveTimes(t *testing.T) {
	start := time.Now()
	key := func(id string, change func(*oauth.ClientKey)) oauth.ClientKey {
		k := oauth.ClientKey{ID: id, Signer: newKey(t, elliptic.P256())}
		if change != nil {
			change(&k)
		}
		return k
	}
	keys := []oauth.ClientKey{
		key("revoked", func(k *oauth.ClientKey) { k.Revoked = true }),
		key("expired", func(k *oauth.ClientKey) { k.Expires = start.Add(-time.Second) }),
		key("next", func(k *oauth.ClientKey) { k.NotBefore = start.Add(time.Hour) }),
		key("now", func(k *oauth.ClientKey) { k.Expires = start.Add(2 * time.Hour) }),
	}
	clock := new(movableClock)
	server := sandbox(t, oauthtest.WithClock(clock.now))
	used := new(usedKeys)
	client := confidential(t, server, keys, clock.configure, used.record())
	first := login(t, server, client)

	t.Run("O70 a key is published before its time and not after it", func(t *testing.T) {
		if diff := cmp.Diff([]string{"next", "now"}, published(t, client)); diff != "" {
			t.Error(diff)
		}
		if m := string(client.Metadata()); strings.Contains(m, `"revoked"`) || strings.Contains(m, `"expired"`) || !strings.Contains(m, `"next"`) {
			t.Error(m)
		}
	})
	t.Run("O70 a login uses the first key whose time has come", func(t *testing.T) {
		defer clock.setAhead(0)
		for ahead, want := range map[time.Duration]string{0: "now", time.Hour + time.Second: "next"} {
			clock.setAhead(ahead)
			login(t, server, client)
			if got := used.last(); got != want {
				t.Errorf("after %s: key %q, want %q", ahead, got, want)
			}
		}
	})
	t.Run("O69 O70 with its key expired a session is over, and nothing is sent", func(t *testing.T) {
		clock.setAhead(2 * time.Hour)
		defer clock.setAhead(0)
		before := server.Stats().Requests[tokenPath]
		wantKind(t, first.Refresh(t.Context()), oauth.ErrClientKeyGone)
		if n := server.Stats().Requests[tokenPath]; n != before {
			t.Errorf("%d token requests", n-before)
		}
	})
	t.Run("O70 a login without a valid key is refused before anything is sent", func(t *testing.T) {
		single := confidential(t, server, []oauth.ClientKey{keys[3]}, clock.configure)
		clock.setAhead(3 * time.Hour)
		defer clock.setAhead(0)
		before := server.Stats().Requests["/oauth/par"]
		_, err := single.Authorize(t.Context(), "alice.test")
		wantKind(t, err, oauth.ErrClientKey)
		if n := server.Stats().Requests["/oauth/par"]; n != before {
			t.Errorf("%d requests", n-before)
		}
		if got := published(t, single); len(got) != 0 {
			t.Errorf("still published: %v", got)
		}
	})
	for name, only := range map[string]oauth.ClientKey{"revoked": keys[0], "expired": keys[1], "not valid yet": keys[2]} {
		t.Run("O19 O70 a client whose only key is "+name, func(t *testing.T) {
			cfg := oauth.Localhost(redirectURI, "atproto")
			cfg.ClientID, cfg.RedirectURIs, cfg.ClientKeys = clientID, []string{"https://app.client-host.net/callback"}, []oauth.ClientKey{only}
			_, err := oauth.NewClient(cfg)
			if e := wantKind(t, err, oauth.ErrConfig); !strings.Contains(e.Error(), "Config.ClientKeys") {
				t.Error(err)
			}
		})
	}
}

func TestParseClientKeysReadsTimes(t *testing.T) {
	private := jwkOf(t, newKey(t, elliptic.P256()), "k")
	with := func(members string) string { return strings.TrimSuffix(private, "}") + "," + members + "}" }
	for _, tt := range []struct {
		name, members string
		want          oauth.ClientKey
		err           string
	}{
		{"O70 nbf and exp", `"nbf":1700000000,"exp":1800000000.9`, oauth.ClientKey{NotBefore: time.Unix(1700000000, 0), Expires: time.Unix(1800000000, 0)}, ""},
		{"O70 revoked", `"revoked":{"revoked_at":1700000000,"reason":"compromised"}`, oauth.ClientKey{Revoked: true}, ""},
		{"O70 just revoked", `"revoked":true`, oauth.ClientKey{Revoked: true}, ""},
		{"not revoked", `"revoked":false`, oauth.ClientKey{}, ""},
		{"no word about it", `"revoked":null`, oauth.ClientKey{}, ""},
		{"a time in words", `"exp":"tomorrow"`, oauth.ClientKey{}, "JWK 1: exp is not a time in seconds"},
		{"a time before time", `"nbf":-1`, oauth.ClientKey{}, "JWK 1: nbf is not a time in seconds"},
		{"a time beyond all time", `"exp":1e300`, oauth.ClientKey{}, "JWK 1: exp is not a time in seconds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := oauth.ParseClientKeys([]byte(with(tt.members)))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || len(keys) != 1 {
				t.Fatal(fmt.Sprint(keys, err))
			}
			got := keys[0]
			got.ID, got.Signer = "", nil
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSessionsPerClientKey(t *testing.T) {
	server := sandbox(t)
	kept := new(store.Memory)
	one, two := oauth.ClientKey{ID: "one", Signer: newKey(t, elliptic.P256())}, oauth.ClientKey{ID: "two", Signer: newKey(t, elliptic.P256())}
	first := confidential(t, server, []oauth.ClientKey{one}, withStore(kept))
	old := login(t, server, first)
	login(t, server, first)
	both := confidential(t, server, []oauth.ClientKey{two, one}, withStore(kept))
	login(t, server, both)
	login(t, server, newClient(t, server, withStore(kept))) // another client's
	check := func(t *testing.T, want map[string]int) {
		t.Helper()
		got, err := both.SessionsPerClientKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	t.Run("O70 tells which key is still needed", func(t *testing.T) { check(t, map[string]int{"one": 2, "two": 1}) })
	if err := old.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Run("O70 and when it is not", func(t *testing.T) { check(t, map[string]int{"one": 1, "two": 1}) })
	t.Run("O70 says which session it could not read", func(t *testing.T) {
		other := confidential(t, server, []oauth.ClientKey{one}, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(make([]byte, 32)) })
		_, err := other.SessionsPerClientKey(t.Context())
		wantKind(t, err, oauth.ErrSealed)
	})
}

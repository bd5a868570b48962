package oauth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A downStore fails for as long as it is down.
type downStore struct {
	store.Store
	down atomic.Bool
}

func (s *downStore) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	if s.down.Load() {
		return nil, errDown
	}
	return s.Store.Get(ctx, key)
}

func (s *downStore) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.Delete(ctx, key, revision)
}

// spellings returns other texts for the bytes of sealed, as far as base64 is not read
// strictly. There are none where its length leaves no bit over.
func spellings(sealed string) (others []string) {
	want, err := base64.RawURLEncoding.DecodeString(sealed)
	for c := 'A'; c <= 'z' && err == nil; c++ {
		other := sealed[:len(sealed)-1] + string(c)
		if got, err := base64.RawURLEncoding.DecodeString(other); err == nil && bytes.Equal(got, want) && other != sealed {
			others = append(others, other)
		}
	}
	return others
}

func TestSealedSessionKeys(t *testing.T) {
	server := sandbox(t)
	kept := new(store.Memory)
	key := oauth.SessionKey{DID: "did:plc:zzzzzzzzzzzzzzzzzzzzzzzz", ID: "one"}
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	client := func(sealing *seal.Seal, change ...func(*oauth.Config)) *oauth.Client {
		return newClient(t, server, append(change, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, sealing })...)
	}
	sealing := func(c *oauth.Client) string {
		t.Helper()
		sealed, err := c.SealSessionKey(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	opens := func(c *oauth.Client, sealed string) bool {
		t.Helper()
		got, err := c.OpenSessionKey(t.Context(), sealed)
		if err != nil {
			wantKind(t, err, oauth.ErrSessionUnknown)
			wantKind(t, err, oauth.ErrReauthRequired)
			return false
		}
		if got != key {
			t.Errorf("opened %v", got)
		}
		return true
	}
	otherClient := func(cfg *oauth.Config) {
		other := oauth.Localhost("http://127.0.0.1:8765/elsewhere", "atproto")
		cfg.ClientID, cfg.RedirectURIs, cfg.Scope = other.ClientID, other.RedirectURIs, other.Scope
	}
	sealed := sealing(client(seal.Keys(one)))
	for _, tt := range []struct {
		name string
		c    *oauth.Client
		want bool
	}{
		{"another process with the same key", client(seal.Keys(one)), true},
		{"a key that came in front", client(seal.Keys(two, one)), true},
		{"another key", client(seal.Keys(two)), false},
		{"another client", client(seal.Keys(one), otherClient), false},
		{"a client that seals nothing", client(seal.Plaintext()), false},
	} {
		t.Run("O119 "+tt.name, func(t *testing.T) {
			if got := opens(tt.c, sealed); got != tt.want {
				t.Errorf("opens: %t", got)
			}
		})
	}
	t.Run("O120 it tells nothing", func(t *testing.T) {
		raw, err := base64.RawURLEncoding.DecodeString(sealed)
		if err != nil || bytes.Contains(raw, []byte("zzzz")) || sealing(client(seal.Keys(one))) == sealed {
			t.Errorf("%q, %v", raw, err)
		}
	})
	t.Run("O120 one that was changed, or is no sealing at all, is refused", func(t *testing.T) {
		c := client(seal.Keys(one).AlsoOpening(seal.Plaintext()))
		raw, _ := base64.RawURLEncoding.DecodeString(sealed)
		forged := []string{"", "=", sealed + "=", base64.RawURLEncoding.EncodeToString([]byte("\x00[\"did:plc:x\",\"one\"]"))}
		for i := range raw {
			raw[i] ^= 1
			forged = append(forged, base64.RawURLEncoding.EncodeToString(raw))
			raw[i] ^= 1
		}
		for _, f := range forged {
			if opens(c, f) {
				t.Errorf("%q opens", f)
			}
		}
		if !opens(c, sealed) {
			t.Error("the right one does not open")
		}
	})
	t.Run("O120 it has one spelling", func(t *testing.T) {
		c, tried := client(seal.Keys(one)), 0
		for _, id := range []string{"a", "ab", "abc"} {
			sealed, err := c.SealSessionKey(t.Context(), oauth.SessionKey{DID: key.DID, ID: id})
			if err != nil {
				t.Fatal(err)
			}
			for _, other := range spellings(sealed) {
				tried++
				if opens(c, other) {
					t.Errorf("%q opens as well as %q", other, sealed)
				}
			}
		}
		if tried == 0 {
			t.Error("no spelling was tried")
		}
	})
	t.Run("O120 a sealed record is no session key", func(t *testing.T) {
		s := login(t, server, newClient(t, server, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(one) }))
		r, err := kept.Get(t.Context(), store.RecordKey{Kind: store.RecordSession, DID: s.DID(), ID: s.Key().ID})
		if err != nil {
			t.Fatal(err)
		}
		if opens(client(seal.Keys(one)), base64.RawURLEncoding.EncodeToString(r.Data)) {
			t.Error("it opens")
		}
	})
	t.Run("O120 without a seal, a key lasts as long as its client", func(t *testing.T) {
		for _, c := range []*oauth.Client{newClient(t, server), client(seal.Plaintext()), client(seal.Plaintext().AlsoOpening(seal.Keys(one)))} {
			mine := sealing(c)
			if !opens(c, mine) || opens(newClient(t, server), mine) || opens(client(seal.Plaintext()), mine) {
				t.Error("wrong")
			}
		}
	})
	t.Run("the key of a passphrase needs the store", func(t *testing.T) {
		down := &downStore{Store: new(store.Memory)}
		down.down.Store(true)
		c := newClient(t, server, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = down, seal.Passphrase("a long passphrase") })
		_, err := c.SealSessionKey(t.Context(), key)
		wantKind(t, err, oauth.ErrStore)
		_, err = c.OpenSessionKey(t.Context(), sealed)
		wantKind(t, err, oauth.ErrStore)
		down.down.Store(false)
		if !opens(c, sealing(c)) {
			t.Error("it does not open afterwards")
		}
	})
}

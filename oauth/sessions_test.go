package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestKeysAreRotatedWhileSessionsAreInUse(t *testing.T) {
	t.Run("O120 with both keys nothing is lost, and after Reseal the old one can go", func(t *testing.T) {
		server := sandbox(t)
		store := new(oauth.MemoryStore)
		old, fresh := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		before := newClient(t, server, sealing(store, oauth.SealKeys(old)))
		used, unused := login(t, server, before), login(t, server, before)

		both := newClient(t, server, sealing(store, oauth.SealKeys(fresh, old)))
		resumed, err := both.Resume(t.Context(), used.Key())
		if err != nil {
			t.Fatal(err)
		}
		after := newClient(t, server, sealing(store, oauth.SealKeys(fresh)))
		if _, err := after.Resume(t.Context(), used.Key()); err != nil {
			t.Errorf("what was resumed is not sealed anew: %v", err)
		}
		_, err = after.Resume(t.Context(), unused.Key())
		wantKind(t, err, oauth.ErrSealed)

		// The session goes on in the process that sealed it anew, and in the one that has
		// only the old key until it reads the record.
		if err := resumed.Refresh(t.Context()); err != nil {
			t.Errorf("with both keys: %v", err)
		}
		if n, err := both.Reseal(t.Context()); n != 1 || err != nil {
			t.Errorf("Reseal: %d, %v; want 1", n, err)
		}
		if n, err := both.Reseal(t.Context()); n != 0 || err != nil {
			t.Errorf("once more: %d, %v; want 0", n, err)
		}
		if _, err := after.Resume(t.Context(), unused.Key()); err != nil {
			t.Errorf("after Reseal: %v", err)
		}
		// A process that was not given the new key says so, and nothing is lost.
		wantKind(t, unused.Refresh(t.Context()), oauth.ErrSealed)
		if err := call(t.Context(), unused); err != nil {
			t.Errorf("with the tokens it has: %v", err)
		}
		if n, err := before.Reseal(t.Context()); n != 0 || !errors.Is(err, oauth.ErrSealed) {
			t.Errorf("Reseal without the new key: %d, %v", n, err)
		}
	})
}

// A session that is sealed anew in the midst of a refresh loses nothing.
func TestResealDuringARefresh(t *testing.T) {
	t.Run("O105 O120 neither undoes the other", func(t *testing.T) {
		server := sandbox(t)
		shared := new(oauth.MemoryStore)
		old, fresh := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		for at := 1; at <= 2; at++ {
			store := &flakyStore{Store: shared}
			s := login(t, server, newClient(t, server, sealing(store, oauth.SealKeys(old, fresh))))
			other := newClient(t, server, sealing(shared, oauth.SealKeys(fresh, old)))
			server.ResetStats()
			store.from(func(n int, _ *oauth.Record) error {
				if n != at {
					return nil
				}
				if n, err := other.Reseal(t.Context()); n == 0 || err != nil {
					t.Errorf("Reseal: %d, %v", n, err)
				}
				return nil
			}, nil)
			if err := s.Refresh(t.Context()); err != nil {
				t.Errorf("write %d: %v", at, err)
			}
			if n := server.Stats().Grants["refresh_token"]; n != 1 {
				t.Errorf("write %d: %d refreshes", at, n)
			}
			resumed, err := other.Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			if err := call(t.Context(), resumed); err != nil {
				t.Errorf("write %d: from the store: %v", at, err)
			}
		}
	})
}

func TestSessionsAndPurge(t *testing.T) {
	t.Run("O117 O119 an account lists its own, and what is too old goes", func(t *testing.T) {
		server := sandbox(t)
		store := new(oauth.MemoryStore)
		client := newClient(t, server, withStore(store))
		first, second := login(t, server, client), login(t, server, client)
		want := map[oauth.SessionKey]bool{first.Key(): true, second.Key(): true}
		for _, did := range []syntax.DID{first.DID(), ""} {
			got := make(map[oauth.SessionKey]bool)
			for key, err := range client.Sessions(t.Context(), did) {
				if err != nil {
					t.Fatal(err)
				}
				got[key] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("sessions of %q (-want +got):\n%s", did, diff)
			}
		}
		for key := range client.Sessions(t.Context(), server.Environment().Account("bob").DID) {
			t.Errorf("bob has session %v", key)
		}

		if _, err := client.Authorize(t.Context(), "alice.test"); err != nil {
			t.Fatal(err)
		}
		purge := func(at time.Duration, want int) {
			t.Helper()
			if n, err := newClient(t, server, withStore(store), withClock(at)).Purge(t.Context()); n != want || err != nil {
				t.Errorf("purged %d after %v, %v; want %d", n, at, err, want)
			}
		}
		purge(59*time.Minute, 0)
		purge(61*time.Minute, 1)
		purge(13*24*time.Hour, 0)
		purge(15*24*time.Hour, 2)
	})
}

func TestStoreFailuresOfListAndPurgeAreTyped(t *testing.T) {
	server := sandbox(t)
	client := newClient(t, server, withStore(listless{new(oauth.MemoryStore)}))
	yielded := 0
	for _, err := range client.Sessions(t.Context(), "") {
		yielded++
		wantKind(t, err, oauth.ErrStore)
	}
	if yielded != 1 {
		t.Errorf("%d errors", yielded)
	}
	_, err := client.Purge(t.Context())
	wantKind(t, err, oauth.ErrStore)
	_, err = client.Reseal(t.Context())
	wantKind(t, err, oauth.ErrStore)
}

// listless is a store whose lists and purges fail.
type listless struct{ *oauth.MemoryStore }

func (listless) List(context.Context, oauth.RecordKind, syntax.DID) iter.Seq2[oauth.RecordKey, error] {
	return func(yield func(oauth.RecordKey, error) bool) { yield(oauth.RecordKey{}, errDown) }
}

func (listless) Purge(context.Context, time.Time) (int, error) { return 0, errDown }

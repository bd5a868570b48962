package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestKeysAreRotatedWhileSessionsAreInUse(t *testing.T) {
	t.Run("O120 with both keys nothing is lost, and after Reseal the old one can go", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		old, fresh := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		before := newClient(t, server, sealing(kept, seal.Keys(old)))
		used, unused := login(t, server, before), login(t, server, before)

		both := newClient(t, server, sealing(kept, seal.Keys(fresh, old)))
		resumed, err := both.Resume(t.Context(), used.Key())
		if err != nil {
			t.Fatal(err)
		}
		after := newClient(t, server, sealing(kept, seal.Keys(fresh)))
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
		shared := new(store.Memory)
		old, fresh := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		for at := 1; at <= 2; at++ {
			kept := &flakyStore{Store: shared}
			s := login(t, server, newClient(t, server, sealing(kept, seal.Keys(old, fresh))))
			other := newClient(t, server, sealing(shared, seal.Keys(fresh, old)))
			server.ResetStats()
			kept.from(func(n int, _ *store.Record) error {
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
		clock := new(movableClock)
		kept := &store.Memory{Clock: clock.now}
		client := newClient(t, server, withStore(kept))
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
			clock.setAhead(at)
			if n, err := client.Purge(t.Context()); n != want || err != nil {
				t.Errorf("purged %d after %v, %v; want %d", n, at, err, want)
			}
		}
		purge(59*time.Minute, 0)
		purge(61*time.Minute, 1)
		purge(100*day-time.Minute, 0)
		purge(100*day+time.Minute, 2)
	})
}

func TestStoreFailuresOfListAndPurgeAreTyped(t *testing.T) {
	server := sandbox(t)
	client := newClient(t, server, withStore(listless{new(store.Memory)}))
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
type listless struct{ *store.Memory }

func (listless) List(context.Context, store.RecordKind, syntax.DID) iter.Seq2[store.RecordKey, error] {
	return func(yield func(store.RecordKey, error) bool) { yield(store.RecordKey{}, errDown) }
}

func (listless) Scan(context.Context, store.RecordKind, string, int) ([]*store.Record, string, error) {
	return nil, "", errDown
}

func (listless) Purge(context.Context) (int, error) { return 0, errDown }

// resealing logs n sessions in, under an old key, and returns the store, and a client that
// has a new key beside it.
func resealing(t *testing.T, n int, wrap func(store.Store) store.Store) (kept *store.Memory, both, after *oauth.Client) {
	t.Helper()
	server := sandbox(t)
	kept = new(store.Memory)
	old, fresh := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	before := newClient(t, server, sealing(kept, seal.Keys(old)))
	for range n {
		login(t, server, before)
	}
	both = newClient(t, server, sealing(wrap(kept), seal.Keys(fresh, old)))
	after = newClient(t, server, sealing(kept, seal.Keys(fresh)))
	return kept, both, after
}

// opened counts the sessions in the store that a client can open.
func opened(t *testing.T, client *oauth.Client) (n int) {
	t.Helper()
	for key, err := range client.Sessions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Resume(t.Context(), key); err == nil {
			n++
		}
	}
	return n
}

// A putStore is a store that a test may fail the writes of. It is no Scanner; with pages it
// is one.
type putStore struct {
	store.Store
	mu  sync.Mutex
	n   int
	put func(n int, r *store.Record) error
}

func (s *putStore) Put(ctx context.Context, r *store.Record) error {
	s.mu.Lock()
	s.n++
	n := s.n
	s.mu.Unlock()
	if err := s.put(n, r); err != nil {
		return err
	}
	return s.Store.Put(ctx, r)
}

// pages fails a page now and then, and makes small ones.
type pages struct {
	*putStore
	scans atomic.Int32
	after []string
	fail  func(n int32) error
}

func (s *pages) Scan(ctx context.Context, kind store.RecordKind, after string, _ int) ([]*store.Record, string, error) {
	if err := s.fail(s.scans.Add(1)); err != nil {
		return nil, "", err
	}
	s.after = append(s.after, after)
	return s.Store.(store.Scanner).Scan(ctx, kind, after, 3)
}

func TestResealDoesAllOfItsWorkOrSaysSo(t *testing.T) {
	good := func(int, *store.Record) error { return nil }
	t.Run("P101 over a store whose writes fail now and then", func(t *testing.T) {
		_, both, after := resealing(t, 10, func(kept store.Store) store.Store {
			var mu sync.Mutex
			writes := make(map[store.RecordKey]int)
			return &putStore{Store: kept, put: func(_ int, r *store.Record) error {
				mu.Lock()
				defer mu.Unlock()
				if writes[r.Key]++; writes[r.Key] <= 2 {
					return errDown
				}
				return nil
			}}
		})
		if n, err := both.Reseal(t.Context()); n != 10 || err != nil {
			t.Errorf("resealed %d of 10, %v", n, err)
		}
		if n := opened(t, after); n != 10 {
			t.Errorf("without the old key %d of 10 can be opened", n)
		}
	})
	t.Run("P101 over a store that does not take some of them", func(t *testing.T) {
		var refused atomic.Pointer[store.RecordKey]
		_, both, after := resealing(t, 6, func(kept store.Store) store.Store {
			return &putStore{Store: kept, put: func(_ int, r *store.Record) error {
				refused.CompareAndSwap(nil, &r.Key)
				if r.Key == *refused.Load() {
					return errDown
				}
				return nil
			}}
		})
		n, err := both.Reseal(t.Context())
		if n != 5 {
			t.Errorf("resealed %d; want 5", n)
		}
		wantKind(t, err, oauth.ErrStore)
		if !strings.Contains(err.Error(), "1 sessions failed") || !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
		if n := opened(t, after); n != 5 {
			t.Errorf("without the old key %d can be opened", n)
		}
	})
	t.Run("P101 over a store that is down it stops and says so", func(t *testing.T) {
		down := &putStore{put: func(int, *store.Record) error { return errDown }}
		_, both, _ := resealing(t, 60, func(kept store.Store) store.Store { down.Store = kept; return down })
		n, err := both.Reseal(t.Context())
		wantKind(t, err, oauth.ErrStore)
		if n != 0 || !strings.Contains(err.Error(), "not all were reached") {
			t.Errorf("resealed %d, %v", n, err)
		}
		down.mu.Lock() // a write that was under way may still count itself
		defer down.mu.Unlock()
		if down.n >= 60*8 {
			t.Errorf("%d writes to a store that is down", down.n)
		}
	})
	t.Run("P101 while a process without the new key writes", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		old, fresh := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
		used := login(t, server, newClient(t, server, sealing(kept, seal.Keys(old))))
		flaky := &putStore{Store: kept, put: func(n int, _ *store.Record) error {
			if n == 1 {
				return used.Refresh(t.Context())
			}
			return nil
		}}
		both := newClient(t, server, sealing(flaky, seal.Keys(fresh, old)))
		if n, err := both.Reseal(t.Context()); n != 1 || err != nil {
			t.Errorf("resealed %d, %v", n, err)
		}
		if n := opened(t, newClient(t, server, sealing(kept, seal.Keys(fresh)))); n != 1 {
			t.Error("it is sealed by the old key again, and nobody said so")
		}
	})
	t.Run("P109 by pages, from where a page could not be read", func(t *testing.T) {
		var paged *pages
		_, both, after := resealing(t, 10, func(kept store.Store) store.Store {
			paged = &pages{putStore: &putStore{Store: kept, put: good}, fail: func(n int32) error {
				if n == 2 || n == 4 || n == 5 {
					return errDown
				}
				return nil
			}}
			return paged
		})
		if n, err := both.Reseal(t.Context()); n != 10 || err != nil {
			t.Errorf("resealed %d of 10, %v", n, err)
		}
		if n := opened(t, after); n != 10 {
			t.Errorf("without the old key %d of 10 can be opened", n)
		}
		if slices.Sort(paged.after); len(paged.after) != 4 || len(slices.Compact(paged.after)) != 4 {
			t.Errorf("pages were read after %q", paged.after)
		}
	})
	t.Run("P109 a page that cannot be read is an error", func(t *testing.T) {
		_, both, _ := resealing(t, 10, func(kept store.Store) store.Store {
			return &pages{putStore: &putStore{Store: kept, put: good}, fail: func(n int32) error {
				if n > 2 {
					return errDown
				}
				return nil
			}}
		})
		n, err := both.Reseal(t.Context())
		wantKind(t, err, oauth.ErrStore)
		if n != 6 || !errors.Is(err, errDown) || !strings.Contains(err.Error(), "not all") {
			t.Errorf("resealed %d, %v", n, err)
		}
		if _, err := both.SessionsPerClientKey(t.Context()); !errors.Is(err, oauth.ErrStore) {
			t.Errorf("counted: %v", err)
		}
	})
	t.Run("P109 sessions are read and written several at a time", func(t *testing.T) {
		var waiting atomic.Int32
		together := make(chan struct{})
		_, both, _ := resealing(t, 8, func(kept store.Store) store.Store {
			return &putStore{Store: kept, put: func(int, *store.Record) error {
				if waiting.Add(1) == 8 {
					close(together)
				}
				select {
				case <-together:
					return nil
				case <-time.After(5 * time.Second):
					return errDown
				}
			}}
		})
		if n, err := both.Reseal(t.Context()); n != 8 || err != nil || waiting.Load() != 8 {
			t.Errorf("resealed %d, %v, with %d writes", n, err, waiting.Load())
		}
	})
	t.Run("P101 a context that ends is no success", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		_, both, _ := resealing(t, 20, func(kept store.Store) store.Store {
			return &putStore{Store: kept, put: func(int, *store.Record) error { cancel(); return ctx.Err() }}
		})
		_, err := both.Reseal(ctx)
		wantKind(t, err, oauth.ErrStore)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

package oauth_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A hangingStore counts reads. While it hangs, they wait for goOn and for nothing else.
type hangingStore struct {
	store.Memory
	reads atomic.Int32
	hangs atomic.Bool
	goOn  chan struct{}
}

func (s *hangingStore) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	s.reads.Add(1)
	if s.hangs.Load() {
		<-s.goOn
	}
	return s.Memory.Get(ctx, key)
}

// A panicking store is a store with a fault in every method.
type panicking struct{ store.Memory }

func (*panicking) Get(context.Context, store.RecordKey) (*store.Record, error) { panic("get") }
func (*panicking) Put(context.Context, *store.Record) error                    { panic("put") }
func (*panicking) Delete(context.Context, store.RecordKey, uint64) error       { panic("delete") }
func (*panicking) Purge(context.Context) (int, error)                          { panic("purge") }
func (*panicking) List(context.Context, store.RecordKind, syntax.DID) iter.Seq2[store.RecordKey, error] {
	return func(yield func(store.RecordKey, error) bool) {
		if yield(store.RecordKey{DID: "did:plc:ewvi7nxzyoun6zhxrhs64oiz", ID: "first"}, nil) {
			panic("list")
		}
	}
}

// A blank store has neither records nor errors.
type blank struct{ store.Memory }

func (*blank) Get(context.Context, store.RecordKey) (*store.Record, error) { return nil, nil }

var anyKey = oauth.SessionKey{DID: "did:plc:ewvi7nxzyoun6zhxrhs64oiz", ID: "one"}

func TestStoresThatPanic(t *testing.T) {
	server := sandbox(t)
	client := newClient(t, server, withStore(new(panicking)))
	for name, do := range map[string]func() error{
		"Get": func() error { _, err := client.Resume(t.Context(), anyKey); return err },
		"Put": func() error { _, err := client.Authorize(t.Context(), "alice.test"); return err },
		"Delete": func() error {
			s := login(t, server, newClient(t, server, withStore(&panickingLater{})))
			return s.Logout(t.Context())
		},
		"Purge": func() error { _, err := client.Purge(t.Context()); return err },
		"List": func() error {
			var keys int
			for _, err := range client.Sessions(t.Context(), "") {
				if err != nil {
					return err
				}
				keys++
			}
			t.Errorf("%d keys and no error", keys)
			return nil
		},
	} {
		t.Run("P75 in "+name, func(t *testing.T) {
			e := wantKind(t, do(), oauth.ErrStore)
			if !strings.Contains(e.Error(), "panicked: "+strings.ToLower(name)) {
				t.Errorf("got %v", e)
			}
		})
	}
	t.Run("P75 what is the caller's own panic stays one", func(t *testing.T) {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("recovered %v", p)
			}
		}()
		for range client.Sessions(t.Context(), "") {
			panic("mine")
		}
	})
}

// A panickingLater store does so when a session is deleted.
type panickingLater struct{ store.Memory }

func (s *panickingLater) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	if key.Kind == store.RecordSession {
		panic("delete")
	}
	return s.Memory.Delete(ctx, key, revision)
}

func TestStoresThatReturnNothing(t *testing.T) {
	t.Run("P75 neither a record nor an error is an error", func(t *testing.T) {
		_, err := newClient(t, sandbox(t), withStore(new(blank))).Resume(t.Context(), anyKey)
		wantKind(t, err, oauth.ErrStore)
	})
}

func TestStoresThatHang(t *testing.T) {
	inBubble := func(t *testing.T, f func(t *testing.T, kept *hangingStore, client *oauth.Client)) {
		synctest.Test(t, func(t *testing.T) {
			kept := &hangingStore{goOn: make(chan struct{})}
			kept.hangs.Store(true)
			cfg := oauth.Localhost(redirectURI, "atproto")
			withStore(kept)(&cfg)
			client, err := oauth.NewClient(cfg)
			if err != nil {
				t.Fatal(err)
			}
			f(t, kept, client)
		})
	}
	t.Run("P75 are waited for as long as the caller does", func(t *testing.T) {
		inBubble(t, func(t *testing.T, kept *hangingStore, client *oauth.Client) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			began := time.Now()
			_, err := client.Resume(ctx, anyKey)
			wantKind(t, err, oauth.ErrStore)
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != 2*time.Second {
				t.Errorf("after %s: %v", took, err)
			}
			close(kept.goOn)
		})
	})
	t.Run("P75 and for ten seconds at most", func(t *testing.T) {
		inBubble(t, func(t *testing.T, kept *hangingStore, client *oauth.Client) {
			began := time.Now()
			err := client.Logout(t.Context(), anyKey)
			wantKind(t, err, oauth.ErrStore)
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("after %s: %v", took, err)
			}
			close(kept.goOn)
		})
	})
	t.Run("P75 are called no more when 256 calls hang, and again when they are back", func(t *testing.T) {
		inBubble(t, func(t *testing.T, kept *hangingStore, client *oauth.Client) {
			key := func(i int) oauth.SessionKey {
				return oauth.SessionKey{DID: anyKey.DID, ID: string(rune('a' + i))}
			}
			for i := range 300 {
				go client.Resume(t.Context(), key(i))
			}
			time.Sleep(time.Minute) // of the bubble: all have given up
			hanging := kept.reads.Load()
			began := time.Now()
			_, err := client.Resume(t.Context(), key(300))
			wantKind(t, err, oauth.ErrStore)
			if took := time.Since(began); took != 0 || kept.reads.Load() != hanging {
				t.Errorf("the store was called once more, for %s", took)
			}
			kept.hangs.Store(false)
			close(kept.goOn)
			synctest.Wait()
			_, err = client.Resume(t.Context(), key(301))
			wantKind(t, err, oauth.ErrSessionUnknown)
		})
	})
}

package scenario

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

var errStoreDown = errors.New("the store is down")

// A failingStore fails at one of its calls: before it does anything, or after it has done
// everything.
type failingStore struct {
	store.Store
	at    int // the call that fails, from 1; 0 means none
	after bool
	calls atomic.Int64 // a session also saves tokens in the background
}

// call runs one call of the store.
func (s *failingStore) call(do func() error) error {
	if s.calls.Add(1) != int64(s.at) {
		return do()
	}
	if s.after {
		if err := do(); err != nil {
			return err
		}
	}
	return errStoreDown
}

func (s *failingStore) Get(ctx context.Context, key store.RecordKey) (r *store.Record, err error) {
	err = s.call(func() error { r, err = s.Store.Get(ctx, key); return err })
	return r, err
}

func (s *failingStore) Put(ctx context.Context, r *store.Record) error {
	return s.call(func() error { return s.Store.Put(ctx, r) })
}

func (s *failingStore) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	return s.call(func() error { return s.Store.Delete(ctx, key, revision) })
}

func (s *failingStore) List(ctx context.Context, kind store.RecordKind, did syntax.DID) iter.Seq2[store.RecordKey, error] {
	return s.Store.List(ctx, kind, did)
}

func (s *failingStore) Purge(ctx context.Context) (int, error) {
	return s.Store.Purge(ctx)
}

// storeFaults lets the store fail once, at each call in a session's life in turn. Each step returns
// an error that names the store, and a second try succeeds.
func storeFaults(t *testing.T, b Backend) {
	total := 0
	t.Run("nothing fails", func(t *testing.T) { total = lifeWithFault(t, b, 0, false) })
	if total < 9 {
		t.Fatalf("a session's life has %d calls of the store; this test has missed some", total)
	}
	for _, after := range []bool{false, true} {
		when := "before"
		if after {
			when = "after"
		}
		for at := 1; at <= total; at++ {
			t.Run(fmt.Sprintf("P5 the store is down at call %d, %s it", at, when), func(t *testing.T) {
				lifeWithFault(t, b, at, after)
			})
		}
	}
}

// lifeWithFault logs in, resumes, refreshes and logs out. It repeats each step that fails, and
// returns how many calls of the store that took.
func lifeWithFault(t *testing.T, b Backend, at int, after bool) int {
	ctx := t.Context()
	shared := new(store.Memory)
	kept := &failingStore{Store: shared, at: at, after: after}
	sharing := func(s store.Store) func(*oauth.Config) {
		return func(cfg *oauth.Config) { cfg.Store, cfg.Seal = s, seal.Keys(make([]byte, 32)) }
	}
	clock := new(Clock)
	client := NewClient(t, b, sharing(kept), clock.Configure)
	failed := 0
	step := func(name string, do func() error) {
		t.Helper()
		err := do()
		if err == nil {
			return
		}
		failed++
		e, _ := errors.AsType[*oauth.Error](err)
		if e == nil || e.Kind != oauth.ErrStore || !e.Retryable || !errors.Is(err, errStoreDown) {
			t.Errorf("%s: %v", name, err)
		}
		clock.Pass(err)
		if err := do(); err != nil {
			t.Fatalf("%s, once more: %v", name, err)
		}
	}

	var session *oauth.Session
	alice := b.Environment().Account("alice")
	step("login", func() error {
		login, err := client.Authorize(ctx, string(alice.Handle))
		if err != nil {
			return err
		}
		callback, err := b.Approve(ctx, login.URL, alice)
		if err != nil {
			return err
		}
		result, err := client.Callback(ctx, callback.Query(), login.Binding)
		if err == nil {
			session = result.Session
		}
		return err
	})
	resuming, key := NewClient(t, b, sharing(kept), clock.Configure), session.Key()
	step("resume", func() (err error) {
		session, err = resuming.Resume(ctx, key)
		return err
	})
	before, err := b.TokenRequests(ctx)
	if err != nil {
		t.Fatal(err)
	}
	used := session.ExpiresAt()
	step("refresh", func() error {
		if session.ExpiresAt() != used {
			return nil // the server was asked, and the tokens are in use
		}
		return session.Refresh(ctx)
	})
	// The session works here, and in another process.
	if _, err := comatproto.NewClient(session).Server.GetSession(ctx); err != nil {
		t.Errorf("a call: %v", err)
	}
	other, err := NewClient(t, b, sharing(shared)).Resume(ctx, session.Key())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := comatproto.NewClient(other).Server.GetSession(ctx); err != nil {
		t.Errorf("a call of another process: %v", err)
	}
	now, err := b.TokenRequests(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n := now["refresh_token"] - before["refresh_token"]; n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
	step("logout", func() error { return session.Logout(ctx) })
	resp, err := other.AuthenticatedRequest(ctx, http.MethodGet, "/xrpc/com.atproto.server.getSession", nil)
	if err == nil {
		resp.Body.Close()
		t.Errorf("after the logout: HTTP %d", resp.StatusCode)
	} else if !errors.Is(err, oauth.ErrReauthRequired) {
		t.Errorf("after the logout: %v", err)
	}
	for key := range client.Sessions(ctx, "") {
		t.Errorf("session %v is still stored", key)
	}
	if want := min(at, 1); failed != want {
		t.Errorf("%d steps failed, want %d", failed, want)
	}
	return int(kept.calls.Load())
}

package oauth_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// How long records are kept, and who decides on it.

func TestOnlyNewTokensMoveTheTimeOfARecord(t *testing.T) {
	server := sandbox(t)
	kept := &flakyStore{Store: new(store.Memory)}
	var keeps []time.Duration
	note := func(_ int, r *store.Record) error {
		if r.Key.Kind == store.RecordSession {
			keeps = append(keeps, r.Keep)
		}
		return nil
	}
	kept.from(note, nil)
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	client := newClient(t, server, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(one) })
	wrote := func(t *testing.T, want ...time.Duration) {
		t.Helper()
		if diff := cmp.Diff(want, keeps); diff != "" {
			t.Errorf("records are kept for (-want +got):\n%s", diff)
		}
		keeps = nil
	}
	var s *oauth.Session
	t.Run("P66 P68 a login: 100 days", func(t *testing.T) {
		s = login(t, server, client)
		wrote(t, 100*day)
	})
	t.Run("P66 P68 a refresh: its claim nothing, its tokens 100 days", func(t *testing.T) {
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		wrote(t, 0, 100*day)
	})
	t.Run("P66 a refresh that fails: nothing", func(t *testing.T) {
		server.Fault(tokenPath, oauthtest.Fault{Status: 503})
		if err := s.Refresh(t.Context()); !errors.Is(err, oauth.ErrToken) {
			t.Fatal(err)
		}
		wrote(t, 0, 0)
	})
	t.Run("P66 sealing anew: nothing", func(t *testing.T) {
		both := newClient(t, server, func(cfg *oauth.Config) { cfg.Store, cfg.Seal = kept, seal.Keys(two, one) })
		if n, err := both.Reseal(t.Context()); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		wrote(t, 0)
	})
}

func TestAClockThatIsAheadEndsNothing(t *testing.T) {
	server := sandbox(t)
	kept := new(store.Memory)
	s := login(t, server, newClient(t, server, withStore(kept)))
	ahead := newClient(t, server, withStore(kept), withClock(1000*day))
	t.Run("P66 a purge takes the store's clock", func(t *testing.T) {
		if n, err := ahead.Purge(t.Context()); n != 0 || err != nil {
			t.Errorf("purged %d, %v", n, err)
		}
	})
	t.Run("P66 a session is found", func(t *testing.T) {
		if _, err := ahead.Resume(t.Context(), s.Key()); err != nil {
			t.Error(err)
		}
	})
}

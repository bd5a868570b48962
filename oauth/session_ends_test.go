package oauth_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// How a session ends, and how those learn of it that did not end it.

// record is where a session is stored.
func record(key oauth.SessionKey) store.RecordKey {
	return store.RecordKey{Kind: store.RecordSession, DID: key.DID, ID: key.ID}
}

// resumed brings a session back in another process.
func resumed(t *testing.T, client *oauth.Client, key oauth.SessionKey) *oauth.Session {
	t.Helper()
	s, err := client.Resume(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhyASessionEndedIsKnownElsewhere(t *testing.T) {
	notes := func(t *testing.T, kept store.Store) int {
		return count(t, kept.List(t.Context(), store.RecordEnding, ""))
	}
	t.Run("P105 revoked", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		other := resumed(t, newClient(t, server, withStore(kept)), s.Key())
		server.RevokeSessions(s.DID())
		wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		wantKind(t, other.Refresh(t.Context()), oauth.ErrRevoked)
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d sessions are listed", n)
		}
	})
	t.Run("P105 P119 lost with an answer", func(t *testing.T) {
		clock := new(movableClock)
		server, kept := sandbox(t, oauthtest.WithClock(clock.now)), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept), clock.configure))
		other := resumed(t, newClient(t, server, withStore(kept), clock.configure), s.Key())
		server.Fault(tokenPath, oauthtest.Fault{Drop: true})
		wantKind(t, s.Refresh(t.Context()), oauth.ErrNetwork)
		clock.setAhead(2 * time.Minute)
		wantKind(t, s.Refresh(t.Context()), oauth.ErrAmbiguousRefresh)
		wantKind(t, other.Refresh(t.Context()), oauth.ErrAmbiguousRefresh)
	})
	t.Run("P105 without a refresh token", func(t *testing.T) {
		clock := new(movableClock)
		server, kept := sandbox(t, oauthtest.WithClock(clock.now)), new(store.Memory)
		without := rewriting(tokenPath, func(m map[string]any) { delete(m, "refresh_token") })
		s := login(t, server, newClient(t, server, withStore(kept), clock.configure, without))
		other := resumed(t, newClient(t, server, withStore(kept)), s.Key()) // its clock is behind
		clock.setAhead(2 * time.Hour)
		wantKind(t, call(t.Context(), s), oauth.ErrSessionExpired)
		wantKind(t, other.Refresh(t.Context()), oauth.ErrSessionExpired)
	})
	t.Run("P105 logged out, of which there is no note", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		other := resumed(t, newClient(t, server, withStore(kept)), s.Key())
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantKind(t, other.Refresh(t.Context()), oauth.ErrLoggedOut)
		if n := notes(t, kept); n != 0 {
			t.Errorf("%d notes", n)
		}
	})
	t.Run("P105 for an hour", func(t *testing.T) {
		clock := new(movableClock)
		server, kept := sandbox(t), &store.Memory{Clock: clock.now}
		s := login(t, server, newClient(t, server, withStore(kept)))
		server.RevokeSessions(s.DID())
		wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		for _, tt := range []struct {
			later  time.Duration
			purged int
		}{{59 * time.Minute, 0}, {61 * time.Minute, 1}} {
			clock.setAhead(tt.later)
			if n, err := kept.Purge(t.Context()); n != tt.purged || err != nil {
				t.Errorf("%d purged after %s, %v", n, tt.later, err)
			}
		}
	})
	t.Run("P105 the last word counts where an older note was left behind", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		open := sealing(kept, seal.Plaintext())
		s := login(t, server, newClient(t, server, open))
		other := resumed(t, newClient(t, server, open), s.Key())
		wrong := &store.Record{Key: store.RecordKey{Kind: store.RecordEnding, DID: s.DID(), ID: s.Key().ID}, Revision: 1, Data: []byte("not a note")}
		if err := kept.Put(t.Context(), wrong); err != nil {
			t.Fatal(err)
		}
		server.RevokeSessions(s.DID())
		wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		wantKind(t, other.Refresh(t.Context()), oauth.ErrRevoked)
	})
	t.Run("P105 a store that takes no notes hinders nothing", func(t *testing.T) {
		server := sandbox(t)
		kept := noteless{new(store.Memory)}
		s := login(t, server, newClient(t, server, withStore(kept)))
		other := resumed(t, newClient(t, server, withStore(kept)), s.Key())
		server.RevokeSessions(s.DID())
		wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		wantKind(t, other.Refresh(t.Context()), oauth.ErrLoggedOut)
	})
}

// A noteless store keeps no notes.
type noteless struct{ *store.Memory }

func (s noteless) Put(ctx context.Context, r *store.Record) error {
	if r.Key.Kind == store.RecordEnding {
		return errDown
	}
	return s.Memory.Put(ctx, r)
}

// A meddlingStore lets a test in before a session is deleted.
type meddlingStore struct {
	*store.Memory
	once   sync.Once
	meddle func()
}

func (s *meddlingStore) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	if key.Kind == store.RecordSession {
		s.once.Do(s.meddle)
	}
	return s.Memory.Delete(ctx, key, revision)
}

func TestARecordThatChangedIsNotDropped(t *testing.T) {
	t.Run("P10 P105 O109 new tokens come in this moment: they count, and the note is taken back", func(t *testing.T) {
		// In plaintext, so that the test can do what another process does.
		server, shared := sandbox(t), new(store.Memory)
		kept := &meddlingStore{Memory: shared}
		s := login(t, server, newClient(t, server, sealing(kept, seal.Plaintext())))
		kept.meddle = func() {
			r, err := shared.Get(t.Context(), record(s.Key()))
			if err != nil {
				t.Fatal(err)
			}
			r.Revision++
			r.Data = bytes.Replace(r.Data, []byte(`"refresh":"`), []byte(`"refresh":"newer-`), 1)
			if err := shared.Put(t.Context(), r); err != nil {
				t.Error(err)
			}
		}
		server.RevokeSessions(s.DID())
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := count(t, shared.List(t.Context(), store.RecordSession, "")); n != 1 {
			t.Errorf("%d records", n)
		}
		if n := count(t, shared.List(t.Context(), store.RecordEnding, "")); n != 0 {
			t.Errorf("%d notes", n)
		}
	})
	t.Run("P52 O115 a logout comes in this moment: that is why it is over elsewhere", func(t *testing.T) {
		server, shared := sandbox(t), new(store.Memory)
		kept := &meddlingStore{Memory: shared}
		s := login(t, server, newClient(t, server, withStore(kept)))
		kept.meddle = func() {
			if err := shared.Delete(t.Context(), record(s.Key()), 0); err != nil {
				t.Error(err)
			}
		}
		server.RevokeSessions(s.DID())
		wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		wantKind(t, call(t.Context(), s), oauth.ErrRevoked)
	})
	t.Run("P10 a record that cannot be deleted is over all the same", func(t *testing.T) {
		server := sandbox(t)
		kept := &stuckStore{Memory: new(store.Memory), down: true}
		s := login(t, server, newClient(t, server, withStore(kept)))
		server.RevokeSessions(s.DID())
		wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		wantKind(t, call(t.Context(), s), oauth.ErrRevoked)
	})
}

func TestClientLogout(t *testing.T) {
	t.Run("P76 O115 of a session that was not resumed", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		if err := newClient(t, server, withStore(kept)).Logout(t.Context(), s.Key()); err != nil {
			t.Fatal(err)
		}
		if n := server.RevokeSessions(s.DID()); n != 0 {
			t.Errorf("%d sessions live at the server", n)
		}
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records", n)
		}
	})
	t.Run("P76 O115 of one that lives here", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		client := newClient(t, server, withStore(kept))
		s := login(t, server, client)
		if err := client.Logout(t.Context(), s.Key()); err != nil {
			t.Fatal(err)
		}
		_, err := client.Resume(t.Context(), s.Key())
		wantKind(t, err, oauth.ErrSessionUnknown)
		server.ResetStats()
		wantKind(t, call(t.Context(), s), oauth.ErrLoggedOut)
		if n := server.Stats().Requests[callPath]; n != 0 {
			t.Errorf("it was called %d times", n)
		}
		if n := server.RevokeSessions(s.DID()); n != 0 {
			t.Errorf("%d sessions live at the server", n)
		}
		wantKind(t, client.Logout(t.Context(), s.Key()), oauth.ErrSessionUnknown)
	})
	t.Run("P76 of another client's session: nothing happens", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		other := confidential(t, server, nil, withStore(kept))
		wantKind(t, other.Logout(t.Context(), s.Key()), oauth.ErrSessionUnknown)
		if err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("P76 of a record that cannot be opened: it goes, and the server could not be told", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		damaged, err := kept.Get(t.Context(), record(s.Key()))
		if err != nil {
			t.Fatal(err)
		}
		damaged.Revision, damaged.Data = damaged.Revision+1, []byte("damaged")
		if err := kept.Put(t.Context(), damaged); err != nil {
			t.Fatal(err)
		}
		client := newClient(t, server, withStore(kept))
		wantKind(t, client.Logout(t.Context(), s.Key()), oauth.ErrSealed)
		if n := count(t, kept.List(t.Context(), store.RecordSession, "")); n != 0 {
			t.Errorf("%d records", n)
		}
		wantKind(t, client.Logout(t.Context(), s.Key()), oauth.ErrSessionUnknown)
	})
	t.Run("P76 where the store is down, that is told", func(t *testing.T) {
		server := sandbox(t)
		kept := &stuckStore{Memory: new(store.Memory), down: true}
		s := login(t, server, newClient(t, server, withStore(kept)))
		other := newClient(t, server, withStore(kept))
		wantKind(t, other.Logout(t.Context(), s.Key()), oauth.ErrStore)
		if err := call(t.Context(), resumed(t, other, s.Key())); err != nil {
			t.Errorf("nothing has ended: %v", err)
		}
	})
}

func TestSessionsThatEndedElsewhere(t *testing.T) {
	// begin logs in, and resumes the session in a bubble.
	begin := func(t *testing.T, kept store.Store, f func(t *testing.T, client *oauth.Client, s *oauth.Session)) {
		server := sandbox(t)
		key := login(t, server, newClient(t, server, withStore(kept))).Key()
		synctest.Test(t, func(t *testing.T) {
			cfg := oauth.Localhost(redirectURI, "atproto transition:generic")
			withStore(kept)(&cfg)
			client, err := oauth.NewClient(cfg)
			if err != nil {
				t.Fatal(err)
			}
			f(t, client, resumed(t, client, key))
		})
	}
	t.Run("P76 are not given out for longer than a minute", func(t *testing.T) {
		kept := new(store.Memory)
		begin(t, kept, func(t *testing.T, client *oauth.Client, s *oauth.Session) {
			if err := kept.Delete(t.Context(), record(s.Key()), 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(59 * time.Second) // of the bubble
			if again := resumed(t, client, s.Key()); again != s {
				t.Error("it is another one")
			}
			time.Sleep(2 * time.Second)
			_, err := client.Resume(t.Context(), s.Key())
			wantKind(t, err, oauth.ErrSessionUnknown)
			if !errors.Is(err, oauth.ErrLoggedOut) {
				t.Errorf("the cause is lost: %v", err)
			}
			_, err = client.Resume(t.Context(), s.Key())
			wantKind(t, err, oauth.ErrSessionUnknown)
		})
	})
	t.Run("P76 P106 the store is asked once a minute, and new tokens are adopted", func(t *testing.T) {
		clock := new(movableClock)
		server, kept := sandbox(t), new(hangingStore)
		client := newClient(t, server, withStore(kept), clock.configure)
		s := login(t, server, client)
		if err := resumed(t, newClient(t, server, withStore(kept)), s.Key()).Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		before, reads := s.ExpiresAt(), kept.reads.Load()
		for at := range time.Duration(4) {
			clock.setAhead(at * 40 * time.Second)
			var resumes sync.WaitGroup
			for range 100 {
				resumes.Go(func() {
					if _, err := client.Resume(t.Context(), s.Key()); err != nil {
						t.Error(err)
					}
				})
			}
			resumes.Wait()
		}
		if n := kept.reads.Load() - reads; n != 1 {
			t.Errorf("%d reads in two minutes", n)
		}
		if !s.ExpiresAt().After(before) {
			t.Error("the other process's tokens were not adopted")
		}
	})
	t.Run("P76 P106 of many that come at once one asks", func(t *testing.T) {
		clock := new(movableClock)
		server, kept := sandbox(t), new(hangingStore)
		client := newClient(t, server, withStore(kept), clock.configure)
		s := login(t, server, client)
		before := kept.reads.Load()
		const minutes = 1000 // as those who come at once are seldom there at once
		for at := range time.Duration(minutes) {
			clock.setAhead((at + 1) * 61 * time.Second)
			var resumes sync.WaitGroup
			for range 20 {
				resumes.Go(func() { client.Resume(t.Context(), s.Key()) })
			}
			resumes.Wait()
		}
		if n := kept.reads.Load() - before; n != minutes {
			t.Errorf("%d reads in %d minutes", n, minutes)
		}
	})
	t.Run("P76 a store that hangs delays a Resume by 250 ms, once a minute", func(t *testing.T) {
		kept := new(hangingStore)
		begin(t, kept, func(t *testing.T, client *oauth.Client, s *oauth.Session) {
			time.Sleep(61 * time.Second) // of the bubble
			kept.goOn = make(chan struct{})
			kept.hangs.Store(true)
			for _, want := range []time.Duration{250 * time.Millisecond, 0} {
				began := time.Now()
				if again := resumed(t, client, s.Key()); again != s {
					t.Error("it is another one")
				}
				if took := time.Since(began); took != want {
					t.Errorf("it took %s, want %s", took, want)
				}
			}
			close(kept.goOn)
		})
	})
}

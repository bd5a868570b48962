package oauth_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestManyResumesAtOnce(t *testing.T) {
	t.Run("P106 of one key are one read, and one session", func(t *testing.T) {
		server, kept := sandbox(t), new(hangingStore)
		key := login(t, server, newClient(t, server, withStore(kept))).Key()
		synctest.Test(t, func(t *testing.T) {
			client := newClient(t, server, withStore(kept))
			kept.goOn = make(chan struct{})
			kept.reads.Store(0)
			kept.hangs.Store(true)
			sessions := make(chan *oauth.Session, 100)
			var resumes sync.WaitGroup
			for range 100 {
				resumes.Go(func() {
					s, err := client.Resume(t.Context(), key)
					if err != nil {
						t.Error(err)
					}
					sessions <- s
				})
			}
			synctest.Wait() // until each of them waits
			close(kept.goOn)
			resumes.Wait()
			if n := kept.reads.Load(); n != 1 {
				t.Errorf("%d reads", n)
			}
			first := <-sessions
			for range 99 {
				if s := <-sessions; s != first {
					t.Fatal("there are two")
				}
			}
		})
	})
}

func TestLiveSessionsAreBounded(t *testing.T) {
	t.Run("P106 the least recently used is let go", func(t *testing.T) {
		server, kept := sandbox(t), new(hangingStore)
		client := newClient(t, server, withStore(kept))
		keys := []oauth.SessionKey{login(t, server, client).Key(), login(t, server, client).Key(), login(t, server, client).Key()}
		for limit, want := range map[int]int32{0: 3, 2: 6} {
			small := newClient(t, server, withStore(kept), func(cfg *oauth.Config) { cfg.LiveSessions = limit })
			kept.reads.Store(0)
			for range 2 {
				for _, key := range keys {
					resumed(t, small, key)
					collect(t, func() bool { return limit == 0 || small.Stats().Live <= limit })
				}
			}
			if n := kept.reads.Load(); n != want {
				t.Errorf("%d reads with %d sessions at hand, want %d", n, limit, want)
			}
		}
	})
	t.Run("P106 one that somebody holds on to is not read again", func(t *testing.T) {
		server, kept := sandbox(t), new(hangingStore)
		client := newClient(t, server, withStore(kept), func(cfg *oauth.Config) { cfg.LiveSessions = 1 })
		held := login(t, server, client)
		login(t, server, client)
		collect(t, func() bool { return true })
		if again := resumed(t, client, held.Key()); again != held {
			t.Error("it is another one")
		}
	})
}

// collect runs the garbage collector until what it should do is done.
func collect(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		if done() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not collected")
		}
		runtime.Gosched()
	}
}

func TestClientsAreCollected(t *testing.T) {
	t.Run("P104 with their sessions, while others go on", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		s := login(t, server, newClient(t, server, withStore(kept)))
		var clients []weak.Pointer[oauth.Client]
		var sessions []weak.Pointer[oauth.Session]
		for range 3 {
			client := newClient(t, server, withStore(kept))
			other := resumed(t, client, s.Key())
			if err := other.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			oauth.Settle(other)
			clients, sessions = append(clients, weak.Make(client)), append(sessions, weak.Make(other))
		}
		collect(t, func() bool {
			for i := range clients {
				if clients[i].Value() != nil || sessions[i].Value() != nil {
					return false
				}
			}
			return true
		})
		if err := call(t.Context(), s); err != nil {
			t.Error(fmt.Errorf("the first client: %w", err))
		}
	})
}

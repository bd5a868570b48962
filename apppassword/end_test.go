package apppassword_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestLogout(t *testing.T) {
	t.Run("X30 O115 ends the session here and at its server", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		client := newClient(t, server, withStore(kept))
		s, other := login(t, client), login(t, client)
		// What a thief of the store would have.
		stolen, err := kept.Get(t.Context(), store.RecordKey{Kind: store.RecordAppPassword, DID: s.DID(), ID: s.Key().ID})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantKind(t, call(t.Context(), s), apppassword.ErrLoggedOut)
		wantKind(t, s.Refresh(t.Context()), apppassword.ErrReauthRequired)
		_, err = client.Resume(t.Context(), s.Key())
		wantKind(t, err, apppassword.ErrSessionUnknown)
		if err := s.Logout(t.Context()); err != nil {
			t.Errorf("once more: %v", err)
		}
		copied := new(store.Memory)
		if err := copied.Put(t.Context(), stolen); err != nil {
			t.Fatal(err)
		}
		thief, err := newClient(t, server, withStore(copied)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		wantKind(t, thief.Refresh(t.Context()), apppassword.ErrRevoked)
		if err := other.Refresh(t.Context()); err != nil { // P11
			t.Errorf("another session: %v", err)
		}
	})
	t.Run("P76 of a session that is not resumed, and of one whose record cannot be opened", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		first, second := login(t, newClient(t, server, withStore(kept))).Key(), login(t, newClient(t, server, withStore(kept))).Key()
		client := newClient(t, server, withStore(kept))
		if err := client.Logout(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if n := requests(server, deletePath); n != 1 {
			t.Errorf("the server was told %d times", n)
		}
		wantKind(t, client.Logout(t.Context(), first), apppassword.ErrSessionUnknown)
		r, err := kept.Get(t.Context(), store.RecordKey{Kind: store.RecordAppPassword, DID: second.DID, ID: second.ID})
		if err != nil {
			t.Fatal(err)
		}
		r.Revision, r.Data = r.Revision+1, []byte("damaged")
		if err := kept.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		wantKind(t, client.Logout(t.Context(), second), apppassword.ErrSealed)
		if keys := sessions(t, client); len(keys) != 0 {
			t.Errorf("there are %v", keys)
		}
	})
	t.Run("X30 of a session that the server knows no more is none to complain of", func(t *testing.T) {
		for _, name := range []string{"ExpiredToken", "InvalidToken"} {
			server := sandbox(t)
			s := login(t, newClient(t, server))
			server.Fault(deletePath, refusing(400, name))
			if err := s.Logout(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("X30 O115 whose server cannot be told, the session is gone here", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server)
		s := login(t, client)
		server.Fault(deletePath, oauthtest.Gateway(502))
		wantKind(t, s.Logout(t.Context()), apppassword.ErrServer)
		if keys := sessions(t, client); len(keys) != 0 {
			t.Errorf("there are %v", keys)
		}
	})
	t.Run("P52 during a refresh of another process it stays, and the new tokens are given back", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		arrived, goOn := make(chan struct{}), make(chan struct{})
		slow := login(t, newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			resp, err := next()
			if req.URL.Path == refreshPath {
				close(arrived)
				<-goOn
			}
			return resp, err
		})))
		refreshed := make(chan error)
		go func() { refreshed <- slow.Refresh(t.Context()) }()
		<-arrived
		if err := newClient(t, server, withStore(kept)).Logout(t.Context(), slow.Key()); err != nil {
			t.Fatal(err)
		}
		close(goOn)
		wantKind(t, <-refreshed, apppassword.ErrLoggedOut)
		if n := requests(server, deletePath); n != 2 {
			t.Errorf("%d sessions were given back, want the old tokens and the new", n)
		}
	})
}

func TestEvents(t *testing.T) {
	t.Run("P7 every process is told of new tokens and of the end, and may use the session there", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		told := make(chan string, 20)
		telling := func(who string) func(*apppassword.Config) {
			return func(cfg *apppassword.Config) {
				cfg.OnUpdate = func(ctx context.Context, s *apppassword.Session) {
					if err := call(ctx, s); err != nil {
						t.Error(err)
					}
					told <- who + " updated"
				}
				cfg.OnEnd = func(ctx context.Context, s *apppassword.Session, cause *apppassword.Error) {
					if !errors.Is(call(ctx, s), cause.Kind) {
						t.Error("a call after the end")
					}
					told <- who + " " + string(cause.Kind)
					panic("and may fail")
				}
			}
		}
		one := login(t, newClient(t, server, withStore(kept), telling("one")))
		two, err := newClient(t, server, withStore(kept), telling("two")).Resume(t.Context(), one.Key())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(one.Refresh(t.Context()), two.Refresh(t.Context())); err != nil {
			t.Fatal(err)
		}
		apppassword.Settle(one)
		apppassword.Settle(two)
		if err := one.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := two.Refresh(t.Context()); err == nil {
			t.Error("a refresh after the logout")
		}
		apppassword.Settle(one)
		apppassword.Settle(two)
		close(told)
		var got []string
		for event := range told {
			got = append(got, event)
		}
		for _, want := range []string{"one updated", "two updated", "one session was logged out", "two session was logged out"} {
			if !slices.Contains(got, want) {
				t.Errorf("nobody told %q: %q", want, got)
			}
		}
	})
}

func TestLongLivedSessionsLookAgain(t *testing.T) {
	t.Run("P76 a session that another process ended is not given out for longer than a minute", func(t *testing.T) {
		var clock movableClock
		server, kept := sandbox(t), new(store.Memory)
		client := newClient(t, server, withStore(kept), clock.configure)
		s := login(t, client)
		if err := newClient(t, server, withStore(kept)).Logout(t.Context(), s.Key()); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Resume(t.Context(), s.Key()); err != nil {
			t.Errorf("at once: %v", err)
		}
		clock.setAhead(2 * time.Minute)
		_, err := client.Resume(t.Context(), s.Key())
		wantKind(t, err, apppassword.ErrSessionUnknown)
	})
}

func TestShutdown(t *testing.T) {
	t.Run("P73 waits for a refresh, and lets none begin", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		arrived, goOn := make(chan struct{}), make(chan struct{})
		client := newClient(t, server, withStore(kept), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == refreshPath {
				close(arrived)
				<-goOn
			}
			return next()
		}))
		s := login(t, client)
		go s.Refresh(t.Context())
		<-arrived
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		wantKind(t, client.Shutdown(impatient), apppassword.ErrShutdown)
		close(goOn)
		if err := client.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		access, _ := apppassword.Tokens(s)
		again, err := newClient(t, server, withStore(kept)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}
		if stored, _ := apppassword.Tokens(again); stored != access {
			t.Error("the new tokens are not stored")
		}
		wantKind(t, s.Refresh(t.Context()), apppassword.ErrShutdown)
		if err := call(t.Context(), s); err != nil {
			t.Errorf("a call whose token lives: %v", err)
		}
	})
	t.Run("P4 who leaves does not break a refresh", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		client := newClient(t, server, withStore(kept))
		s := login(t, client)
		before, _ := apppassword.Tokens(s)
		server.Fault(refreshPath, oauthtest.Fault{Delay: 200 * time.Millisecond})
		impatient, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := s.Refresh(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the one who left: %v", err)
		}
		apppassword.WaitForRefresh(t.Context(), s)
		if after, _ := apppassword.Tokens(s); after == before {
			t.Error("nothing was refreshed")
		}
	})
}

func TestStoresOfBothKinds(t *testing.T) {
	t.Run("sessions are purged when they are past their time, and not before", func(t *testing.T) {
		var clock movableClock
		server, kept := sandbox(t), &store.Memory{Clock: clock.now}
		client := newClient(t, server, withStore(kept), clock.configure)
		s := login(t, client)
		for _, tt := range []struct {
			after time.Duration
			want  int
		}{{99 * 24 * time.Hour, 0}, {101 * 24 * time.Hour, 1}} {
			clock.setAhead(tt.after)
			if n, err := client.Purge(t.Context()); err != nil || n != tt.want {
				t.Errorf("after %s: %d, %v", tt.after, n, err)
			}
		}
		wantKind(t, s.Refresh(t.Context()), apppassword.ErrLoggedOut)
	})
	t.Run("P66 a refresh prolongs what is kept, and its claim does not", func(t *testing.T) {
		var clock movableClock
		server, kept := sandbox(t, oauthtest.WithClock(clock.now)), &store.Memory{Clock: clock.now}
		client := newClient(t, server, withStore(kept), clock.configure)
		s := login(t, client)
		clock.setAhead(80 * 24 * time.Hour)
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.setAhead(170 * 24 * time.Hour)
		server.Fault(refreshPath, oauthtest.Fault{Refuse: true})
		if err := s.Refresh(t.Context()); err == nil {
			t.Error("no failure")
		}
		if n, err := client.Purge(t.Context()); err != nil || n != 0 {
			t.Errorf("%d went, %v", n, err)
		}
		clock.setAhead(181 * 24 * time.Hour)
		if n, err := client.Purge(t.Context()); err != nil || n != 1 {
			t.Errorf("%d went, %v", n, err)
		}
	})
	t.Run("P5 a store that is down is told, the tokens are used, and stored when it is back", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		dying := &dyingStore{Store: kept}
		s := login(t, newClient(t, server, withStore(dying), withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
			if req.URL.Path == refreshPath {
				dying.die()
			}
			return next()
		})))
		before, _ := apppassword.Tokens(s)
		e := wantKind(t, s.Refresh(t.Context()), apppassword.ErrStore)
		if after, _ := apppassword.Tokens(s); after == before || !strings.Contains(e.Error(), "dead") {
			t.Errorf("the old tokens are in use: %v", e)
		}
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
}

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  apppassword.Config
		says string
	}{
		"a store without a seal": {apppassword.Config{Store: new(store.Memory)}, "Config.Seal is nil"},
		"a host that is none":    {apppassword.Config{PrivateHosts: []string{"pds"}}, "Config.PrivateHosts"},
		"two transports":         {apppassword.Config{ProxyResolvesUnchecked: true}, "Config.ProxyResolvesUnchecked"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := apppassword.NewClient(tt.cfg)
			if e := wantKind(t, err, apppassword.ErrConfig); !strings.Contains(e.Error(), tt.says) {
				t.Errorf("got %v", e)
			}
		})
	}
	t.Run("P24 passwords go to no address of the inside", func(t *testing.T) {
		client, err := apppassword.NewClient(apppassword.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for _, service := range []string{"https://127.0.0.1", "https://localhost:8443", "https://169.254.169.254", "https://10.0.0.1"} {
			_, err := client.Login(t.Context(), "alice.test", "x", apppassword.WithService(service))
			e, ok := errors.AsType[*apppassword.Error](err)
			if !ok || e.Kind != apppassword.ErrNetwork && e.Kind != apppassword.ErrConfig || e.Retryable {
				t.Errorf("%s: %v", service, err)
			}
		}
	})
	t.Run("O120 plaintext is told in the log", func(t *testing.T) {
		var log logBuffer
		newClient(t, sandbox(t), withStore(new(store.Memory)), plain, log.configure)
		if !strings.Contains(log.String(), "stored in plaintext") {
			t.Errorf("the log: %q", log.String())
		}
	})
}

// What this version writes is read by all that follow.
func TestKeptRecords(t *testing.T) {
	const text = `{"v":1,"host":"https://pds.test","handle":"alice.test","login":"bG9naW4",` +
		`"tokens":{"access":"a.b.c","refresh":"d.e.f","issued_at":"2026-01-02T03:04:05Z","expires_at":"2026-01-02T05:04:05Z"},` +
		`"created_at":"2026-01-01T00:00:00Z","claim":{"id":"x","at":"2026-01-02T05:03:05Z","open":true}}`
	t.Run("a record of version 1 is a session", func(t *testing.T) {
		server, kept := sandbox(t), new(store.Memory)
		key := apppassword.SessionKey{DID: server.Environment().Account("alice").DID, ID: "ONE"}
		r := &store.Record{Key: store.RecordKey{Kind: store.RecordAppPassword, DID: key.DID, ID: key.ID}, Revision: 1, Data: []byte("\x00" + text)}
		if err := kept.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		s, err := newClient(t, server, withStore(kept), plain).Resume(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		access, refresh := apppassword.Tokens(s)
		got := []string{s.Host(), string(s.Handle()), access, refresh, s.ExpiresAt().Format(time.RFC3339)}
		if diff := cmp.Diff([]string{"https://pds.test", "alice.test", "a.b.c", "d.e.f", "2026-01-02T05:04:05Z"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

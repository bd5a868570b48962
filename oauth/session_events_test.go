package oauth_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
)

// An eventLog is what OnUpdate and OnEnd were told.
type eventLog struct {
	mu     sync.Mutex
	events []string
	came   chan struct{}
}

func (l *eventLog) add(event string) {
	l.mu.Lock()
	l.events = append(l.events, event)
	l.mu.Unlock()
	l.came <- struct{}{}
}

// want waits for as many events as there are in want.
func (l *eventLog) want(t *testing.T, want ...string) {
	t.Helper()
	for range want {
		select {
		case <-l.came:
		case <-time.After(10 * time.Second):
			t.Fatal("an event is missing")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	l.events = nil
}

// observed makes a client tell log what it tells the application. The application
// does there what it likes with the session.
func observed(t *testing.T, log *eventLog) func(*oauth.Config) {
	return func(cfg *oauth.Config) {
		cfg.OnUpdate = func(ctx context.Context, s *oauth.Session) {
			if s.Expired() {
				t.Error("updated with tokens that have expired")
			}
			if err := call(ctx, s); err != nil {
				t.Errorf("a call in OnUpdate: %v", err)
			}
			log.add("updated")
		}
		cfg.OnEnd = func(ctx context.Context, s *oauth.Session, cause *oauth.Error) {
			if err := call(ctx, s); !errors.Is(err, oauth.ErrReauthRequired) {
				t.Errorf("a call in OnEnd: %v", err)
			}
			if err := s.Logout(ctx); err != nil {
				t.Errorf("a logout in OnEnd: %v", err)
			}
			log.add(string(cause.Kind))
		}
	}
}

func newEventLog() *eventLog { return &eventLog{came: make(chan struct{}, 10)} }

func TestEvents(t *testing.T) {
	t.Run("P7 are told here and elsewhere, and the session can be used meanwhile", func(t *testing.T) {
		server := sandbox(t)
		kept := new(store.Memory)
		here, there := newEventLog(), newEventLog()
		client := newClient(t, server, withStore(kept), observed(t, here))
		s := login(t, server, client)
		other, err := newClient(t, server, withStore(kept), observed(t, there)).Resume(t.Context(), s.Key())
		if err != nil {
			t.Fatal(err)
		}

		// A refresh is told where it happened, and elsewhere once it is noticed.
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		here.want(t, "updated")
		if err := call(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		there.want(t, "updated")

		// So is a logout.
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		here.want(t, string(oauth.ErrLoggedOut))
		wantKind(t, other.Refresh(t.Context()), oauth.ErrLoggedOut)
		there.want(t, string(oauth.ErrLoggedOut))

		// And the server's end of a session, with its cause.
		s = login(t, server, client)
		server.RevokeSessions(s.DID())
		wantKind(t, s.Refresh(t.Context()), oauth.ErrRevoked)
		here.want(t, string(oauth.ErrRevoked))
	})
}

// An application that refreshes when it is told of a refresh waits for nobody.
func TestARefreshInOnUpdate(t *testing.T) {
	t.Run("P7 waits for nobody", func(t *testing.T) {
		server := sandbox(t)
		log := newEventLog()
		told := 0
		s := login(t, server, newClient(t, server, func(cfg *oauth.Config) {
			cfg.OnUpdate = func(ctx context.Context, s *oauth.Session) {
				if told++; told < 3 {
					if err := s.Refresh(ctx); err != nil {
						t.Error(err)
					}
				}
				log.add("updated")
			}
		}))
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		log.want(t, "updated", "updated", "updated")
	})
}

// Events of a session come one at a time and in order, however long one takes.
func TestEventsComeInOrder(t *testing.T) {
	server := sandbox(t)
	log := newEventLog()
	hold, held := make(chan struct{}), make(chan struct{}, 10)
	s := login(t, server, newClient(t, server, func(cfg *oauth.Config) {
		cfg.OnUpdate = func(context.Context, *oauth.Session) {
			held <- struct{}{}
			<-hold
			log.add("updated")
		}
		cfg.OnEnd = func(context.Context, *oauth.Session, *oauth.Error) { log.add("ended") }
	}))
	for range 2 {
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-held
	if len(log.came) != 0 {
		t.Error("the end was told before the updates")
	}
	close(hold)
	log.want(t, "updated", "updated", "ended")
}

func TestEventHandlersThatPanic(t *testing.T) {
	t.Run("P7 are logged, and the next event comes all the same", func(t *testing.T) {
		server, log := sandbox(t), newEventLog()
		records := new(recorder)
		s := login(t, server, newClient(t, server, func(cfg *oauth.Config) {
			cfg.Logger = slog.New(records)
			cfg.OnUpdate = func(context.Context, *oauth.Session) { panic("of the application") }
			cfg.OnEnd = func(context.Context, *oauth.Session, *oauth.Error) { log.add("ended") }
		}))
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		log.want(t, "ended")
		oauth.Settle(s)
		if !records.has("oauth: an event handler panicked") {
			t.Error("it was not logged")
		}
	})
	t.Run("P7 so is a log that panics itself", func(t *testing.T) {
		server, log := sandbox(t), newEventLog()
		s := login(t, server, newClient(t, server, func(cfg *oauth.Config) {
			cfg.OnEnd = func(context.Context, *oauth.Session, *oauth.Error) { log.add("ended") }
			cfg.Logger = slog.New(panickingLog{slog.DiscardHandler})
		}))
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Fatal(err)
		}
		log.want(t, "ended")
	})
}

// A recorder keeps the messages that were logged.
type recorder struct {
	mu       sync.Mutex
	messages []string
}

func (r *recorder) Enabled(context.Context, slog.Level) bool { return true }
func (r *recorder) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *recorder) WithGroup(string) slog.Handler            { return r }
func (r *recorder) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, record.Message)
	return nil
}

func (r *recorder) has(message string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.messages, message)
}

// A panickingLog fails where a session tells of itself.
type panickingLog struct{ slog.Handler }

func (panickingLog) Enabled(context.Context, slog.Level) bool { return true }
func (panickingLog) Handle(_ context.Context, record slog.Record) error {
	if record.Message == "oauth: tokens refreshed" || record.Message == "oauth: an event handler panicked" {
		panic("of the log")
	}
	return nil
}

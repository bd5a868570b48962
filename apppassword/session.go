package apppassword

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/internal/events"
	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/internal/vault"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Session is a logged-in account. It is an xrpc.Doer: pass it to a generated client and call
// typed methods.
//
// It refreshes its tokens by itself, once for all goroutines and for all processes that share the
// store. It is safe for concurrent use.
type Session struct {
	client *Client
	key    SessionKey
	keeper *keeper.Keeper[*sessionState]

	mu      sync.Mutex
	ended   *Error    // why the session ended; the keeper knows it too
	note    Kind      // why the record is gone from the store
	refused *Error    // why the server does not refresh the session
	useless string    // the access token that the server refused last
	looked  time.Time // when the store was last read or written

	unreached bool // the server did not answer the last refresh

	events events.Queue

	// jitter is the part of the time before a token's expiry that this session uses. It keeps
	// sessions that began together from refreshing together.
	jitter float64
}

var _ xrpc.Doer = (*Session)(nil)

func (c *Client) newSession(key SessionKey, state *sessionState, revision uint64) *Session {
	s := &Session{client: c, key: key, jitter: 0.5 + rand.Float64()/2, looked: c.now()}
	s.keeper = keeper.New(c.keepers, party{s}, sameTokens, state, revision)
	return s
}

// current returns the newest state that this process knows, or the reason why the session ended.
func (s *Session) current() (*sessionState, error) {
	state, over := s.keeper.Current()
	if over != nil {
		return state, s.reason()
	}
	return state, nil
}

// reason returns why the session ended.
func (s *Session) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		return nil
	}
	return s.ended
}

// view is current for accessors, which also work after the end.
func (s *Session) view() *sessionState {
	state, _ := s.keeper.Current()
	return state
}

// Key returns the key for Client.Resume, which brings the session back.
func (s *Session) Key() SessionKey { return s.key }

// DID returns the account.
func (s *Session) DID() syntax.DID { return s.key.DID }

// Handle returns the account's handle as its server last reported it, or syntax.HandleInvalid. It
// is for display; the DID identifies the account.
func (s *Session) Handle() syntax.Handle { return s.view().Handle }

// Host returns the origin of the account's server, such as "https://pds.example.com". Calls go only
// there. It changes if a refresh says that the account has moved.
func (s *Session) Host() string { return s.view().Host }

// ExpiresAt returns when the access token expires. It is the zero time if the token does not show
// it. The session continues after that time, by a refresh.
func (s *Session) ExpiresAt() time.Time { return s.view().Tokens.ExpiresAt }

// Expired reports whether the access token has expired.
func (s *Session) Expired() bool { return s.view().Tokens.Expired(s.client.now()) }

// LogValue gives loggers the account only.
func (s *Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("did", string(s.key.DID)), slog.String("session", s.key.ID))
}

// String returns the account and the session's ID, and no secret.
func (s *Session) String() string { return fmt.Sprintf("session %s of %s", s.key.ID, s.key.DID) }

// Format writes the same text as String, for every verb. The fields hold secrets, and they change
// while fmt would read them.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// over notes why the session ended; the first reason stays. The caller has told the keeper, or is
// the keeper.
func (s *Session) over(reason *Error) {
	s.mu.Lock()
	first := s.ended == nil
	if first {
		s.ended = reason
	}
	s.mu.Unlock()
	if !first {
		return
	}
	s.client.sessions.Forget(s.key, s)
	if f := s.client.config.OnEnd; f != nil {
		s.tell(func() { f(context.Background(), s, reason) })
	}
	s.log(s.client.log.Info, "apppassword: session ended", "cause", reason.Kind)
}

// gone says why the session ended if its record is no longer in the store. learnEnding found out
// the reason.
func (s *Session) gone() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Error{Kind: cmp.Or(s.note, ErrLoggedOut), Err: errors.New("its record is gone from the store")}
}

// tell delivers an event in a goroutine of its own, after those before it.
func (s *Session) tell(event func()) {
	s.events.Tell(event, func(p any) {
		s.client.log.Error("apppassword: an event handler panicked", "session", s, "panic", said.Text(fmt.Sprint(p)))
	})
}

// log writes to the operator's log. The logger is code of the application too.
func (s *Session) log(write func(msg string, args ...any), msg string, args ...any) {
	args = append([]any{"session", s}, args...)
	s.tell(func() { write(msg, args...) })
}

const (
	// lookAge is how long Resume returns a live session without reading the store again.
	lookAge = time.Minute
	// lookWait is how long a Resume waits for that read. The read continues in the background.
	lookWait = 250 * time.Millisecond
)

// lookAgain reads the record, unless it was read within the last minute. Without this, Resume would
// return a session for ever that another process has ended (P76).
func (s *Session) lookAgain(ctx context.Context) {
	s.mu.Lock()
	now := s.client.now()
	due := (now.Sub(s.looked)).Abs() > lookAge
	if due {
		s.looked = now // only one read at a time
	}
	s.mu.Unlock()
	if !due {
		return
	}
	done := make(chan struct{})
	if !s.client.keepers.Go(func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), vault.Patience)
		defer cancel()
		if err := s.keeper.Look(ctx); err != nil && s.reason() == nil {
			s.client.log.Debug("apppassword: a session could not be looked up again", "session", s, "error", err)
		}
	}) {
		return
	}
	wait := time.NewTimer(lookWait)
	defer wait.Stop()
	select {
	case <-done:
	case <-wait.C:
	case <-ctx.Done():
	}
}

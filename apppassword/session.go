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

// A Session is a logged-in account. It is an xrpc.Doer: give it to a generated client and call
// typed methods.
//
// It renews its tokens by itself, once for all goroutines and all processes that share the
// store. It is safe for concurrent use.
type Session struct {
	client *Client
	key    SessionKey
	keeper *keeper.Keeper[*sessionState]

	mu      sync.Mutex
	ended   *Error    // why the session is over; the keeper knows it, too
	note    Kind      // why the record is gone from the store
	refused *Error    // why the server does not go on with the session
	useless string    // the access token that the server refused last
	looked  time.Time // when the store was last read, or written

	unreached bool // the server gave no answer to the last refresh

	events events.Queue

	// jitter is the part of the span before a token's end that this session uses, so that sessions which
	// began together do not refresh together.
	jitter float64
}

var _ xrpc.Doer = (*Session)(nil)

func (c *Client) newSession(key SessionKey, state *sessionState, revision uint64) *Session {
	s := &Session{client: c, key: key, jitter: 0.5 + rand.Float64()/2, looked: c.now()}
	s.keeper = keeper.New(c.keepers, party{s}, sameTokens, state, revision)
	return s
}

// current returns the newest state this process knows, or why the session ended.
func (s *Session) current() (*sessionState, error) {
	state, over := s.keeper.Current()
	if over != nil {
		return state, s.reason()
	}
	return state, nil
}

// reason is why the session is over.
func (s *Session) reason() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		return nil
	}
	return s.ended
}

// view is current for accessors, which also answer after the end.
func (s *Session) view() *sessionState {
	state, _ := s.keeper.Current()
	return state
}

// Key returns what Client.Resume takes to bring the session back.
func (s *Session) Key() SessionKey { return s.key }

// DID returns the account.
func (s *Session) DID() syntax.DID { return s.key.DID }

// Handle returns the account's handle as its server said it last, or syntax.HandleInvalid. It is for
// display; the DID is the account.
func (s *Session) Handle() syntax.Handle { return s.view().Handle }

// Host returns the origin of the account's server, such as "https://pds.example.com". Calls go there
// and nowhere else. It changes when a refresh says that the account is elsewhere.
func (s *Session) Host() string { return s.view().Host }

// ExpiresAt returns when the access token ends, the zero time if that cannot be read in it. The session
// goes on beyond that, by refreshing.
func (s *Session) ExpiresAt() time.Time { return s.view().Tokens.ExpiresAt }

// Expired reports whether the access token's time has run out.
func (s *Session) Expired() bool { return s.view().Tokens.Expired(s.client.now()) }

// LogValue keeps everything but the account out of logs.
func (s *Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("did", string(s.key.DID)), slog.String("session", s.key.ID))
}

// String returns the account and the session's ID, and no secret.
func (s *Session) String() string { return fmt.Sprintf("session %s of %s", s.key.ID, s.key.DID) }

// Format writes what String returns, whatever the verb: what is inside of a session is secret,
// and changes while it is read.
func (s *Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// over notes why the session is over; the first reason stays. The caller has told the keeper,
// or is it.
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

// gone is why the session is over when its record is not in the store any more: what learnEnding
// found out.
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

// log writes to the operator's log, which is code of the application, too.
func (s *Session) log(write func(msg string, args ...any), msg string, args ...any) {
	args = append([]any{"session", s}, args...)
	s.tell(func() { write(msg, args...) })
}

const (
	// lookAge is how long a live session is given out without a look at the store.
	lookAge = time.Minute
	// lookWait is how long a Resume waits for such a look. It goes on in the background.
	lookWait = 250 * time.Millisecond
)

// lookAgain reads the record, unless that was done within the last minute: a session that
// another process has ended must not be given out for ever (P76).
func (s *Session) lookAgain(ctx context.Context) {
	s.mu.Lock()
	now := s.client.now()
	due := (now.Sub(s.looked)).Abs() > lookAge
	if due {
		s.looked = now // one at a time
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

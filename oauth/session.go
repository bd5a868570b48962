package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/internal/dpop"
	"github.com/gimucco/atproto-go/internal/events"
	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/vault"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Session is a logged-in account. It is an xrpc.Doer: pass it to a generated client and call
// typed methods, or use AuthenticatedRequest, AuthenticatedRawRequest and HTTPClient.
//
// It refreshes its tokens by itself, once for all goroutines and for all processes that share the
// store. It is safe for concurrent use.
type Session struct {
	client   *Client
	key      SessionKey
	clientID string // the client and the issuer of the grant; these never change
	issuer   string

	keeper *keeper.Keeper[*sessionState]
	nonces *dpop.Nonces

	mu      sync.Mutex
	ended   *Error    // why the session ended; the keeper knows it too
	moved   *Error    // if set, the account has moved to another issuer
	note    Kind      // why the record is gone from the store
	refused *Error    // why the server does not refresh the session
	useless string    // the access token that the server refused last
	looked  time.Time // when the store was last read or written

	events events.Queue

	granted atomic.Pointer[scope.Set] // the scope of the tokens that Allows saw last

	// jitter is the part of refreshSpan that this session uses. It keeps sessions that began
	// together from refreshing together.
	jitter float64
}

var _ xrpc.Doer = (*Session)(nil)

func (c *Client) newSession(key SessionKey, state *sessionState, revision uint64) *Session {
	s := &Session{
		client: c, key: key, clientID: state.ClientID, issuer: state.Issuer,
		nonces: c.nonces.Session(state.Nonces),
		jitter: 0.5 + rand.Float64()/2,
		looked: c.now(),
	}
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

// Key returns the key for Resume, which brings the session back.
func (s *Session) Key() SessionKey { return s.key }

// DID returns the account.
func (s *Session) DID() syntax.DID { return s.key.DID }

// Handle returns the account's handle as it was verified at login, or
// syntax.HandleInvalid. It is for display; the DID is the account.
func (s *Session) Handle() syntax.Handle { return s.view().Handle }

// Host returns the origin of the account's PDS, such as "https://pds.example.com".
// Calls go there and nowhere else. It changes when a refresh finds that the account
// has moved.
func (s *Session) Host() string { return s.view().PDS }

// Issuer returns the authorization server that granted the session.
func (s *Session) Issuer() string { return s.view().Issuer }

// Scope returns what was granted, which may be less than what was asked for.
func (s *Session) Scope() string { return s.view().Tokens.Scope }

// asked is the scope that the session's login asked for. Of sessions that an older version
// stored, it is what was granted, as far as a login may ask for that.
func (s *Session) asked() string {
	state := s.view()
	if state.Asked != "" {
		return state.Asked
	}
	return s.client.mayAsk(state.Tokens.Scope)
}

// Allows reports whether what was granted covers all that is needed, as the reference
// server decides it; see scope.Set. What a method needs is known to scope.ForMethod. A
// grant may change at every refresh. For what lacks, see
// scope.ParseGranted(session.Scope()).Missing.
func (s *Session) Allows(need ...scope.Permission) bool {
	text := s.Scope()
	granted := s.granted.Load()
	if granted == nil || granted.String() != text {
		parsed := scope.ParseGranted(text)
		granted = &parsed
		s.granted.Store(granted)
	}
	return granted.Allows(need...)
}

// ExpiresAt returns when the access token ends, the zero time if the server did not say. The
// session goes on beyond that, by refreshing.
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
	s.notifyEnd(reason)
	s.log(s.client.log.Info, "oauth: session ended", "cause", reason.Kind)
}

// finish ends the session for a reason that the keeper does not know of, and drops its record.
func (s *Session) finish(ctx context.Context, reason *Error) error {
	if s.keeper.End(reason) {
		s.over(reason)
		s.noteEnding(ctx, reason.Kind)
		if err := s.client.store.Delete(ctx, s.key.record(), 0); err != nil && !errors.Is(err, store.ErrNotFound) {
			s.client.log.Warn("oauth: record of an ended session could not be deleted", "session", s, "error", err)
		}
	}
	return s.reason()
}

// gone is why the session is over when its record is not in the store any more: what
// learnEnding found out.
func (s *Session) gone() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Error{Kind: cmp.Or(s.note, ErrLoggedOut), Err: errors.New("its record is gone from the store")}
}

// outlived reports whether the session is as old as servers let it become.
func (s *Session) outlived() bool { return s.view().outlived(s.client.now()) }

// lookAge is how long a live session is given out without a look at the store.
const lookAge = time.Minute

// lookWait is how long a Resume waits for such a look. It goes on in the background.
const lookWait = 250 * time.Millisecond

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
			s.client.log.Debug("oauth: a session could not be looked up again", "session", s, "error", err)
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

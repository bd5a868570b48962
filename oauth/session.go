package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Session is a logged-in account. It is an xrpc.Doer: give it to a generated
// client and call typed methods, or use AuthenticatedRequest, AuthenticatedRawRequest
// and HTTPClient.
//
// It renews its tokens by itself, once for all goroutines and all processes that
// share the store. It is safe for concurrent use.
type Session struct {
	client *Client
	key    SessionKey

	nonces *nonceTable

	mu       sync.Mutex
	state    *sessionState // never changed in place: readers take the pointer
	revision uint64        // of state in the store
	unsaved  *tokenSet     // if set, state is not in the store, which may hold these tokens instead
	adopted  bool          // the tokens of state are another process's, from the store
	ended    error         // why the session is over
	moved    *Error        // if set, the account is at another issuer
	flight   *flight       // the refresh under way, if any
	tried    time.Time     // when the last refresh began
	events   []func()      // not yet delivered
	telling  bool          // a goroutine delivers events

	saving sync.Mutex // held while unsaved tokens are written; taken before mu

	// done is the claim of this process that is not waited for: nothing was sent, or
	// what was sent is over, with open saying that its outcome is not known. Only the
	// one refresh under way uses it.
	done struct {
		claim string
		open  bool
	}

	granted atomic.Pointer[scope.Set] // the scope of the tokens that Allows saw last

	// jitter is the part of refreshSpan that this session uses, so that sessions which
	// began together do not refresh together.
	jitter float64
}

var _ xrpc.Doer = (*Session)(nil)

func (c *Client) newSession(key SessionKey, state *sessionState, revision uint64) *Session {
	return &Session{
		client: c, key: key,
		state: state, revision: revision,
		nonces: newNonceTable(state.Nonces),
		jitter: 0.5 + rand.Float64()/2,
	}
}

// current returns the newest state this process knows, or why the session ended.
func (s *Session) current() (*sessionState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state, s.ended
}

// view is current for accessors, which also answer after the end.
func (s *Session) view() *sessionState {
	state, _ := s.current()
	return state
}

// Key returns what Resume takes to bring the session back.
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

// ExpiresAt returns when the access token ends. The session goes on beyond that,
// by refreshing.
func (s *Session) ExpiresAt() time.Time { return s.view().Tokens.ExpiresAt }

// Expired reports whether the access token's time has run out.
func (s *Session) Expired() bool { return s.view().Tokens.expired(s.client.now()) }

// LogValue keeps everything but the account out of logs.
func (s *Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("did", string(s.key.DID)), slog.String("session", s.key.ID))
}

// String returns the account and the session's ID, and no secret.
func (s *Session) String() string { return fmt.Sprintf("session %s of %s", s.key.ID, s.key.DID) }

// end marks the session as over, drops its record and returns the reason. The
// first reason stays.
func (s *Session) end(ctx context.Context, reason *Error) error {
	s.mu.Lock()
	first := s.ended == nil
	if first {
		s.ended = reason
	}
	ended, revision := s.ended, s.revision
	s.mu.Unlock()
	if first {
		s.notifyEnd(ctx, reason)
	}
	s.client.sessions.forget(s.key, s)
	s.client.log.Info("oauth: session ended", "session", s, "cause", reason.Kind)
	// At our revision only: another process may have logged the same session's
	// record on in the meantime. What is left behind expires by itself.
	err := s.client.store.Delete(ctx, s.key.record(), revision)
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrConflict) {
		s.client.log.Warn("oauth: record of an ended session could not be deleted", "session", s, "error", err)
	}
	return ended
}

// Logout ends the session: its record is deleted first, so that no other process
// goes on with it, then its tokens are revoked at the server (RFC 7009).
//
// An error of kind ErrStore means that the record may still be there: call Logout
// again. Any other error means that the session is gone here but the server could
// not be told; its tokens die when they expire.
func (s *Session) Logout(ctx context.Context) error {
	if first, err := s.discard(ctx); err != nil || !first {
		return err
	}
	return s.revoke(ctx)
}

// discard is the half of a logout that needs no server. It reports whether the session
// was still going on here.
func (s *Session) discard(ctx context.Context) (first bool, err error) {
	err = s.client.store.Delete(ctx, s.key.record(), 0)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, storeError(err)
	}
	reason := &Error{Kind: ErrLoggedOut, Stage: StageSession}
	s.mu.Lock()
	if first = s.ended == nil; first {
		s.ended = reason
	}
	s.mu.Unlock()
	s.client.sessions.forget(s.key, s)
	if first {
		s.notifyEnd(ctx, reason)
		s.client.log.Info("oauth: logged out", "session", s)
	}
	return first, nil
}

// revoke is the half of a logout that tells the server.
func (s *Session) revoke(ctx context.Context) error {
	s.mu.Lock()
	running := s.flight
	s.mu.Unlock()
	if running != nil {
		// A refresh under way finds its record gone and revokes what it got.
		select {
		case <-running.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	state := s.view()
	return s.client.revoke(ctx, state.RevocationEndpoint, state.Issuer, state.ClientKey, state.Tokens, state.Key, s.nonces)
}

package apppassword

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Package keeper decides when tokens are refreshed, and by which process. This file gives it what
// it needs: how to read and write a session's record, how to ask the server, and what the server's
// answers mean.
//
// The reference server accepts a refresh token once, and again within two hours, for the same new
// tokens. So a lost answer does no harm there: the next process asks again. Servers do not have to
// do that, and nothing here relies on it.

const (
	// orphanLimit limits the time to end a session that nobody will use.
	orphanLimit = 30 * time.Second
	// refusedPause is how long a session rests after its server refused to refresh it.
	refusedPause = time.Minute
)

// Refresh refreshes the tokens now, even if they are still valid. If another goroutine or process
// is refreshing them already, Refresh waits and uses that result. If ctx ends, only the waiting
// ends; the refresh continues, so that its result is not lost.
//
// After a failure that may pass, the next attempt waits as long as the server asked for. If the
// server did not ask, it waits one second, and longer after each further failure, up to a minute.
// Until then Refresh returns the same error at once; its RetryAfter says how long that is.
//
// Errors: ErrReauthRequired, with the reason, if the session has ended. ErrRefused, which is
// ErrReauthRequired too, if the server does not refresh the tokens and the access token no longer
// works. After ErrStore, ErrNetwork, ErrServer, ErrRateLimited, ErrAccountTakedown, ErrBusy and
// ErrShutdown the session goes on, and a later try can help. After ErrStore there may be new
// tokens; they are in use, and are stored as soon as the store accepts them.
func (s *Session) Refresh(ctx context.Context) error {
	state, err := s.current()
	if err != nil {
		return err
	}
	_, err = s.keeper.Renew(ctx, state)
	return s.refreshError(err)
}

// renew makes sure that the session has other tokens than those of used. It reports whether the
// server was asked. New tokens that are not stored yet are good enough.
func (s *Session) renew(ctx context.Context, used *sessionState) (asked bool, err error) {
	asked, err = s.keeper.Renew(ctx, used)
	if _, unsaved := errors.AsType[*keeper.UnsavedError](err); unsaved {
		if state, _ := s.current(); !sameTokens(state, used) {
			return asked, nil
		}
	}
	return asked, s.refreshError(err)
}

// refreshError converts an error of the keeper to an error of this package.
func (s *Session) refreshError(err error) error {
	if err == nil {
		return nil
	}
	if _, over := errors.AsType[*keeper.Ending](err); over {
		return s.reason()
	}
	var wait time.Duration
	if postponed, ok := errors.AsType[*keeper.Postponed](err); ok {
		wait = postponed.For
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok:
		e = new(*e) // others have it too
	case errors.Is(err, keeper.ErrStopped):
		return &Error{Kind: ErrShutdown, Err: err}
	case errors.Is(err, keeper.ErrBusy):
		e = &Error{Kind: ErrBusy, Retryable: true, Err: keeper.ErrBusy}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		e = &Error{Kind: ErrStore, Retryable: true, Err: err}
	}
	if wait > 0 {
		e.RetryAfter = wait
	}
	if e.refusesSession() && s.isUseless(&s.view().Tokens) {
		e.Kind, e.Retryable = ErrRefused, false
	}
	return e
}

// retryAfter returns how long a server wants no requests after an error.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// refusesSession reports whether e, the answer to a refresh, may mean that the server no longer
// knows the session, although it does not use the protocol's words.
func (e *Error) refusesSession() bool {
	if e.Kind != ErrServer || e.Name == "" {
		return false
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return true
	}
	return false
}

// setUseless notes that the server refused an access token.
func (s *Session) setUseless(access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.useless = access
}

// isUseless reports whether an access token no longer works: it has expired, or was refused.
func (s *Session) isUseless(t *tokenSet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.Spent(s.client.now()) || s.useless == t.Access
}

// A party is a Session as its keeper sees it.
type party struct{ *Session }

var _ keeper.Party[*sessionState] = party{}

// Read implements keeper.Party.
func (s party) Read(ctx context.Context) (keeper.Entry[*sessionState], error) {
	s.mu.Lock()
	s.looked = s.client.now()
	s.mu.Unlock()
	stored := new(sessionRecord)
	r, _, err := s.client.vault.Load(ctx, s.key.record(), stored)
	if errors.Is(err, store.ErrNotFound) {
		s.learnEnding(ctx)
		return keeper.Entry[*sessionState]{}, keeper.ErrGone
	}
	if err != nil {
		return keeper.Entry[*sessionState]{}, err
	}
	return keeper.Entry[*sessionState]{Value: &stored.sessionState, Claim: stored.Claim, Revision: r.Revision}, nil
}

// Swap implements keeper.Party. Only new tokens change how long the record is kept.
func (s party) Swap(ctx context.Context, e keeper.Entry[*sessionState], fresh bool) error {
	var keep time.Duration // unchanged
	if fresh {
		keep = sessionKeep
	}
	err := s.client.vault.Save(ctx, s.key.record(), e.Revision, keep, &sessionRecord{sessionState: *e.Value, Claim: e.Claim})
	if errors.Is(err, store.ErrConflict) {
		return keeper.ErrConflict
	}
	return err
}

// Drop implements keeper.Party. It deletes the record at this revision only, because another
// process may have got new tokens meanwhile.
func (s party) Drop(ctx context.Context, revision uint64, why *keeper.Ending) error {
	refused := &Error{Kind: ErrRevoked}
	if said, ok := errors.AsType[*Error](why.Err); ok {
		refused.Status, refused.Name, refused.Message = said.Status, said.Name, said.Message
	}
	if why.Ambiguous {
		refused.Kind = ErrAmbiguousRefresh
	}
	s.mu.Lock()
	s.refused = refused
	s.mu.Unlock()
	s.noteEnding(ctx, refused.Kind)
	err := s.client.vault.Store().Delete(ctx, s.key.record(), revision)
	switch {
	case errors.Is(err, store.ErrConflict):
		s.client.forgetEnding(ctx, s.key)
		return keeper.ErrConflict
	case errors.Is(err, store.ErrNotFound):
		return keeper.ErrGone
	case err != nil:
		s.client.log.Warn("apppassword: record of an ended session could not be deleted", "session", s.Session, "error", err)
		return storeError(err)
	}
	return nil
}

// Prepare implements keeper.Party. A claim has a time by the server's clock. Without that time,
// other processes have to watch the claim if this process dies, and that takes longer than some
// commands live (P117).
func (s party) Prepare(ctx context.Context, held *sessionState) (*sessionState, error) {
	held = s.movedHost(ctx, held)
	if _, known := s.client.clocks.Known(held.Host); !known {
		if _, err := s.ServerTime(ctx); err != nil {
			s.client.log.Debug("apppassword: the server's clock is not known", "session", s.Session, "error", err)
		}
	}
	return held, nil
}

// movedHost finds out whether the account has moved, after its server did not answer. A server that
// is permanently gone cannot say so itself. The new server will most likely refuse the tokens; then
// the session ends, instead of waiting for ever.
func (s party) movedHost(ctx context.Context, held *sessionState) *sessionState {
	s.mu.Lock()
	unreached := s.unreached
	s.mu.Unlock()
	if !unreached {
		return held
	}
	account, err := identity.Lookup(ctx, s.client.resolver, syntax.AtIdentifier(s.key.DID))
	if err != nil || account.PDS == held.Host || s.client.checkHost(account.PDS) != nil {
		return held
	}
	s.client.log.Warn("apppassword: the account has moved", "session", s.Session, "from", held.Host, "to", account.PDS)
	next := *held
	next.Host = account.PDS
	return &next
}

// setUnreached notes whether a refresh got no answer from the server itself.
func (s *Session) setUnreached(unreached bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreached = unreached
}

// Exchange implements keeper.Party.
func (s party) Exchange(ctx context.Context, held *sessionState, fence func(context.Context) error) keeper.Answer[*sessionState] {
	a, err := s.client.ask(ctx, &request{host: held.Host, method: refreshSession, bearer: held.Tokens.Refresh, fence: func(ctx context.Context) error {
		if err := fence(ctx); err != nil {
			return &unsent{err}
		}
		return nil
	}})
	s.setUnreached(errors.Is(err, ErrNetwork) || err == nil && !a.ok() && a.words().name == "")
	if err != nil {
		return keeper.Answer[*sessionState]{Verdict: unansweredVerdict(err), Err: err}
	}
	if !a.ok() {
		verdict, e := a.refreshRefused()
		if e.refusesSession() && s.isUseless(&held.Tokens) {
			e.RetryAfter = max(e.RetryAfter, refusedPause)
		}
		return keeper.Answer[*sessionState]{Verdict: verdict, Err: e}
	}
	g, err := a.grant(s.client)
	if err == nil && g.did != s.key.DID {
		err = &Error{Kind: ErrAccountMismatch, Status: a.status}
		// These tokens belong to somebody else, and should not stay valid because of us. They are
		// ended in the background, because the time here belongs to the claim.
		s.client.keepers.Go(func() { s.client.giveBack(context.Background(), held.Host, g) })
	}
	if err != nil {
		// The server has issued new tokens, but its answer cannot be used. The session stays as it
		// was. The next try shows whether the server still accepts its refresh token.
		return keeper.Answer[*sessionState]{Verdict: keeper.Unknown, Err: err}
	}
	next := *held
	next.Tokens = g.tokens
	if next.Tokens.Refresh == "" {
		next.Tokens.Refresh = held.Tokens.Refresh
	}
	if g.handle != "" {
		next.Handle = g.handle
	}
	if g.host != "" {
		next.Host = g.host
	}
	return keeper.Answer[*sessionState]{Verdict: keeper.Fresh, Value: &next}
}

// An unsent error wraps the error of a fence that stopped a request.
type unsent struct{ err error }

func (e *unsent) Error() string { return e.err.Error() }
func (e *unsent) Unwrap() error { return e.err }

// unansweredVerdict says what a missing answer proves.
func unansweredVerdict(err error) keeper.Verdict {
	if _, before := errors.AsType[*unsent](err); before {
		return keeper.Unspent
	}
	if send, ok := errors.AsType[*xrpc.SendError](err); ok && send.Sent == xrpc.SentMaybe {
		return keeper.Unknown
	}
	return keeper.Unspent
}

// refreshRefused says what a refusal proves. It lists the refusals that prove that the server did
// nothing. Any other may come from a gateway that lost the server's answer (P62).
func (a *reply) refreshRefused() (keeper.Verdict, *Error) {
	switch name := a.words().name; a.status {
	case http.StatusTooManyRequests, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return keeper.Unspent, a.refusal(ErrServer) // a server that answers so has not looked at the token yet
	case http.StatusBadRequest, http.StatusUnauthorized:
		switch name {
		case "ExpiredToken", "InvalidToken":
			return keeper.Ended, a.refusal(ErrServer)
		case "AccountTakedown":
			return keeper.Unspent, a.refusal(ErrAccountTakedown)
		}
	}
	return keeper.Unknown, a.refusal(ErrServer)
}

// Orphan implements keeper.Party.
func (s party) Orphan(ctx context.Context, fresh *sessionState) {
	s.client.giveBack(ctx, fresh.Host, &grant{tokens: fresh.Tokens})
}

// ServerTime implements keeper.Party.
func (s party) ServerTime(ctx context.Context) (time.Time, error) {
	if _, err := s.client.ask(ctx, &request{verb: http.MethodGet, host: s.Host(), method: describeServer}); err != nil {
		return time.Time{}, err
	}
	return s.KnownServerTime(), nil
}

// KnownServerTime implements keeper.Party.
func (s party) KnownServerTime() time.Time {
	ahead, known := s.client.clocks.Known(s.Host())
	if !known {
		return time.Time{}
	}
	return s.client.now().Add(ahead)
}

// Notice implements keeper.Party. The keeper is locked during this call, so nothing here may call
// it. The application's functions are called in order, and later.
func (s party) Notice(e keeper.Event, cause error) {
	c := s.client
	switch e {
	case keeper.Refreshed, keeper.Adopted, keeper.Unsaved:
		if f := c.config.OnUpdate; f != nil {
			s.tell(func() { f(context.Background(), s.Session) })
		}
	}
	switch e {
	case keeper.Refreshed:
		s.log(c.log.Info, "apppassword: tokens refreshed")
	case keeper.TookOver:
		s.log(c.log.Warn, "apppassword: taking over an interrupted refresh")
	case keeper.Failed:
		s.log(c.log.Warn, "apppassword: refresh failed", "error", cause)
	case keeper.Unsaved:
		s.log(c.log.Error, "apppassword: refreshed tokens could not be stored and live in memory only", "error", cause)
	case keeper.Saved:
		s.log(c.log.Info, "apppassword: tokens that lived in memory only are stored")
	case keeper.Orphaned:
		s.log(c.log.Info, "apppassword: the refreshed tokens of an ended session are revoked")
	case keeper.Over:
		s.mu.Lock()
		reason := s.refused
		s.mu.Unlock()
		if ending, ok := errors.AsType[*keeper.Ending](cause); !ok || ending.Gone || reason == nil {
			reason = s.gone()
		}
		s.over(reason)
	}
}

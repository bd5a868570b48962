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

// When tokens are renewed and by whom is for package keeper to say, which has the rules. What
// is here is what it needs to know: how a session's record is read and written, how its server
// is asked, and what the server's answers mean.
//
// The reference server takes a refresh token once, and again within two hours of that, for the
// same successor. So a refresh whose answer was lost costs nothing there: whoever comes next asks again. No
// server has to do that, and nothing here relies on it.

const (
	// orphanLimit bounds the end of a session that nobody will use.
	orphanLimit = 30 * time.Second
	// refusedPause is how long a session that its server does not renew is left alone.
	refusedPause = time.Minute
)

// Refresh renews the tokens now, whatever is left of their life; when another goroutine or
// process is at it already, it waits for that and is satisfied with its result. The refresh goes on when
// ctx ends, so that its result is not lost; only the waiting ends.
//
// After a failure that may pass, none is tried before as much time has gone by as the server asked
// for, or one second, which grows to a minute with every failure; until then Refresh returns the same
// error at once, and its RetryAfter says how long that will be.
//
// Errors: ErrReauthRequired with its cause when the session is over, or, as ErrRefused, when the server
// does not renew it and its access token is of no use any more; ErrStore, ErrNetwork, ErrServer,
// ErrRateLimited, ErrAccountTakedown, ErrBusy and ErrShutdown when it goes on and a later try can help. After
// ErrStore there may be new tokens, which are in use; they are stored as soon as the store takes them.
func (s *Session) Refresh(ctx context.Context) error {
	state, err := s.current()
	if err != nil {
		return err
	}
	_, err = s.keeper.Renew(ctx, state)
	return s.refreshError(err)
}

// renew makes sure that the session's tokens are others than those of used. It reports
// whether the server was asked. New tokens that are not stored yet are good enough.
func (s *Session) renew(ctx context.Context, used *sessionState) (asked bool, err error) {
	asked, err = s.keeper.Renew(ctx, used)
	if _, unsaved := errors.AsType[*keeper.UnsavedError](err); unsaved {
		if state, _ := s.current(); !sameTokens(state, used) {
			return asked, nil
		}
	}
	return asked, s.refreshError(err)
}

// refreshError is a keeper's error in the terms of this package.
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
		e = new(*e) // others have it, too
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

// retryAfter is how long a server wants to be left alone after an error.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// refusesSession reports whether e is the answer to a refresh that may mean that the server knows the
// session no more, in words other than those of the protocol.
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

// setUseless notes that the server has refused an access token.
func (s *Session) setUseless(access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.useless = access
}

// isUseless reports whether an access token is of no use: it has run out, or was refused.
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

// Swap implements keeper.Party. Only new tokens move the time that the record is kept.
func (s party) Swap(ctx context.Context, e keeper.Entry[*sessionState], fresh bool) error {
	var keep time.Duration // as it is
	if fresh {
		keep = sessionKeep
	}
	err := s.client.vault.Save(ctx, s.key.record(), e.Revision, keep, &sessionRecord{sessionState: *e.Value, Claim: e.Claim})
	if errors.Is(err, store.ErrConflict) {
		return keeper.ErrConflict
	}
	return err
}

// Drop implements keeper.Party. The record goes at this revision only: another process may
// have got new tokens meanwhile.
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

// Prepare implements keeper.Party. A claim is dated by the server's clock. Without a date it has to be
// watched should this process die, for longer than some commands live (P117).
func (s party) Prepare(ctx context.Context, held *sessionState) (*sessionState, error) {
	held = s.movedHost(ctx, held)
	if _, known := s.client.clocks.Known(held.Host); !known {
		if _, err := s.ServerTime(ctx); err != nil {
			s.client.log.Debug("apppassword: the server's clock is not known", "session", s.Session, "error", err)
		}
	}
	return held, nil
}

// movedHost finds out, after a server could not be asked, whether the account is elsewhere. A server that
// is gone for good cannot say so itself. The new one will most likely refuse the tokens; then the session
// is over, and not waiting for ever.
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
	s.client.log.Warn("apppassword: account has moved", "session", s.Session, "from", held.Host, "to", account.PDS)
	next := *held
	next.Host = account.PDS
	return &next
}

// setUnreached notes whether the server gave no answer to a refresh, or none of its own.
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
		// Somebody else's tokens should not live on because of us. In the background: the time here is
		// the claim's.
		s.client.keepers.Go(func() { s.client.giveBack(context.Background(), held.Host, g) })
	}
	if err != nil {
		// The server has rotated, yet its answer cannot be used. The session is kept as it was; the
		// next try shows whether the server still knows it.
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

// An unsent error is what a fence did not let through.
type unsent struct{ err error }

func (e *unsent) Error() string { return e.err.Error() }
func (e *unsent) Unwrap() error { return e.err }

// unansweredVerdict says what it proves that there is no answer.
func unansweredVerdict(err error) keeper.Verdict {
	if _, before := errors.AsType[*unsent](err); before {
		return keeper.Unspent
	}
	if send, ok := errors.AsType[*xrpc.SendError](err); ok && send.Sent == xrpc.SentMaybe {
		return keeper.Unknown
	}
	return keeper.Unspent
}

// refreshRefused says what a refusal proves. What proves that the server did nothing is
// listed; anything else may be a gateway that lost the server's answer (P62).
func (a *reply) refreshRefused() (keeper.Verdict, *Error) {
	switch name := a.words().name; a.status {
	case http.StatusTooManyRequests, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return keeper.Unspent, a.refusal(ErrServer) // whoever answers so has not come as far as the token
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

// Notice implements keeper.Party. The keeper is locked meanwhile: nothing here may call it,
// and what is the application's is told in order, and later.
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
		s.log(c.log.Warn, "apppassword: refresh of another process taken over")
	case keeper.Failed:
		s.log(c.log.Warn, "apppassword: refresh failed", "error", cause)
	case keeper.Unsaved:
		s.log(c.log.Error, "apppassword: refreshed tokens could not be stored and live in memory only", "error", cause)
	case keeper.Saved:
		s.log(c.log.Info, "apppassword: tokens that lived in memory only are stored")
	case keeper.Orphaned:
		s.log(c.log.Info, "apppassword: refreshed tokens of a session that is over are given back")
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

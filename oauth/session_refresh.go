package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

// Package keeper decides when tokens are refreshed, and by which process. This file gives it what
// it needs: how to read and write a session's record, how to ask the server, and what the server's
// answers mean.

const (
	// verifiedFor is how long an issuer counts as verified if it cannot be looked up again.
	verifiedFor = 24 * time.Hour

	// orphanLimit limits the time to revoke tokens that nobody will use.
	orphanLimit = 30 * time.Second
)

// Refresh refreshes the tokens now, even if they are still valid. If another goroutine or process
// is refreshing them already, Refresh waits and uses that result. If ctx ends, only the waiting
// ends; the refresh continues, so that its result is not lost.
//
// Before the refresh, it checks that the session's authorization server is still the one of the
// account, and finds out the account's PDS.
//
// After a failure that may pass, the next attempt waits as long as the server asked for. If the
// server did not ask, it waits one second, and longer after each further failure, up to a minute.
// Until then Refresh returns the same error at once; its RetryAfter says how long that is.
//
// Errors: ErrReauthRequired, with the reason, if the session has ended. ErrRefused, which is ErrReauthRequired too, if the server does not refresh the tokens and the access token no longer works. ErrIssuerChanged means that the
// account moved to another authorization server; a new login there helps. After ErrStore,
// ErrNetwork, ErrToken, ErrBusy and ErrShutdown the session goes on, and a later try can help.
// After ErrStore there may be new tokens; they are in use, and are stored as soon as the store
// accepts them.
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
		if state, _ := s.current(); !state.Tokens.same(&used.Tokens) {
			return asked, nil
		}
	}
	return asked, s.refreshError(err)
}

// refreshError converts an error of the keeper to an error of this package.
func (s *Session) refreshError(err error) error {
	err = s.translated(err)
	if e, ok := errors.AsType[*Error](err); ok && e == err {
		s.asRefused(e)
	}
	return err
}

// translated is refreshError without a look at the tokens, because that would need the keeper. It
// returns a new *Error, except if a context ended.
func (s *Session) translated(err error) error {
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
	return e
}

// retryAfter returns how long a server wants no requests after an error.
func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// A party is a Session as its keeper sees it.
type party struct{ *Session }

var _ keeper.Party[*sessionState] = party{}

func sameTokens(a, b *sessionState) bool { return a.Tokens.same(&b.Tokens) }

// Read implements keeper.Party.
func (s party) Read(ctx context.Context) (keeper.Entry[*sessionState], error) {
	s.mu.Lock()
	s.looked = s.client.now()
	s.mu.Unlock()
	stored := new(sessionRecord)
	r, err := s.client.load(ctx, s.key.record(), stored)
	if errors.Is(err, store.ErrNotFound) {
		s.learnEnding(ctx)
		return keeper.Entry[*sessionState]{}, keeper.ErrGone
	}
	if err != nil {
		return keeper.Entry[*sessionState]{}, err
	}
	state := &stored.sessionState
	if state.ClientID != s.clientID || state.Issuer != s.issuer {
		return keeper.Entry[*sessionState]{}, &Error{Kind: ErrSealed,
			Err: fmt.Errorf("record of %s is now of client %q and issuer %q", s.key.DID, state.ClientID, state.Issuer)}
	}
	s.nonces.Adopt(state.Nonces)
	return keeper.Entry[*sessionState]{Value: state, Claim: stored.Claim, Revision: r.Revision}, nil
}

// Swap implements keeper.Party. Only new tokens change how long the record is kept.
func (s party) Swap(ctx context.Context, e keeper.Entry[*sessionState], fresh bool) error {
	record := &sessionRecord{sessionState: *e.Value, Claim: e.Claim}
	if fresh {
		record.Nonces = s.nonces.Stored()
	}
	var keep time.Duration // unchanged
	if fresh {
		keep = e.Value.keep(s.client.now())
	}
	err := s.client.save(ctx, s.key.record(), e.Revision, keep, record)
	if errors.Is(err, store.ErrConflict) {
		return keeper.ErrConflict
	}
	return err
}

// Drop implements keeper.Party. It deletes the record at this revision only, because another
// process may have got new tokens meanwhile.
func (s party) Drop(ctx context.Context, revision uint64, why *keeper.Ending) error {
	refused := s.refusal(why)
	s.mu.Lock()
	s.refused = refused
	s.mu.Unlock()
	s.noteEnding(ctx, refused.Kind)
	err := s.client.store.Delete(ctx, s.key.record(), revision)
	switch {
	case errors.Is(err, store.ErrConflict):
		s.client.forgetEnding(ctx, s.key)
		return keeper.ErrConflict
	case errors.Is(err, store.ErrNotFound):
		return keeper.ErrGone
	case err != nil:
		s.client.log.Warn("oauth: record of an ended session could not be deleted", "session", s.Session, "error", err)
		return storeError(err)
	}
	return nil
}

// errNoRefreshToken: the server issued only an access token. The session lasts as long as that
// token, and only the server knows how long that is, because our clock may be wrong (P66).
var errNoRefreshToken = errors.New("there is no refresh token")

// Prepare implements keeper.Party. It finds out what it can without using the refresh token.
func (s party) Prepare(ctx context.Context, held *sessionState) (*sessionState, error) {
	c := s.client
	if held.Tokens.Refresh == "" {
		return nil, &Error{Kind: ErrToken, Err: errNoRefreshToken}
	}
	if held.ClientKey != "" {
		if _, err := c.keyOf(held.ClientKey); err != nil {
			// The record stays: perhaps only this process lacks the key.
			return nil, err
		}
	}
	verified, err := s.verify(ctx, held)
	if err != nil {
		return nil, err
	}
	next := s.withEndpoints(ctx, verified.into(held))
	if _, known := c.clocks.Known(s.issuer); !known {
		// A claim has a time by the server's clock. Without that time, other processes have to
		// watch the claim if this process dies, and that takes longer than some commands live
		// (P117).
		if _, err := c.serverOf(ctx, s.issuer); err != nil {
			c.log.Debug("oauth: the server's clock is not known", "session", s.Session, "error", err)
		}
	}
	return next, nil
}

// Exchange implements keeper.Party.
func (s party) Exchange(ctx context.Context, held *sessionState, fence func(context.Context) error) keeper.Answer[*sessionState] {
	c := s.client
	request := &asRequest{
		endpoint: held.TokenEndpoint, issuer: held.Issuer, clientID: held.ClientID, clientKey: held.ClientKey,
		key: held.Key, nonces: s.nonces, fence: fence,
		form: url.Values{
			"grant_type":    {"refresh_token"},
			"refresh_token": {held.Tokens.Refresh},
		},
	}
	answer, err := c.requestTokens(ctx, request)
	if isNowhere(err) {
		if moved, again, againErr := s.requestMovedTokens(ctx, request, held); moved != nil {
			held, answer, err = moved, again, againErr
		}
	}
	if answer == nil {
		return keeper.Answer[*sessionState]{Verdict: verdictOf(err), Err: err}
	}
	next := *held
	if next.Tokens, err = answer.merge(&held.Tokens, s.key.DID); err != nil {
		if _, other := errors.AsType[*otherAccountError](err); other {
			// These tokens belong to somebody else, and should not stay valid because of us. They
			// are revoked in the background, because the time here belongs to the claim.
			c.keepers.Go(func() { s.Orphan(context.Background(), &next) })
		}
		if answer.status < 200 || answer.status > 299 {
			if refused, ok := errors.AsType[*Error](err); ok {
				s.noteRefusal(&held.Tokens, refused)
			}
			return keeper.Answer[*sessionState]{Verdict: verdictOf(err), Err: err}
		}
		// The server has issued new tokens, but its answer cannot be used. The session stays as it
		// was. The next try shows whether the server still accepts its refresh token.
		return keeper.Answer[*sessionState]{Verdict: keeper.Unknown, Err: err}
	}
	return keeper.Answer[*sessionState]{Verdict: keeper.Fresh, Value: &next}
}

// verdictOf says what the failure of a refresh proves. It lists the errors that prove that the
// server did nothing. Any other error may come from a gateway that lost the server's answer (P62).
func verdictOf(err error) keeper.Verdict {
	if send, ok := errors.AsType[*xrpc.SendError](err); ok {
		if send.Sent == xrpc.SentNo {
			return keeper.Unspent
		}
		return keeper.Unknown
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return keeper.Unknown
	}
	if e.Status == 0 {
		switch e.Kind {
		case ErrStore, ErrSealed, ErrClientKey, ErrClientKeyGone, ErrDPoP, ErrInvalidMetadata:
			return keeper.Unspent // nothing was sent: the fence, a signature or the endpoint's URL failed
		}
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return keeper.Unspent // a server that answers so has not looked at the token yet
	case http.StatusBadRequest, http.StatusUnauthorized:
		switch e.Code {
		case "invalid_grant":
			if e.Status == http.StatusBadRequest {
				return keeper.Ended
			}
		case "invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type",
			"invalid_dpop_proof", "use_dpop_nonce", "slow_down":
			return keeper.Unspent
		}
	}
	return keeper.Unknown
}

// Orphan implements keeper.Party.
func (s party) Orphan(ctx context.Context, fresh *sessionState) {
	ctx, cancel := context.WithTimeout(ctx, orphanLimit)
	defer cancel()
	s.client.revoke(ctx, fresh, s.nonces) // it logs its errors
}

// ServerTime implements keeper.Party.
func (s party) ServerTime(ctx context.Context) (time.Time, error) {
	if _, err := s.client.serverOf(ctx, s.issuer); err != nil {
		return time.Time{}, err
	}
	return s.KnownServerTime(), nil
}

// KnownServerTime implements keeper.Party.
func (s party) KnownServerTime() time.Time {
	ahead, known := s.client.clocks.Known(s.issuer)
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
		s.notifyUpdate()
	}
	switch e {
	case keeper.Refreshed:
		s.log(c.log.Info, "oauth: tokens refreshed")
	case keeper.TookOver:
		s.log(c.log.Warn, "oauth: taking over an interrupted refresh")
	case keeper.Failed:
		s.log(c.log.Warn, "oauth: refresh failed", "error", s.translated(cause))
	case keeper.Unsaved:
		s.log(c.log.Error, "oauth: refreshed tokens could not be stored and live in memory only", "error", cause)
	case keeper.Saved:
		s.log(c.log.Info, "oauth: tokens that lived in memory only are stored")
	case keeper.Orphaned:
		s.log(c.log.Info, "oauth: refreshed tokens of a session that is over are revoked")
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

// refusal says, in the terms of this package, why a session has ended whose server no longer
// accepts its refresh token.
func (s *Session) refusal(ending *keeper.Ending) *Error {
	e := &Error{Kind: ErrRevoked}
	if said, ok := errors.AsType[*Error](ending.Err); ok {
		e.Status, e.Code, e.Description, e.URI = said.Status, said.Code, said.Description, said.URI
	}
	switch {
	case ending.Ambiguous:
		e.Kind = ErrAmbiguousRefresh
	case s.outlived():
		e.Kind = ErrSessionExpired
	}
	return e
}

// An authority is what was found out about the server of an account.
type authority struct {
	account *identity.Identity // nil if it could not be found out now
	at      time.Time
}

// into returns state with what was found out.
func (a *authority) into(state *sessionState) *sessionState {
	if a.account == nil {
		return state
	}
	next := *state
	changed := false
	next.PDS, next.VerifiedAt = a.account.PDS, a.at
	// If the handle only failed to resolve just now, it is still the account's.
	if claimed, ok := a.account.Document.Handle(); !ok || claimed.Normalize() != state.Handle {
		next.Handle, changed = a.account.Handle, true
	}
	if changed || next.Handle == a.account.Handle && a.at.Sub(state.HandleAt).Abs() >= handleFresh {
		next.HandleAt = a.at
	}
	return &next
}

// verify checks, before a refresh, that the session's issuer is still the one of the account, and
// finds out the account's PDS (O112). If the account has moved to another issuer, the session
// cannot be used. It stays stored until the account moves back or logs in again (O113). If nobody
// can be asked, a result that is younger than verifiedFor is used: a directory that is down is no
// reason to stop.
func (s *Session) verify(ctx context.Context, state *sessionState) (*authority, error) {
	c := s.client
	account, err := c.verifyAgain(ctx, s.key.DID, state)
	switch {
	case err == nil:
		s.setMoved(nil)
		return &authority{account: account, at: c.now()}, nil
	case errors.Is(err, ErrIssuerChanged):
		moved, _ := errors.AsType[*Error](err)
		s.setMoved(moved)
		c.log.Warn("oauth: account moved to another authorization server", "session", s, "error", err)
		return nil, moved
	case mayPass(err) && c.now().Sub(state.VerifiedAt) < verifiedFor:
		// The last result stands, also if it was that the account has moved.
		if moved := s.movedAway(); moved != nil {
			return nil, moved
		}
		c.log.Warn("oauth: account could not be verified again", "session", s, "error", err)
		return &authority{}, nil
	}
	return nil, err
}

// mayPass reports whether a look-up failed in a way that says nothing about the account: a server
// or directory is down, does not answer, or somebody else's page is in front of it (P122). A
// document that breaks the rules does say something, and so does one that is permanently gone.
func mayPass(err error) bool {
	if errors.Is(err, ErrNetwork) {
		return true
	}
	said, ok := errors.AsType[*safehttp.Error](err)
	if !ok || said.Status == http.StatusGone {
		return false
	}
	return errors.Is(said, safehttp.ErrStatus) || errors.Is(said, safehttp.ErrRedirect) || errors.Is(said, safehttp.ErrContentType)
}

func (s *Session) movedAway() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moved
}

func (s *Session) setMoved(reason *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = reason
}

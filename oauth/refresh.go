package oauth

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc"
)

// Refresh tokens are single use, and the servers answer a second use by ending the
// session. So a refresh happens once, for all goroutines (a flight) and for all
// processes (a claim in the record, written by compare-and-swap). The claim is
// exclusion, fence and write-ahead note in one: whoever finds one that was left
// behind knows that a refresh may have been sent and its answer lost.

const (
	// claimLife is how long a refresh may take before others stop waiting for it.
	claimLife = 20 * time.Second
	// claimSkew is how far the clocks of two processes may differ.
	claimSkew = 10 * time.Second
	// claimMargin is what must be left of a claim when the request is answered, to
	// write the answer down.
	claimMargin = 5 * time.Second
	// refreshLimit bounds a refresh with all its waiting for somebody else's claim.
	refreshLimit = 2*claimLife + claimSkew
	// The pause between two looks at somebody else's claim grows from the first to
	// the second.
	claimPollFirst = 25 * time.Millisecond
	claimPollLast  = 250 * time.Millisecond

	// verifiedFor is how long it is taken for granted that an issuer serves an account
	// when that cannot be looked up.
	verifiedFor = 24 * time.Hour

	// New tokens that the store did not take are offered to it again: by the next
	// call, which waits no longer than saveWait, and in the background, with pauses
	// that grow from the first to the last, for saveLimit.
	saveWait       = 5 * time.Second
	savePauseFirst = time.Second
	savePauseLast  = time.Minute
	saveLimit      = time.Hour
)

// A flight is a refresh under way in this process.
type flight struct {
	done chan struct{} // closed when err is set
	err  error
}

// Refresh renews the tokens now, whatever is left of their life; when another
// goroutine or process is at it already, it waits for that and is satisfied with
// its result. The refresh goes on when ctx ends, so that its result is not lost;
// only the waiting ends.
//
// Before it asks for tokens it makes sure that the session's authorization server still
// serves the account, and finds out at which PDS.
//
// Errors: ErrReauthRequired with its cause when the session is over; ErrIssuerChanged
// when the account has moved to another authorization server, where a new login helps;
// ErrStore,
// ErrNetwork and ErrToken when it goes on and a later try can help. After ErrStore
// the new tokens are in use and will be written by the next call.
func (s *Session) Refresh(ctx context.Context) error {
	state, err := s.current()
	if err != nil {
		return err
	}
	return s.renew(ctx, state)
}

// renew makes sure that the session's tokens are others than those of used.
func (s *Session) renew(ctx context.Context, used *sessionState) error {
	s.mu.Lock()
	if s.ended != nil {
		defer s.mu.Unlock()
		return s.ended
	}
	if !s.state.Tokens.same(&used.Tokens) {
		s.mu.Unlock()
		return nil
	}
	f := s.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.flight = f
		s.tried = s.client.now()
		go s.fly(context.WithoutCancel(ctx), f, used)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fly runs one refresh to its end.
func (s *Session) fly(ctx context.Context, f *flight, used *sessionState) {
	ctx, cancel := context.WithTimeout(ctx, refreshLimit)
	defer cancel()
	err := s.rotate(ctx, used)
	if err != nil && !errors.Is(err, ErrReauthRequired) { // the end of a session is logged where it ends
		s.client.log.Warn("oauth: refresh failed", "session", s, "error", err)
	}
	s.mu.Lock()
	s.flight = nil
	unsaved := s.unsaved != nil
	if s.ended == nil && !s.state.Tokens.same(&used.Tokens) {
		s.notifyUpdate(ctx) // under the lock, so that no end comes before it
	}
	s.mu.Unlock()
	f.err = err
	close(f.done)
	if unsaved {
		s.saveInBackground(context.WithoutCancel(ctx))
	}
}

// rotate replaces the tokens of used: by newer ones from the store, or by asking
// the server under a claim.
func (s *Session) rotate(ctx context.Context, used *sessionState) error {
	c := s.client
	if err := s.saveUnsaved(ctx); err != nil {
		return err // the tokens in the store are older than ours: not the time to send ours
	}
	pause := claimPollFirst
	var verified *authority
	for {
		stored, r, err := s.reload(ctx)
		if err != nil {
			return err
		}
		if !stored.Tokens.same(&used.Tokens) {
			return nil // another process was faster; reload has adopted its tokens
		}
		if stored.Tokens.Refresh == "" {
			if stored.Tokens.expired(c.now()) {
				return s.end(ctx, &Error{Kind: ErrSessionExpired, Stage: StageSession})
			}
			return &Error{Kind: ErrToken, Stage: StageSession, Err: errors.New("there is no refresh token")}
		}
		if left := stored.Claim; left != nil && !left.Open && left.ID != s.done.claim && c.now().Before(left.Until.Add(claimSkew)) {
			if err := sleep(ctx, pause/2+rand.N(pause/2)); err != nil {
				return err
			}
			pause = min(pause*2, claimPollLast)
			continue
		}
		if stored.ClientKey != "" {
			if _, err := c.keyOf(stored.ClientKey); err != nil {
				// Not the end of its record: the key may only be missing in this process.
				return err
			}
		}
		// Before the claim, which has no time to spare for other servers.
		if verified == nil {
			if verified, err = s.verify(ctx, stored); err != nil {
				return err
			}
		}
		err = s.refreshUnderClaim(ctx, verified.into(stored), r.Revision)
		if errors.Is(err, ErrConflict) {
			continue // the claim went to somebody else; look what became of it
		}
		return err
	}
}

// An authority is what was found out about who serves an account.
type authority struct {
	account *identity.Identity // nil if that could not be found out now
	at      time.Time
}

// into returns state with what was found out.
func (a *authority) into(state *sessionState) *sessionState {
	if a.account == nil {
		return state
	}
	next := *state
	next.PDS, next.VerifiedAt = a.account.PDS, a.at
	// A handle that only failed to resolve just now is still the account's.
	if claimed, ok := a.account.Document.Handle(); !ok || claimed.Normalize() != state.Handle {
		next.Handle = a.account.Handle
	}
	return &next
}

// verify, before a refresh, makes sure that the session's issuer still serves its account, and finds out
// at which PDS (O112). When the account has moved to another issuer, the session is of
// no more use and stays unused, though not forgotten, until the account moves back or
// logs in anew (O113). When nobody can be asked, what was found out within verifiedFor
// stands: an outage of a directory is no reason to stop.
func (s *Session) verify(ctx context.Context, state *sessionState) (*authority, error) {
	c := s.client
	account, err := c.verifyAuthority(ctx, s.key.DID, state.Issuer)
	switch {
	case err == nil:
		s.setMoved(nil)
		return &authority{account: account, at: c.now()}, nil
	case errors.Is(err, ErrIssuerChanged):
		moved, _ := errors.AsType[*Error](err)
		moved.Stage = StageSession
		s.setMoved(moved)
		c.log.Warn("oauth: account moved to another authorization server", "session", s, "error", err)
		return nil, moved
	case errors.Is(err, ErrNetwork) && c.now().Sub(state.VerifiedAt) < verifiedFor:
		// What was found out last stands: that the account has moved as well.
		if moved := s.movedAway(); moved != nil {
			return nil, moved
		}
		c.log.Warn("oauth: account could not be verified again", "session", s, "error", err)
		return &authority{}, nil
	}
	return nil, err
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

// reload reads the record, and adopts its tokens if they are newer than ours. A
// record that is gone means that the session was ended elsewhere.
func (s *Session) reload(ctx context.Context) (*sessionState, *Record, error) {
	stored := new(sessionState)
	r, err := s.client.load(ctx, s.key.record(), stored)
	if errors.Is(err, ErrNotFound) {
		return nil, nil, s.end(ctx, s.gone())
	}
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored.ClientID != s.state.ClientID || stored.Issuer != s.state.Issuer {
		return nil, nil, &Error{Kind: ErrSealed, Stage: StageStorage,
			Err: fmt.Errorf("record of %s is now of client %q and issuer %q", s.key.DID, stored.ClientID, stored.Issuer)}
	}
	// Tokens that the store did not take are newer than what it holds, whatever
	// revision that has.
	if s.unsaved == nil && r.Revision > s.revision {
		s.adopted = s.adopted || !stored.Tokens.same(&s.state.Tokens)
		s.state, s.revision = stored, r.Revision
		s.nonces.adopt(stored.Nonces)
	}
	return stored, r, nil
}

// gone is why the session is over when its record is not in the store any more: its time
// has run out, or else it was logged out.
func (s *Session) gone() *Error {
	e := &Error{Kind: ErrLoggedOut, Stage: StageSession, Err: errors.New("its record is gone from the store")}
	if state := s.view(); !s.client.now().Before(state.idleEnd()) {
		e.Kind, e.Err = ErrSessionExpired, fmt.Errorf("it was last refreshed at %s", state.Tokens.IssuedAt.UTC().Format(time.RFC3339))
	}
	return e
}

// refreshUnderClaim claims the record at revision, sends the refresh, and writes
// the outcome. ErrConflict means that the claim was lost before anything was sent.
func (s *Session) refreshUnderClaim(ctx context.Context, state *sessionState, revision uint64) error {
	c := s.client
	// A claim found here was left behind: what it announced may have happened, unless
	// it is one of ours of which we know that it did not.
	ambiguous := state.Claim != nil && (state.Claim.ID != s.done.claim || s.done.open)
	if ambiguous {
		c.log.Warn("oauth: taking over an interrupted refresh", "session", s)
	}
	claimed := *state
	claimed.Claim = &claim{ID: randomString(9), Until: c.now().Add(claimLife)}
	s.done.claim, s.done.open = claimed.Claim.ID, ambiguous // also if the write fails: it may have happened
	if err := s.commit(ctx, &claimed, revision+1); err != nil {
		return err
	}
	revision++

	// The process may have slept between the write and now, and another may have
	// gone on in the meantime: look at clock and record once more.
	fence, r, err := s.reload(ctx)
	if err != nil {
		return err
	}
	deadline := claimed.Claim.Until.Add(-claimMargin)
	if r.Revision != revision || fence.Claim == nil || fence.Claim.ID != claimed.Claim.ID || !c.now().Before(deadline) {
		return ErrConflict
	}

	s.done.claim = ""
	ctx, cancel := context.WithTimeout(ctx, deadline.Sub(c.now()))
	defer cancel()
	answer, err := c.requestTokens(ctx, state.TokenEndpoint, state.Issuer, state.ClientKey, state.Key, s.nonces, false, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {state.Tokens.Refresh},
	})
	// What came of it is written down even if the time for sending is over.
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimLife)
	defer cancel()
	if err != nil {
		return s.refreshFailed(settle, &claimed, revision, ambiguous, err)
	}
	if answer.header.Get(nonceHeader) == "" {
		c.log.Warn("oauth: the answer to a refresh carries no DPoP-Nonce", "session", s)
	}
	if err := s.checkRefreshed(answer); err != nil {
		// The server has rotated, yet its answer cannot be used. The session is kept
		// as it was; the next try shows whether the server still knows it.
		return s.releaseClaim(settle, &claimed, revision, true, err)
	}
	next := claimed
	next.Claim = nil
	next.Tokens = answer.tokens
	if next.Tokens.Refresh == "" {
		next.Tokens.Refresh = state.Tokens.Refresh // RFC 6749 §6: none given, the old one stays
	}
	return s.commitRefreshed(settle, &next, &state.Tokens, revision)
}

// checkRefreshed applies the rules of a token response to a refresh (O111).
func (s *Session) checkRefreshed(answer *tokenAnswer) error {
	if answer.subject == "" {
		answer.subject = string(s.key.DID) // sub may be left out here, nothing else may
	}
	if err := answer.check(); err != nil {
		return err
	}
	if answer.subject != string(s.key.DID) {
		return answer.invalid(fmt.Errorf("the refresh names account %q", answer.subject))
	}
	return nil
}

// commit writes state as revision and makes it the session's own.
func (s *Session) commit(ctx context.Context, state *sessionState, revision uint64) error {
	if err := s.client.save(ctx, s.key.record(), revision, s.client.sessionExpiry(state), state); err != nil {
		return err
	}
	s.adopt(state, revision)
	return nil
}

// adopt makes state the session's own, as it is stored under revision.
func (s *Session) adopt(state *sessionState, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.revision, s.unsaved = state, revision, nil
}

func (s *Session) setAdopted(adopted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopted = adopted
}

// hasAdopted reports whether the tokens in use are another process's.
func (s *Session) hasAdopted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.adopted
}

// commitRefreshed writes new tokens over revision. They are the newest there are, so
// they go on top of whatever another process has made of the record meanwhile, as long
// as that still has the tokens that they replace. If it has others, the write of ours
// happened though the store said it failed, and somebody refreshed from there. If it is
// gone, the session was logged out, and the new tokens are revoked.
func (s *Session) commitRefreshed(ctx context.Context, next *sessionState, replaced *tokenSet, revision uint64) error {
	c := s.client
	next.Nonces = s.nonces.snapshot()
	for {
		err := s.commit(ctx, next, revision+1)
		if err == nil {
			s.setAdopted(false)
			c.log.Info("oauth: tokens refreshed", "session", s, "expires", next.Tokens.ExpiresAt)
			return nil
		}
		var r *Record
		stored := new(sessionState)
		if errors.Is(err, ErrConflict) {
			r, err = c.load(ctx, s.key.record(), stored)
		}
		switch {
		case errors.Is(err, ErrNotFound):
			c.revoke(ctx, next.RevocationEndpoint, next.Issuer, next.ClientKey, next.Tokens, next.Key, s.nonces)
			return s.end(ctx, s.gone())
		case err != nil:
			// In use from here on, and written as soon as the store takes them.
			s.mu.Lock()
			s.state, s.unsaved, s.adopted = next, replaced, false
			s.mu.Unlock()
			c.log.Error("oauth: refreshed tokens could not be stored and live in memory only", "session", s, "error", err)
			return err
		case !stored.Tokens.same(replaced):
			s.adopt(stored, r.Revision)
			s.setAdopted(true)
			s.nonces.adopt(stored.Nonces)
			return nil
		}
		revision = r.Revision
	}
}

// saveUnsaved repeats a write that failed after a refresh. One goroutine at a time does,
// so that none writes what another has long replaced.
func (s *Session) saveUnsaved(ctx context.Context) error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	state, revision, replaced := s.state, s.revision, s.unsaved
	s.mu.Unlock()
	if replaced == nil {
		return nil
	}
	return s.commitRefreshed(ctx, new(*state), replaced, revision)
}

// saveInBackground offers tokens to the store until it takes them: if the process ends
// before, or another one refreshes, the session is lost.
func (s *Session) saveInBackground(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, saveLimit)
	defer cancel()
	for pause := savePauseFirst; sleep(ctx, pause/2+rand.N(pause/2)) == nil; pause = min(2*pause, savePauseLast) {
		attempt, cancel := context.WithTimeout(ctx, claimLife)
		err := s.saveUnsaved(attempt)
		cancel()
		if err == nil || errors.Is(err, ErrReauthRequired) {
			return
		}
	}
}

// refreshFailed decides what a refresh without new tokens means for the session.
func (s *Session) refreshFailed(ctx context.Context, claimed *sessionState, revision uint64, ambiguous bool, cause error) error {
	failure, _ := errors.AsType[*Error](cause)
	send, unanswered := errors.AsType[*xrpc.SendError](cause)
	switch {
	case unanswered && send.Sent == xrpc.SentMaybe, failure != nil && mayHaveRotated(failure.Status):
		// Whoever tries next has to know.
		return s.releaseClaim(ctx, claimed, revision, true, cause)
	case failure == nil || failure.Code != "invalid_grant" || failure.Status != http.StatusBadRequest:
		return s.releaseClaim(ctx, claimed, revision, ambiguous, cause)
	}
	// The server says the session is over. Believe it only if nobody else has newer
	// tokens (P10).
	stored, _, err := s.reload(ctx)
	if err != nil {
		return err
	}
	if !stored.Tokens.same(&claimed.Tokens) {
		return nil
	}
	kind := ErrRevoked
	switch {
	case stored.outlived(s.client.now()):
		kind = ErrSessionExpired
	case ambiguous:
		kind = ErrAmbiguousRefresh
	}
	return s.end(ctx, &Error{
		Kind: kind, Stage: StageSession, Status: failure.Status,
		Code: failure.Code, Description: failure.Description, URI: failure.URI,
	})
}

// mayHaveRotated reports whether an answer of that status, which brought no tokens,
// leaves open what the server did: a gateway may have lost the real answer, and a
// success may have been damaged on its way.
func mayHaveRotated(status int) bool {
	switch status {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return status/100 == 2
}

// releaseClaim lets others try at once, and returns cause. open says that the
// outcome at the server is not known.
func (s *Session) releaseClaim(ctx context.Context, claimed *sessionState, revision uint64, open bool, cause error) error {
	s.done.claim, s.done.open = claimed.Claim.ID, open // should the write fail: we need not wait for it
	released := *claimed
	released.Claim = nil
	if open {
		released.Claim = &claim{ID: claimed.Claim.ID, Until: claimed.Claim.Until, Open: true}
	}
	if err := s.commit(ctx, &released, revision+1); err != nil && !errors.Is(err, ErrConflict) {
		// The claim runs out by itself.
		s.client.log.Warn("oauth: claim could not be released", "session", s, "error", err)
	}
	return cause
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
)

// endingLife is how long it is remembered why a session ended.
const endingLife = time.Hour

// Logout ends the session: its record is deleted first, so that no other process
// goes on with it, then its tokens are revoked at the server (RFC 7009).
//
// An error of kind ErrStore means that the record may still be there: call Logout
// again. Any other error means that the session is gone here but the server could
// not be told; its tokens die when they expire. A server that has no revocation endpoint
// cannot be told: that is no error, and a warning in the log.
func (s *Session) Logout(ctx context.Context) error {
	if first, err := s.discard(ctx); err != nil || !first {
		return err
	}
	return s.revoke(ctx)
}

// Logout is Session.Logout for the session under key, which need not be resumed for it. A
// record that cannot be opened is deleted all the same; the error, of kind ErrSealed, says that
// its server could not be told. A session that does not exist is ErrSessionUnknown.
func (c *Client) Logout(ctx context.Context, key SessionKey) error {
	if s := c.sessions.Get(key); s != nil {
		return s.Logout(ctx)
	}
	state, r, _, err := c.loadSession(ctx, key)
	if errors.Is(err, ErrSessionUnknown) {
		c.forgetEnding(ctx, key) // whatever ended it: its user wants it to be over
	}
	if err != nil && !errors.Is(err, ErrSealed) {
		return err
	}
	if err != nil {
		if deleted := c.deleteSession(ctx, key); deleted != nil {
			return deleted
		}
		return err
	}
	s := c.sessions.Intern(key, c.newSession(key, &state.sessionState, r.Revision))
	return s.Logout(ctx)
}

// deleteSession removes a session's record, whatever its revision. Processes that find it gone
// take that for a logout: no note is needed.
func (c *Client) deleteSession(ctx context.Context, key SessionKey) error {
	err := c.store.Delete(ctx, key.record(), 0)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeError(err)
	}
	return nil
}

// discard is the half of a logout that needs no server. It reports whether the session
// was still going on here.
func (s *Session) discard(ctx context.Context) (first bool, err error) {
	if err := s.client.deleteSession(ctx, s.key); err != nil {
		return false, err
	}
	reason := &Error{Kind: ErrLoggedOut}
	if first = s.keeper.End(reason); first {
		s.over(reason)
	}
	return first, nil
}

// revoke is the half of a logout that tells the server. A refresh under way finds its record
// gone and revokes what it got.
func (s *Session) revoke(ctx context.Context) error {
	if err := s.keeper.Idle(ctx); err != nil {
		return err
	}
	return s.client.revoke(ctx, s.view(), s.nonces)
}

// An endingNote says why a session ended, for the processes that find its record gone. It is
// kept for an hour, under a kind of its own, and nothing depends on it.
type endingNote struct {
	Cause Kind   `json:"cause"`
	Asked string `json:"asked,omitempty"` // the scope of the login
}

func (k SessionKey) endingRecord() store.RecordKey {
	return store.RecordKey{Kind: store.RecordEnding, DID: k.DID, ID: k.ID}
}

// noteEnding leaves a note, as well as it can.
func (s *Session) noteEnding(ctx context.Context, cause Kind) {
	c, key := s.client, s.key
	for range 2 {
		err := c.save(ctx, key.endingRecord(), 1, endingLife, &endingNote{Cause: cause, Asked: s.asked()})
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrConflict) {
			c.log.Debug("oauth: why a session ended could not be noted", "did", key.DID, "session", key.ID, "error", err)
			return
		}
		c.forgetEnding(ctx, key) // an older note, which was wrong
	}
}

// forgetEnding takes a note back.
func (c *Client) forgetEnding(ctx context.Context, key SessionKey) {
	if err := c.store.Delete(ctx, key.endingRecord(), 0); err != nil && !errors.Is(err, store.ErrNotFound) {
		c.log.Debug("oauth: a note could not be taken back", "did", key.DID, "session", key.ID, "error", err)
	}
}

// learnEnding finds out why the record of this session is gone: what another process has
// noted, or that its time has run out, or else that it was logged out.
func (s *Session) learnEnding(ctx context.Context) {
	cause := ErrLoggedOut
	note := new(endingNote)
	if _, err := s.client.load(ctx, s.key.endingRecord(), note); err == nil && note.Cause.endsSession() {
		cause = note.Cause
	} else if s.outlived() {
		cause = ErrSessionExpired
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = cause
}

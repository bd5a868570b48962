package oauth

import (
	"context"
	"errors"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
)

// endingLife is how long the reason for a session's end is kept.
const endingLife = time.Hour

// Logout ends the session. It first deletes the session's record, so that no other process goes on
// with it. Then it revokes the session's tokens at the server (RFC 7009).
//
// An error of kind ErrStore means that the record may still exist: call Logout again. Any other
// error means that the session has ended here, but the server could not be told; its tokens stay
// valid until they expire. If the server has no revocation endpoint, there is no error, but a
// warning in the log.
func (s *Session) Logout(ctx context.Context) error {
	if first, err := s.discard(ctx); err != nil || !first {
		return err
	}
	return s.revoke(ctx)
}

// Logout is Session.Logout for the session under key. The session need not be resumed before. A
// record that cannot be opened is deleted too; an error of kind ErrSealed then says that its server
// could not be told. If there is no such session, the error is ErrSessionUnknown.
func (c *Client) Logout(ctx context.Context, key SessionKey) error {
	if s := c.sessions.Get(key); s != nil {
		return s.Logout(ctx)
	}
	state, r, _, err := c.loadSession(ctx, key)
	if errors.Is(err, ErrSessionUnknown) {
		c.forgetEnding(ctx, key) // whatever the earlier reason was, the user now wants the session to end
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

// deleteSession deletes a session's record at any revision. Other processes that find it gone take
// that as a logout, so no note is needed.
func (c *Client) deleteSession(ctx context.Context, key SessionKey) error {
	err := c.store.Delete(ctx, key.record(), 0)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeError(err)
	}
	return nil
}

// discard is the part of a logout that needs no server. It reports whether the session had not
// ended here before.
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

// revoke is the part of a logout that tells the server. A refresh that is under way finds its
// record gone, and revokes its new tokens.
func (s *Session) revoke(ctx context.Context) error {
	if err := s.keeper.Idle(ctx); err != nil {
		return err
	}
	return s.client.revoke(ctx, s.view(), s.nonces)
}

// An endingNote says why a session ended, for processes that find its record gone. It is kept for
// an hour under a kind of its own. Nothing depends on it.
type endingNote struct {
	Cause Kind   `json:"cause"`
	Asked string `json:"asked,omitempty"` // the scope of the login
}

func (k SessionKey) endingRecord() store.RecordKey {
	return store.RecordKey{Kind: store.RecordEnding, DID: k.DID, ID: k.ID}
}

// noteEnding tries to leave a note.
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
		c.forgetEnding(ctx, key) // an older note was wrong
	}
}

// forgetEnding deletes a note.
func (c *Client) forgetEnding(ctx context.Context, key SessionKey) {
	if err := c.store.Delete(ctx, key.endingRecord(), 0); err != nil && !errors.Is(err, store.ErrNotFound) {
		c.log.Debug("oauth: a note could not be taken back", "did", key.DID, "session", key.ID, "error", err)
	}
}

// learnEnding finds out why the record of this session is gone: the reason that another process
// noted, or its time has passed, or else it was logged out.
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

package apppassword

import (
	"context"
	"errors"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
)

// endingLife is how long the reason for a session's end is kept.
const endingLife = time.Hour

// Logout ends the session. It first deletes the session's record, so that no other process goes on
// with it. Then it tells the server (com.atproto.server.deleteSession). An access token that the
// server issued may stay valid until it expires.
//
// An error of kind ErrStore means that the record may still exist: call Logout again. Any other
// error means that the session has ended here, but the server could not be told.
func (s *Session) Logout(ctx context.Context) error {
	if err := s.client.deleteRecord(ctx, s.key); err != nil {
		return err
	}
	reason := &Error{Kind: ErrLoggedOut}
	if !s.keeper.End(reason) {
		return nil
	}
	s.over(reason)
	// A refresh that is under way finds its record gone, and ends its new session.
	if err := s.keeper.Idle(ctx); err != nil {
		return err
	}
	state := s.view()
	return s.client.delete(ctx, state.Host, state.Tokens.Refresh)
}

// Logout is Session.Logout for the session under key. The session need not be resumed before. A
// record that cannot be opened is deleted too; an error of kind ErrSealed then says that its server
// could not be told. If there is no such session, the error is ErrSessionUnknown.
func (c *Client) Logout(ctx context.Context, key SessionKey) error {
	s := c.sessions.Get(key)
	if s == nil {
		stored, r, _, err := c.load(ctx, key)
		if errors.Is(err, ErrSealed) {
			if deleted := c.deleteRecord(ctx, key); deleted != nil {
				return deleted
			}
		}
		if err != nil {
			return err
		}
		s = c.sessions.Intern(key, c.newSession(key, &stored.sessionState, r.Revision))
	}
	return s.Logout(ctx)
}

// deleteRecord deletes a session's record at any revision. Other processes that find it gone take
// that as a logout, so no note is needed.
func (c *Client) deleteRecord(ctx context.Context, key SessionKey) error {
	err := c.vault.Store().Delete(ctx, key.record(), 0)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeError(err)
	}
	return nil
}

// An endingNote says why a session ended, for processes that find its record gone. It is kept for
// an hour. Nothing depends on it.
type endingNote struct {
	Cause Kind `json:"cause"`
}

// noteEnding tries to leave a note.
func (s *Session) noteEnding(ctx context.Context, cause Kind) {
	c, key := s.client, s.key
	for range 2 {
		err := c.vault.Save(ctx, key.ending(), 1, endingLife, &endingNote{Cause: cause})
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrConflict) {
			c.log.Debug("apppassword: why a session ended could not be noted", "session", s, "error", err)
			return
		}
		c.forgetEnding(ctx, key) // an older note was wrong
	}
}

// forgetEnding deletes a note.
func (c *Client) forgetEnding(ctx context.Context, key SessionKey) {
	if err := c.vault.Store().Delete(ctx, key.ending(), 0); err != nil && !errors.Is(err, store.ErrNotFound) {
		c.log.Debug("apppassword: a note could not be taken back", "did", key.DID, "session", key.ID, "error", err)
	}
}

// learnEnding finds out why the record of this session is gone: the reason that another process
// noted, or else it was logged out.
func (s *Session) learnEnding(ctx context.Context) {
	cause := ErrLoggedOut
	note := new(endingNote)
	if _, _, err := s.client.vault.Load(ctx, s.key.ending(), note); err == nil && note.Cause.endsSession() {
		cause = note.Cause
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note = cause
}

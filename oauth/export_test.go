package oauth

import (
	"context"
	"time"

	"github.com/gimucco/atproto-go/internal/keeper"
)

// ShortClaims makes claims of refreshes short, so that tests can wait for a takeover.
func ShortClaims(cfg *Config) {
	cfg.times = keeper.Times{Claim: 1200 * time.Millisecond, Send: 400 * time.Millisecond, Write: 250 * time.Millisecond, Retry: 100 * time.Millisecond}
}

// Settle waits until everything that happened to s so far has been logged and told.
func Settle(s *Session) {
	done := make(chan struct{})
	s.tell(func() { close(done) })
	<-done
}

// WaitForRefresh waits until no refresh of s is under way.
func WaitForRefresh(ctx context.Context, s *Session) { s.keeper.Idle(ctx) }

// WaitUntilSaved waits until the store has the tokens of s.
func WaitUntilSaved(ctx context.Context, s *Session) error { return s.keeper.Saved(ctx) }

// Now is the time as c reads it.
func Now(c *Client) time.Time { return c.now() }

// Exported is what another client would have kept of s.
func Exported(s *Session) ImportedSession {
	state := s.view()
	return ImportedSession{
		DID: s.DID(), ClientID: state.ClientID, Issuer: state.Issuer, Scope: state.Tokens.Scope,
		AccessToken: state.Tokens.Access, RefreshToken: state.Tokens.Refresh, Key: state.Key.private,
		ClientKeyID: state.ClientKey, Began: state.CreatedAt, Refreshed: state.Tokens.IssuedAt,
	}
}

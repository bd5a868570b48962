package apppassword

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

// Tokens are the access and the refresh token that s holds.
func Tokens(s *Session) (access, refresh string) {
	t := s.view().Tokens
	return t.Access, t.Refresh
}

package oauth_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
)

func TestSessionWithoutARefreshToken(t *testing.T) {
	clock := new(movableClock)
	server := sandbox(t)
	s := login(t, server, newClient(t, server, func(cfg *oauth.Config) { cfg.Clock = clock.now },
		rewriting(tokenPath, func(m map[string]any) { delete(m, "refresh_token") })))
	t.Run("O82 is used as long as its access token lives", func(t *testing.T) {
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
	t.Run("O82 ends with its access token, and nothing is sent", func(t *testing.T) {
		clock.setAhead(time.Until(s.ExpiresAt()) + time.Second)
		before := server.Stats().Requests
		err := call(t.Context(), s)
		wantKind(t, err, oauth.ErrSessionExpired)
		if !errors.Is(err, oauth.ErrReauthRequired) {
			t.Errorf("got %v", err)
		}
		after := server.Stats().Requests
		if after[callPath] != before[callPath] || after[tokenPath] != before[tokenPath] {
			t.Error("something was sent")
		}
	})
}

func TestLifetimeThatIsNotTold(t *testing.T) {
	t.Run("O81 counts as five minutes", func(t *testing.T) {
		server := sandbox(t)
		s := login(t, server, newClient(t, server, rewriting(tokenPath, func(m map[string]any) { delete(m, "expires_in") })))
		if left := time.Until(s.ExpiresAt()); left > 5*time.Minute || left < 4*time.Minute {
			t.Errorf("%s are left", left)
		}
	})
}

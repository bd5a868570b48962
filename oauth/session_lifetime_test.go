package oauth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

func TestSessionWithoutARefreshToken(t *testing.T) {
	clock := new(movableClock)
	server := sandbox(t, oauthtest.WithClock(clock.now))
	ours := new(movableClock)
	s := login(t, server, newClient(t, server, ours.configure,
		rewriting(tokenPath, func(m map[string]any) { delete(m, "refresh_token") })))
	t.Run("O82 is used as long as its access token lives", func(t *testing.T) {
		if err := call(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
	t.Run("P66 O82 our own clock does not end it", func(t *testing.T) {
		ours.setAhead(time.Until(s.ExpiresAt()) + time.Second)
		defer ours.setAhead(0)
		if err := call(t.Context(), s); errors.Is(err, oauth.ErrReauthRequired) {
			t.Error(err)
		}
	})
	t.Run("O82 ends with its access token, by the server's word", func(t *testing.T) {
		clock.setAhead(time.Until(s.ExpiresAt()) + time.Second)
		ours.setAhead(time.Until(s.ExpiresAt()) + time.Second)
		before := server.Stats().Requests
		err := call(t.Context(), s)
		wantKind(t, err, oauth.ErrSessionExpired)
		if !errors.Is(err, oauth.ErrReauthRequired) {
			t.Errorf("got %v", err)
		}
		asked := server.Stats().Requests
		wantKind(t, call(t.Context(), s), oauth.ErrSessionExpired)
		after := server.Stats().Requests
		if after[callPath] != asked[callPath] || after[tokenPath] != before[tokenPath] {
			t.Errorf("%d calls after the end, %d token requests", after[callPath]-asked[callPath], after[tokenPath]-before[tokenPath])
		}
	})
}

// What time.Now returns has a second clock in it, which stands still while a machine sleeps and
// is what times are compared by as long as they have it.
func TestLifetimesSurviveASuspendedMachine(t *testing.T) {
	t.Run("P67 no time that is kept has a part that stands still", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server, func(cfg *oauth.Config) { cfg.Clock = nil })
		s := login(t, server, client)
		for what, at := range map[string]time.Time{"the time": oauth.Now(client), "the end of a token": s.ExpiresAt()} {
			if strings.Contains(at.String(), "m=") {
				t.Errorf("%s is %s", what, at)
			}
		}
	})
}

func TestTokensOfUnknownLifetime(t *testing.T) {
	for _, said := range []string{"", "null", "true", "0", "-7", `"soon"`, `{"seconds":3600}`} {
		t.Run("O81 P61 are used until they are refused, and not refreshed ahead: expires_in "+said, func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now), oauthtest.WithExpiresIn(said))
			server.SetTokenLifetime(3 * time.Hour)
			kept := new(store.Memory)
			s := login(t, server, newClient(t, server, clock.configure, withStore(kept)))
			refreshes := func() int { return server.Stats().Grants["refresh_token"] }
			for _, age := range []time.Duration{0, time.Minute, time.Hour, 3*time.Hour - time.Minute} {
				clock.setAhead(age)
				if err := call(t.Context(), s); err != nil {
					t.Fatalf("after %s: %v", age, err)
				}
			}
			if !s.ExpiresAt().IsZero() || s.Expired() || refreshes() != 0 {
				t.Errorf("ends at %s, expired: %t, %d refreshes", s.ExpiresAt(), s.Expired(), refreshes())
			}
			clock.setAhead(3*time.Hour + time.Minute)
			if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), 10, "text/plain")); err != nil || n != 10 {
				t.Errorf("P15 a body that is read once: %d bytes, %v", n, err)
			}
			if err := call(t.Context(), s); err != nil || refreshes() != 1 {
				t.Errorf("once it is refused: %v, %d refreshes", err, refreshes())
			}
			again, err := newClient(t, server, clock.configure, withStore(kept)).Resume(t.Context(), s.Key())
			if err != nil {
				t.Fatal(err)
			}
			if err := call(t.Context(), again); err != nil || refreshes() != 1 || !again.ExpiresAt().IsZero() {
				t.Errorf("resumed: %v, %d refreshes, ends at %s", err, refreshes(), again.ExpiresAt())
			}
		})
	}
}

func TestShortLifetimes(t *testing.T) {
	for _, said := range []string{"1", "0.5", "1e-3", `"20"`, "59"} {
		t.Run("P61 one refresh a minute that no refusal asked for: expires_in "+said, func(t *testing.T) {
			clock := new(movableClock)
			server := sandbox(t, oauthtest.WithClock(clock.now), oauthtest.WithExpiresIn(said))
			s := login(t, server, newClient(t, server, clock.configure))
			for second := range 150 {
				clock.setAhead(time.Duration(second) * time.Second)
				if err := call(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if n := server.Stats().Grants["refresh_token"]; n != 2 {
				t.Errorf("%d refreshes in two and a half minutes", n)
			}
		})
	}
	t.Run("P61 P15 a body that is read once does not go out with a token that has run out", func(t *testing.T) {
		clock := new(movableClock)
		server := sandbox(t, oauthtest.WithClock(clock.now))
		server.SetTokenLifetime(20 * time.Second)
		s := login(t, server, newClient(t, server, clock.configure))
		for _, age := range []time.Duration{time.Second, 21 * time.Second, 22 * time.Second, 50 * time.Second} {
			clock.setAhead(age)
			if n, err := upload(t, s, xrpc.StreamBody(strings.NewReader("some bytes"), 10, "text/plain")); err != nil || n != 10 {
				t.Errorf("after %s: %d bytes, %v", age, n, err)
			}
		}
		if n := server.Stats().Grants["refresh_token"]; n != 2 {
			t.Errorf("%d refreshes", n)
		}
	})
}

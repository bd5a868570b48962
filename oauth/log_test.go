package oauth_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A logBook is a log that can be read while it is written.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestLog(t *testing.T) {
	server, w, book := sandbox(t), new(wire), new(logBook)
	client := newClient(t, server, w.tap(), func(cfg *oauth.Config) {
		cfg.Logger = slog.New(slog.NewTextHandler(book, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	s := login(t, server, client)
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := call(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	server.Fault(revokePath, oauthtest.Fault{Status: 500, Body: "a page that says too much"})
	if err := s.Logout(t.Context()); err == nil {
		t.Error("a logout that could not revoke says nothing")
	}
	t.Run("tells of logins, retries and what failed", func(t *testing.T) {
		for _, want := range []string{"oauth: logged in", "level=DEBUG", "nonce", "oauth: tokens could not be revoked", string(s.DID())} {
			if !strings.Contains(book.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, book)
			}
		}
	})
	t.Run("O120 holds no secret, and no server's page", func(t *testing.T) {
		secrets := []string{"a page that says too much"}
		for _, r := range w.sent {
			secrets = append(secrets, r.header.Get("DPoP"), strings.TrimPrefix(r.header.Get("Authorization"), "DPoP "))
			for _, name := range []string{"code", "code_verifier", "state", "refresh_token", "token", "client_assertion"} {
				secrets = append(secrets, r.form.Get(name))
			}
		}
		found := 0
		for _, secret := range secrets {
			if secret == "" {
				continue
			}
			found++
			if strings.Contains(book.String(), secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
		if found < 10 {
			t.Errorf("only %d secrets were looked for", found)
		}
	})
}

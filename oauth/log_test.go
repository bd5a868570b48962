package oauth_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// secrets collects what goes over the wire and must not be logged.
type secrets struct {
	mu   sync.Mutex
	seen map[string]string
}

func (s *secrets) add(what, value string) {
	if len(value) > 5 {
		s.seen[value] = what
	}
}

func (s *secrets) hook(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add("a proof", req.Header.Get("DPoP"))
	s.add("an access token", strings.TrimPrefix(req.Header.Get("Authorization"), "DPoP "))
	if values, err := url.ParseQuery(form(req)); err == nil {
		for _, name := range []string{"code", "code_verifier", "refresh_token", "state", "client_assertion", "token"} {
			s.add(name, values.Get(name))
		}
	}
	resp, err := next()
	if err != nil {
		return nil, err
	}
	s.add("a nonce", resp.Header.Get("DPoP-Nonce"))
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Request string `json:"request_uri"`
	}
	if json.Unmarshal(data, &tokens) == nil {
		s.add("an access token", tokens.Access)
		s.add("a refresh token", tokens.Refresh)
		s.add("a request", tokens.Request)
	}
	return resp, nil
}

func TestLog(t *testing.T) {
	clock := new(movableClock)
	server := sandbox(t, oauthtest.WithClock(clock.now))
	var log bytes.Buffer
	wire := &secrets{seen: make(map[string]string)}
	kept := new(store.Memory)
	var echo bool
	client := newClient(t, server, func(cfg *oauth.Config) {
		cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		cfg.Store, cfg.Seal = kept, seal.Plaintext()
	}, clock.configure, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if echo && isRefresh(req) {
			// A server that repeats what it was sent.
			values, _ := url.ParseQuery(form(req))
			return respond(req, 400, `{"error":"invalid_request","error_description":"what is `+values.Get("refresh_token")+`?"}`, "DPoP-Nonce", "other-nonce"), nil
		}
		return wire.hook(req, next)
	}))
	// events returns what was logged since it was last called, level and message.
	events := func() (lines []string) {
		for line := range strings.Lines(log.String()) {
			var event struct{ Level, Msg string }
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			lines = append(lines, event.Level+" "+event.Msg)
		}
		for value, what := range wire.seen {
			if strings.Contains(log.String(), value) {
				t.Errorf("O120 %s was logged", what)
			}
		}
		log.Reset()
		return lines
	}
	var s *oauth.Session
	want := func(t *testing.T, parts ...string) {
		t.Helper()
		if s != nil {
			oauth.Settle(s)
		}
		got := strings.Join(events(), "\n")
		for _, part := range parts {
			if !strings.Contains(got, part) {
				t.Errorf("%q is not in the log:\n%s", part, got)
			}
		}
	}

	t.Run("O120 a store in plaintext", func(t *testing.T) { want(t, "WARN oauth: sessions are stored in plaintext") })
	t.Run("O120 a login, with its nonce challenge", func(t *testing.T) {
		s = login(t, server, client)
		want(t, "DEBUG oauth: trying again", "INFO oauth: logged in")
	})
	t.Run("O120 a nonce challenge of the PDS", func(t *testing.T) {
		server.RotateNonce()
		if err := call(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		want(t, "DEBUG oauth: trying again")
	})
	t.Run("O120 a refresh", func(t *testing.T) {
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, "INFO oauth: tokens refreshed")
	})
	t.Run("O120 a refresh that fails", func(t *testing.T) {
		server.Fault(tokenPath, oauthtest.Fault{Status: 503})
		wantKind(t, s.Refresh(t.Context()), oauth.ErrToken)
		want(t, "WARN oauth: server refused", "WARN oauth: refresh failed")
	})
	t.Run("O120 what a server says may repeat what it was sent", func(t *testing.T) {
		echo = true
		defer func() { echo = false }()
		clock.setAhead(2 * time.Minute) // the pause after the failure before is over
		e := wantKind(t, s.Refresh(t.Context()), oauth.ErrToken)
		if e.Description == "" {
			t.Error("the caller is not told")
		}
		want(t, "WARN oauth: refresh failed")
	})
	t.Run("O120 a logout that the server is not told of", func(t *testing.T) {
		const page = "a page that says too much"
		wire.add("a server's page", page)
		server.Fault(revokePath, oauthtest.Fault{Status: 500, Body: page})
		if err := s.Logout(t.Context()); err == nil {
			t.Error("it says nothing")
		}
		want(t, "INFO oauth: session ended", "WARN oauth: tokens could not be revoked")
	})
	t.Run("O120 a session that the server ended", func(t *testing.T) {
		s = login(t, server, client)
		server.RevokeSessions(s.DID())
		wantKind(t, call(t.Context(), s), oauth.ErrRevoked)
		want(t, "WARN oauth: server refused", "INFO oauth: session ended")
	})
	if len(wire.seen) < 20 {
		t.Errorf("only %d secrets were looked for", len(wire.seen))
	}
}

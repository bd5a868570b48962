package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// TestTwoServers has accounts at two servers, each with an authorization server of its
// own, in one directory.
func TestTwoServers(t *testing.T) {
	first := realpds.Start(t)
	second := realpds.StartBeside(t, first, "other.test", "carol")
	env := second.Environment() // of both
	alice, carol := env.Account("alice"), env.Account("carol")
	serverOf := map[oauthtest.Account]*realpds.Server{alice: first, carol: second}

	// What the client is told on its way is changed by answer, if it is set.
	var answer atomic.Pointer[func(*http.Request, *http.Response) error]
	client := scenario.NewClient(t, second, func(cfg *oauth.Config) {
		cfg.UnguardedTransport = &meddler{cfg.UnguardedTransport, &answer}
		cfg.Resolver = identity.NewResolver(identity.Config{
			UnguardedTransport: cfg.UnguardedTransport, AllowLoopback: true, Directories: []string{env.PLC},
			LookupTXT: func(_ context.Context, name string) ([]string, error) {
				return nil, &net.DNSError{Err: "there is no DNS here", Name: name, IsNotFound: true}
			},
		})
	})
	meddle := func(t *testing.T, f func(*http.Request, *http.Response) error) {
		answer.Store(&f)
		t.Cleanup(func() { answer.Store(nil) })
	}
	begin := func(t *testing.T, identifier string) *oauth.Login {
		t.Helper()
		login, err := client.Authorize(t.Context(), identifier)
		if err != nil {
			t.Fatal(err)
		}
		return login
	}
	approve := func(t *testing.T, login *oauth.Login, account oauthtest.Account) url.Values {
		t.Helper()
		callback, err := serverOf[account].Approve(t.Context(), login.URL, account)
		if err != nil {
			t.Fatal(err)
		}
		return callback.Query()
	}
	sessions := make(map[oauthtest.Account]*oauth.Session)

	t.Run("O93 O96 one client is logged in at both", func(t *testing.T) {
		for account, server := range serverOf {
			login := begin(t, string(account.Handle))
			result, err := client.Callback(t.Context(), approve(t, login, account), login.Binding)
			if err != nil {
				t.Fatal(err)
			}
			s := result.Session
			if want := server.Environment().Issuer; s.Issuer() != want || s.Host() != server.Environment().PDS || s.DID() != account.DID {
				t.Errorf("%s at %s and %s, want %s", s, s.Issuer(), s.Host(), want)
			}
			sessions[account] = s
		}
		for range 2 { // one after the other, so that neither has the nonce of the other
			for _, s := range sessions {
				if err := comatprotoCall(t, s); err != nil {
					t.Error(err)
				}
				if err := s.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if len(sessions) != 2 {
		return
	}
	t.Run("O61 the answer of one server does not end a login at the other", func(t *testing.T) {
		login, other := begin(t, string(alice.Handle)), begin(t, string(carol.Handle))
		mixed := approve(t, other, carol)
		mixed.Set("state", stateOf(t, first, login, alice))
		_, err := client.Callback(t.Context(), mixed, login.Binding)
		if !errors.Is(err, oauth.ErrIssuerMismatch) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("O79 P22 a server that names another's account is not believed", func(t *testing.T) {
		login := begin(t, second.Environment().PDS)
		callback := approve(t, login, carol)
		meddle(t, func(req *http.Request, resp *http.Response) error {
			if req.URL.Path != "/oauth/token" {
				return nil
			}
			return changeJSON(resp, func(m map[string]any) { m["sub"] = string(alice.DID) })
		})
		_, err := client.Callback(t.Context(), callback, login.Binding)
		if !errors.Is(err, oauth.ErrIssuerChanged) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("P12 O113 an account that is now at the other server keeps its tokens to itself", func(t *testing.T) {
		s := sessions[alice]
		before, err := first.TokenRequests(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		meddle(t, func(req *http.Request, resp *http.Response) error {
			if req.URL.Path != "/"+string(alice.DID) {
				return nil
			}
			return changeJSON(resp, func(m map[string]any) {
				m["service"].([]any)[0].(map[string]any)["serviceEndpoint"] = second.Environment().PDS
			})
		})
		if err := s.Refresh(t.Context()); !errors.Is(err, oauth.ErrIssuerChanged) || errors.Is(err, oauth.ErrReauthRequired) {
			t.Errorf("the refresh got %v", err)
		}
		if err := comatprotoCall(t, s); !errors.Is(err, oauth.ErrIssuerChanged) {
			t.Errorf("a call got %v", err)
		}
		after, err := first.TokenRequests(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if after["refresh_token"] != before["refresh_token"] {
			t.Error("the refresh token was sent")
		}
	})
	t.Run("O113 and goes on when it is back", func(t *testing.T) {
		err := sessions[alice].Refresh(t.Context())
		if postponed, ok := errors.AsType[*oauth.Error](err); ok && postponed.Kind == oauth.ErrIssuerChanged {
			// After a failure nothing is tried before a pause, and the error says how long.
			<-time.After(postponed.RetryAfter)
			err = sessions[alice].Refresh(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
		if err := comatprotoCall(t, sessions[alice]); err != nil {
			t.Error(err)
		}
	})
}

// stateOf returns the state of a login, by ending it at the server.
func stateOf(t *testing.T, server *realpds.Server, login *oauth.Login, account oauthtest.Account) string {
	t.Helper()
	callback, err := server.Approve(t.Context(), login.URL, account)
	if err != nil {
		t.Fatal(err)
	}
	return callback.Query().Get("state")
}

// A meddler changes answers on their way.
type meddler struct {
	http.RoundTripper
	answer *atomic.Pointer[func(*http.Request, *http.Response) error]
}

func (m *meddler) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := m.RoundTripper.RoundTrip(req)
	if change := m.answer.Load(); err == nil && change != nil {
		err = (*change)(req, resp)
	}
	return resp, err
}

// changeJSON changes the object that a response carries, if it carries one.
func changeJSON(resp *http.Response, change func(map[string]any)) error {
	data, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err
	}
	var m map[string]any
	if strings.Contains(resp.Header.Get("Content-Type"), "json") && json.Unmarshal(data, &m) == nil && resp.StatusCode == http.StatusOK {
		change(m)
		if data, err = json.Marshal(m); err != nil {
			return err
		}
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(data)), int64(len(data))
	resp.Header.Del("Content-Length")
	return nil
}

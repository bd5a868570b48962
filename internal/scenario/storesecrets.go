package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// StoreSecrets logs in to the sandbox, refreshes and logs out, with a Client that keeps its records
// sealed in kept. dump returns everything in the storage, unchanged. Neither that nor the log may
// contain a state, a token or a key (O120).
func StoreSecrets(t *testing.T, kept store.Store, dump func() []byte) {
	t.Helper()
	server := oauthtest.NewServer()
	t.Cleanup(server.Close)
	seen := &secrets{texts: make(map[string]bool)}
	cfg := oauth.Localhost("http://127.0.0.1:8765/callback", "atproto")
	server.Environment().Configure(&cfg)
	cfg.UnguardedTransport = listener{cfg.UnguardedTransport, seen}
	cfg.Store, cfg.Seal = kept, seal.Keys(bytes.Repeat([]byte{1}, 32))
	log, ended := new(logText), make(chan struct{})
	cfg.OnEnd = func(context.Context, *oauth.Session, *oauth.Error) { close(ended) }
	cfg.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client, err := oauth.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	alice := server.Environment().Account("alice")
	check := func(when string) {
		t.Helper()
		stored := dump()
		for _, secret := range seen.all() {
			if bytes.Contains(stored, []byte(secret)) {
				t.Errorf("%s: the storage holds %q", when, secret)
			}
		}
		// The names of secrets, in case they are stored in another form.
		for _, name := range []string{"verifier", "access", "refresh", "dpop_key", `"d":`} {
			if bytes.Contains(stored, []byte(name)) {
				t.Errorf("%s: the storage is readable: %q", when, name)
			}
		}
	}
	login, err := client.Authorize(t.Context(), string(alice.Handle))
	if err != nil {
		t.Fatal(err)
	}
	callback, err := server.Approve(t.Context(), login.URL, alice)
	if err != nil {
		t.Fatal(err)
	}
	seen.add(callback.Query().Get("state"), callback.Query().Get("code"), login.Binding)
	if len(dump()) == 0 {
		t.Error("during a login: dump shows nothing")
	}
	check("during a login")
	result, err := client.Callback(t.Context(), callback.Query(), login.Binding)
	if err != nil {
		t.Fatal(err)
	}
	check("after the login")
	if err := result.Session.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(dump(), []byte(result.Session.Key().ID)) {
		t.Error("after a refresh: dump does not show the session")
	}
	check("after a refresh")
	if n := len(seen.all()); n != 7 {
		t.Errorf("%d secrets were seen; a state, a code, a binding and two pairs of tokens were expected", n)
	}
	if err := result.Session.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(dump(), []byte(result.Session.Key().ID)) {
		t.Error("after the logout: the session is still there")
	}
	<-ended // what happened before is in the log by now
	written := log.String() + fmt.Sprintf("%v %+v %#v", result.Session, result.Session, result.Session)
	for _, secret := range seen.all() {
		if strings.Contains(written, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(written, "tokens refreshed") {
		t.Error("the log does not hold what it should")
	}
}

// A logText is a log in memory. Goroutines write the events of sessions to it.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// secrets are texts that must not appear.
type secrets struct {
	mu    sync.Mutex
	texts map[string]bool
}

func (s *secrets) add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		if text != "" {
			s.texts[text] = true
		}
	}
}

func (s *secrets) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for text := range s.texts {
		all = append(all, text)
	}
	return all
}

// A listener notes the tokens that pass.
type listener struct {
	rt   http.RoundTripper
	seen *secrets
}

func (l listener) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.rt.RoundTrip(req)
	if err != nil || req.URL.Path != "/oauth/token" {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if json.Unmarshal(body, &tokens) == nil {
		l.seen.add(tokens.Access, tokens.Refresh)
	}
	return resp, err
}

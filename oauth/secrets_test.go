package oauth_test

import (
	"bytes"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A logBuffer keeps all that a client logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBuffer) configure(cfg *oauth.Config) {
	cfg.Logger = slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestSecretsStayWhereTheyAre(t *testing.T) {
	clock := new(movableClock)
	server, w, kept := sandbox(t, oauthtest.WithClock(clock.now)), new(wire), new(store.Memory)
	var log logBuffer
	secrets := make(map[string]string) // what they are, by what they look like
	note := func(what string, values ...string) {
		for _, v := range values {
			if v != "" {
				secrets[v] = what
			}
		}
	}
	key := newKey(t, elliptic.P256())
	client := confidential(t, server, []oauth.ClientKey{{ID: "k", Signer: key}}, withStore(kept), clock.configure, log.configure, w.tap(), granting(func(m map[string]any) {
		note("access token", m["access_token"].(string))
		note("refresh token", m["refresh_token"].(string))
	}))
	login, query := approved(t, server, client)
	note("binding", login.Binding)
	note("code", query.Get("code"))
	note("state", query.Get("state"))
	slog.New(slog.NewTextHandler(&log, nil)).Info("begun", "login", login)
	result, err := client.Callback(t.Context(), query, login.Binding)
	if err != nil {
		t.Fatal(err)
	}
	s := result.Session
	// What goes well, what has to be repeated, what fails.
	server.RotateNonce()
	if err := errors.Join(call(t.Context(), s), s.Refresh(t.Context())); err != nil {
		t.Fatal(err)
	}
	var said []error
	server.Fault(tokenPath, oauthtest.Fault{Drop: true})
	said = append(said, s.Refresh(t.Context()))
	clock.setAhead(2 * time.Minute) // the pause is over
	_, err = s.AuthenticatedRequest(t.Context(), "GET", "https://elsewhere.test/", nil)
	said = append(said, err, s.Refresh(t.Context()), call(t.Context(), s))
	_, err = client.Callback(t.Context(), query, login.Binding)
	said = append(said, err)
	other, query2 := approved(t, server, client)
	note("code", query2.Get("code"))
	server.Fault(tokenPath, oauthtest.Fault{Status: 400, Body: `{"error":"invalid_grant"}`})
	_, err = client.Callback(t.Context(), query2, other.Binding)
	said = append(said, err)
	oauth.Settle(s)
	for _, sent := range w.sent {
		note("proof", sent.header.Get("DPoP"))
		for _, name := range []string{"client_assertion", "code_verifier", "refresh_token", "token", "code"} {
			note(name, sent.form.Get(name))
		}
	}
	d, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	note("client key", base64.RawURLEncoding.EncodeToString(d), new(big.Int).SetBytes(d).String(), hex.EncodeToString(d))
	if len(secrets) < 20 {
		t.Fatalf("only %d secrets", len(secrets))
	}
	tells := func(t *testing.T, where, text string) {
		t.Helper()
		for secret, what := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds a %s:\n%.300s", where, what, text)
			}
		}
	}

	t.Run("O120 no log holds any", func(t *testing.T) {
		if !strings.Contains(log.String(), "logged in") || !strings.Contains(log.String(), "session ended") {
			t.Errorf("nothing was logged of it:\n%s", log.String())
		}
		tells(t, "the log", log.String())
	})
	t.Run("O120 no error holds any", func(t *testing.T) {
		for _, err := range said {
			if err == nil {
				t.Error("something went well")
				continue
			}
			tells(t, "an error", fmt.Sprintf("%v %+v %#v", err, err, err))
		}
	})
	t.Run("O120 session, login and key show none when they are printed or logged", func(t *testing.T) {
		for _, v := range []any{s, login, oauth.ClientKey{ID: "k", Signer: key}, s.Key()} {
			var text bytes.Buffer
			slog.New(slog.NewJSONHandler(&text, nil)).Info("x", "v", v)
			slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
			if v != login { // whose fields are there to be read
				fmt.Fprintf(&text, "%v %+v %#v", v, v, v)
			}
			tells(t, fmt.Sprintf("a %T", v), text.String())
		}
	})
	t.Run("O120 no record holds any in the clear", func(t *testing.T) {
		login, _ := approved(t, server, client)
		if _, err := tryLogin(t.Context(), server, client); err != nil {
			t.Fatal(err)
		}
		note("binding", login.Binding)
		records := 0
		for _, kind := range []store.RecordKind{store.RecordSession, store.RecordState} {
			for key, err := range kept.List(t.Context(), kind, "") {
				if err != nil {
					t.Fatal(err)
				}
				r, err := kept.Get(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				records++
				tells(t, "a record", string(r.Data)+key.ID)
				for _, word := range []string{"token", "did:plc", "kty", "http"} {
					if bytes.Contains(r.Data, []byte(word)) {
						t.Errorf("a %s record shows %q", kind, word)
					}
				}
			}
		}
		if records < 2 {
			t.Errorf("%d records", records)
		}
	})
}

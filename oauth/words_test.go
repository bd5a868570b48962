package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// hostile are words that a server may say in the place of any other.
var hostile = map[string]string{
	"a line":      "x\ntime=2026-01-01 level=ERROR msg=\"all is lost\"",
	"a return":    "x\r\nx",
	"an escape":   "\x1b]0;title\a\x1b[2J",
	"a direction": "\u202ex\u2066\u200b",
	"no UTF-8":    "\xff\xfe",
	"NUL":         "\x00",
	"400 KB":      strings.Repeat("0123456789abcdef", 25<<10),
	"400 KB more": strings.Repeat("\n\x1b", 100<<10),
}

// fit fails the test for a text that should not be in a log or on a terminal.
func fit(t *testing.T, what, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("%s holds what does not print: %q", what, text[max(0, i-40):min(len(text), i+40)])
	}
	if len(text) > 16<<10 {
		t.Errorf("%s has %d bytes", what, len(text))
	}
}

func TestWordsOfServers(t *testing.T) {
	for name, word := range hostile {
		encoded, _ := json.Marshal(word)
		refusal := `{"error":` + string(encoded) + `,"error_description":` + string(encoded) + `,"error_uri":` + string(encoded) + `,"message":` + string(encoded) + `}`
		t.Run("P80 "+name, func(t *testing.T) {
			server := sandbox(t)
			var log logBuffer
			client := newClient(t, server, log.configure)
			s := login(t, server, client)
			var said []error
			// At the token endpoint, at a method, in a callback, in documents.
			server.Fault(tokenPath, oauthtest.Fault{Status: 400, Body: refusal, Header: http.Header{"Content-Type": {"application/json"}}})
			said = append(said, s.Refresh(t.Context()))
			for _, header := range []http.Header{{"Content-Type": {"application/json"}}, {"Content-Type": {word[:min(len(word), 8<<10)]}}} {
				server.Fault(callPath, oauthtest.Fault{Status: 400, Body: refusal, Header: header})
				_, err := comatproto.NewClient(s).Server.GetSession(t.Context())
				said = append(said, err)
			}
			server.Fault(parPath, oauthtest.Fault{Status: 400, Body: refusal})
			_, err := client.Authorize(t.Context(), "alice.test")
			said = append(said, err)
			login, query := approved(t, server, client)
			query.Del("code")
			query.Set("error", word)
			query.Set("error_description", word)
			query.Set("error_uri", word)
			_, err = client.Callback(t.Context(), query, login.Binding)
			said = append(said, err)
			for field, document := range map[string]string{
				"/.well-known/oauth-protected-resource":   `{"resource":"https://pds.test","authorization_servers":[` + string(encoded) + `]}`,
				"/.well-known/oauth-authorization-server": `{"issuer":` + string(encoded) + `}`,
			} {
				server.Fault(field, oauthtest.Fault{Status: 200, Body: document, Header: http.Header{"Content-Type": {"application/json"}}})
				_, err = client.Authorize(t.Context(), "alice.test")
				said = append(said, err)
			}
			alice := server.Environment().Account("alice").DID
			server.SetDIDDocument(alice, []byte(`{"id":`+string(encoded)+`}`))
			_, err = client.Authorize(t.Context(), string(alice))
			said = append(said, err)
			server.SetDIDDocument(alice, []byte(`{"id":"`+string(alice)+`","service":[{"id":"#atproto_pds","type":"AtprotoPersonalDataServer","serviceEndpoint":`+string(encoded)+`}]}`))
			_, err = client.Authorize(t.Context(), string(alice))
			said = append(said, err)
			oauth.Settle(s)
			for i, err := range said {
				if err == nil {
					t.Errorf("%d: something went well", i)
					continue
				}
				slog.New(slog.NewTextHandler(&log, nil)).Info("x", "error", err)
				slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "error", err)
				fit(t, fmt.Sprintf("error %d", i), err.Error())
				if e, ok := errors.AsType[*oauth.Error](err); ok && len(e.Code)+len(e.Description)+len(e.URI) > 8<<10 {
					t.Errorf("error %d keeps %d bytes of words", i, len(e.Code)+len(e.Description)+len(e.URI))
				}
			}
			for line := range strings.Lines(log.String()) {
				fit(t, "a line of the log", strings.TrimSuffix(line, "\n"))
				if strings.HasPrefix(line, "time=2026-01-01") {
					t.Error("the log has a line that a server wrote")
				}
			}
		})
	}
}

func TestValuesOfServersAreChecked(t *testing.T) {
	for name, token := range map[string]string{
		"a line": "a\r\nX: y", "a quote is fine, a letter beyond ASCII is not": "ä", "control": "a\x7f", "size": strings.Repeat("a", 65<<10),
	} {
		t.Run("P80 an access token with "+name, func(t *testing.T) {
			server := sandbox(t)
			client := newClient(t, server, rewriting(tokenPath, func(m map[string]any) { m["access_token"] = token }))
			_, err := tryLogin(t.Context(), server, client)
			e := wantKind(t, err, oauth.ErrToken)
			if fit(t, "the error", e.Error()); !strings.Contains(e.Error(), "access_token has ") || strings.Contains(e.Error(), token) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("P80 a request_uri that is too large", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server, rewriting(parPath, func(m map[string]any) { m["request_uri"] = strings.Repeat("a", 5<<10) }))
		_, err := client.Authorize(t.Context(), "alice.test")
		wantKind(t, err, oauth.ErrAuthorization)
	})
	t.Run("P80 a nonce that cannot be one is not sent back", func(t *testing.T) {
		server := sandbox(t)
		for _, nonce := range []string{strings.Repeat("n", 3<<10), "a b", "n\u00e4"} {
			sent := false
			s := login(t, server, newClient(t, server, withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
				if req.URL.Path != callPath {
					return next()
				}
				_, payload, _ := strings.Cut(req.Header.Get("DPoP"), ".")
				payload, _, _ = strings.Cut(payload, ".")
				claims, _ := base64.RawURLEncoding.DecodeString(payload)
				var proof struct{ Nonce string }
				if json.Unmarshal(claims, &proof) == nil && proof.Nonce == nonce {
					sent = true
				}
				return respond(req, 401, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", nonce, "WWW-Authenticate", `DPoP error="use_dpop_nonce"`, "Content-Type", "application/json"), nil
			})))
			if err := call(t.Context(), s); err == nil || sent {
				t.Errorf("%.20q: %v, sent back: %v", nonce, err, sent)
			}
		}
	})
}

package oauth_test

import (
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
)

func TestLoopbackRedirectsHaveAnyPort(t *testing.T) {
	published := func(uris ...string) func(*oauth.Config) {
		return func(cfg *oauth.Config) { cfg.RedirectURIs = uris }
	}
	for _, tt := range []struct {
		name     string
		change   func(*oauth.Config) // nil: the development client of newClient
		redirect string
		ok       bool
	}{
		{"O22 O50 a development client on another port", nil, "http://127.0.0.1:43211/callback", true},
		{"O22 O50 but not on another path", nil, "http://127.0.0.1:43211/other", false},
		{"O22 O50 nor on another host", nil, "http://[::1]:43211/callback", false},
		{"O22 O50 a native client on any port", published("http://127.0.0.1/callback"), "http://127.0.0.1:43211/callback", true},
		{"O22 O50 a native client that declares a port has that one", published("http://127.0.0.1:9/callback"), "http://127.0.0.1:43211/callback", false},
		{"O50 a web client's port is not free", published("https://app.client-host.net/callback"), "https://app.client-host.net:43211/callback", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			client := newClient(t, server)
			if tt.change != nil {
				client = confidential(t, server, nil, tt.change)
			}
			login, err := client.Authorize(t.Context(), "alice.test", oauth.WithRedirectURI(tt.redirect))
			if !tt.ok {
				wantKind(t, err, oauth.ErrConfig)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(callback.String(), tt.redirect+"?") {
				t.Errorf("sent back to %s", callback)
			}
			if _, err := client.Callback(t.Context(), callback.Query(), login.Binding); err != nil {
				t.Error(err)
			}
		})
	}
}

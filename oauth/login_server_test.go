package oauth_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// watchPAR keeps the form of the last pushed authorization request.
func watchPAR(into *url.Values) func(*oauth.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "/par") {
			*into, _ = url.ParseQuery(form(req))
		}
		return next()
	})
}

func TestLoginByServer(t *testing.T) { // O25, O37, O43
	split := []oauthtest.Option{oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test")}
	for _, tt := range []struct {
		name       string
		opts       []oauthtest.Option
		identifier string
		def        string
		option     string
	}{
		{"by the URL of a PDS", nil, "https://pds.test", "", ""},
		{"by a URL as people type it", nil, " HTTPS://PDS.test/ ", "", ""},
		{"by the URL of a PDS with a separate authorization server", split, "https://pds.test", "", ""},
		{"O37 by the URL of the authorization server", split, "https://as.test", "", ""},
		{"by the default", nil, "", "https://pds.test", ""},
		{"by an option, before the default", nil, "", "https://elsewhere.test", "https://pds.test"},
	} {
		t.Run("O25 O43 "+tt.name, func(t *testing.T) {
			server := sandbox(t, tt.opts...)
			var par url.Values
			client := newClient(t, server, func(cfg *oauth.Config) { cfg.DefaultServer = tt.def }, watchPAR(&par))
			opts := []oauth.AuthorizeOption{oauth.WithAppState("page 7")}
			if tt.option != "" {
				opts = append(opts, oauth.WithServer(tt.option))
			}
			login, err := client.Authorize(t.Context(), tt.identifier, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if par.Has("login_hint") {
				t.Errorf("O43 the request carries login_hint %q", par.Get("login_hint"))
			}
			bob := server.Environment().Account("bob")
			callback, err := server.Approve(t.Context(), login.URL, bob)
			if err != nil {
				t.Fatal(err)
			}
			result, err := client.Callback(t.Context(), callback.Query(), login.Binding)
			if err != nil {
				t.Fatal(err)
			}
			if s := result.Session; s.DID() != bob.DID || s.Handle() != bob.Handle || s.Host() != "https://pds.test" || result.AppState != "page 7" {
				t.Errorf("got %s, %s at %s, state %q", s.DID(), s.Handle(), s.Host(), result.AppState)
			}
			if err := call(t.Context(), result.Session); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("P22 O79 a server cannot log in who is served elsewhere", func(t *testing.T) {
		server := sandbox(t, oauthtest.WithPDS("pds.test", "two.test"))
		server.Publish("https://two.test/.well-known/oauth-protected-resource", []byte(`{"resource":"https://two.test","authorization_servers":["https://other.test"]}`))
		client := newClient(t, server)
		bob := server.Environment().Account("bob")
		server.MoveAccount(bob.DID, "two.test")
		login, err := client.Authorize(t.Context(), "https://pds.test")
		if err != nil {
			t.Fatal(err)
		}
		callback, err := server.Approve(t.Context(), login.URL, bob)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Callback(t.Context(), callback.Query(), login.Binding)
		wantKind(t, err, oauth.ErrIssuerChanged)
		if server.Stats().Requests[revokePath] == 0 {
			t.Error("O80 its tokens were not revoked")
		}
	})
	t.Run("O37 only a PDS that is none may be an authorization server", func(t *testing.T) {
		for _, status := range []int{500, 403} {
			server := sandbox(t, oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test"))
			server.Fault("/.well-known/oauth-protected-resource", oauthtest.Fault{Status: status, Times: -1})
			if _, err := newClient(t, server).Authorize(t.Context(), "https://as.test"); err == nil {
				t.Errorf("status %d was taken for an authorization server", status)
			}
		}
	})
	t.Run("what is no server", func(t *testing.T) {
		server := sandbox(t)
		client := newClient(t, server)
		for _, typed := range []string{"https://pds.test/path", "http://pds.test", "https://", "ftp://pds.test", "https://user@pds.test", "https://pds.test?x=1", ""} {
			_, err := client.Authorize(t.Context(), typed)
			wantKind(t, err, oauth.ErrUnresolved)
		}
		for _, option := range []string{"https://pds.test/path", "http://pds.test", "https://", "https://user@pds.test", "https://pds.test?x=1", "https://pds.test#x", "pds.test", "https://pds test"} {
			_, err := client.Authorize(t.Context(), "", oauth.WithServer(option))
			if e := wantKind(t, err, oauth.ErrUnresolved); !strings.Contains(e.Error(), option) {
				t.Errorf("%v does not name %s", e, option)
			}
		}
		_, err := client.Authorize(t.Context(), "https://169.254.169.254")
		if err == nil || errors.Is(err, oauth.ErrConfig) {
			t.Errorf("P24 got %v", err)
		}
	})
	t.Run("an identifier and a server contradict each other", func(t *testing.T) {
		_, err := newClient(t, sandbox(t)).Authorize(t.Context(), "alice.test", oauth.WithServer("https://pds.test"))
		wantKind(t, err, oauth.ErrConfig)
	})
	t.Run("a default that is no server", func(t *testing.T) {
		for _, def := range []string{"pds.test", "http://pds.test", "https://pds.test/path", "https://PDS.test"} {
			cfg := oauth.Localhost(redirectURI, "")
			cfg.DefaultServer = def
			_, err := oauth.NewClient(cfg)
			if e := wantKind(t, err, oauth.ErrConfig); !strings.Contains(e.Error(), "Config.DefaultServer") {
				t.Errorf("%s: %v", def, err)
			}
		}
	})
}

func TestPrompt(t *testing.T) { // O53
	server := sandbox(t)
	var par url.Values
	client := newClient(t, server, watchPAR(&par))
	t.Run("O53 is sent", func(t *testing.T) {
		if _, err := client.Authorize(t.Context(), "https://pds.test", oauth.WithPrompt("create")); err != nil || par.Get("prompt") != "create" {
			t.Errorf("sent %v, %v", par, err)
		}
	})
	t.Run("O53 none is for confidential clients", func(t *testing.T) {
		_, err := client.Authorize(t.Context(), "alice.test", oauth.WithPrompt("none"))
		if e := wantKind(t, err, oauth.ErrAuthorization); e.Code != "consent_required" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("O53 others are refused before anything is sent", func(t *testing.T) {
		_, err := client.Authorize(t.Context(), "alice.test", oauth.WithPrompt("hello"))
		wantKind(t, err, oauth.ErrConfig)
	})
}

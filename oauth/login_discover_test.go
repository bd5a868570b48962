package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

func TestDiscover(t *testing.T) {
	split := []oauthtest.Option{oauthtest.WithIssuer("as.test"), oauthtest.WithPDS("pds.test")}
	for _, tt := range []struct {
		name          string
		opts          []oauthtest.Option
		identifier    string
		account       string // "" for none
		pds, issuer   string
		defaultServer string
		byDID         bool
	}{
		{name: "O25 a handle", identifier: "alice.test", account: "alice", pds: "https://pds.test", issuer: "https://pds.test"},
		{name: "O25 a handle as people type it", identifier: " @Alice.test ", account: "alice", pds: "https://pds.test", issuer: "https://pds.test"},
		{name: "O25 a DID", byDID: true, account: "alice", pds: "https://pds.test", issuer: "https://pds.test"},
		{name: "O25 a handle at a server with a separate authorization server", opts: split, identifier: "alice.test", account: "alice", pds: "https://pds.test", issuer: "https://as.test"},
		{name: "O25 the URL of a PDS", opts: split, identifier: "https://pds.test/", pds: "https://pds.test", issuer: "https://as.test"},
		{name: "O25 O37 the URL of an authorization server", opts: split, identifier: "https://as.test", issuer: "https://as.test"},
		{name: "O25 nothing, with a default", defaultServer: "https://pds.test", pds: "https://pds.test", issuer: "https://pds.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t, tt.opts...)
			sent := 0
			client := newClient(t, server, func(cfg *oauth.Config) { cfg.DefaultServer = tt.defaultServer },
				withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
					if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/.well-known/") {
						sent++
					}
					return next()
				}))
			want := &oauth.Discovery{
				PDS: tt.pds, Issuer: tt.issuer,
				AuthorizationEndpoint: tt.issuer + "/oauth/authorize", PAREndpoint: tt.issuer + "/oauth/par",
				TokenEndpoint: tt.issuer + "/oauth/token", RevocationEndpoint: tt.issuer + "/oauth/revoke",
				Prompts: []string{"none", "login", "consent", "select_account", "create"},
				Scopes:  []string{"atproto", "transition:email", "transition:generic", "transition:chat.bsky"},
			}
			identifier := tt.identifier
			if tt.account != "" {
				who := server.Environment().Account(tt.account)
				want.Identity = &identity.Identity{DID: who.DID, Handle: who.Handle, PDS: tt.pds}
				if tt.byDID {
					identifier = string(who.DID)
				}
			}
			got, err := client.Discover(t.Context(), identifier)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(identity.Identity{}, "Document")); diff != "" {
				t.Error(diff)
			}
			if got.Identity != nil && got.Identity.Document.ID != got.Identity.DID {
				t.Errorf("the document is %+v", got.Identity.Document)
			}
			if sent != 0 {
				t.Errorf("%d requests went to endpoints", sent)
			}
		})
	}
}

func TestDiscoverFailsAsAuthorizeDoes(t *testing.T) {
	for _, tt := range []struct {
		name, identifier string
		spoil            func(*oauthtest.Server)
		want             oauth.Kind
		cause            error
		says             string
	}{
		{name: "nobody of that name", identifier: "nobody.test", want: oauth.ErrUnresolved, cause: identity.ErrNotFound},
		{name: "not a name", identifier: "no name", want: oauth.ErrUnresolved},
		{name: "nothing", identifier: "", want: oauth.ErrUnresolved},
		{name: "a URL with a path", identifier: "https://pds.test/profile", want: oauth.ErrUnresolved},
		{name: "O44 http", identifier: "http://pds.test", want: oauth.ErrUnresolved, says: `PrivateHosts with "pds.test:80" allows`},
		{name: "metadata of another issuer", identifier: "alice.test", want: oauth.ErrInvalidMetadata, spoil: func(s *oauthtest.Server) {
			s.Publish("https://pds.test/.well-known/oauth-authorization-server", []byte(`{"issuer":"https://evil.test"}`))
		}},
		{name: "a server that is down", identifier: "alice.test", want: oauth.ErrNetwork, spoil: func(s *oauthtest.Server) {
			s.Fault("/.well-known/oauth-protected-resource", oauthtest.Fault{Status: http.StatusServiceUnavailable, Times: 2})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := sandbox(t)
			if tt.spoil != nil {
				tt.spoil(server)
			}
			client := newClient(t, server)
			_, err := client.Discover(t.Context(), tt.identifier)
			e := wantKind(t, err, tt.want)
			if !strings.Contains(e.Error(), tt.says) {
				t.Errorf("%v does not say %s", e, tt.says)
			}
			if tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("got %v, want %v", err, tt.cause)
			}
			_, err = client.Authorize(t.Context(), tt.identifier)
			if other := wantKind(t, err, tt.want); fmt.Sprint(e.Retryable, e.Status) != fmt.Sprint(other.Retryable, other.Status) {
				t.Errorf("Discover fails with %v, Authorize with %v", e, other)
			}
		})
	}
}

package oauth_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/oauth"
)

func TestFieldsOfServerMetadata(t *testing.T) {
	server := sandbox(t)
	for _, field := range []string{
		"issuer", "authorization_endpoint", "token_endpoint", "pushed_authorization_request_endpoint", "require_pushed_authorization_requests",
		"response_types_supported", "grant_types_supported", "code_challenge_methods_supported", "token_endpoint_auth_methods_supported",
		"token_endpoint_auth_signing_alg_values_supported", "scopes_supported", "authorization_response_iss_parameter_supported",
		"dpop_signing_alg_values_supported", "client_id_metadata_document_supported",
	} {
		t.Run("O40 "+field+" may not be missing", func(t *testing.T) {
			client := newClient(t, server, rewriting(serverDocument, func(m map[string]any) { delete(m, field) }))
			_, err := client.Authorize(t.Context(), "alice.test")
			if e := wantKind(t, err, oauth.ErrInvalidMetadata); !strings.Contains(e.Error(), field) && field != "issuer" {
				t.Errorf("the error does not name it: %v", e)
			}
		})
	}
	for _, field := range []string{"revocation_endpoint", "require_request_uri_registration", "prompt_values_supported", "protected_resources"} {
		t.Run("O40 "+field+" may be missing", func(t *testing.T) {
			client := newClient(t, server, rewriting(serverDocument, func(m map[string]any) { delete(m, field) }))
			if _, err := client.Authorize(t.Context(), "alice.test"); err != nil {
				t.Error(err)
			}
		})
	}
	for list, kept := range map[string][]string{
		"grant_types_supported":                            {"refresh_token"},
		"token_endpoint_auth_methods_supported":            {"none"},
		"token_endpoint_auth_signing_alg_values_supported": {"ES256K"},
		"scopes_supported":                                 {"atproto2", "transition:generic"},
	} {
		t.Run("O40 "+list+" may not lack what is demanded", func(t *testing.T) {
			client := newClient(t, server, rewriting(serverDocument, func(m map[string]any) { m[list] = kept }))
			_, err := client.Authorize(t.Context(), "alice.test")
			wantKind(t, err, oauth.ErrInvalidMetadata)
		})
	}
}

func TestEndpointsOnPrivateAddresses(t *testing.T) {
	private := []string{"https://127.0.0.1/x", "https://10.0.0.1/x", "https://169.254.169.254/x", "https://[::1]/x", "https://[::ffff:10.0.0.1]/x"}
	production := func(cfg *oauth.Config) { cfg.AllowLoopback = false }
	// What passes our checks reaches the wire, where nothing but the sandbox may be asked.
	reached := func(w *wire) []string {
		var hosts []string
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, r := range w.sent {
			if !strings.HasSuffix(r.host, ".test") && r.host != "plc.directory" && !slices.Contains(hosts, r.host) {
				hosts = append(hosts, r.host)
			}
		}
		return hosts
	}
	for field, where := range map[string]string{
		"pushed_authorization_request_endpoint": "the pushed request",
		"token_endpoint":                        "the exchange",
		"revocation_endpoint":                   "the revocation",
	} {
		t.Run("O44 P24 nothing is sent there: "+where, func(t *testing.T) {
			for _, endpoint := range private {
				server, w := sandbox(t), new(wire)
				client := newClient(t, server, production, w.tap(), rewriting(serverDocument, func(m map[string]any) { m[field] = endpoint }))
				result, err := tryLogin(t.Context(), server, client)
				if err == nil {
					err = result.Session.Logout(t.Context())
				}
				if e := wantKind(t, err, oauth.ErrNetwork); !errors.Is(err, safehttp.ErrBlocked) || e.Retryable {
					t.Errorf("%s: retryable %t: %v", endpoint, e.Retryable, err)
				}
				if hosts := reached(w); len(hosts) > 0 {
					t.Errorf("%s: sent to %v", endpoint, hosts)
				}
			}
		})
	}
	t.Run("O44 P24 nothing is sent there: a PDS", func(t *testing.T) {
		for _, endpoint := range private {
			server, w := sandbox(t), new(wire)
			alice := server.Environment().Account("alice").DID
			server.SetDIDDocument(alice, fmt.Appendf(nil, `{"id":%q,"alsoKnownAs":["at://alice.test"],
				"service":[{"id":"#atproto_pds","type":"AtprotoPersonalDataServer","serviceEndpoint":%q}]}`, alice, strings.TrimSuffix(endpoint, "/x")))
			_, err := newClient(t, server, production, w.tap()).Authorize(t.Context(), string(alice))
			if e := wantKind(t, err, oauth.ErrInvalidMetadata); e.Retryable || !errors.Is(err, safehttp.ErrBlocked) {
				t.Errorf("%s: got %v", endpoint, err)
			}
			if hosts := reached(w); len(hosts) > 0 {
				t.Errorf("%s: sent to %v", endpoint, hosts)
			}
		}
	})
	t.Run("O44 P24 a client without a RoundTripper of its own checks what names lead to", func(t *testing.T) {
		var asked atomic.Int32
		server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		defer server.Close()
		client, err := oauth.NewClient(oauth.Localhost(redirectURI, ""))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Authorize(t.Context(), strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
		if e := wantKind(t, err, oauth.ErrInvalidMetadata); !errors.Is(err, safehttp.ErrBlocked) || e.Retryable {
			t.Errorf("got %v", err)
		}
		if asked.Load() != 0 {
			t.Error("it was asked")
		}
	})
}

func TestServerOnAPortOfItsOwn(t *testing.T) {
	t.Run("O25 is asked there", func(t *testing.T) {
		server, w := sandbox(t), new(wire)
		_, err := newClient(t, server, w.tap()).Authorize(t.Context(), "https://pds.test:8443")
		wantKind(t, err, oauth.ErrNetwork) // nobody is there
		if len(w.sent) != 1 || w.sent[0].host != "pds.test:8443" || w.sent[0].path != resourceDocument {
			t.Errorf("sent %v", w.sent)
		}
	})
}

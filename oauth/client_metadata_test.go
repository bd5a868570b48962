package oauth_test

import (
	"crypto/elliptic"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
)

// documentOf returns a client's metadata as a server reads it.
func documentOf(t *testing.T, client *oauth.Client) map[string]any {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal(client.Metadata(), &document); err != nil {
		t.Fatal(err)
	}
	return document
}

func TestDocumentOfEveryKindOfClient(t *testing.T) {
	server := sandbox(t)
	full := func(cfg *oauth.Config) {
		const home = "https://app.client-host.net/"
		cfg.Info = oauth.ClientInfo{Name: "App", URI: home, LogoURI: home + "logo.png", TermsURI: home + "terms", PolicyURI: home + "policy"}
	}
	kinds := map[string]struct {
		client          *oauth.Client
		application     string
		method          string
		signingExpected bool
	}{
		"confidential": {confidential(t, server, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}}, full), "web", "private_key_jwt", true},
		"public":       {confidential(t, server, nil, full), "web", "none", false},
		"native": {confidential(t, server, nil, func(cfg *oauth.Config) {
			cfg.RedirectURIs = []string{"net.client-host.app:/callback", "https://app.client-host.net/callback"}
		}), "native", "none", false},
		"development": {newClient(t, server), "native", "none", false},
	}
	// What a server may find in a document: nothing of ID tokens, secrets, certificates.
	allowed := []string{
		"application_type", "client_id", "client_name", "client_uri", "dpop_bound_access_tokens", "grant_types", "jwks", "jwks_uri",
		"logo_uri", "policy_uri", "redirect_uris", "response_types", "scope", "token_endpoint_auth_method",
		"token_endpoint_auth_signing_alg", "tos_uri",
	}
	for name, kind := range kinds {
		document := documentOf(t, kind.client)
		t.Run("O4 "+name+": application_type fits the redirects", func(t *testing.T) {
			if document["application_type"] != kind.application {
				t.Errorf("got %v", document["application_type"])
			}
		})
		t.Run("O5 O7 O14 "+name+": both grants, one response type, bound tokens", func(t *testing.T) {
			got := []any{document["grant_types"], document["response_types"], document["dpop_bound_access_tokens"]}
			want := []any{[]any{"authorization_code", "refresh_token"}, []any{"code"}, true}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
		t.Run("O12 O13 "+name+": the method is written, and an algorithm only with keys", func(t *testing.T) {
			_, signs := document["token_endpoint_auth_signing_alg"]
			if document["token_endpoint_auth_method"] != kind.method || signs != kind.signingExpected {
				t.Errorf("method %v, algorithm %v", document["token_endpoint_auth_method"], document["token_endpoint_auth_signing_alg"])
			}
		})
		t.Run("O18 "+name+": no field that servers refuse", func(t *testing.T) {
			for field := range document {
				if !slices.Contains(allowed, field) {
					t.Errorf("%s is in it", field)
				}
			}
		})
	}
	t.Run("O23 the development client is public and native, with both grants and bound tokens", func(t *testing.T) {
		document := documentOf(t, kinds["development"].client)
		got := make(map[string]any)
		for _, field := range []string{"application_type", "token_endpoint_auth_method", "grant_types", "response_types", "dpop_bound_access_tokens", "jwks", "jwks_uri"} {
			got[field] = document[field]
		}
		want := map[string]any{
			"application_type": "native", "token_endpoint_auth_method": "none", "grant_types": []any{"authorization_code", "refresh_token"},
			"response_types": []any{"code"}, "dpop_bound_access_tokens": true, "jwks": nil, "jwks_uri": nil,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O3 the document under client_id names it to the letter", func(t *testing.T) {
		client := kinds["confidential"].client
		mux := http.NewServeMux()
		mux.Handle("GET /client-metadata.json", client.MetadataHandler())
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", clientID, nil))
		var served struct {
			ID string `json:"client_id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &served); err != nil || served.ID != clientID {
			t.Errorf("served %q, %v", served.ID, err)
		}
	})
}

func TestDevelopmentClientID(t *testing.T) {
	t.Run("O21 redirect and scope survive the encoding", func(t *testing.T) {
		for _, redirect := range []string{"http://127.0.0.1:8080/callback", "http://[::1]:9/", "http://127.0.0.1:1/a%20b/%C3%A4?x=1&y=%26", "http://127.0.0.1/"} {
			for _, scope := range []string{"atproto", "atproto transition:generic", "atproto repo:app.bsky.feed.post?action=create&action=delete blob:image/*"} {
				cfg := oauth.Localhost(redirect, scope)
				id, err := url.Parse(cfg.ClientID)
				if err != nil {
					t.Fatal(err)
				}
				if got := id.Query().Get("scope"); got != scope {
					t.Errorf("scope %q became %q", scope, got)
				}
				if _, err := oauth.NewClient(cfg); err != nil {
					t.Errorf("%s, %s: %v", redirect, scope, err)
				}
			}
		}
	})
	for _, tt := range []struct {
		name, id, redirect, scope, want string
	}{
		{"O21 by default its redirects are the loopback addresses", "http://localhost", "http://127.0.0.1:80/", "atproto", ""},
		{"O21 by default its redirects are the loopback addresses, of IPv6 too", "http://localhost/", "http://[::1]:99/", "atproto", ""},
		{"O21 by default it has no other path", "http://localhost", "http://127.0.0.1/callback", "atproto", "RedirectURIs[0]"},
		{"O21 by default its scope is atproto alone", "http://localhost", "http://127.0.0.1/", "atproto transition:generic", "Scope"},
		{"O20 a path", "http://localhost/app", "http://127.0.0.1/", "atproto", "ClientID"},
		{"O20 a fragment", "http://localhost#a", "http://127.0.0.1/", "atproto", "ClientID"},
		{"O20 credentials", "http://u@localhost", "http://127.0.0.1/", "atproto", "ClientID"},
		{"O22 another port where none is declared", "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb", "http://127.0.0.1:99/cb", "atproto", ""},
		{"O22 the declared port", "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%3A98%2Fcb", "http://127.0.0.1:98/cb", "atproto", ""},
		{"O22 another than the declared port", "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%3A98%2Fcb", "http://127.0.0.1:99/cb", "atproto", "RedirectURIs[0]"},
		{"O22 one family for the other", "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb", "http://[::1]/cb", "atproto", "RedirectURIs[0]"},
		{"O22 https", "http://localhost?redirect_uri=https%3A%2F%2F127.0.0.1%2Fcb", "https://127.0.0.1/cb", "atproto", "RedirectURIs[0]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := oauth.NewClient(oauth.Config{ClientID: tt.id, RedirectURIs: []string{tt.redirect}, Scope: tt.scope})
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if e := wantKind(t, err, oauth.ErrConfig); !strings.Contains(e.Error(), "Config."+tt.want) {
				t.Errorf("got %v, want Config.%s", e, tt.want)
			}
		})
	}
}

func TestDocumentHandlers(t *testing.T) { // O2, O3
	server := sandbox(t)
	client := confidential(t, server, []oauth.ClientKey{{Signer: newKey(t, elliptic.P256())}})
	for name, tt := range map[string]struct {
		handler http.Handler
		want    []byte
	}{"metadata": {client.MetadataHandler(), client.Metadata()}, "key set": {client.KeySetHandler(), client.KeySet()}} {
		t.Run("O2 "+name, func(t *testing.T) {
			for _, header := range []string{"", "Range", "If-None-Match", "If-Modified-Since"} {
				req := httptest.NewRequest("GET", "/client-metadata.json", nil)
				switch header {
				case "Range":
					req.Header.Set(header, "bytes=0-3")
				case "If-None-Match":
					req.Header.Set(header, "*")
				case "If-Modified-Since":
					req.Header.Set(header, "Fri, 01 Jan 2100 00:00:00 GMT")
				}
				w := httptest.NewRecorder()
				tt.handler.ServeHTTP(w, req)
				if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != string(tt.want) {
					t.Errorf("%s: status %d, %v, %q", header, w.Code, w.Header(), w.Body)
				}
			}
			w := httptest.NewRecorder()
			tt.handler.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
				t.Errorf("POST: status %d", w.Code)
			}
		})
	}
}

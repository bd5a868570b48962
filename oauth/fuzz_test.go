package oauth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// answers is a transport that gives one answer to everything.
type answers struct {
	status int
	body   []byte
}

func (a answers) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
	return &http.Response{
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}, "Dpop-Nonce": {"n"}},
		Body:   io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

// answered returns a client that gets one answer to everything.
func answered(tb testing.TB, status int, body []byte) *Client {
	tb.Helper()
	cfg := Localhost("http://127.0.0.1:8765/callback", "atproto")
	cfg.UnguardedTransport = answers{status, body}
	c, err := NewClient(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// typed fails the test unless err is an *Error.
func typed(tb testing.TB, err error) {
	tb.Helper()
	if _, ok := errors.AsType[*Error](err); err != nil && !ok {
		tb.Errorf("not an *Error: %v", err)
	}
}

func FuzzServerMetadata(f *testing.F) { // P30
	const issuer = "https://as.example.com"
	f.Add([]byte(`{"issuer":"https://as.example.com","authorization_endpoint":"https://as.example.com/a?b=c",
		"token_endpoint":"https://as.example.com/t","pushed_authorization_request_endpoint":"https://as.example.com/p",
		"require_pushed_authorization_requests":true,"response_types_supported":["code"],
		"grant_types_supported":["authorization_code","refresh_token"],"code_challenge_methods_supported":["S256"],
		"token_endpoint_auth_methods_supported":["none","private_key_jwt"],
		"token_endpoint_auth_signing_alg_values_supported":["ES256"],"scopes_supported":["atproto"],
		"dpop_signing_alg_values_supported":["ES256"],"authorization_response_iss_parameter_supported":true,
		"client_id_metadata_document_supported":true}`))
	f.Add([]byte(`{"issuer":5}`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := answered(t, http.StatusOK, data).serverOf(t.Context(), issuer)
		typed(t, err)
		if err != nil {
			return
		}
		for _, endpoint := range []string{m.AuthorizationEndpoint, m.TokenEndpoint, m.PAREndpoint} {
			if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
				t.Errorf("accepted the endpoint %q", endpoint)
			}
		}
		if m.Issuer != issuer || !m.RequirePAR || !m.IssParameter {
			t.Errorf("accepted %+v", m)
		}
	})
}

func FuzzResourceMetadata(f *testing.F) { // P30
	const pds = "https://pds.example.com"
	f.Add([]byte(`{"resource":"https://pds.example.com","authorization_servers":["https://as.example.com"]}`))
	f.Add([]byte(`{"resource":"https://pds.example.com","authorization_servers":["https://as.example.com/", null]}`))
	f.Add([]byte(`{"resource":"https://pds.example.com","authorization_servers":["https://[::1%25eth0]"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		issuer, err := answered(t, http.StatusOK, data).issuerOfPDS(t.Context(), pds)
		typed(t, err)
		if err != nil {
			return
		}
		if u, err := url.Parse(issuer); err != nil || u.Scheme+"://"+u.Host != issuer || u.Scheme != "https" {
			t.Errorf("accepted the issuer %q", issuer)
		}
	})
}

func FuzzTokenAnswer(f *testing.F) { // P30
	f.Add(200, []byte(`{"access_token":"a","refresh_token":"r","token_type":"DPoP","expires_in":300,"scope":"atproto","sub":"did:plc:x"}`))
	f.Add(200, []byte(`{"access_token":"a","token_type":"dpop","expires_in":-1,"scope":" atproto ","sub":"did:plc:x"}`))
	f.Add(200, []byte(`{"access_token":"a","token_type":"DPoP","expires_in":1e18,"scope":"atproto","sub":"did:plc:x"}`))
	f.Add(400, []byte(`{"error":{"a":1},"error_description":null}`))
	f.Add(400, []byte(`{"error":"use_dpop_nonce"}`))
	key := newTestKey(f)
	f.Fuzz(func(t *testing.T, status int, data []byte) {
		if status < 200 || status > 599 {
			return
		}
		c := answered(t, status, data)
		answer, err := c.requestTokens(t.Context(), &asRequest{endpoint: "https://as.example.com/t", issuer: "https://as.example.com", key: key, nonces: c.nonces.Session(nil), form: url.Values{}})
		typed(t, err)
		if err != nil || answer.check() != nil {
			return
		}
		life := answer.tokens.ExpiresAt.Sub(answer.tokens.IssuedAt)
		if answer.tokens.ExpiresAt.IsZero() {
			life = 0 // not known
		}
		if answer.tokens.Access == "" || answer.subject == "" || !hasScope(answer.tokens.Scope, "atproto") || life < 0 || life > 31*24*time.Hour {
			t.Errorf("accepted %s", data)
		}
	})
}

func FuzzCallbackQuery(f *testing.F) { // O62
	f.Add("code=a&state=b&iss=https%3A%2F%2Fas.example.com")
	f.Add("state=a&state=b")
	f.Add("error=access_denied&state=b&iss=x&response=y")
	c := answered(f, http.StatusNotFound, nil)
	f.Fuzz(func(t *testing.T, raw string) {
		query, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		result, err := c.Callback(t.Context(), query, "binding")
		typed(t, err)
		if err == nil {
			t.Errorf("logged in as %s", result.Session)
		}
	})
}

func FuzzParseClientKeys(f *testing.F) {
	key := newTestKey(f)
	private, err := json.Marshal(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(private)
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}]}`))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte(`{"kty":"oct","k":"AAAA"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseClientKeys(data)
		typed(t, err)
		for _, key := range keys {
			if p, ok := key.Signer.(*ecdsa.PrivateKey); !ok || p.Curve != elliptic.P256() {
				t.Errorf("accepted a %T", key.Signer)
			}
		}
	})
}

func FuzzOpenKey(f *testing.F) { // O120
	c := answered(f, http.StatusNotFound, nil)
	sealed, err := c.SealSessionKey(f.Context(), SessionKey{DID: "did:plc:x", ID: "y"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("")
	f.Add(sealed[:len(sealed)-2])
	f.Add(strings.Repeat("A", len(sealed)))
	f.Fuzz(func(t *testing.T, value string) {
		_, err := c.OpenSessionKey(t.Context(), value)
		typed(t, err)
		if err == nil && value != sealed {
			t.Errorf("%q opens", value)
		}
	})
}

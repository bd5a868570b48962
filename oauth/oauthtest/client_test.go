package oauthtest_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

const appRedirect = "https://app.sandbox-client.net/callback"

func keySet(tb testing.TB, keys map[string]*ecdsa.PrivateKey) map[string]any {
	tb.Helper()
	var list []jwk.Key
	for id, key := range keys {
		k := public(tb, key)
		if err := k.Set("kid", id); err != nil {
			tb.Fatal(err)
		}
		list = append(list, k)
	}
	return map[string]any{"keys": list}
}

// app is the metadata of a confidential client.
func app(tb testing.TB, keys map[string]*ecdsa.PrivateKey) map[string]any {
	return map[string]any{
		"client_id":                       appID,
		"client_name":                     "An app",
		"application_type":                "web",
		"grant_types":                     []string{"authorization_code", "refresh_token"},
		"response_types":                  []string{"code"},
		"scope":                           "atproto transition:generic",
		"redirect_uris":                   []string{appRedirect},
		"dpop_bound_access_tokens":        true,
		"token_endpoint_auth_method":      "private_key_jwt",
		"token_endpoint_auth_signing_alg": "ES256",
		"jwks":                            keySet(tb, keys),
	}
}

func publish(tb testing.TB, g *rig, document map[string]any) {
	tb.Helper()
	data, err := json.Marshal(document)
	if err != nil {
		tb.Fatal(err)
	}
	g.srv.Publish(appID, data)
}

// assertion makes a client assertion.
func (g *rig) assertion(kid string, key *ecdsa.PrivateKey, changes ...func(*token)) string {
	g.tb.Helper()
	now := g.clock.now().Unix()
	t := &token{
		alg: jwa.ES256, key: key,
		header: map[string]any{"kid": kid},
		claims: map[string]any{"iss": appID, "sub": appID, "aud": issuer, "jti": rand.Text(), "iat": now, "exp": now + 60},
	}
	for _, change := range changes {
		change(t)
	}
	return t.sign(g.tb)
}

// asApp adds client and assertion to a form.
func asApp(form url.Values, assertion string) url.Values {
	form.Set("client_id", appID)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	if form.Has("redirect_uri") {
		form.Set("redirect_uri", appRedirect)
	}
	return form
}

func TestPublicClientsHaveNoAssertion(t *testing.T) {
	g := newRig(t)
	for _, tt := range []struct {
		assertion string
		status    int
	}{{"", 201}, {"x", 400}} { // some clients send it empty
		form := g.params()
		form.Set("client_assertion", tt.assertion)
		if got := g.post("/oauth/par", form); got.status != tt.status {
			t.Errorf("%q: %+v", tt.assertion, got)
		}
	}
}

func TestClientAssertions(t *testing.T) {
	g := newRig(t)
	key := newKey(t)
	publish(t, g, app(t, map[string]*ecdsa.PrivateKey{"k1": key}))
	g.loginURL() // learns a nonce
	const bad = "invalid_client"
	for _, tt := range []struct {
		name   string
		change func(*token)
		status int
		code   string
	}{
		{"a good one", func(*token) {}, 201, ""},
		{"O66 exp may be absent", without("exp"), 201, ""},
		{"O66 several audiences", set("aud", []string{"https://other.test", issuer}), 201, ""},
		{"O66 the token endpoint as audience", set("aud", issuer+"/oauth/token"), 400, bad},
		{"O66 no audience", without("aud"), 400, bad},
		{"O66 another iss", set("iss", "https://evil.test/"), 400, bad},
		{"O66 another sub", set("sub", "https://evil.test/"), 400, bad},
		{"O66 no jti", without("jti"), 400, bad},
		{"O66 no iat", without("iat"), 400, bad},
		{"O71 P31 an iat in the future, by a second", aged(g, time.Second), 400, bad},
		{"O71 an iat a minute ago", aged(g, -time.Minute), 201, ""},
		{"O71 an iat longer ago", aged(g, -61*time.Second), 400, bad},
		{"O66 expired", set("exp", g.clock.now().Unix()), 400, bad},
		{"O66 not yet valid", set("nbf", g.clock.now().Unix()+1), 400, bad},
		{"O65 no kid", func(t *token) { delete(t.header, "kid") }, 400, bad},
		{"O65 an unknown kid", head("kid", "k9"), 400, bad},
		{"O65 another key", func(tok *token) { tok.key = newKey(t) }, 400, bad},
		{"O65 symmetric", func(t *token) { t.alg, t.key = jwa.HS256, []byte("secret") }, 400, bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, g.post("/oauth/par", asApp(g.params(), g.assertion("k1", key, tt.change))), tt.status, tt.code)
		})
	}
	t.Run("O67 P18 an assertion is taken once", func(t *testing.T) {
		assertion := g.assertion("k1", key)
		want(t, g.post("/oauth/par", asApp(g.params(), assertion)), 201, "")
		want(t, g.post("/oauth/par", asApp(g.params(), assertion)), 400, "invalid_grant")
	})
	t.Run("O65 no assertion", func(t *testing.T) {
		want(t, g.post("/oauth/par", g.params("client_id", appID, "redirect_uri", appRedirect)), 400, "invalid_request")
	})
	t.Run("O65 another type", func(t *testing.T) {
		form := asApp(g.params(), g.assertion("k1", key))
		form.Set("client_assertion_type", "x")
		want(t, g.post("/oauth/par", form), 400, bad)
	})
	t.Run("O72 a public client sends none", func(t *testing.T) {
		form := asApp(g.params(), g.assertion("k1", key))
		form.Set("client_id", g.id)
		form.Set("redirect_uri", redirectURI)
		want(t, g.post("/oauth/par", form), 400, bad)
	})
	t.Run("O101 the client key signs no proofs", func(t *testing.T) {
		own := g.key
		defer func() { g.key = own }()
		g.key = key
		want(t, g.post("/oauth/par", asApp(g.params(), g.assertion("k1", key))), 400, "invalid_request")
	})
}

func TestClientKeys(t *testing.T) {
	login := func(t *testing.T) (g *rig, k1, k2 *ecdsa.PrivateKey, tokens *answer) {
		g, k1, k2 = newRig(t), newKey(t), newKey(t)
		publish(t, g, app(t, map[string]*ecdsa.PrivateKey{"k1": k1, "k2": k2}))
		g.loginURL() // learns a nonce
		code := g.approve(g.pushed(asApp(g.params(), g.assertion("k1", k1)))).Get("code")
		tokens = g.post("/oauth/token", asApp(url.Values{"grant_type": {"authorization_code"}, "code": {code},
			"code_verifier": {verifier}, "redirect_uri": {appRedirect}}, g.assertion("k1", k1)))
		want(t, tokens, 200, "")
		return g, k1, k2, tokens
	}
	refresh := func(g *rig, tokens *answer, kid string, key *ecdsa.PrivateKey) *answer {
		return g.post("/oauth/token", asApp(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.str("refresh_token")}},
			g.assertion(kid, key)))
	}
	t.Run("O68 P14 a session keeps its client key", func(t *testing.T) {
		g, k1, _, tokens := login(t)
		want(t, refresh(g, tokens, "k1", k1), 200, "")
	})
	t.Run("O68 another key ends it", func(t *testing.T) {
		g, k1, k2, tokens := login(t)
		want(t, refresh(g, tokens, "k2", k2), 400, "invalid_grant")
		want(t, refresh(g, tokens, "k1", k1), 400, "invalid_grant")
	})
	t.Run("O69 a key that is no longer published", func(t *testing.T) {
		g, k1, k2, tokens := login(t)
		publish(t, g, app(t, map[string]*ecdsa.PrivateKey{"k2": k2}))
		want(t, refresh(g, tokens, "k1", k1), 400, "invalid_client")
	})
	t.Run("O117 a confidential session may lie idle for months", func(t *testing.T) {
		g, k1, _, tokens := login(t)
		g.clock.advance(80 * 24 * time.Hour)
		tokens = refresh(g, tokens, "k1", k1)
		want(t, tokens, 200, "")
		g.clock.advance(91 * 24 * time.Hour)
		want(t, refresh(g, tokens, "k1", k1), 400, "invalid_grant")
	})
}

func TestClientMetadata(t *testing.T) {
	g := newRig(t)
	key := newKey(t)
	g.loginURL() // learns a nonce
	private, err := jwk.FromRaw(key)
	if err != nil {
		t.Fatal(err)
	}
	private.Set("kid", "k1")
	with := func(name string, value any) func(map[string]any) { return func(m map[string]any) { m[name] = value } }
	const bad = "invalid_client_metadata"
	for _, tt := range []struct {
		name   string
		change func(map[string]any)
		code   string
	}{
		{"O3 client_id of another document", with("client_id", "https://app.sandbox-client.net/other.json"), bad},
		{"O4 application_type", with("application_type", "desktop"), bad},
		{"O5 grant_types", with("grant_types", []string{"refresh_token"}), bad},
		{"O5 implicit", with("grant_types", []string{"authorization_code", "implicit"}), bad},
		{"O5 twice", with("grant_types", []string{"authorization_code", "authorization_code"}), bad},
		{"O6 no scope", with("scope", ""), bad},
		{"O6 no atproto", with("scope", "transition:generic"), bad},
		{"O6 twice", with("scope", "atproto atproto"), bad},
		{"O7 response_types", with("response_types", []string{"token"}), bad},
		{"O8 redirect_uris", with("redirect_uris", []string{}), bad},
		{"O9 http", with("redirect_uris", []string{"http://app.sandbox-client.net/"}), "invalid_redirect_uri"},
		{"O9 the default port", with("redirect_uris", []string{"https://app.sandbox-client.net:443/"}), "invalid_redirect_uri"},
		{"O9 loopback", with("redirect_uris", []string{"http://127.0.0.1/"}), "invalid_redirect_uri"},
		{"O10 another scheme", with("redirect_uris", []string{"net.other:/cb"}), "invalid_redirect_uri"},
		{"O12 no method", with("token_endpoint_auth_method", ""), bad},
		{"O12 a secret", with("token_endpoint_auth_method", "client_secret_post"), bad},
		{"O13 no algorithm", with("token_endpoint_auth_signing_alg", ""), bad},
		{"O13 none as algorithm", with("token_endpoint_auth_signing_alg", "none"), bad},
		{"O13 an algorithm of a public client", with("token_endpoint_auth_method", "none"), bad},
		{"O14 not DPoP bound", with("dpop_bound_access_tokens", false), bad},
		{"O15 no keys", with("jwks", map[string]any{"keys": []any{}}), bad},
		{"O15 keys without kid", with("jwks", map[string]any{"keys": []any{public(t, key)}}), bad},
		{"O15 a private key", with("jwks", map[string]any{"keys": []any{private}}), bad},
		{"O15 both ways", with("jwks_uri", "https://app.sandbox-client.net/jwks.json"), bad},
		{"O16 client_uri elsewhere", with("client_uri", "https://evil.test/"), bad},
		{"O17 native with keys", with("application_type", "native"), bad},
		{"O18 certificate bound", with("tls_client_certificate_bound_access_tokens", true), bad},
		{"O2 not JSON as expected", with("redirect_uris", "x"), bad},
	} {
		t.Run(tt.name, func(t *testing.T) {
			document := app(t, map[string]*ecdsa.PrivateKey{"k1": key})
			tt.change(document)
			publish(t, g, document)
			want(t, g.post("/oauth/par", asApp(g.params(), g.assertion("k1", key))), 400, tt.code)
		})
	}
	t.Run("O15 keys under jwks_uri", func(t *testing.T) {
		document := app(t, nil)
		delete(document, "jwks")
		document["jwks_uri"] = "https://app.sandbox-client.net/jwks.json"
		publish(t, g, document)
		want(t, g.post("/oauth/par", asApp(g.params(), g.assertion("k1", key))), 400, bad)
		keys, _ := json.Marshal(keySet(t, map[string]*ecdsa.PrivateKey{"k1": key}))
		g.srv.Publish("https://app.sandbox-client.net/jwks.json", keys)
		want(t, g.post("/oauth/par", asApp(g.params(), g.assertion("k1", key))), 201, "")
	})
	t.Run("O10 a native client with a scheme of its own", func(t *testing.T) {
		document := app(t, nil)
		delete(document, "jwks")
		delete(document, "token_endpoint_auth_signing_alg")
		document["token_endpoint_auth_method"] = "none"
		document["application_type"] = "native"
		document["redirect_uris"] = []string{"net.sandbox-client.app:/cb"}
		publish(t, g, document)
		want(t, g.post("/oauth/par", g.params("client_id", appID, "redirect_uri", "net.sandbox-client.app:/cb")), 201, "")
	})
	for id, code := range map[string]string{
		"https://app.sandbox-client.net/none.json":          bad,
		"https://app.sandbox-client.net":                    "invalid_client_id",
		"https://app.sandbox-client.net/a/":                 "invalid_client_id",
		"https://app.sandbox-client.net/a/../b.json":        "invalid_client_id",
		"https://app.sandbox-client.net:8443/b.json":        "invalid_client_id",
		"https://a:b@app.sandbox-client.net/b.json":         "invalid_client_id",
		"https://127.0.0.1/b.json":                          "invalid_client_id",
		"https://app.test/b.json":                           "invalid_client_id",
		"https://intranet/b.json":                           "invalid_client_id",
		"app":                                               "invalid_client_id",
		"http://app.sandbox-client.net/b.json":              bad,
		"http://localhost:80":                               bad,
		"http://localhost/path":                             bad,
		"http://localhost?other=1":                          bad,
		"http://localhost?scope=transition:generic":         bad,
		"http://localhost?scope=atproto&scope=a":            bad,
		"http://localhost?redirect_uri=https%3A%2F%2Fx.net": bad,
	} {
		t.Run("O1 O20 client_id "+id, func(t *testing.T) {
			want(t, g.post("/oauth/par", g.params("client_id", id, "scope", "atproto")), 400, code)
		})
	}
}

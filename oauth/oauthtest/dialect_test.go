package oauthtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// What a Server says when it speaks a dialect. What a client makes of it is tested there.
func TestDialects(t *testing.T) {
	t.Run("P54 a server without nonces sends none and asks for none", func(t *testing.T) {
		g := newRig(t, oauthtest.WithoutNonces())
		tokens := g.login("atproto")
		for _, a := range []*answer{tokens, g.refresh(tokens.str("refresh_token")), g.call("GET", getSession, tokens.str("access_token"), nil)} {
			if nonce := a.header.Values("DPoP-Nonce"); nonce != nil {
				t.Errorf("a nonce: %q", nonce)
			}
		}
		if n := g.srv.Stats().Challenges; n != 0 {
			t.Errorf("%d challenges", n)
		}
		// The rest of a proof counts.
		if a := g.form("/oauth/token", g.params(), g.last); a.status == http.StatusOK {
			t.Error("a proof was taken twice")
		}
	})
	t.Run("P56 dead sessions in other words", func(t *testing.T) {
		words := oauthtest.Answer{Status: 418, Body: `{"error":"InvalidRequest"}`, Header: http.Header{"X-Words": {"other"}}}
		g := newRig(t, oauthtest.WithDeadSessions(words))
		tokens := g.login("atproto")
		a := g.refresh("unknown")
		want(t, a, 418, "InvalidRequest")
		if a.header.Get("Content-Type") != "application/json" || a.header.Get("X-Words") != "other" {
			t.Errorf("header %v", a.header)
		}
		want(t, g.exchange("unknown"), 400, "invalid_grant") // a code is no session
		want(t, g.refresh(tokens.str("refresh_token")), 200, "")
	})
	t.Run("P57 missing scopes in other words", func(t *testing.T) {
		g := newRig(t, oauthtest.WithMissingScopes(func(scope string) oauthtest.Answer {
			return oauthtest.Answer{Status: 401, Body: `{"error":"InsufficientScope","message":"` + scope + `"}`, Header: http.Header{"Www-Authenticate": {`DPoP error="insufficient_scope"`}}}
		}))
		a := g.call("POST", "/xrpc/com.atproto.repo.uploadBlob", g.login("atproto").str("access_token"), []byte("x"))
		want(t, a, 401, "InsufficientScope")
		if a.str("message") != "blob:image/png" || a.header.Get("WWW-Authenticate") != `DPoP error="insufficient_scope"` {
			t.Errorf("%s %v", a.text, a.header)
		}
	})
	for name, tt := range map[string]struct {
		declared []string
		uri      string
		status   int
	}{
		"the first, to the letter": {[]string{redirectURI, "http://127.0.0.1/cb"}, redirectURI, 201},
		"the second":               {[]string{"http://127.0.0.1/cb", redirectURI}, redirectURI, 400},
		"another port":             {[]string{"http://127.0.0.1/cb"}, redirectURI, 400},
	} {
		t.Run("P55 redirects are compared to the letter: "+name, func(t *testing.T) {
			g := newRig(t, oauthtest.WithExactRedirectURIs())
			g.id = "http://localhost?scope=atproto&redirect_uri=" + strings.Join(tt.declared, "&redirect_uri=")
			if a := g.post("/oauth/par", g.params("scope", "atproto", "redirect_uri", tt.uri)); a.status != tt.status {
				t.Errorf("got %d %s", a.status, a.text)
			}
		})
	}
	t.Run("P58 a server without a revocation endpoint has none and names none", func(t *testing.T) {
		g := newRig(t, oauthtest.WithoutRevocation())
		if a := g.request("GET", issuer+"/.well-known/oauth-authorization-server", nil, nil); a.body["revocation_endpoint"] != nil || a.body["token_endpoint"] == nil {
			t.Errorf("metadata %s", a.text)
		}
		if a := g.revoke("x"); a.status != 404 {
			t.Errorf("got %d", a.status)
		}
	})
	t.Run("P59 a response_mode is wanted", func(t *testing.T) {
		g := newRig(t, oauthtest.WithRequiredResponseMode())
		want(t, g.post("/oauth/par", g.params()), 400, "invalid_request")
		want(t, g.post("/oauth/par", g.params("response_mode", "query")), 201, "")
	})
	t.Run("P60 a token endpoint moves", func(t *testing.T) {
		g := newRig(t)
		tokens := g.login("atproto")
		g.srv.ResetStats()
		g.srv.MoveTokenEndpoint("/oauth/v2/token", 410)
		if a := g.refresh(tokens.str("refresh_token")); a.status != 410 {
			t.Errorf("the old one: %d", a.status)
		}
		if a := g.request("GET", issuer+"/.well-known/oauth-authorization-server", nil, nil); a.str("token_endpoint") != issuer+"/oauth/v2/token" {
			t.Errorf("metadata %s", a.text)
		}
		form := changed(g.params(), []string{"grant_type", "refresh_token", "refresh_token", tokens.str("refresh_token")})
		want(t, g.post("/oauth/v2/token", form), 200, "")
		if n := g.srv.Stats().Grants["refresh_token"]; n != 1 {
			t.Errorf("%d grants", n)
		}
		g.srv.MoveTokenEndpoint("/oauth/token", 404)
		if a := g.refresh("unknown"); a.status != 400 {
			t.Errorf("back again: %d", a.status)
		}
	})
	for text, said := range map[string]any{`"3600"`: "3600", `3.6e3`: 3600.0, `null`: nil, ``: nil, `{"a":1}`: map[string]any{"a": 1.0}} {
		t.Run("P61 expires_in is "+text, func(t *testing.T) {
			g := newRig(t, oauthtest.WithExpiresIn(text))
			pushed := g.post("/oauth/par", g.params("scope", "atproto", "code_challenge", challenge(strings.Repeat("w", 43))))
			tokens := g.login("atproto")
			for _, a := range []*answer{pushed, tokens, g.refresh(tokens.str("refresh_token"))} {
				got, there := a.body["expires_in"]
				if fmt.Sprint(got) != fmt.Sprint(said) || there != (text != "") {
					t.Errorf("got %v (%t) in %s", got, there, a.text)
				}
			}
		})
	}
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("P62 a gateway answers, after the server has acted: %t", late), func(t *testing.T) {
			g := newRig(t)
			tokens := g.login("atproto")
			fault := oauthtest.Gateway(522)
			fault.Late = late
			g.srv.Fault("/oauth/token", fault)
			a := g.refresh(tokens.str("refresh_token"))
			if a.status != 522 || !strings.HasPrefix(a.text, "<!DOCTYPE html>") || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("got %d %s", a.status, a.text)
			}
			if again := g.refresh(tokens.str("refresh_token")); (again.status == 200) == late {
				t.Errorf("then %d %s", again.status, again.text)
			}
		})
	}
	t.Run("P82 blobs are elsewhere", func(t *testing.T) {
		g := newRig(t, oauthtest.WithDownloadsAt("cdn.test", 307))
		access := g.login("atproto transition:generic").str("access_token")
		blob := g.call("POST", "/xrpc/com.atproto.repo.uploadBlob", access, []byte("picture")).body["blob"].(map[string]any)
		did := string(g.srv.Environment().Account("alice").DID)
		query := "?did=" + did + "&cid=" + blob["ref"].(map[string]any)["$link"].(string)
		a := g.request("GET", issuer+"/xrpc/com.atproto.sync.getBlob"+query, nil, nil)
		place := a.header.Get("Location")
		if a.status != 307 || !strings.HasPrefix(place, "https://cdn.test/blob/"+did+"/") {
			t.Fatalf("got %d %q", a.status, place)
		}
		if a := g.request("GET", place, nil, nil); a.status != 404 {
			t.Errorf("before a record refers to it: %d", a.status)
		}
		g.call("POST", "/xrpc/com.atproto.repo.createRecord", access, map[string]any{
			"repo": did, "collection": "com.example.picture", "record": map[string]any{"$type": "com.example.picture", "picture": blob},
		})
		if a := g.request("GET", place, nil, nil); a.status != 200 || a.text != "picture" {
			t.Errorf("got %d %q", a.status, a.text)
		}
		if a := g.request("GET", "https://cdn.test/", nil, nil); a.status != 404 {
			t.Errorf("another path: %d", a.status)
		}
	})
}

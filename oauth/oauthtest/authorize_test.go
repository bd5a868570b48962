package oauthtest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAuthorizationRequest(t *testing.T) {
	g := newRig(t)
	for _, tt := range []struct {
		name   string
		change []string
		status int
		code   string
	}{
		{"a good one", nil, 201, ""},
		{"O22 another port on loopback", []string{"redirect_uri", "http://127.0.0.1:1/cb"}, 201, ""},
		{"O51 a DID as login_hint", []string{"login_hint", "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"}, 201, ""},
		{"O53 response_mode fragment", []string{"response_mode", "fragment"}, 201, ""},
		{"O22 another path", []string{"redirect_uri", "http://127.0.0.1/other"}, 400, "invalid_request"},
		{"O22 localhost", []string{"redirect_uri", "http://localhost/cb"}, 400, "invalid_request"},
		{"O50 another host", []string{"redirect_uri", "https://evil.test/cb"}, 400, "invalid_request"},
		{"O46 no redirect_uri", []string{"redirect_uri", ""}, 400, "invalid_request"},
		{"O46 another response_type", []string{"response_type", "token"}, 400, "unsupported_response_type"},
		{"O46 no client_id", []string{"client_id", ""}, 400, "invalid_request"},
		{"O47 a scope that is not declared", []string{"scope", "atproto transition:chat.bsky"}, 400, "invalid_scope"},
		{"O47 no atproto", []string{"scope", "transition:generic"}, 400, "invalid_scope"},
		{"O47 no scope", []string{"scope", ""}, 400, "invalid_scope"},
		{"O49 no PKCE", []string{"code_challenge", "", "code_challenge_method", ""}, 400, "invalid_request"},
		{"O49 plain", []string{"code_challenge_method", "plain"}, 400, "invalid_request"},
		{"O49 no method", []string{"code_challenge_method", ""}, 400, "invalid_request"},
		{"O49 a challenge that is no digest", []string{"code_challenge", "abc"}, 400, "invalid_request"},
		{"O51 an email address as login_hint", []string{"login_hint", "alice@mail.test"}, 400, "invalid_request"},
		{"O52 nonce", []string{"nonce", "x"}, 400, "invalid_request"},
		{"O52 claims", []string{"claims", "x"}, 400, "invalid_request"},
		{"O52 id_token_hint", []string{"id_token_hint", "x"}, 400, "invalid_request"},
		{"O45 request_uri", []string{"request_uri", "urn:x"}, 400, "invalid_request"},
		{"O53 prompt none from a public client", []string{"prompt", "none"}, 400, "consent_required"},
		{"O53 response_mode form_post", []string{"response_mode", "form_post"}, 400, "invalid_request"},
		{"dpop_jkt of another key", []string{"dpop_jkt", "other"}, 401, "invalid_dpop_proof"},
	} {
		t.Run(tt.name, func(t *testing.T) { want(t, g.post("/oauth/par", g.params(tt.change...)), tt.status, tt.code) })
	}
	t.Run("O45 another encoding", func(t *testing.T) {
		a := g.request("POST", issuer+"/oauth/par", []byte(`{}`), http.Header{"Content-Type": {"application/json"}})
		want(t, a, 415, "invalid_request")
	})
	t.Run("a parameter that comes twice", func(t *testing.T) {
		form := g.params()
		form.Add("scope", "atproto")
		want(t, g.post("/oauth/par", form), 400, "invalid_request")
	})
	t.Run("O55 the answer", func(t *testing.T) {
		a := g.post("/oauth/par", g.params())
		if !strings.HasPrefix(a.str("request_uri"), "urn:ietf:params:oauth:request_uri:") || a.body["expires_in"] != 300.0 {
			t.Error(a.text)
		}
	})
}

func TestLoopbackRedirects(t *testing.T) {
	for _, tt := range []struct {
		name, declared, used string
		status               int
	}{
		{"O22 a port where none is declared", "http://127.0.0.1/cb", "http://127.0.0.1:99/cb", 201},
		{"O22 the declared port", "http://127.0.0.1:98/cb", "http://127.0.0.1:98/cb", 201},
		{"O22 another than the declared port", "http://127.0.0.1:98/cb", "http://127.0.0.1:99/cb", 400},
		{"O22 IPv6", "http://[::1]/cb", "http://[::1]:99/cb", 201},
		{"O22 one family for the other", "http://127.0.0.1/cb", "http://[::1]/cb", 400},
		{"O21 the default", "", "http://127.0.0.1:99/", 201},
		{"O22 another query", "http://127.0.0.1/cb?a=b", "http://127.0.0.1/cb?a=c", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t)
			g.id = "http://localhost"
			if tt.declared != "" {
				g.id += "?redirect_uri=" + url.QueryEscape(tt.declared)
			}
			if a := g.post("/oauth/par", g.params("redirect_uri", tt.used, "scope", "atproto")); a.status != tt.status {
				t.Errorf("got %d, want %d: %s", a.status, tt.status, a.text)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	g := newRig(t)
	alice := g.srv.Environment().Account("alice")
	keys := func(q url.Values) map[string]string {
		m := map[string]string{}
		for name := range q {
			m[name] = q.Get(name)
		}
		if m["code"] != "" {
			m["code"] = "…"
		}
		delete(m, "error_description")
		return m
	}
	approve := func(loginURL string) url.Values {
		t.Helper()
		return g.approve(loginURL)
	}
	denied := map[string]string{"iss": issuer, "state": "the-state", "error": "access_denied"}

	t.Run("O61 consent: iss, state and code", func(t *testing.T) {
		want := map[string]string{"iss": issuer, "state": "the-state", "code": "…"}
		if diff := cmp.Diff(want, keys(approve(g.loginURL()))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O61 no state where none was sent", func(t *testing.T) {
		if diff := cmp.Diff(map[string]string{"iss": issuer, "code": "…"}, keys(approve(g.loginURL("state", "")))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O60 denial", func(t *testing.T) {
		loginURL := g.loginURL()
		back, err := g.srv.Deny(t.Context(), loginURL)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(denied, keys(back.Query())); diff != "" {
			t.Error(diff)
		}
		if _, err := g.srv.Approve(t.Context(), loginURL, alice); err == nil {
			t.Error("the refused request can still be approved")
		}
	})
	t.Run("a request_uri is used once, and its code dies with a second use", func(t *testing.T) {
		loginURL := g.loginURL()
		code := approve(loginURL).Get("code")
		if diff := cmp.Diff(denied, keys(approve(loginURL))); diff != "" {
			t.Error(diff)
		}
		want(t, g.exchange(code), 400, "invalid_grant")
	})
	t.Run("O118 an expired request_uri", func(t *testing.T) {
		loginURL := g.loginURL()
		g.clock.advance(5*time.Minute + time.Second)
		if diff := cmp.Diff(denied, keys(approve(loginURL))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a request of another client", func(t *testing.T) {
		u, _ := url.Parse(g.loginURL())
		q := u.Query()
		q.Set("client_id", "http://localhost")
		u.RawQuery = q.Encode()
		if diff := cmp.Diff(denied, keys(approve(u.String()))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("an unknown request_uri goes nowhere", func(t *testing.T) {
		u := issuer + "/oauth/authorize?client_id=x&request_uri=urn:ietf:params:oauth:request_uri:nope"
		if back, err := g.srv.Approve(t.Context(), u, alice); err == nil {
			t.Errorf("sent to %s", back)
		}
		if a := g.request("GET", u, nil, nil); a.status != 400 || !strings.Contains(a.text, "Unknown request_uri") {
			t.Errorf("page: %d %s", a.status, a.text)
		}
	})
	t.Run("another server's login goes nowhere", func(t *testing.T) {
		if _, err := g.srv.Approve(t.Context(), "https://evil.test/oauth/authorize", alice); err == nil {
			t.Error("approved")
		}
	})
	t.Run("P23 whoever signs in is who gets logged in", func(t *testing.T) {
		bob := g.srv.Environment().Account("bob")
		back, err := g.srv.Approve(t.Context(), g.loginURL("login_hint", "alice.test", "code_challenge", challenge(strings.Repeat("p", 43))), bob)
		if err != nil {
			t.Fatal(err)
		}
		if a := g.exchange(back.Query().Get("code"), "code_verifier", strings.Repeat("p", 43)); a.str("sub") != string(bob.DID) {
			t.Errorf("sub is %q: %s", a.str("sub"), a.text)
		}
	})
	t.Run("O53 response_mode fragment", func(t *testing.T) {
		back, err := g.srv.Approve(t.Context(), g.loginURL("response_mode", "fragment"), alice)
		if err != nil {
			t.Fatal(err)
		}
		q, err := url.ParseQuery(back.EscapedFragment())
		if err != nil || back.RawQuery != "" || q.Get("code") == "" || q.Get("iss") != issuer {
			t.Errorf("%s, %v", back, err)
		}
	})
	t.Run("O56 a query of the redirect URI stays", func(t *testing.T) {
		g := newRig(t)
		g.id = "http://localhost?redirect_uri=" + url.QueryEscape("http://127.0.0.1/cb?a=b")
		q := g.approve(g.loginURL("redirect_uri", "http://127.0.0.1:1/cb?a=b", "scope", "atproto"))
		if q.Get("a") != "b" || q.Get("code") == "" {
			t.Error(q)
		}
	})
}

func TestLoginPage(t *testing.T) {
	g := newRig(t)
	alice := g.srv.Environment().Account("alice")
	open := func(loginURL string) url.Values {
		t.Helper()
		a := g.request("GET", loginURL, nil, nil)
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Fatalf("page: %d %s", a.status, a.text)
		}
		form := url.Values{}
		for _, field := range regexp.MustCompile(`name="(\w+)" value="([^"]*)"`).FindAllStringSubmatch(a.text, -1) {
			if field[1] != "answer" {
				form.Set(field[1], strings.NewReplacer("&amp;", "&", "&#43;", "+").Replace(field[2]))
			}
		}
		for _, shown := range []string{"Loopback client", "transition:generic", ">Allow<", ">Deny<"} {
			if !strings.Contains(a.text, shown) {
				t.Errorf("the page does not show %q", shown)
			}
		}
		return form
	}
	submit := func(form url.Values, header ...string) (*http.Response, string) {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", issuer+"/oauth/authorize", bytes.NewBufferString(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := g.hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp, string(text)
	}
	t.Run("a person signs in and agrees", func(t *testing.T) {
		form := open(g.loginURL())
		if form.Get("username") != "alice.test" {
			t.Errorf("O51 the login_hint is not filled in: %v", form)
		}
		form.Set("password", "wrong")
		form.Set("answer", "allow")
		if resp, text := submit(form); resp.StatusCode != 401 || !strings.Contains(text, "password is wrong") {
			t.Fatalf("wrong password: %d %s", resp.StatusCode, text)
		}
		form.Set("password", alice.Password)
		resp, text := submit(form, "Sec-Fetch-Site", "same-origin")
		if resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
		back, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		want(t, g.exchange(back.Query().Get("code")), 200, "")
	})
	t.Run("a person refuses", func(t *testing.T) {
		form := open(g.loginURL())
		form.Set("answer", "deny")
		resp, _ := submit(form)
		back, err := resp.Location()
		if err != nil || back.Query().Get("error") != "access_denied" {
			t.Errorf("%v %v", back, err)
		}
	})
	t.Run("another site cannot agree", func(t *testing.T) {
		form := open(g.loginURL())
		form.Set("password", alice.Password)
		form.Set("answer", "allow")
		if resp, _ := submit(form, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != 400 {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("O118 an expired request sends the browser back", func(t *testing.T) {
		loginURL := g.loginURL()
		g.clock.advance(time.Hour)
		a := g.request("GET", loginURL, nil, nil)
		if a.status != http.StatusSeeOther || !strings.Contains(a.header.Get("Location"), "error=access_denied") {
			t.Errorf("%d %v", a.status, a.header)
		}
	})
}

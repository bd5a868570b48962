package oauthtest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

const (
	issuer      = "https://pds.test"
	redirectURI = "http://127.0.0.1:7000/cb"
	getSession  = "/xrpc/com.atproto.server.getSession"
	appID       = "https://app.sandbox-client.net/client-metadata.json"
)

// A fakeClock stands still until it is moved.
type fakeClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *fakeClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// A rig is a server and a client written out by hand, which can do everything wrong.
type rig struct {
	tb    testing.TB
	srv   *oauthtest.Server
	clock *fakeClock
	hc    *http.Client
	id    string // client_id
	key   *ecdsa.PrivateKey

	mu    sync.Mutex
	nonce string
	last  string // the proof sent last
}

func newRig(tb testing.TB, opts ...oauthtest.Option) *rig {
	tb.Helper()
	clock := &fakeClock{t: time.Date(2026, 5, 1, 12, 0, 30, 0, time.UTC)}
	srv := oauthtest.NewServer(append([]oauthtest.Option{oauthtest.WithClock(clock.now)}, opts...)...)
	tb.Cleanup(srv.Close)
	id := "http://localhost?" + url.Values{
		"redirect_uri": {"http://127.0.0.1/cb"},
		"scope":        {"atproto transition:generic transition:email repo:app.bsky.feed.post?action=create"},
	}.Encode()
	return &rig{tb: tb, srv: srv, clock: clock, id: id, key: newKey(tb), hc: noRedirects(srv)}
}

func noRedirects(srv *oauthtest.Server) *http.Client {
	return &http.Client{
		Transport:     srv.Environment().Transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func public(tb testing.TB, key *ecdsa.PrivateKey) jwk.Key {
	tb.Helper()
	k, err := jwk.FromRaw(key.Public())
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// A token is a JWT before it is signed.
type token struct {
	alg    jwa.SignatureAlgorithm
	key    any
	header map[string]any
	claims map[string]any
	after  func(signed string) string
}

func (t *token) sign(tb testing.TB) string {
	tb.Helper()
	header := jws.NewHeaders()
	for name, value := range t.header {
		if err := header.Set(name, value); err != nil {
			tb.Fatal(err)
		}
	}
	payload, err := json.Marshal(t.claims)
	if err != nil {
		tb.Fatal(err)
	}
	signed, err := jws.Sign(payload, jws.WithKey(t.alg, t.key, jws.WithProtectedHeaders(header)))
	if err != nil {
		tb.Fatal(err)
	}
	if t.after != nil {
		return t.after(string(signed))
	}
	return string(signed)
}

// proof makes a DPoP proof. Changes are made before it is signed.
func (g *rig) proof(method, target, accessToken string, changes ...func(*token)) string {
	g.tb.Helper()
	u, err := url.Parse(target)
	if err != nil {
		g.tb.Fatal(err)
	}
	u.RawQuery = ""
	g.mu.Lock()
	defer g.mu.Unlock()
	t := &token{
		alg:    jwa.ES256,
		key:    g.key,
		header: map[string]any{"typ": "dpop+jwt", "jwk": public(g.tb, g.key)},
		claims: map[string]any{"jti": rand.Text(), "htm": method, "htu": u.String(), "iat": g.clock.now().Unix()},
	}
	if g.nonce != "" {
		t.claims["nonce"] = g.nonce
	}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		t.claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	for _, change := range changes {
		change(t)
	}
	g.last = t.sign(g.tb)
	return g.last
}

// An answer is a response that has been read.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (a *answer) str(name string) string {
	s, _ := a.body[name].(string)
	return s
}

func (g *rig) do(req *http.Request) *answer {
	g.tb.Helper()
	resp, err := g.hc.Do(req)
	if err != nil {
		g.tb.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		g.tb.Fatal(err)
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, text: string(data)}
	json.Unmarshal(data, &a.body)
	if nonce := resp.Header.Get("DPoP-Nonce"); nonce != "" {
		g.mu.Lock()
		g.nonce = nonce
		g.mu.Unlock()
	}
	return a
}

func (g *rig) request(method, target string, body []byte, header http.Header) *answer {
	g.tb.Helper()
	req, err := http.NewRequestWithContext(g.tb.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		g.tb.Fatal(err)
	}
	maps.Copy(req.Header, header)
	return g.do(req)
}

// form posts to the authorization server with a proof, or without if that is empty.
func (g *rig) form(path string, form url.Values, proof string) *answer {
	g.tb.Helper()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if proof != "" {
		header.Set("DPoP", proof)
	}
	return g.request("POST", issuer+path, []byte(form.Encode()), header)
}

// post posts to the authorization server as a good client does, and again if it is
// asked for another nonce.
func (g *rig) post(path string, form url.Values) *answer {
	g.tb.Helper()
	a := g.form(path, form, g.proof("POST", issuer+path, ""))
	if a.str("error") == "use_dpop_nonce" {
		a = g.form(path, form, g.proof("POST", issuer+path, ""))
	}
	return a
}

var verifier = strings.Repeat("v", 43)

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// params are those of a good authorization request, with changes: name, value, ….
// An empty value takes the parameter away.
func (g *rig) params(changes ...string) url.Values {
	form := url.Values{
		"client_id":             {g.id},
		"response_type":         {"code"},
		"redirect_uri":          {redirectURI},
		"scope":                 {"atproto transition:generic"},
		"state":                 {"the-state"},
		"code_challenge":        {challenge(verifier)},
		"code_challenge_method": {"S256"},
		"login_hint":            {"alice.test"},
	}
	return changed(form, changes)
}

func changed(form url.Values, changes []string) url.Values {
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "" {
			form.Del(changes[i])
		} else {
			form.Set(changes[i], changes[i+1])
		}
	}
	return form
}

// loginURL pushes a request and returns where to send the user.
func (g *rig) loginURL(changes ...string) string {
	g.tb.Helper()
	return g.pushed(g.params(changes...))
}

func (g *rig) pushed(form url.Values) string {
	g.tb.Helper()
	a := g.post("/oauth/par", form)
	if a.status != http.StatusCreated {
		g.tb.Fatalf("PAR: %d %s", a.status, a.text)
	}
	return issuer + "/oauth/authorize?" + url.Values{"client_id": {form.Get("client_id")}, "request_uri": {a.str("request_uri")}}.Encode()
}

// code logs alice in as far as the code.
func (g *rig) code(changes ...string) string {
	g.tb.Helper()
	return g.approve(g.loginURL(changes...)).Get("code")
}

func (g *rig) approve(loginURL string) url.Values {
	g.tb.Helper()
	back, err := g.srv.Approve(g.tb.Context(), loginURL, g.srv.Environment().Account("alice"))
	if err != nil {
		g.tb.Fatal(err)
	}
	return back.Query()
}

func (g *rig) exchange(code string, changes ...string) *answer {
	g.tb.Helper()
	return g.post("/oauth/token", changed(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {redirectURI}, "client_id": {g.id},
	}, changes))
}

func (g *rig) refresh(refreshToken string, changes ...string) *answer {
	g.tb.Helper()
	return g.post("/oauth/token", changed(url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "client_id": {g.id},
	}, changes))
}

func (g *rig) revoke(token string) *answer {
	g.tb.Helper()
	return g.post("/oauth/revoke", url.Values{"token": {token}, "client_id": {g.id}})
}

// login returns the tokens of a new session of alice. Each has a verifier of its own.
func (g *rig) login(scope string) *answer {
	g.tb.Helper()
	own := rand.Text() + rand.Text()
	a := g.exchange(g.code("scope", scope, "code_challenge", challenge(own)), "code_verifier", own)
	if a.status != http.StatusOK {
		g.tb.Fatalf("token: %d %s", a.status, a.text)
	}
	return a
}

// call makes a call to the PDS with a proof, and again if it is asked for a nonce.
func (g *rig) call(method, path, accessToken string, body any) *answer {
	g.tb.Helper()
	var data []byte
	header := http.Header{}
	switch body := body.(type) {
	case nil:
	case []byte:
		data = body
		header.Set("Content-Type", "image/png")
	default:
		var err error
		if data, err = json.Marshal(body); err != nil {
			g.tb.Fatal(err)
		}
		header.Set("Content-Type", "application/json")
	}
	header.Set("Authorization", "DPoP "+accessToken)
	for {
		header.Set("DPoP", g.proof(method, issuer+path, accessToken))
		a := g.request(method, issuer+path, data, header)
		if a.str("error") != "use_dpop_nonce" {
			return a
		}
	}
}

// alive reports whether an access token is good for a call.
func (g *rig) alive(accessToken string) bool {
	g.tb.Helper()
	return g.call("GET", getSession, accessToken, nil).status == http.StatusOK
}

// want fails the test unless a has the status and error code.
func want(tb testing.TB, a *answer, status int, code string) {
	tb.Helper()
	if a.status != status || a.str("error") != code {
		tb.Errorf("got %d %q, want %d %q: %s", a.status, a.str("error"), status, code, a.text)
	}
}

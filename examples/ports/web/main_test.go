package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
)

// A visitor is a browser, as far as forms and redirects go, on an application that uses a sandbox.
type visitor struct {
	t      *testing.T
	home   string
	server *oauthtest.Server
	http   http.Client
}

func visit(t *testing.T) *visitor {
	t.Helper()
	server := oauthtest.NewServer()
	t.Cleanup(server.Close)
	app := httptest.NewUnstartedServer(nil)
	v := &visitor{t: t, home: "http://" + app.Listener.Addr().String(), server: server}
	config := oauth.Localhost(v.home+"/oauth/callback", scope.Join(asked...))
	server.Environment().Configure(&config)
	var err error
	if app.Config.Handler, err = newApp(config); err != nil {
		t.Fatal(err)
	}
	app.Start()
	t.Cleanup(app.Close)
	if v.http.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	v.http.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), v.home) {
			return nil
		}
		return http.ErrUseLastResponse // the server's page, which logIn answers
	}
	return v
}

// see returns what a page says, and where the visitor is.
func (v *visitor) see(resp *http.Response, err error) (string, *url.URL) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	at := resp.Request.URL
	if to, err := resp.Location(); err == nil {
		at = to
	}
	return string(body), at
}

func (v *visitor) get(address string) (string, *url.URL) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), "GET", address, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html") // what scripts ask for is answered by a status
	return v.see(v.http.Do(req))
}

func (v *visitor) submit(path string, fields url.Values) (string, *url.URL) {
	v.t.Helper()
	return v.see(v.http.PostForm(v.home+path, fields))
}

func (v *visitor) logIn() (string, *url.URL) {
	v.t.Helper()
	alice := v.server.Environment().Account("alice")
	_, page := v.submit("/oauth/login", url.Values{"username": {string(alice.Handle)}})
	callback, err := v.server.Approve(v.t.Context(), page.String(), alice)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.get(callback.String())
}

func TestItDoesWhatTheDemoDoes(t *testing.T) {
	v := visit(t)
	if page, _ := v.get(v.home + "/"); !strings.Contains(page, `href="/oauth/login"`) {
		t.Errorf("a visitor sees\n%s", page)
	}
	if _, at := v.get(v.home + "/bsky/post"); at.Path != "/oauth/login" {
		t.Errorf("a visitor who wants to post is at %s", at)
	}
	page, at := v.logIn()
	if did := v.server.Environment().Account("alice").DID; at.Path != "/bsky/post" || !strings.Contains(page, string(did)) {
		t.Errorf("after the login, at %s:\n%s", at, page)
	}
	if _, at := v.submit("/bsky/post", url.Values{"post_text": {"Hello"}}); at.Path != "/bsky/post" {
		t.Errorf("after the post, at %s", at)
	}
	if _, at := v.submit("/oauth/refresh", nil); at.Path != "/" {
		t.Errorf("after the refresh, at %s", at)
	}
	stats := v.server.Stats()
	if posts, refreshes := stats.Requests["/xrpc/com.atproto.repo.createRecord"], stats.Grants["refresh_token"]; posts == 0 || refreshes == 0 {
		t.Errorf("%d requests for posts, %d for new tokens", posts, refreshes)
	}
	if page, at := v.submit("/oauth/logout", nil); at.Path != "/" || !strings.Contains(page, `href="/oauth/login"`) {
		t.Errorf("after the logout, at %s:\n%s", at, page)
	}
}

func TestAPublicHostMakesTheOtherClients(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for name, tt := range map[string]struct {
		key  string
		want []string
	}{
		"without a key it is a public one": {"", []string{`"none"`}},
		"with a key a confidential one":    {key, []string{`"private_key_jwt"`, "https://demo.example.com/oauth/jwks.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := newConfig("demo.example.com", tt.key, "primary")
			if err != nil {
				t.Fatal(err)
			}
			app, err := newApp(config)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, httptest.NewRequest("GET", "https://demo.example.com/oauth/client-metadata.json", nil))
			for _, want := range tt.want {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("the metadata lack %s:\n%s", want, w.Body)
				}
			}
			w = httptest.NewRecorder()
			app.ServeHTTP(w, httptest.NewRequest("GET", "https://demo.example.com/oauth/jwks.json", nil))
			if has := strings.Contains(w.Body.String(), `"kid": "primary"`) || strings.Contains(w.Body.String(), `"kid":"primary"`); has != (tt.key != "") {
				t.Errorf("the key set is %s", w.Body)
			}
		})
	}
}

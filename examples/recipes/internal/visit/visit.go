// Package visit is what the tests of the recipes share: a client of a sandbox, and a browser that logs in.
package visit

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A Client is a client of a sandbox of its own.
type Client struct {
	*oauth.Client
	Sandbox *oauthtest.Server
}

// NewClient returns a client for development that change may change.
func NewClient(t *testing.T, change ...func(*oauth.Config)) *Client {
	t.Helper()
	return newClient(t, "http://127.0.0.1/callback", change...)
}

func newClient(t *testing.T, redirect string, change ...func(*oauth.Config)) *Client {
	t.Helper()
	sandbox := oauthtest.NewServer()
	t.Cleanup(sandbox.Close)
	config := oauth.Localhost(redirect, "atproto transition:generic")
	sandbox.Environment().Configure(&config)
	for _, c := range change {
		c(&config)
	}
	client, err := oauth.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	return &Client{client, sandbox}
}

// LogIn returns a session of alice.test.
func (c *Client) LogIn(t *testing.T) *oauth.Session {
	t.Helper()
	login, err := c.Authorize(t.Context(), "alice.test")
	if err != nil {
		t.Fatal(err)
	}
	callback, err := c.Sandbox.Approve(t.Context(), login.URL, c.Sandbox.Environment().Account("alice"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := c.Callback(t.Context(), callback.Query(), login.Binding)
	if err != nil {
		t.Fatal(err)
	}
	return result.Session
}

// A Browser is one as far as forms and redirects go. It is on an application that has the paths /login, /callback, /logout
// and /notes.
type Browser struct {
	t       *testing.T
	home    string
	sandbox *oauthtest.Server
	http    http.Client
}

// Open returns a browser on the application that newApp makes.
func Open(t *testing.T, newApp func(*oauth.Client) http.Handler) *Browser {
	t.Helper()
	app := httptest.NewUnstartedServer(nil)
	b := &Browser{t: t, home: "http://" + app.Listener.Addr().String()}
	client := newClient(t, b.home+"/callback")
	b.sandbox = client.Sandbox
	app.Config.Handler = newApp(client.Client)
	app.Start()
	t.Cleanup(app.Close)
	var err error
	if b.http.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	b.http.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), b.home) {
			return nil
		}
		return http.ErrUseLastResponse // the server's page, where the user agrees
	}
	return b
}

// Get returns the status of a page and what it says.
func (b *Browser) Get(path string) (int, string) {
	b.t.Helper()
	status, page, _ := b.do("GET", b.home+path, nil)
	return status, page
}

// Submit sends a form, and returns the status of the page that it leads to.
func (b *Browser) Submit(path string, fields url.Values) int {
	b.t.Helper()
	status, _, _ := b.do("POST", b.home+path, fields)
	return status
}

// Cookies returns the cookies that the application has set.
func (b *Browser) Cookies() []*http.Cookie {
	b.t.Helper()
	at, err := url.Parse(b.home)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.http.Jar.Cookies(at)
}

// LogIn logs alice.test in.
func (b *Browser) LogIn() {
	b.t.Helper()
	_, _, page := b.do("POST", b.home+"/login", url.Values{"identifier": {"alice.test"}})
	callback, err := b.sandbox.Approve(b.t.Context(), page, b.sandbox.Environment().Account("alice"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.do("GET", callback.String(), nil)
}

func (b *Browser) do(method, address string, fields url.Values) (status int, page, at string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(fields.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "text/html")
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	at = resp.Request.URL.String()
	if to, err := resp.Location(); err == nil {
		at = to.String()
	}
	return resp.StatusCode, string(body), at
}

// TryLogin makes sure that an application logs in and out, and shows the page /notes, which has the account's DID, to those
// alone who are logged in.
func (b *Browser) TryLogin() {
	b.t.Helper()
	did := string(b.sandbox.Environment().Account("alice").DID)
	if _, page := b.Get("/notes"); strings.Contains(page, did) {
		b.t.Errorf("before the login, /notes is\n%s", page)
	}
	b.LogIn()
	if status, page := b.Get("/notes"); status != http.StatusOK || !strings.Contains(page, did) {
		b.t.Errorf("after the login, /notes is %d\n%s", status, page)
	}
	if status := b.Submit("/logout", nil); status != http.StatusOK {
		b.t.Errorf("the logout leads to %d", status)
	}
	if _, page := b.Get("/notes"); strings.Contains(page, did) {
		b.t.Errorf("after the logout, /notes is\n%s", page)
	}
}

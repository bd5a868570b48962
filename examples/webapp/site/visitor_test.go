package site

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A visitor is a browser as far as forms and redirects go, at a site on a sandbox of its own.
type visitor struct {
	t       *testing.T
	home    string
	sandbox *oauthtest.Server
	store   store.Store
	app     atomic.Pointer[http.Handler] // that runs now
	now     func() time.Time
	options []oauthtest.Option

	http *http.Client
	resp *http.Response
	page string // what it sees
}

// visit starts the site and opens it.
func visit(t *testing.T, change ...func(*visitor)) *visitor {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	v := &visitor{t: t, home: "http://" + server.Listener.Addr().String(), store: new(store.Memory)}
	for _, f := range change {
		f(v)
	}
	v.sandbox = oauthtest.NewServer(append(v.options, oauthtest.WithSignInPage(v.home+"/sign-in"))...)
	t.Cleanup(v.sandbox.Close)
	signIn := v.sandbox.SignInPage()
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/sign-in" {
			signIn.ServeHTTP(w, r)
			return
		}
		(*v.app.Load()).ServeHTTP(w, r)
	})
	v.restart()
	server.Start()
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v.http = &http.Client{Jar: jar}
	v.get("/")
	return v
}

// restart starts the application anew: one that has met nobody yet.
func (v *visitor) restart() {
	v.t.Helper()
	config := oauth.Localhost(v.home+"/callback", Scope())
	config.Store, config.Seal, config.Logger = v.store, seal.Keys(make([]byte, 32)), slog.New(slog.DiscardHandler)
	env := v.sandbox.Environment()
	env.Configure(&config)
	config.DefaultServer = env.PDS
	client, err := oauth.NewClient(config)
	if err != nil {
		v.t.Fatal(err)
	}
	handler := New(Config{Client: client, Logger: config.Logger, Now: v.now})
	v.app.Store(&handler)
}

func (v *visitor) get(path string) {
	v.t.Helper()
	v.see(v.http.Get(v.home + path))
}

// submit sends a form to a path, or to where the visitor is (""). The fields are names and values.
func (v *visitor) submit(path string, fields ...string) {
	v.t.Helper()
	form := make(url.Values)
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	target := v.home + path
	if path == "" {
		target = v.resp.Request.URL.String()
	}
	v.see(v.http.PostForm(target, form))
}

var formKey = regexp.MustCompile(`name="key" value="([^"]+)"`)

// key is that of the form on the page.
func (v *visitor) key() string {
	v.t.Helper()
	found := formKey.FindStringSubmatch(v.page)
	if found == nil {
		v.t.Fatalf("there is no form:\n%s", v.page)
	}
	return found[1]
}

// A sent is the form for posts, as a browser sends it.
type sent struct {
	key, text, alt, name string
	picture              []byte
}

func (f sent) request(t *testing.T, home string) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, field := range [][2]string{{"key", f.key}, {"text", f.text}} {
		if err := form.WriteField(field[0], field[1]); err != nil {
			t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("picture", f.name)
	if err == nil {
		_, err = part.Write(f.picture)
	}
	if err == nil {
		err = form.WriteField("alt", f.alt)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, home+"/post", &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	return req
}

// post sends the form on the page.
func (v *visitor) post(f sent) {
	v.t.Helper()
	if f.key == "" {
		f.key = v.key()
	}
	v.see(v.http.Do(f.request(v.t, v.home)))
}

func (v *visitor) see(resp *http.Response, err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	v.page, v.resp = string(body), resp
}

func (v *visitor) want(parts ...string) {
	v.t.Helper()
	for _, part := range parts {
		if !strings.Contains(v.page, part) {
			v.t.Fatalf("%s lacks %q:\n%s", v.resp.Request.URL, part, v.page)
		}
	}
}

func (v *visitor) lacks(parts ...string) {
	v.t.Helper()
	for _, part := range parts {
		if strings.Contains(v.page, part) {
			v.t.Fatalf("%s has %q:\n%s", v.resp.Request.URL, part, v.page)
		}
	}
}

func (v *visitor) wantStatus(status int) {
	v.t.Helper()
	if v.resp.StatusCode != status {
		v.t.Fatalf("%s: status %d, want %d:\n%s", v.resp.Request.URL, v.resp.StatusCode, status, v.page)
	}
}

// posts is how many posts the page shows.
func (v *visitor) posts() int { return strings.Count(v.page, "<article") }

// answer fills in the sign-in page of the sandbox as alice.
func (v *visitor) answer(answer string) {
	v.t.Helper()
	v.want("<h1>Sign in</h1>")
	query := v.resp.Request.URL.Query()
	alice := v.sandbox.Environment().Account("alice")
	v.submit("", "client_id", query.Get("client_id"), "request_uri", query.Get("request_uri"),
		"username", string(alice.Handle), "password", alice.Password, "answer", answer)
}

// logIn logs alice in.
func (v *visitor) logIn() *visitor {
	v.t.Helper()
	v.submit("/login", "identifier", "alice.test")
	v.answer("allow")
	v.want("<h1>alice.test</h1>")
	return v
}

// otherApp is a session of alice's in another application, which may do more.
func otherApp(t *testing.T, sandbox *oauthtest.Server) *oauth.Session {
	t.Helper()
	session, err := sandbox.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// A brokenStore is a store that can be out of reach.
type brokenStore struct {
	store.Store
	broken atomic.Bool
}

func (s *brokenStore) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	if s.broken.Load() {
		return nil, errDown
	}
	return s.Store.Get(ctx, key)
}

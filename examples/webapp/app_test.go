package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A visitor is a browser as far as forms and redirects go.
type visitor struct {
	t    *testing.T
	home string
	http *http.Client
	page string // what it sees
	at   *url.URL
}

// visit starts the application on a database and opens it.
func visit(t *testing.T, database string) *visitor {
	t.Helper()
	return visitAt(t, func(ctx context.Context, home string) (http.Handler, func(), error) {
		return build(ctx, home, false, database)
	})
}

// visitAt starts the application that build makes, and opens it.
func visitAt(t *testing.T, build func(ctx context.Context, home string) (http.Handler, func(), error)) *visitor {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	ctx, cancel := context.WithCancel(t.Context())
	v := &visitor{t: t, home: "http://" + server.Listener.Addr().String()}
	handler, stop, err := build(ctx, v.home)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(func() { server.Close(); cancel(); stop() })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v.http = &http.Client{Jar: jar}
	v.get(v.home + "/")
	return v
}

func (v *visitor) get(address string) {
	v.t.Helper()
	v.see(v.http.Get(address))
}

// submit posts a form to a path, or to where the visitor is ("").
func (v *visitor) submit(path string, fields ...string) {
	v.t.Helper()
	form := make(url.Values)
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	target := v.home + path
	if path == "" {
		target = v.at.String()
	}
	v.see(v.http.PostForm(target, form))
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
	v.page, v.at = string(body), resp.Request.URL
}

func (v *visitor) want(parts ...string) {
	v.t.Helper()
	for _, part := range parts {
		if !strings.Contains(v.page, part) {
			v.t.Fatalf("%s lacks %q:\n%s", v.at, part, v.page)
		}
	}
}

func (v *visitor) lacks(parts ...string) {
	v.t.Helper()
	for _, part := range parts {
		if strings.Contains(v.page, part) {
			v.t.Fatalf("%s has %q:\n%s", v.at, part, v.page)
		}
	}
}

var password = regexp.MustCompile(`alice\.test, password <code>([^<]*)</code>`)

// signIn fills in the sign-in page of the sandbox, which names its accounts.
func (v *visitor) signIn(handle, answer string) {
	v.t.Helper()
	v.want("Sign in", mayPost.String())
	query := v.at.Query()
	v.submit("", "client_id", query.Get("client_id"), "request_uri", query.Get("request_uri"),
		"username", handle, "password", password.FindStringSubmatch(v.page)[1], "answer", answer)
}

func TestWebapp(t *testing.T) {
	t.Run("log in by handle, post, log out", func(t *testing.T) {
		v := visit(t, ":memory:")
		v.want("Log in")
		v.submit("/login", "identifier", "@Alice.test")
		v.signIn("alice.test", "allow")
		v.want("<h1>alice.test</h1>", "did:plc:", "https://pds.test", mayPost.String())
		v.submit("/post", "text", "Hello <b>world</b>")
		v.want("<h1>alice.test</h1>", "Hello &lt;b&gt;world&lt;/b&gt;")
		v.submit("/post", "text", strings.Repeat("x", 301))
		v.want("A post has between 1 and 300 characters", strings.Repeat("x", 301))
		v.submit("/logout")
		v.want("Log in")
		v.submit("/post", "text", "nobody")
		v.want("Please log in.", "nobody</textarea>")
	})
	t.Run("log in at the server", func(t *testing.T) {
		v := visit(t, ":memory:")
		v.submit("/login")
		v.signIn("alice.test", "allow")
		v.want("<h1>alice.test</h1>")
	})
	t.Run("what goes wrong is said", func(t *testing.T) {
		v := visit(t, ":memory:")
		v.submit("/login", "identifier", "nobody.test")
		v.want("There is no such account or server", `value="nobody.test"`)
		v.submit("/login", "identifier", "alice.test")
		v.signIn("alice.test", "deny")
		v.want("You did not agree")
		v.get(v.home + "/callback?code=x&state=y&iss=z")
		v.want("This login has expired")
	})
}

// A brokenStore is a store that can be out of reach.
type brokenStore struct {
	store.Store
	broken atomic.Bool
}

func (s *brokenStore) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	if s.broken.Load() {
		return nil, errors.New("the database is being restarted")
	}
	return s.Store.Get(ctx, key)
}

func TestOutages(t *testing.T) { // P100
	kept := &brokenStore{Store: new(store.Memory)}
	var accounts *sandbox
	var app atomic.Value // that runs now
	start := func(home string) error {
		client, err := newClient(home, kept, seal.Keys(make([]byte, 32)), slog.New(slog.DiscardHandler), accounts)
		if err == nil {
			app.Store(newApp(client, accounts))
		}
		return err
	}
	v := visitAt(t, func(_ context.Context, home string) (http.Handler, func(), error) {
		accounts = startSandbox(home)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			app.Load().(http.Handler).ServeHTTP(w, r)
		}), accounts.Close, start(home)
	})
	const unknown = "Who is logged in cannot be found out"
	loggedIn := func() {
		v.t.Helper()
		v.want("<title>alice.test</title>", "<h1>alice.test</h1>", `action="/logout"`)
		v.lacks("Log in", unknown)
	}
	v.submit("/login", "identifier", "alice.test")
	v.signIn("alice.test", "allow")
	loggedIn()

	accounts.Fault("/xrpc/", oauthtest.Fault{Times: -1, Status: 503, Body: "down"})
	v.get(v.home + "/")
	v.want("Please try again later")
	loggedIn()
	v.submit("/post", "text", "Two <i>hours</i> of work")
	v.want("Please try again later", ">Two &lt;i&gt;hours&lt;/i&gt; of work</textarea>")
	loggedIn()
	v.get(v.home + "/callback?code=x&state=y&iss=z") // of an old tab: there is nothing to do
	v.lacks("This login has expired")
	loggedIn()
	v.submit("/login", "identifier", "nobody.test")
	v.want("There is no such account or server", "nobody.test")
	v.want("<h1>alice.test</h1>")
	v.lacks(unknown)

	kept.broken.Store(true)
	if err := start(v.home); err != nil { // one that has met nobody yet
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/callback?code=x&state=y&iss=z"} {
		v.get(v.home + path)
		v.want(unknown, "cannot reach its database")
		v.lacks("Log in", "alice.test</h1>", "expired")
	}
	v.submit("/post", "text", "Two hours of work")
	v.want(unknown, "cannot reach its database", ">Two hours of work</textarea>", `action="/post"`)
	v.lacks("Log in")
	v.submit("/login", "identifier", "nobody.test")
	v.want(unknown, "There is no such account or server", `value="nobody.test"`)
	v.submit("/logout")
	v.want(unknown, "cannot reach its database")
	v.lacks("Log in")

	kept.broken.Store(false)
	accounts.ClearFaults()
	v.get(v.home + "/") // the cookie went with the logout, whether it reached the database or not
	v.want("Log in")
	v.submit("/login", "identifier", "alice.test")
	v.signIn("alice.test", "allow")
	v.submit("/post", "text", "Two hours of work")
	v.want("Two hours of work")
	loggedIn()

	accounts.RevokeSessions(accounts.Environment().Account("alice").DID)
	v.submit("/post", "text", "Three hours of work")
	v.want("<h1>Log in</h1>", "Please log in again", "Your post was not sent", ">Three hours of work</textarea>")
	v.lacks(unknown, `action="/logout"`)
}

func TestShutdownWaitsForRequests(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	began, finish, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(began)
			<-finish
			io.WriteString(w, "done")
		}))
	}()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-began
	stop()
	for { // until it listens no more
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended with a request under way: %v", err)
	default:
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := <-answer; got != "done" {
		t.Errorf("the request got %q", got)
	}
}

func TestDatabaseHasAKeyBesideIt(t *testing.T) {
	dir := t.TempDir()
	database := filepath.Join(dir, "app.db")
	visit(t, database)
	info, err := os.Stat(filepath.Join(dir, "app.key"))
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Fatalf("%v, %v", info, err)
	}
	visit(t, database) // and it is found again
}

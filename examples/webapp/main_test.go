package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
)

var quiet = slog.New(slog.DiscardHandler)

// What is wrong with a command line, or with what it names, is said together with what to do.
func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	noDatabase := filepath.Join(dir, "text.db")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("This is a letter.\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tt := range map[string]struct {
		args []string
		env  string
		want []string
	}{
		"an address open to all":        {[]string{"-addr", ":8080"}, "", []string{"open to other machines", "-addr 127.0.0.1:8080"}},
		"an address of another machine": {[]string{"-addr", "192.0.2.1:80"}, "", []string{"open to other machines", "-addr 127.0.0.1:80"}},
		"a port alone":                  {[]string{"-addr", "8080"}, "", []string{"no address with a port", "-addr 127.0.0.1:8080"}},
		"an address in use":             {[]string{"-addr", taken.Addr().String()}, "", []string{"in use", "-addr 127.0.0.1:0"}},
		"a word that is no flag":        {[]string{"serve"}, "", []string{`"serve"`, "-h lists them"}},
		"a flag that there is not":      {[]string{"-database", "x"}, "", []string{"-database"}},
		"a folder that is not there":    {[]string{"-db", filepath.Join(dir, "none", "app.db")}, "", []string{"there is no folder", "create it"}},
		"a file that is no database":    {[]string{"-addr", "127.0.0.1:0", "-db", noDatabase}, "", []string{"cannot be used", "SQLite file that you may write"}},
		"a database of another kind":    {[]string{"-db", "mysql://localhost/app"}, "", []string{`"mysql"`, "postgres://"}},
		"PostgreSQL without a key":      {[]string{"-addr", "127.0.0.1:0", "-db", "postgres://localhost/app"}, "", []string{"-key seal.key", sealKey, "openssl rand -base64 32"}},
		"PostgreSQL that is not there":  {[]string{"-addr", "127.0.0.1:0", "-db", "postgres://u:secret@127.0.0.1:1/app", "-key", filepath.Join(dir, "a.key")}, "", []string{"cannot be used", "127.0.0.1:1", "Start the server"}},
		"PostgreSQL that is misspelt":   {[]string{"-addr", "127.0.0.1:0", "-db", "postgres://u:secret@127.0.0.1:port/app", "-key", filepath.Join(dir, "a.key")}, "", []string{"-db"}},
		"a key that is too short":       {[]string{"-addr", "127.0.0.1:0"}, "c2hvcnQ=", []string{sealKey, "openssl rand -base64 32"}},
		"a key file that is a folder":   {[]string{"-addr", "127.0.0.1:0", "-key", dir}, "", []string{"-key " + dir}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(sealKey, tt.env)
			var messages bytes.Buffer
			err := run(t.Context(), tt.args, io.Discard, &messages)
			if err == nil {
				t.Fatal("it runs")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error()+messages.String(), "secret") {
				t.Errorf("%q tells the password", err)
			}
		})
	}
}

// Without arguments it runs on the sandbox, and says where.
func TestStartAndEnd(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	out, said := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-addr", "localhost:0"}, said, io.Discard) }()
	line := make([]byte, 100)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	home := strings.TrimSpace(strings.TrimPrefix(string(line[:n]), "Open "))
	resp, err := http.Get(home)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(body), "This is the sandbox: its accounts are alice.test and bob.test") {
		t.Errorf("%s", body)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
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
	s := settings{database: filepath.Join(dir, "my app?.db")}
	for range 2 { // and it is found again
		_, _, closeStore, err := openStore(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		closeStore()
	}
	for _, name := range []string{"my app?.db", "my app?.key"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "my app?.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// Two processes on one database are one application: a browser may come to either of them.
func TestTwoProcessesShareSessions(t *testing.T) {
	s := settings{database: filepath.Join(t.TempDir(), "app.db")}
	server := httptest.NewUnstartedServer(nil)
	home := "http://" + server.Listener.Addr().String()
	accounts := startSandbox(home)
	defer accounts.Close()
	var processes []http.Handler
	for range 2 {
		kept, sealing, closeStore, err := openStore(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		defer closeStore()
		if _, ok := kept.(*sqlstore.Store); !ok {
			t.Fatalf("%T", kept)
		}
		client, err := newClient(home, kept, sealing, quiet, accounts)
		if err != nil {
			t.Fatal(err)
		}
		processes = append(processes, newHandler(client, quiet, accounts))
	}
	var requests atomic.Int64
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		processes[requests.Add(1)%2].ServeHTTP(w, r) // each time the other one
	})
	server.Start()
	defer server.Close()

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	see := func(resp *http.Response, err error) (*url.URL, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Request.URL, string(body)
	}
	at, _ := see(browser.PostForm(home+"/login", url.Values{"identifier": {"alice.test"}}))
	query := at.Query()
	alice := accounts.Environment().Account("alice")
	see(browser.PostForm(at.String(), url.Values{
		"client_id": {query.Get("client_id")}, "request_uri": {query.Get("request_uri")},
		"username": {string(alice.Handle)}, "password": {alice.Password}, "answer": {"allow"},
	}))
	for range 2 { // once at each
		if _, page := see(browser.Get(home + "/")); !strings.Contains(page, "<h1>alice.test</h1>") {
			t.Errorf("%s", page)
		}
	}
	see(browser.PostForm(home+"/logout", nil))
	for range 2 {
		if _, page := see(browser.Get(home + "/")); !strings.Contains(page, "<h1>Log in</h1>") {
			t.Errorf("%s", page)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// sandboxed runs atproto sandbox --json until the test ends, and returns what it printed.
func sandboxed(tb testing.TB, args ...string) environment {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan result, 1)
	go func() {
		var errs bytes.Buffer
		status := (&program{stdout: write, stderr: &errs}).run(ctx, append([]string{"sandbox", "--json"}, args...))
		write.CloseWithError(io.EOF)
		ended <- result{status, "", errs.String()}
	}()
	tb.Cleanup(func() {
		cancel()
		if r := <-ended; r.status != 0 {
			tb.Errorf("it ends with %+v", r)
		}
	})
	var env environment
	if err := json.NewDecoder(read).Decode(&env); err != nil {
		tb.Fatalf("%v: %+v", err, <-ended)
	}
	return env
}

func TestSandbox(t *testing.T) {
	env := sandboxed(t, "--account", "carol.test:pass:word", "--account", "dave.test", "--issuer", "as.test", "--access-lifetime", "5m")
	if env.PDS != "https://pds.test" || env.Issuer != "https://as.test" || len(env.Accounts) != 2 || env.Accounts[0].Password != "pass:word" || env.Accounts[1].Password == "" {
		t.Errorf("got %+v", env)
	}
	for name, at := range env.Hosts {
		if host, _, err := net.SplitHostPort(at); err != nil || host != "127.0.0.1" {
			t.Errorf("%s is at %s", name, at)
		}
	}
	if u, err := url.Parse(env.SignIn); err != nil || u.Hostname() != "127.0.0.1" {
		t.Errorf("the page is at %s", env.SignIn)
	}
	text, err := json.Marshal(env)
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "sandbox.json"), string(text))

	// Another process logs in there, in a browser that fills in the page's form.
	settings := t.TempDir()
	do := func(args ...string) result {
		var out, errs bytes.Buffer
		p := &program{stdout: &out, stderr: &errs, getenv: func(name string) string { return map[string]string{"ATPROTO_CONFIG_DIR": settings}[name] }}
		p.browser = func(page string) error {
			u, err := url.Parse(page)
			if err != nil {
				return err
			}
			form := u.Query()
			form.Set("username", "carol.test")
			form.Set("password", "pass:word")
			form.Set("answer", "allow")
			go http.PostForm(env.SignIn, form)
			return nil
		}
		status := p.run(t.Context(), append([]string{"--environment", file}, args...))
		return result{status, out.String(), errs.String()}
	}
	do("login", "carol.test").want(t, 0, "Logged in as carol.test", env.SignIn)
	do("whoami").want(t, 0, "carol.test", "https://pds.test")
	do("resolve", "dave.test").want(t, 0, "https://as.test", "verified both ways")
	do("post", "hello").want(t, 0, "at://")
	do("resolve", "bsky.app").want(t, 1, "no such account is found: DNS does not know the name") // nothing leaves it
	do("logout").want(t, 0)
}

func TestSandboxForPeople(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &lineWriter{lines: make(chan string, 20)}
	ended := make(chan int)
	go func() {
		ended <- (&program{stdout: out, stderr: io.Discard}).run(ctx, []string{"sandbox", "--account", "carol.test:secret"})
	}()
	var text strings.Builder
	for !strings.Contains(text.String(), "carol.test  password secret") {
		text.WriteString(<-out.lines)
	}
	cancel()
	if status := <-ended; status != 0 || !strings.Contains(text.String(), "sign-in page     http://127.0.0.1:") {
		t.Errorf("status %d, %s", status, text.String())
	}
}

func TestSandboxTellsOfRequests(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	log := &lineWriter{lines: make(chan string, 20)}
	ended := make(chan int)
	go func() {
		ended <- (&program{stdout: write, stderr: log}).run(ctx, []string{"sandbox", "--json", "--log"})
	}()
	text := new(bytes.Buffer)
	if err := json.NewDecoder(io.TeeReader(read, text)).Decode(new(environment)); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, filepath.Join(t.TempDir(), "sandbox.json"), text.String())
	atproto(t, "call", "com.atproto.server.describeServer", "--host", "pds.test", "--environment", file).want(t, 0, `"did"`)
	if line := <-log.lines; !strings.Contains(line, "url=https://pds.test/xrpc/com.atproto.server.describeServer status=200") {
		t.Errorf("got %q", line)
	}
	cancel()
	if status := <-ended; status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestWrongUsesOfSandbox(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	empty := writeFile(t, filepath.Join(t.TempDir(), "env.json"), "{}")
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"sandbox x", 2, "is too much: atproto "},
		{"sandbox --account alice", 2, "write it as alice.test, or alice.test:password"},
		{"sandbox --account alice.test:", 2, "leave the colon out"},
		{"sandbox --account alice.test --account alice.test", 2, "is there twice"},
		{"sandbox --pds pds", 2, "--pds: \"pds\" is no name of a server"},
		{"sandbox --issuer https://as.test", 2, "--issuer"},
		{"sandbox --port -1", 2, "--port: -1 is no port"},
		{"sandbox --page-port 70000", 2, "--page-port: 70000 is no port"},
		{"sandbox --port 7777 --page-port 7777", 2, "give another"},
		{"sandbox --access-lifetime 0s", 2, "give 5m, for example"},
		{"sandbox --port " + port, 1, "give another by --port"},
		{"sandbox --page-port " + port, 1, "--page-port: nothing can listen there: give another"},
		{"whoami --environment none.json", 1, "--environment: "},
		{"whoami --environment " + empty, 1, "is not what atproto sandbox --json prints"},
		{"whoami --environment sandbox_test.go", 1, "is not what atproto sandbox --json prints"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := atproto(t, strings.Fields(tt.args)...)
			if r.want(t, tt.status, tt.want); r.stdout != "" {
				t.Errorf("standard output: %s", r.stdout)
			}
		})
	}
	t.Run("what its server panics with is an error", func(t *testing.T) {
		if _, err := startSandbox(oauthtest.WithAccounts()); err == nil {
			t.Error("a server without accounts")
		}
	})
}

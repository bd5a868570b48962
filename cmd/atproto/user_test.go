package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// A user runs commands in a sandbox, with a folder for settings and a browser in which one
// account is signed in.
type user struct {
	tb           testing.TB
	server       *oauthtest.Server
	env          map[string]string
	signedIn     string            // agrees on the page; "": refuses
	stdin        io.Reader         // nil: nothing
	roundTripper http.RoundTripper // nil: into the sandbox
	resolver     identity.Resolver // nil: that of the sandbox
	pages        chan string       // what the browser shows in the end
}

func newUser(tb testing.TB) *user {
	tb.Helper()
	server := oauthtest.NewServer(oauthtest.WithAccounts(
		oauthtest.Account{Handle: "alice.test", DID: alice, Password: "secret of alice"},
		oauthtest.Account{Handle: "bob.test", Password: "secret of bob"},
	))
	tb.Cleanup(server.Close)
	return &user{tb: tb, server: server, signedIn: "alice", env: map[string]string{"ATPROTO_CONFIG_DIR": tb.TempDir() + "/settings"}, pages: make(chan string, 10)}
}

// with returns the user with more variables set: "NAME=value".
func (u *user) with(variables ...string) *user {
	other := *u
	other.env = maps.Clone(u.env)
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		other.env[name] = value
	}
	return &other
}

// typing returns the user with a standard input.
func (u *user) typing(text string) *user {
	other := *u
	other.stdin = strings.NewReader(text)
	return &other
}

// open is the user's browser.
func (u *user) open(page string) error {
	server, account := u.server, u.signedIn
	go func() {
		agree := server.Deny
		if account != "" {
			agree = func(ctx context.Context, page string) (*url.URL, error) {
				return server.Approve(ctx, page, server.Environment().Account(account))
			}
		}
		back, err := agree(context.Background(), page)
		if err != nil {
			u.pages <- err.Error()
			return
		}
		resp, err := http.Get(back.String())
		if err != nil {
			u.pages <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		u.pages <- fmt.Sprint(resp.StatusCode, " ", string(text))
	}()
	return nil
}

func (u *user) program(stdout, stderr io.Writer) *program {
	env := u.server.Environment()
	p := &program{stdout: stdout, stderr: stderr, stdin: u.stdin, getenv: func(name string) string { return u.env[name] },
		roundTripper: u.roundTripper, resolver: env.Resolver(), allowLoopback: true, browser: u.open, clock: u.server.Now}
	if u.resolver != nil {
		p.resolver = u.resolver
	}
	if p.roundTripper == nil {
		p.roundTripper = env.Transport()
	}
	return p
}

// do runs the command.
func (u *user) do(args ...string) result {
	u.tb.Helper()
	var out, err bytes.Buffer
	status := u.program(&out, &err).run(u.tb.Context(), args)
	return result{status, out.String(), err.String()}
}

// in logs an account in.
func (u *user) in(name string) *user {
	u.tb.Helper()
	u.signedIn = name
	u.do("login", name+".test").want(u.tb, 0, "Logged in as "+name+".test")
	return u
}

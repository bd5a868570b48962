package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

func TestRun(t *testing.T) {
	server := oauthtest.NewServer()
	defer server.Close()
	asked := 0
	browser := server.Browser("alice")
	agree := func(page string) error {
		asked++
		return browser(page)
	}
	opts := []loopback.Option{
		loopback.WithDir(t.TempDir()), loopback.WithScope(needs), loopback.WithConfig(server.Environment().Configure),
		loopback.WithBrowser(agree), loopback.WithOutput(io.Discard),
	}
	for _, tc := range []struct {
		name, args, out, err string
		asked                int
	}{
		{"nothing to do is explained", "", "Usage: cli", `"" is no command`, 0},
		{"a command that there is not", "-account alice.test dance", "Usage: cli", `"dance" is no command`, 0},
		{"a flag that there is not", "-acount alice.test whoami", "Usage: cli", "flag provided but not defined", 0},
		{"help", "-h", "Usage: cli", "", 0},
		{"who it is has to be said the first time", "whoami", "", "say whose account", 0},
		{"then there is a login", "-account alice.test whoami", "alice.test, did:plc:", "", 1},
		{"and no second one", "whoami", "alice.test, did:plc:", "", 1},
		{"a post", "post Hello from a test", "at://did:plc:", "", 1},
		{"a post without a text", "post", "", "say what to post", 1},
		{"what was posted", "posts", "Hello from a test", "", 1},
		{"the session ends", "logout", "", "", 1},
		{"and is asked for again", "-account alice.test posts", "Hello from a test", "", 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out strings.Builder
			err := run(t.Context(), strings.Fields(tc.args), &out, opts...)
			if tc.err == "" && err != nil || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			if !regexp.MustCompile(regexp.QuoteMeta(tc.out)).MatchString(out.String()) || asked != tc.asked {
				t.Errorf("asked %d times; it says\n%s", asked, &out)
			}
		})
	}
}

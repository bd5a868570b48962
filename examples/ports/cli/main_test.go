package main

import (
	"io"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

// loginOf has somebody answer the server's page in the place of a person with a browser.
func loginOf(server *oauthtest.Server, name string) []loopback.Option {
	return []loopback.Option{loopback.WithBrowser(server.Browser(name)), loopback.WithOutput(io.Discard), loopback.WithInput(strings.NewReader(""))}
}

func TestLogInOncePostTwice(t *testing.T) {
	server := oauthtest.NewServer()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	// Each command is a process of its own: nothing but the folder is shared.
	command := func(args ...string) error {
		t.Helper()
		config, err := newConfig(dir)
		if err != nil {
			t.Fatal(err)
		}
		server.Environment().Configure(&config)
		client, err := oauth.NewClient(config)
		if err != nil {
			t.Fatal(err)
		}
		server.Publish(config.ClientID, client.Metadata())
		return run(t.Context(), config, args, loginOf(server, "alice")...)
	}
	if err := command("status"); err == nil {
		t.Error("without a login there is a session")
	}
	for _, args := range [][]string{{"login", "alice.test"}, {"status"}, {"bsky-post", "one"}, {"bsky-post", "two"}} {
		if err := command(args...); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	stats := server.Stats()
	if logins, posts := stats.Grants["authorization_code"], stats.Requests["/xrpc/com.atproto.repo.createRecord"]; logins != 1 || posts < 2 {
		t.Errorf("%d logins and %d requests for posts", logins, posts)
	}
}

func TestWrongCommandLinesGetTheUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"login"}, {"status", "now"}, {"bsky-post"}, {"log out"}, {""}} {
		if err := run(t.Context(), oauth.Config{}, args); err == nil || err.Error() != usage {
			t.Errorf("%q: %v", args, err)
		}
	}
}

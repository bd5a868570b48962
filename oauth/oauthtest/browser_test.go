package oauthtest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

func TestBrowser(t *testing.T) {
	server := oauthtest.NewServer()
	t.Cleanup(server.Close)
	visited := make(chan url.Values, 1)
	program := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { visited <- r.URL.Query() }))
	t.Cleanup(program.Close)
	config := oauth.Localhost(program.URL+"/callback", "atproto")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	login, err := client.Authorize(t.Context(), "bob.test")
	if err != nil {
		t.Fatal(err)
	}
	browser := server.Browser("bob")
	if err := browser(login.URL); err != nil {
		t.Fatal(err)
	}
	result, err := client.Callback(t.Context(), <-visited, login.Binding)
	if err != nil {
		t.Fatal(err)
	}
	if want := server.Environment().Account("bob").DID; result.Session.DID() != want {
		t.Errorf("logged in as %s, want %s", result.Session.DID(), want)
	}
	for _, page := range []string{login.URL, "https://elsewhere.example.com/", "::"} { // the first is used up
		if err := browser(page); err == nil {
			t.Errorf("%s: agreed", page)
		}
	}
	if len(visited) != 0 {
		t.Errorf("went to %v", <-visited)
	}
}

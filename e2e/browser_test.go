package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
)

// TestBrowser logs in through the real sign-in and consent pages.
func TestBrowser(t *testing.T) {
	ctx := t.Context()
	const redirectURI = "http://127.0.0.1:8765/callback"
	server := realpds.Start(t)
	browser := realpds.NewBrowser(t, server, redirectURI)
	alice := server.Environment().Account("alice")
	cfg := oauth.Localhost(redirectURI, "atproto transition:generic")
	server.Environment().Configure(&cfg)
	client, err := oauth.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("Authorize", func(t *testing.T) {
		login, err := client.Authorize(ctx, string(alice.Handle))
		if err != nil {
			t.Fatal(err)
		}
		callback, err := browser.Approve(ctx, login.URL, alice)
		if err != nil {
			t.Fatal(err)
		}
		result, err := client.Callback(ctx, callback.Query(), login.Binding)
		if err != nil {
			t.Fatal(err)
		}
		out, err := comatproto.NewClient(result.Session).Server.GetSession(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if out.DID != alice.DID {
			t.Errorf("logged in as %s, want %s", out.DID, alice.DID)
		}
		if err := result.Session.Logout(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("Deny", func(t *testing.T) {
		login, err := client.Authorize(ctx, string(alice.Handle), oauth.WithAppState("kept"))
		if err != nil {
			t.Fatal(err)
		}
		callback, err := browser.Deny(ctx, login.URL, alice)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Callback(ctx, callback.Query(), login.Binding)
		e, _ := errors.AsType[*oauth.Error](err)
		if !errors.Is(err, oauth.ErrAccessDenied) || e.AppState != "kept" {
			t.Errorf("got %v", err)
		}
	})
}

// TestBrowserAtAnApplication begins at an application's own form, so that its cookies go
// the way from one site to another and back.
func TestBrowserAtAnApplication(t *testing.T) {
	server := realpds.Start(t)
	env := server.Environment()
	alice := env.Account("alice")
	web, mux := new(oauth.Web), http.NewServeMux()
	site := httptest.NewServer(mux)
	defer site.Close()
	cfg := oauth.Localhost(site.URL+"/callback", "atproto")
	env.Configure(&cfg)
	client, err := oauth.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web.Client = client
	mux.Handle("POST /login", web.LoginHandler())
	mux.Handle("GET /callback", web.CallbackHandler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		session, err := web.Session(r)
		if err != nil {
			io.WriteString(w, `<form method="post" action="/login"><input name="identifier"></form>`)
			return
		}
		fmt.Fprintf(w, "You are %s.", session.Handle())
	})

	t.Run("O64 the cookies of login and session are there when they are needed", func(t *testing.T) {
		page, err := realpds.NewBrowser(t, server, site.URL+"/callback").Visit(t.Context(), site.URL, alice)
		if err != nil {
			t.Fatal(err)
		}
		if want := "You are " + string(alice.Handle) + "."; page != want {
			t.Errorf("the browser shows %q, want %q", page, want)
		}
	})
}

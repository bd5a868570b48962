package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An application has a page for who is logged in, which says what the session may do, and a
// login page.
func application(web *oauth.Web) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("POST /login", web.LoginHandler())
	mux.Handle("GET /callback", web.CallbackHandler())
	mux.HandleFunc("GET /enter", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<form method="post" action="/login"><input name="identifier"><button id="enter">Log in</button></form>`)
	})
	mux.Handle("GET /{$}", web.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := web.Session(r)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<p>%s may post: %t</p><form method="post" action="/allow"><button id="allow">Allow more</button></form>`,
			session.Handle(), session.Allows(mayPost))
	})))
	return mux
}

var mayPost = scope.Repo("app.bsky.feed.post", scope.Create)

// enter logs an account in at an application, by the server's pages.
func enter(home string, account oauthtest.Account) []realpds.Step {
	return []realpds.Step{
		{Do: "goto", URL: home + "/"},
		{Do: "fill", At: "input[name=identifier]", With: string(account.Handle)},
		{Do: "click", At: "#enter"},
		signIn(home, account),
	}
}

func signIn(home string, account oauthtest.Account) realpds.Step {
	return realpds.Step{Do: "signIn", Identifier: string(account.Handle), Password: account.Password, Back: home + "/"}
}

// keptSessions are the keys of the sessions of an account.
func keptSessions(t *testing.T, client *oauth.Client, did syntax.DID) (keys []oauth.SessionKey) {
	t.Helper()
	for key, err := range client.Sessions(t.Context(), did) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// TestBrowserLostSession loses a session with the answer to a refresh, and goes back to the page.
func TestBrowserLostSession(t *testing.T) {
	server := realpds.Start(t)
	alice := server.Environment().Account("alice")
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	client := scenario.NewClient(t, server, func(cfg *oauth.Config) {
		cfg.ClientID, cfg.RedirectURIs = clientHost+"/web.json", []string{clientHost + "/callback"}
		cfg.Scope, cfg.ClientKeys = "atproto", []oauth.ClientKey{{ID: "k", Signer: signer}}
		cfg.Store, cfg.Seal = new(store.Memory), seal.Keys(bytes.Repeat([]byte{7}, 32))
	})
	if err := server.Publish(t.Context(), clientHost+"/web.json", client.Metadata()); err != nil {
		t.Fatal(err)
	}
	web := &oauth.Web{Client: client, LoginPage: "/enter"}
	site := httptest.NewTLSServer(application(web)) // the browser does not mind whose certificate it is
	defer site.Close()
	lose := func(ctx context.Context) error {
		keys := keptSessions(t, client, alice.DID)
		if len(keys) != 1 {
			return fmt.Errorf("%d sessions", len(keys))
		}
		session, err := client.Resume(ctx, keys[0])
		if err != nil {
			return err
		}
		if err := server.Fail(ctx, "/oauth/token", 0, 1); err != nil {
			return err
		}
		for {
			err := session.Refresh(ctx)
			if errors.Is(err, oauth.ErrAmbiguousRefresh) {
				return nil
			}
			e, ok := errors.AsType[*oauth.Error](err)
			if !ok {
				return fmt.Errorf("it was not lost: %w", err)
			}
			select { // the pause that follows a failure
			case <-time.After(max(e.RetryAfter, 100*time.Millisecond)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := lose(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	defer control.Close()

	t.Run("O53 O110 it comes back without a page", func(t *testing.T) {
		steps := append(enter(clientHost, alice),
			realpds.Step{Do: "see", At: "p"},
			realpds.Step{Do: "shown"},
			realpds.Step{Do: "tell", URL: control.URL},
			realpds.Step{Do: "goto", URL: clientHost + "/"},
			realpds.Step{Do: "see", At: "p"},
			realpds.Step{Do: "shown"},
		)
		host := strings.TrimPrefix(clientHost, "https://")
		noted := realpds.Walk(t, server, map[string]string{host: site.Listener.Addr().String()}, steps...)
		noted[1] = "" // the pages of the login
		if diff := cmp.Diff([]string{"alice.test may post: false", "", "alice.test may post: false", clientHost + "/"}, noted); diff != "" {
			t.Error(diff)
		}
		if n := len(keptSessions(t, client, alice.DID)); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// atHome starts an application that is a development client, and its site.
func atHome(t *testing.T, server *realpds.Server) (*oauth.Web, *http.ServeMux, string) {
	t.Helper()
	web := &oauth.Web{LoginPage: "/enter", Options: func(*http.Request) []oauth.AuthorizeOption {
		return []oauth.AuthorizeOption{oauth.WithScope("atproto")}
	}}
	site := httptest.NewUnstartedServer(nil)
	home := "http://" + site.Listener.Addr().String()
	cfg := oauth.Localhost(home+"/callback", scope.Join(scope.Atproto, mayPost))
	server.Environment().Configure(&cfg)
	client, err := oauth.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web.Client = client
	mux := application(web)
	site.Config.Handler = mux
	site.Start()
	t.Cleanup(site.Close)
	return web, mux, home
}

// TestBrowserUpgrade asks for more scope, at the server's own page.
func TestBrowserUpgrade(t *testing.T) {
	server := realpds.Start(t)
	alice := server.Environment().Account("alice")
	web, mux, home := atHome(t, server)
	mux.Handle("POST /allow", web.UpgradeHandler(mayPost))

	t.Run("O119 the session that may more takes the place of the old one", func(t *testing.T) {
		steps := append(enter(home, alice),
			realpds.Step{Do: "see", At: "p"},
			realpds.Step{Do: "click", At: "#allow"},
			signIn(home, alice),
			realpds.Step{Do: "see", At: "p"},
			realpds.Step{Do: "cookies"},
		)
		noted := realpds.Walk(t, server, nil, steps...)
		if diff := cmp.Diff([]string{"alice.test may post: false", "alice.test may post: true", "atproto-session"}, noted); diff != "" {
			t.Error(diff)
		}
		if n := len(keptSessions(t, web.Client, alice.DID)); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// TestBrowserTwoTabs begins a login in two tabs, and ends both.
func TestBrowserTwoTabs(t *testing.T) {
	server := realpds.Start(t)
	alice := server.Environment().Account("alice")
	web, _, home := atHome(t, server)

	t.Run("O64 both come home, and no login is left", func(t *testing.T) {
		login := enter(home, alice)
		begin, end := login[:3], login[3]
		steps := append([]realpds.Step{{Do: "tab", N: 0}}, begin...)
		steps = append(append(steps, realpds.Step{Do: "tab", N: 1}), begin...)
		steps = append(steps,
			realpds.Step{Do: "tab", N: 0}, end, realpds.Step{Do: "see", At: "p"},
			realpds.Step{Do: "tab", N: 1}, end, realpds.Step{Do: "see", At: "p"},
			realpds.Step{Do: "tab", N: 0}, realpds.Step{Do: "goto", URL: home + "/"}, realpds.Step{Do: "see", At: "p"},
			realpds.Step{Do: "cookies"},
		)
		const in = "alice.test may post: false"
		if diff := cmp.Diff([]string{in, in, in, "atproto-session"}, realpds.Walk(t, server, nil, steps...)); diff != "" {
			t.Error(diff)
		}
		if n := len(keptSessions(t, web.Client, alice.DID)); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}

// TestBrowserSpa visits examples/spa on its sandbox, and keeps a hostile page among its files.
func TestBrowserSpa(t *testing.T) {
	home := startExample(t, "../examples/spa")

	t.Run("O64 a stranger's page is saved, and does not run", func(t *testing.T) {
		const hostile = `<!doctype html><script>localStorage.setItem('owned', 'yes')</script>`
		noted := realpds.Walk(t, nil, nil,
			realpds.Step{Do: "goto", URL: home + "/"},
			realpds.Step{Do: "fill", At: "input[name=identifier]", With: "alice.test"},
			realpds.Step{Do: "click", At: "button"},
			// The sandbox's own page, which is on the application's site here.
			realpds.Step{Do: "fill", At: "input[name=password]", With: "alice-password"},
			realpds.Step{Do: "click", At: "button[value=allow]"},
			realpds.Step{Do: "see", At: "#whose:not(:empty)"},
			realpds.Step{Do: "see", At: "#who"},
			realpds.Step{Do: "file", At: "input[name=file]", Name: "hostile.html", Type: "text/html", With: hostile},
			realpds.Step{Do: "click", At: "#keep button"},
			realpds.Step{Do: "see", At: "#files a"},
			// As a link that does not say it is for saving: only the answer does.
			realpds.Step{Do: "run", Code: `document.querySelector('#files a').removeAttribute('download')`},
			realpds.Step{Do: "save", At: "#files a"},
			realpds.Step{Do: "run", Code: `localStorage.getItem('owned') ?? 'nothing ran'`},
			realpds.Step{Do: "run", Code: `Object.keys(localStorage).length + document.cookie`},
			realpds.Step{Do: "cookies"},
		)
		if len(noted) != 8 {
			t.Fatalf("noted: %q", noted)
		}
		noted[4] = "" // what the file is called that is saved
		want := []string{"Files of alice.test", "alice.test", fmt.Sprintf("hostile.html (text/html, %d bytes)", len(hostile)), "", "", "nothing ran", "0", "atproto-session"}
		if diff := cmp.Diff(want, noted); diff != "" {
			t.Error(diff)
		}
	})
}

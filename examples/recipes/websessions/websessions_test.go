package websessions

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/alexedwards/scs/v2"

	"github.com/gimucco/atproto-go/examples/recipes/internal/visit"
	"github.com/gimucco/atproto-go/oauth"
)

func TestLogin(t *testing.T) { visit.Open(t, newApp).TryLogin() }

func TestTheLoginGivesTheBrowserANewSession(t *testing.T) {
	b := visit.Open(t, newApp)
	b.Submit("/login", url.Values{"identifier": {"alice.test"}}) // one that does not go on
	before := b.Cookies()
	b.LogIn()
	if after := b.Cookies(); len(before) != 1 || len(after) != 1 || after[0].Value == before[0].Value {
		t.Errorf("the cookies were %v and are %v", before, after)
	}
}

func newApp(client *oauth.Client) http.Handler {
	app := &App{Client: client, Sessions: scs.New()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /login", app.Login)
	mux.HandleFunc("GET /callback", app.Callback)
	mux.HandleFunc("POST /logout", app.Logout)
	mux.HandleFunc("GET /notes", func(w http.ResponseWriter, r *http.Request) {
		session, err := app.Session(r)
		if err != nil {
			app.fail(w, err)
			return
		}
		fmt.Fprintln(w, session.DID())
	})
	return app.Sessions.LoadAndSave(http.NewCrossOriginProtection().Handler(mux))
}

package main

import (
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"os"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/records"
)

//go:embed *.html
var files embed.FS

var pages = template.Must(template.ParseFS(files, "*.html"))

// asked is what the login asks for; the email address only to show a permission that users may refuse.
var asked = []scope.Permission{scope.Atproto, scope.Repo(appbsky.FeedPostNSID, scope.Create), scope.Account(scope.AccountEmail, scope.Read)}

func main() {
	slog.SetLogLoggerLevel(slog.LevelDebug)
	config, err := newConfig(os.Getenv("CLIENT_HOSTNAME"), os.Getenv("CLIENT_SECRET_KEY"), cmp.Or(os.Getenv("CLIENT_SECRET_KEY_ID"), "primary"))
	if err == nil {
		var app http.Handler
		if app, err = newApp(config); err == nil {
			slog.Info("starting http server", "bind", ":8080")
			err = http.ListenAndServe(":8080", app)
		}
	}
	slog.Error("server failed", "error", err)
	os.Exit(1)
}

// newConfig returns a client for development, or, on a public host, a client that has keys where key is one.
func newConfig(host, key, keyID string) (oauth.Config, error) {
	if host == "" {
		return oauth.Localhost("http://127.0.0.1:8080/oauth/callback", scope.Join(asked...)), nil
	}
	config := oauth.Config{
		ClientID:     fmt.Sprintf("https://%s/oauth/client-metadata.json", host),
		RedirectURIs: []string{fmt.Sprintf("https://%s/oauth/callback", host)},
		Scope:        scope.Join(asked...),
		Info:         oauth.ClientInfo{Name: "atproto-go demo", URI: "https://" + host},
	}
	if key == "" {
		return config, nil
	}
	var err error
	if config.ClientKeys, err = oauth.ParseClientKeys([]byte(key)); err != nil {
		return config, err
	}
	config.ClientKeys[0].ID, config.ClientKeysURI = keyID, fmt.Sprintf("https://%s/oauth/jwks.json", host)
	return config, nil
}

func newApp(config oauth.Config) (http.Handler, error) {
	config.Logger = slog.Default()
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, err
	}
	web := &oauth.Web{Client: client, LoginPage: "/oauth/login", IdentifierField: "username", LoggedIn: loggedIn}
	show := func(page string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session, _ := web.Session(r) // nil: the page for a visitor
			pages.ExecuteTemplate(w, page, session)
		})
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", show("home.html"))
	mux.Handle("GET /oauth/client-metadata.json", client.MetadataHandler())
	mux.Handle("GET /oauth/jwks.json", client.KeySetHandler())
	mux.Handle("GET /oauth/login", show("login.html"))
	mux.Handle("POST /oauth/login", web.LoginHandler())
	mux.Handle("GET /oauth/callback", web.CallbackHandler())
	mux.Handle("POST /oauth/logout", web.LogoutHandler())
	mux.Handle("GET /bsky/post", web.Require(show("post.html")))
	mux.HandleFunc("POST /bsky/post", with(web, "/bsky/post", func(r *http.Request, session *oauth.Session) error {
		_, err := records.Post(r.Context(), session, records.Text(r.PostFormValue("post_text")))
		return err
	}))
	mux.HandleFunc("POST /oauth/refresh", with(web, "/", func(r *http.Request, session *oauth.Session) error {
		return session.Refresh(r.Context())
	}))
	return http.NewCrossOriginProtection().Handler(mux), nil
}

// with does something with the session of the browser, and leads to another page.
func with(web *oauth.Web, next string, do func(*http.Request, *oauth.Session) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session, err := web.Session(r)
		if err == nil {
			err = do(r, session)
		}
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, next, http.StatusSeeOther)
	}
}

func loggedIn(w http.ResponseWriter, r *http.Request, result *oauth.CallbackResult) {
	if lacking := scope.ParseGranted(result.Session.Scope()).Missing(asked...); len(lacking) > 0 {
		slog.Warn("the user did not grant all", "lacking", scope.Join(lacking...))
	}
	http.Redirect(w, r, "/bsky/post", http.StatusSeeOther)
}

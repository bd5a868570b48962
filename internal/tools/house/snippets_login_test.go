package house

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
	"github.com/gimucco/atproto-go/xrpc"
)

// What follows are the snippets of docs/login.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func newClient() error {
	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	client, err := oauth.NewClient(config)
	if err != nil {
		return err
	}
	_ = client
	return nil
}

func published(mux *http.ServeMux, pem []byte, store store.Store, sealKey []byte) (*oauth.Client, error) {
	keys, err := oauth.ParseClientKeys(pem) // PEM, JWK or multibase; ClientKey{Signer: …} takes any crypto.Signer
	if err != nil {
		return nil, err
	}
	client, err := oauth.NewClient(oauth.Config{
		ClientID:     "https://app.example.com/client-metadata.json",
		RedirectURIs: []string{"https://app.example.com/callback"},
		Scope:        "atproto transition:generic",
		Info:         oauth.ClientInfo{Name: "My app", URI: "https://app.example.com"},
		ClientKeys:   keys, // a new key goes in front; sessions stay with the one they began with
		Store:        store,
		Seal:         seal.Keys(sealKey),
	})
	if err != nil {
		return nil, err
	}
	mux.Handle("/client-metadata.json", client.MetadataHandler())
	return client, nil
}

func begin(ctx context.Context, client *oauth.Client, w http.ResponseWriter, r *http.Request) error {
	login, err := client.Authorize(ctx, "alice.example.com", oauth.WithAppState("where the user was"))
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: "login", Value: login.Binding, HttpOnly: true, SameSite: http.SameSiteLaxMode, Path: "/callback"})
	http.Redirect(w, r, login.URL, http.StatusSeeOther)
	return nil
}

func finish(ctx context.Context, client *oauth.Client, r *http.Request) error {
	cookie, err := r.Cookie("login")
	if err != nil {
		return err
	}
	result, err := client.Callback(ctx, r.URL.Query(), cookie.Value)
	if errors.Is(err, oauth.ErrAccessDenied) {
		return nil // the user said no; show the login page again
	}
	if err != nil {
		return err
	}
	session := result.Session
	_ = session
	return nil
}

func mounted(client *oauth.Client, mux *http.ServeMux, r *http.Request) error {
	web := &oauth.Web{Client: client}
	mux.Handle("POST /login", web.LoginHandler()) // a form with the field "identifier"
	mux.Handle("GET /callback", web.CallbackHandler())
	mux.Handle("POST /logout", web.LogoutHandler())
	session, err := web.Session(r) // in any other handler: who is logged in
	_ = session
	return err
}

func required(web *oauth.Web, mux *http.ServeMux, notes http.Handler, w http.ResponseWriter, r *http.Request, err error) {
	mux.Handle("GET /notes", web.Require(notes)) // who is not logged in comes back from the login page
	if err != nil {
		web.Fail(w, r, err) // the login page, or web.Failed with a message of web.Explain
		return
	}
}

func scripted(web *oauth.Web, mux *http.ServeMux) {
	mux.Handle("/xrpc/", web.XRPC(
		oauth.XRPCMethod{NSID: "com.atproto.repo.listRecords"},
		oauth.XRPCMethod{NSID: "com.atproto.repo.createRecord", Procedure: true},
		oauth.XRPCMethod{NSID: "app.bsky.feed.getTimeline", Proxy: xrpc.BlueskyAppView},
	))
}

func commandLine(ctx context.Context, dir string) error {
	key, err := seal.KeyFile(filepath.Join(dir, "seal.key")) // made at the first start, for the owner alone
	if err != nil {
		return err
	}
	files, err := filestore.Open(filepath.Join(dir, "sessions"))
	if err != nil {
		return err
	}
	config := oauth.Localhost("http://127.0.0.1/callback", "atproto transition:generic")
	config.Store, config.Seal = files, seal.Keys(key)
	client, err := oauth.NewClient(config)
	if err != nil {
		return err
	}
	session, err := loopback.ResumeOrLogin(ctx, client, "alice.example.com")
	_ = session
	return err
}

func upgraded(web *oauth.Web, mux *http.ServeMux) {
	mux.Handle("POST /allow-posts", web.UpgradeHandler(scope.Repo(appbsky.FeedPostNSID, scope.Create)))
}

var _ = []any{newClient, published, begin, finish, mounted, required, scripted, commandLine, upgraded}

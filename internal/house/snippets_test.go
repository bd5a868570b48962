package house

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/sqlstore"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What follows are the snippets of README.md, in its order, so that the compiler
// reads them too. TestReadmeSnippetsCompile compares.

func newClient() error {
	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	client, err := oauth.NewClient(config)
	if err != nil {
		return err
	}
	_ = client
	return nil
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

func published(mux *http.ServeMux, pem []byte, store oauth.Store, sealKey []byte) (*oauth.Client, error) {
	keys, err := oauth.ParseKeys(pem) // PEM or JWK; Key{Signer: …} takes any crypto.Signer
	if err != nil {
		return nil, err
	}
	client, err := oauth.NewClient(oauth.Config{
		ClientID:     "https://app.example.com/client-metadata.json",
		RedirectURIs: []string{"https://app.example.com/callback"},
		Scope:        "atproto transition:generic",
		Info:         oauth.ClientInfo{Name: "My app", URI: "https://app.example.com"},
		Keys:         keys, // a new key goes in front; sessions stay with the one they began with
		Store:        store,
		Seal:         oauth.SealKeys(sealKey),
	})
	if err != nil {
		return nil, err
	}
	mux.Handle("/client-metadata.json", client.MetadataHandler())
	return client, nil
}

func scopes(config *oauth.Config) {
	config.Scope = scope.Join(
		scope.Atproto,
		scope.Repo(appbsky.FeedPostNSID, scope.Create, scope.Delete),
		scope.Blob("image/*"),
		scope.RPC("did:web:api.bsky.app#bsky_appview", "app.bsky.feed.getTimeline"),
	)
}

func granted(session *oauth.Session, err error) error {
	if !session.Allows(scope.Account(scope.AccountEmail, scope.Read)) {
		return nil // the user did not grant it, or was not asked
	}
	if lacking, ok := oauth.MissingScope(err); ok {
		fmt.Println("log in again and agree to", lacking) // the server refused a call, and the session goes on
	}
	return nil
}

func typedCalls(ctx context.Context, session *oauth.Session) error {
	api := comatproto.NewClient(session)
	me, err := api.Server.GetSession(ctx)
	if err != nil {
		return err
	}
	created, err := api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
		Repo:       syntax.AtIdentifier(me.DID),
		Collection: appbsky.FeedPostNSID,
		Record: lex.Of(&appbsky.FeedPost{
			Text:      "Hello from atproto-go",
			CreatedAt: syntax.Now(),
		}),
	})
	if err != nil {
		return err
	}
	fmt.Println(created.URI)
	return nil
}

func lists(ctx context.Context, session *oauth.Session, api *comatproto.Client) error {
	for record, err := range api.Repo.ListRecordsAll(ctx, &comatproto.RepoListRecordsParams{
		Repo:       syntax.AtIdentifier(session.DID()),
		Collection: appbsky.FeedPostNSID,
	}) {
		if err != nil {
			return err
		}
		var post appbsky.FeedPost
		if err := record.Value.As(&post); err != nil {
			return err
		}
		fmt.Println(post.CreatedAt, post.Text)
	}
	return nil
}

func callErrors(err error) error {
	if errors.Is(err, comatproto.ErrInvalidSwap) {
		return nil // somebody else changed the record first: read it again
	}
	if e, ok := errors.AsType[*xrpc.Error](err); ok {
		fmt.Println(e.Status, e.Name, e.Message, e.RetryAfter)
	}
	if errors.Is(err, oauth.ErrReauthRequired) {
		return nil // the session is over: send the user to the login page
	}
	return err
}

func withoutSession(ctx context.Context) error {
	host, err := xrpc.NewClient("https://public.api.bsky.app", xrpc.ClientConfig{})
	if err != nil {
		return err
	}
	found, err := comatproto.NewClient(host).Identity.ResolveHandle(ctx, &comatproto.IdentityResolveHandleParams{Handle: "alice.example.com"})
	if err != nil {
		return err
	}
	fmt.Println(found.DID)
	return nil
}

func rawCall(ctx context.Context, session *oauth.Session) error {
	resp, err := session.AuthenticatedRequest(ctx, "GET", "/xrpc/com.atproto.server.getSession", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return nil
}

func upload(ctx context.Context, api *comatproto.Client) error {
	picture, err := os.Open("picture.jpg")
	if err != nil {
		return err
	}
	defer picture.Close()
	info, err := picture.Stat()
	if err != nil {
		return err
	}
	uploaded, err := api.Repo.UploadBlob(ctx, xrpc.ReaderAtBody(picture, info.Size(), "image/jpeg"))
	if err != nil {
		return err
	}
	image := appbsky.EmbedImagesImage{Image: uploaded.Blob, Alt: "what it shows"}
	post := &appbsky.FeedPost{Text: "look", CreatedAt: syntax.Now()}
	post.Embed = appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedImages{Images: []appbsky.EmbedImagesImage{image}})
	_ = post
	return nil
}

func download(ctx context.Context, session *oauth.Session, api *comatproto.Client, uploaded *comatproto.RepoUploadBlobOutput) error {
	download, err := api.Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: session.DID(), CID: syntax.CID(uploaded.Blob.Ref)})
	if err != nil {
		return err
	}
	defer download.Close()
	_, err = io.Copy(os.Stdout, download)
	return err
}

func stores(ctx context.Context, config oauth.Config, newKey, oldKey []byte) error {
	db, err := sql.Open("pgx", "postgres://app@db.example.com/app")
	if err != nil {
		return err
	}
	store := sqlstore.New(db, sqlstore.Postgres)
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	config.Store = store
	config.Seal = oauth.SealKeys(newKey, oldKey) // 32 random bytes each; the first seals, all open
	_, err = oauth.NewClient(config)
	return err
}

func sandbox() oauth.Config {
	server := oauthtest.NewServer()
	defer server.Close()
	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto")
	server.Environment().Configure(&config)
	return config
}

var _ = []any{validation, newClient, begin, finish, mounted, published, scopes, granted, typedCalls, lists, callErrors, withoutSession, rawCall, upload, download, stores, sessionEvents, listSessions, sandbox}

func sessionEvents(config oauth.Config) oauth.Config {
	config.OnEnd = func(ctx context.Context, s *oauth.Session, cause *oauth.Error) {
		slog.InfoContext(ctx, "log in again", "session", s, "cause", cause.Kind)
	}
	return config
}

func listSessions(ctx context.Context, client *oauth.Client, did syntax.DID) error {
	for key, err := range client.Sessions(ctx, did) {
		if err != nil {
			return err
		}
		fmt.Println(key.ID)
	}
	purged, err := client.Purge(ctx) // now and then: logins nobody finished, sessions long over
	if err != nil {
		return err
	}
	fmt.Println(purged)
	return nil
}

func validation() error {
	post := &appbsky.FeedPost{Text: "hello", CreatedAt: syntax.Now()}
	if err := lex.Validate(post, lex.Strict); err != nil { // lists every violation with its path
		return err
	}
	recordCID, err := lex.CID(post) // of its DAG-CBOR, as a server computes it
	if err != nil {
		return err
	}
	fmt.Println(recordCID)
	return nil
}

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
	"path/filepath"
	"time"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/chatbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/serviceauth"
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
	mux.Handle("POST /allow-posts", web.UpgradeHandler(scope.Repo(appbsky.FeedPostNSID, scope.Create)))
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

func bot(ctx context.Context, store store.Store, sealKey []byte) error {
	client, err := apppassword.NewClient(apppassword.Config{Store: store, Seal: seal.Keys(sealKey)})
	if err != nil {
		return err
	}
	session, err := client.ResumeOrLogin(ctx, "bot.example.com", os.Getenv("APP_PASSWORD")) // logs in once, not at every start
	if err != nil {
		return err
	}
	api := comatproto.NewClient(session) // everything below works on it
	_ = api
	return nil
}

func scopes(config *oauth.Config) {
	config.Scope = scope.Join(
		scope.Atproto,
		scope.Repo(appbsky.FeedPostNSID, scope.Create, scope.Delete),
		scope.Blob("image/*"),
		scope.RPC(xrpc.BlueskyAppView, "app.bsky.feed.getTimeline"),
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

func callAgain(session *oauth.Session) *comatproto.Client {
	api := comatproto.NewClient(session, xrpc.WithRetry(xrpc.RetryPolicy{})) // three attempts; procedures only if nothing was sent
	return api
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

func accounts(ctx context.Context) error {
	resolver := identity.NewCache(identity.NewResolver(identity.Config{}), identity.CacheConfig{
		KeepFound: 5 * time.Minute, KeepNotFound: 30 * time.Second, MaxEntries: 10_000,
	})
	account, err := identity.Lookup(ctx, resolver, "alice.example.com") // or a DID
	if err != nil {
		return err
	}
	fmt.Println(account.DID, account.Handle, account.PDS)
	return nil
}

func servicesAndKeys(account *identity.Identity, label, signature []byte) error {
	labeler, err := account.Document.Endpoint("atproto_labeler", "AtprotoLabeler")
	if errors.Is(err, identity.ErrNoService) {
		return nil // it publishes no labels
	}
	if err != nil {
		return err
	}
	key, err := account.Document.PublicKey("atproto_label")
	if err != nil {
		return err
	}
	fmt.Println(labeler.URL, key.Verify(label, signature) == nil)
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
	picture, err := xrpc.FileBody("picture.jpg") // its size and type; opened when it is sent
	if err != nil {
		return err
	}
	uploaded, err := api.Repo.UploadBlob(ctx, picture,
		xrpc.WithBlobLimits(appbsky.EmbedImagesImageImageLimits()), // what the field allows, before it is sent
		xrpc.WithUploadProgress(func(sent, size int64) { fmt.Printf("\r%d of %d", sent, size) }),
	)
	if err != nil {
		return err
	}
	image := appbsky.EmbedImagesImage{Image: uploaded.Blob, Alt: "what it shows"}
	post := &appbsky.FeedPost{Text: "look", CreatedAt: syntax.Now()}
	post.Embed = appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedImages{Images: []appbsky.EmbedImagesImage{image}})
	_ = post
	return nil
}

func download(ctx context.Context, file io.Writer, session *oauth.Session, api *comatproto.Client, uploaded *comatproto.RepoUploadBlobOutput) error {
	blob := syntax.CID(uploaded.Blob.Ref)
	download, err := api.Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: session.DID(), CID: blob}, xrpc.WithCID(blob))
	if err != nil {
		return err
	}
	defer download.Close()
	_, err = io.Copy(file, download) // xrpc.ErrCIDMismatch at its end if the bytes are others
	return err
}

func messages(ctx context.Context, session *oauth.Session, friend syntax.DID) error {
	chat := chatbsky.NewClient(session, xrpc.WithProxy(xrpc.BlueskyChat))
	found, err := chat.Convo.GetConvoForMembers(ctx, &chatbsky.ConvoGetConvoForMembersParams{Members: []syntax.DID{friend}})
	if err != nil {
		return err
	}
	_, err = chat.Convo.SendMessage(ctx, &chatbsky.ConvoSendMessageInput{
		ConvoID: found.Convo.ID,
		Message: chatbsky.ConvoDefsMessageInput{Text: "hello"},
	})
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
	config.Seal = seal.Keys(newKey, oldKey) // 32 random bytes each; the first seals, all open
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

func readStream(ctx context.Context, api *comatproto.Client, cursor *int64) error {
	stream := api.Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: cursor})
	for message, err := range stream.Messages() {
		if err != nil {
			return err
		}
		if c, ok := message.Value.(*comatproto.SyncSubscribeReposCommit); ok {
			fmt.Println(c.Repo, c.Rev)
		}
	}
	return nil
}

var _ = []any{readStream, bot, validation, newClient, begin, finish, mounted, required, scripted, published, scopes, granted, typedCalls, lists, callErrors, callAgain, withoutSession, accounts, servicesAndKeys, rawCall, upload, download, messages, stores, sessionEvents, listSessions, stopped, sandbox, verifyCalls, callService, readAndWriteRecords, writePosts, wholeRepository, commandLine}

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

func stopped(ctx context.Context, server *http.Server, client *oauth.Client) {
	if err := server.Shutdown(ctx); err != nil { // first: requests under way may need a refresh
		slog.WarnContext(ctx, "requests were cut off", "error", err)
	}
	if err := client.Shutdown(ctx); err != nil { // waits for refreshes, and for tokens that are not stored yet
		slog.ErrorContext(ctx, "sessions may be lost", "error", err)
	}
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

func verifyCalls(mux *http.ServeMux) {
	verifier := &serviceauth.Verifier{
		Audiences: []string{"did:web:feed.example.com#bsky_fg"},
		Resolver:  identity.NewCache(identity.NewResolver(identity.Config{}), identity.CacheConfig{}),
	}
	mux.Handle("/xrpc/app.bsky.feed.getFeedSkeleton", verifier.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := serviceauth.From(r.Context())
		fmt.Fprintln(w, "the feed of", caller.Issuer)
	})))
}

func callService(ctx context.Context, session *oauth.Session, uri syntax.ATURI) error {
	host, err := xrpc.NewClient("https://feed.example.com", xrpc.ClientConfig{})
	if err != nil {
		return err
	}
	feed := serviceauth.NewDoer(session, "did:web:feed.example.com#bsky_fg", host) // asks the account's server for tokens
	out, err := appbsky.NewClient(feed).Feed.GetFeedSkeleton(ctx, &appbsky.FeedGetFeedSkeletonParams{Feed: uri})
	if err != nil {
		return err
	}
	fmt.Println(len(out.Feed))
	return nil
}

func writePosts(ctx context.Context, session *oauth.Session, parent syntax.ATURI) error {
	ref, err := records.Post(ctx, session, records.Text("Look, @alice.example.com: example.com #cats").
		ReplyTo(parent).
		Image("cat.jpg", "A cat on a keyboard."))
	if err != nil {
		return err
	}
	_, err = records.Like(ctx, session, ref) // Repost and Follow likewise; Delete takes them back
	return err
}

func readAndWriteRecords(ctx context.Context, session *oauth.Session, post *records.Ref, name string) error {
	ref, err := records.Create(ctx, session, &appbsky.FeedLike{Subject: *post, CreatedAt: syntax.Now()})
	if err != nil {
		return err // a field that was forgotten is found before anything is sent
	}
	_, err = records.Update(ctx, session, "self", func(p *appbsky.ActorProfile) error {
		p.DisplayName = &name
		return nil
	}) // reads, changes, writes if nobody else did meanwhile, or begins again
	if err != nil {
		return err
	}
	for r, err := range records.List[appbsky.FeedLike](ctx, session, syntax.AtIdentifier(session.DID())) {
		if err != nil {
			return err
		}
		if r.Err == nil { // anybody may write anything into a repository
			fmt.Println(r.URI, r.Value.Subject.URI)
		}
	}
	batch := records.NewBatch(session) // takes effect as one, or not at all
	batch.Delete(ref.URI)
	_, err = batch.Apply(ctx)
	return err
}

func wholeRepository(ctx context.Context, host *xrpc.Client, account *identity.Identity, key *identity.PublicKey) error {
	download, err := comatproto.NewClient(host).Sync.GetRepo(ctx, &comatproto.SyncGetRepoParams{DID: account.DID})
	if err != nil {
		return err
	}
	defer download.Close()
	r, err := repo.Read(ctx, download)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Verify(account.DID, key); err != nil { // key, err := account.Document.SigningKey()
		return err
	}
	for record, err := range r.Records() {
		if err != nil {
			return err
		}
		fmt.Println(record.Path(), record.CID)
	}
	return nil
}

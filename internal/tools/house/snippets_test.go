package house

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What follows are the snippets of README.md, in its order, so that the compiler reads them
// too. TestReadmeSnippetsCompile compares.

func readmeMounted(mux *http.ServeMux, notes http.Handler) error {
	client, err := oauth.NewClient(oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic"))
	if err != nil {
		return err
	}
	web := &oauth.Web{Client: client}
	mux.Handle("POST /login", web.LoginHandler()) // a form with the field "identifier": a handle, a DID or a server
	mux.Handle("GET /callback", web.CallbackHandler())
	mux.Handle("POST /logout", web.LogoutHandler())
	mux.Handle("GET /notes", web.Require(notes)) // a page that needs a login
	return nil
}

func readmePage(web *oauth.Web, w http.ResponseWriter, r *http.Request) {
	session, err := web.Session(r)
	if err != nil {
		web.Fail(w, r, err) // the login page, or a message that helps
		return
	}
	me, err := comatproto.NewClient(session).Server.GetSession(r.Context())
	fmt.Println(me, err)
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

func readmeRecords(ctx context.Context, session *oauth.Session, post *records.Ref, name string) error {
	ref, err := records.Create(ctx, session, &appbsky.FeedLike{Subject: *post, CreatedAt: syntax.Now()})
	if err != nil {
		return err // a field that was forgotten is found before anything is sent
	}
	_, err = records.Update(ctx, session, "self", func(p *appbsky.ActorProfile) error {
		p.DisplayName = &name
		return nil
	}) // reads, changes, and writes; begins again if somebody else wrote meanwhile
	_ = ref
	return err
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

func readmeServed(mux *http.ServeMux, verifier *serviceauth.Verifier, feed syntax.ATURI, postsFor func(context.Context, syntax.DID, int64) ([]appbsky.FeedDefsSkeletonFeedPost, error)) {
	service.Handle(mux, appbsky.FeedGetFeedSkeleton, func(ctx context.Context, params *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
		if params.Feed != feed {
			return nil, appbsky.ErrUnknownFeed
		}
		caller, _ := serviceauth.From(ctx)
		posts, err := postsFor(ctx, caller.Issuer, *params.Limit) // what is left out has its default
		if err != nil {
			return nil, err // the caller sees status 500, and the log what it was
		}
		return &appbsky.FeedGetFeedSkeletonOutput{Feed: posts}, nil
	}, service.With(verifier.Require))
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

func readmeSandbox() oauth.Config {
	server := oauthtest.NewServer() // with the accounts alice.test and bob.test
	defer server.Close()
	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto")
	server.Environment().Configure(&config)
	return config
}

var _ = []any{readmeMounted, readmePage, typedCalls, readmeRecords, callErrors, rawCall, upload, readmeServed, stores, readmeSandbox}

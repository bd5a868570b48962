package house

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/service"
)

// What follows are the snippets of docs/services.md, in its order. TestSnippetsOfGuidesCompile compares.

func serveMethods(mux *http.ServeMux, verifier *serviceauth.Verifier, keep func(io.Reader, string) (*lex.Blob, error)) {
	service.Handle(mux, comatproto.RepoUploadBlob, func(ctx context.Context, body *xrpc.Body) (*comatproto.RepoUploadBlobOutput, error) {
		r, err := body.Open(ctx)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		blob, err := keep(r, body.ContentType())
		if err != nil {
			return nil, err
		}
		return &comatproto.RepoUploadBlobOutput{Blob: *blob}, nil
	}, service.With(verifier.Require), service.MaxInput(50<<20))
	mux.Handle("/xrpc/", service.NotImplemented())          // all other methods
	mux.Handle("/xrpc/_health", service.Health("1.4", nil)) // for load balancers, and people
	mux.Handle("/.well-known/did.json", service.DIDDocument("did:web:feed.example.com",
		service.DIDService{ID: "bsky_fg", Type: "BskyFeedGenerator", Endpoint: "https://feed.example.com"}))
}

func serveErrors(ctx context.Context, found, tooMany, gone bool, cause error, params *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
	if !found {
		return nil, fmt.Errorf("%w: there is no feed %s", appbsky.ErrUnknownFeed, params.Feed) // 400
	}
	if tooMany {
		service.ResponseHeader(ctx).Set("Retry-After", "60")
		return nil, xrpc.ErrRateLimitExceeded // 429, as the specification says
	}
	if gone {
		return nil, &service.Error{Status: http.StatusGone, Name: "Gone", Message: "the feed was deleted", Err: cause}
	}
	return nil, cause // 500 InternalServerError, and the text is logged
}

func serveStream(mux *http.ServeMux, newest func() int64, after func(context.Context, *int64) iter.Seq[*comatproto.LabelSubscribeLabelsLabels]) {
	service.Handle(mux, comatproto.LabelSubscribeLabels, func(ctx context.Context, params *comatproto.LabelSubscribeLabelsParams, send func(*comatproto.LabelSubscribeLabelsMessage) error) error {
		if params.Cursor != nil && *params.Cursor > newest() {
			return comatproto.ErrFutureCursor
		}
		for labels := range after(ctx, params.Cursor) { // ends with ctx: when the reader goes
			message := comatproto.NewLabelSubscribeLabelsMessage(labels)
			if err := send(&message); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

func serveInTests(t *testing.T, mux *http.ServeMux) {
	server := httptest.NewServer(mux)
	defer server.Close()
	host, err := xrpc.NewClient(server.URL, xrpc.ClientConfig{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	out, err := appbsky.NewClient(host).Feed.DescribeFeedGenerator(t.Context())
	_, _ = out, err
}

var _ = []any{serveMethods, serveErrors, serveStream, serveInTests}

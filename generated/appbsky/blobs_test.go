package appbsky_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

type doerFunc func(ctx context.Context, req *xrpc.Request) (*http.Response, error)

func (f doerFunc) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	return f(ctx, req)
}

// answers is a Doer that always answers the same, and tells of each request.
func answers(body string, asked func(*xrpc.Request)) xrpc.Doer {
	return doerFunc(func(_ context.Context, req *xrpc.Request) (*http.Response, error) {
		asked(req)
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
	})
}

// What generated code says of a field's blobs is what its own validation goes by.
func TestBlobLimits(t *testing.T) {
	ref := lex.CIDLink(lex.BlobCID(nil))
	for name, tt := range map[string]struct {
		limits   lex.BlobLimits
		want     lex.BlobLimits
		validate func(lex.Blob) error
	}{
		"of a picture": {appbsky.EmbedImagesImageImageLimits(), lex.BlobLimits{MaxSize: 2_000_000, Accept: []string{"image/*"}}, func(b lex.Blob) error {
			return lex.Validate(&appbsky.EmbedImagesImage{Image: b}, lex.Strict)
		}},
		"of a video": {appbsky.EmbedVideoVideoLimits(), lex.BlobLimits{MaxSize: 100_000_000, Accept: []string{"video/mp4"}}, func(b lex.Blob) error {
			return lex.Validate(&appbsky.EmbedVideo{Video: b}, lex.Strict)
		}},
		"of one that may be left out": {appbsky.ActorProfileAvatarLimits(), lex.BlobLimits{MaxSize: 1_000_000, Accept: []string{"image/png", "image/jpeg"}}, func(b lex.Blob) error {
			return lex.Validate(&appbsky.ActorProfile{Avatar: &b}, lex.Strict)
		}},
	} {
		t.Run("X27 "+name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.limits); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, size := range []int64{0, tt.limits.MaxSize, tt.limits.MaxSize + 1} {
				for _, mime := range []string{"image/png", "image/webp", "video/mp4", "text/plain"} {
					before, after := tt.limits.Check(size, mime), tt.validate(lex.Blob{Ref: ref, MimeType: mime, Size: size})
					if (before == nil) != (after == nil) {
						t.Errorf("%d bytes of %s: %v before it is sent, %v in its record", size, mime, before, after)
					}
				}
			}
		})
	}
	t.Run("X27 the blob is what the server says that it is", func(t *testing.T) {
		const answer = `{"blob":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"image/webp","size":9}}`
		contentType := ""
		api := comatproto.NewClient(answers(answer, func(req *xrpc.Request) { contentType = req.Body.ContentType() }))
		out, err := api.Repo.UploadBlob(t.Context(), xrpc.BytesBody([]byte("x"), "image/png"), xrpc.WithBlobLimits(appbsky.EmbedImagesImageImageLimits()))
		if err != nil || contentType != "image/png" || out.Blob.MimeType != "image/webp" || out.Blob.Size != 9 {
			t.Errorf("sent as %q, got %+v, %v", contentType, out, err)
		}
	})
}

func TestParametersAreHeldToTheLexicon(t *testing.T) {
	for name, tt := range map[string]struct {
		uris int
		opts []xrpc.Option
		sent bool
	}{
		"X37 as many as there may be":          {25, []xrpc.Option{xrpc.WithValidation(true)}, true},
		"X37 one more":                         {26, []xrpc.Option{xrpc.WithValidation(true)}, false},
		"X37 one more, and nobody asks for it": {26, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			sent := false
			api := appbsky.NewClient(answers(`{"posts":[]}`, func(*xrpc.Request) { sent = true }))
			uris := make([]syntax.ATURI, tt.uris)
			for i := range uris {
				uris[i] = "at://did:plc:z72i7hdynmk6r22z27h6tvur/app.bsky.feed.post/3l3qylp5d3c2y"
			}
			_, err := api.Feed.GetPosts(t.Context(), &appbsky.FeedGetPostsParams{URIs: uris}, tt.opts...)
			if _, ok := errors.AsType[*lex.ValidationError](err); ok == tt.sent || sent != tt.sent {
				t.Errorf("sent: %t, %v", sent, err)
			}
		})
	}
}

func TestClientsAreShared(t *testing.T) {
	t.Run("X45 P42 by goroutines, each with options of its own", func(t *testing.T) {
		var mu sync.Mutex
		asked := make(map[string]int)
		api := appbsky.NewClient(answers(`{"posts":[]}`, func(req *xrpc.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked[req.Header.Get("X-Mine")+req.Header.Get("User-Agent")]++
		}), xrpc.WithUserAgent("shared"))
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d"} {
			all.Go(func() {
				for range 25 {
					if _, err := api.Feed.GetPosts(t.Context(), nil, xrpc.WithHeader("X-Mine", name)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if diff := cmp.Diff(map[string]int{"ashared": 25, "bshared": 25, "cshared": 25, "dshared": 25}, asked); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// Command feedgen serves a feed of fixed posts, for everybody who is logged in or not:
//
//	go run ./examples/feedgen feed.example.com at://did:plc:…/app.bsky.feed.generator/news at://did:plc:…/app.bsky.feed.post/…
//
// What comes first is the host that leads here, then the record that announces the feed, then the posts.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func feedgen(host string, feed syntax.ATURI, posts []string, resolver identity.Resolver) http.Handler {
	did, mux := syntax.DID("did:web:"+host), http.NewServeMux()
	verifier := &serviceauth.Verifier{Audiences: []string{string(did) + "#bsky_fg"}, Resolver: resolver}
	mux.Handle("/.well-known/did.json", service.DIDDocument(did, service.DIDService{ID: "bsky_fg", Type: "BskyFeedGenerator", Endpoint: "https://" + host}))
	mux.Handle("/xrpc/", service.NotImplemented())
	service.Handle(mux, appbsky.FeedDescribeFeedGenerator, func(context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
		return &appbsky.FeedDescribeFeedGeneratorOutput{DID: did, Feeds: []appbsky.FeedDescribeFeedGeneratorFeed{{URI: feed}}}, nil
	})
	service.Handle(mux, appbsky.FeedGetFeedSkeleton, func(ctx context.Context, p *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
		if p.Feed != feed {
			return nil, appbsky.ErrUnknownFeed
		}
		if caller, ok := serviceauth.From(ctx); ok {
			log.Println(caller.Issuer, "reads the feed")
		}
		from, err := strconv.Atoi(*cmp.Or(p.Cursor, new("0")))
		if err != nil || from < 0 || from > len(posts) {
			return nil, fmt.Errorf("%w: the cursor is not one of this feed", xrpc.ErrInvalidRequest)
		}
		out := new(appbsky.FeedGetFeedSkeletonOutput)
		to := min(from+int(*p.Limit), len(posts))
		for _, post := range posts[from:to] {
			out.Feed = append(out.Feed, appbsky.FeedDefsSkeletonFeedPost{Post: syntax.ATURI(post)})
		}
		if to < len(posts) {
			out.Cursor = new(strconv.Itoa(to))
		}
		return out, nil
	}, service.With(verifier.Optional))
	return mux
}

func main() {
	if len(os.Args) < 4 {
		log.Fatal("usage: feedgen HOST FEED POST…")
	}
	resolver := identity.NewCache(identity.NewResolver(identity.Config{}), identity.CacheConfig{})
	log.Fatal(http.ListenAndServe(":8080", feedgen(os.Args[1], syntax.ATURI(os.Args[2]), os.Args[3:], resolver)))
}

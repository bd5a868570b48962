package service_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A feed that has one post.
func Example() {
	const feed = syntax.ATURI("at://did:plc:aliceaaaaaaaaaaaaaaaaaaa/app.bsky.feed.generator/news")
	mux := http.NewServeMux()
	service.Handle(mux, appbsky.FeedGetFeedSkeleton, func(_ context.Context, params *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
		if params.Feed != feed {
			return nil, appbsky.ErrUnknownFeed
		}
		return &appbsky.FeedGetFeedSkeletonOutput{Feed: []appbsky.FeedDefsSkeletonFeedPost{{Post: "at://alice.example/app.bsky.feed.post/a"}}}, nil
	})
	mux.Handle("/xrpc/", service.NotImplemented())

	for _, path := range []string{
		"/xrpc/app.bsky.feed.getFeedSkeleton?feed=" + string(feed),
		"/xrpc/app.bsky.feed.getFeedSkeleton?feed=at://alice.example",
		"/xrpc/app.bsky.feed.getFeedSkeleton?feed=" + string(feed) + "&limit=1000",
		"/xrpc/app.bsky.feed.getTimeline",
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, w.Body)
	}

	// Output:
	// 200 {"feed":[{"post":"at://alice.example/app.bsky.feed.post/a"}]}
	// 400 {"error":"UnknownFeed"}
	// 400 {"error":"InvalidRequest","message":"parameter limit: 1000 is more than 100"}
	// 501 {"error":"MethodNotImplemented","message":"this service does not have the method"}
}

// A service that is asked by its document, and by load balancers.
func ExampleDIDDocument() {
	mux := http.NewServeMux()
	mux.Handle("/xrpc/_health", service.Health("1.4", nil))
	mux.Handle("/.well-known/did.json", service.DIDDocument("did:web:feed.example.com",
		service.DIDService{ID: "bsky_fg", Type: "BskyFeedGenerator", Endpoint: "https://feed.example.com"}))

	for _, path := range []string{"/xrpc/_health", "/.well-known/did.json"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, w.Body)
	}

	// Output:
	// 200 {"version":"1.4"}
	// 200 {"@context":["https://www.w3.org/ns/did/v1"],"id":"did:web:feed.example.com","service":[{"id":"#bsky_fg","type":"BskyFeedGenerator","serviceEndpoint":"https://feed.example.com"}]}
}

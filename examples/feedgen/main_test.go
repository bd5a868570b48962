package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// maxLines is what the whole service may take, its imports and its comments included.
const maxLines = 60

func TestItIsShort(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range bytes.Lines(source) {
		if len(bytes.TrimSpace(line)) > 0 {
			lines++
		}
	}
	if lines >= maxLines {
		t.Errorf("main.go has %d lines, and has to have less than %d", lines, maxLines)
	}
}

// The feed, asked as real servers ask: found by its document, with tokens that an account's server signs.
func TestServersCanAsk(t *testing.T) {
	const (
		feed     = syntax.ATURI("at://did:plc:aliceaaaaaaaaaaaaaaaaaaa/app.bsky.feed.generator/news")
		audience = "did:web:feed.example.com#bsky_fg"
	)
	posts := []string{"at://alice.test/app.bsky.feed.post/a", "at://alice.test/app.bsky.feed.post/b", "at://alice.test/app.bsky.feed.post/c"}
	sandbox := oauthtest.NewServer()
	t.Cleanup(sandbox.Close)
	session, err := sandbox.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(feedgen("feed.example.com", feed, posts, sandbox.Environment().Resolver()))
	t.Cleanup(server.Close)
	host, err := xrpc.NewClient(server.URL, xrpc.ClientConfig{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	asked := appbsky.NewClient(serviceauth.NewDoer(session, audience, host)).Feed
	anybody := appbsky.NewClient(host).Feed

	t.Run("its document says where it is", func(t *testing.T) {
		resp, err := http.Get(server.URL + "/.well-known/did.json")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		document, err := identity.ParseDocument(text, "did:web:feed.example.com")
		if err != nil {
			t.Fatal(err)
		}
		if at, err := document.Endpoint("bsky_fg", "BskyFeedGenerator"); err != nil || at.URL.String() != "https://feed.example.com" {
			t.Errorf("%v, %v", at, err)
		}
	})
	t.Run("it says which feeds it has", func(t *testing.T) {
		out, err := anybody.DescribeFeedGenerator(t.Context())
		if err != nil || out.DID != "did:web:feed.example.com" || len(out.Feeds) != 1 || out.Feeds[0].URI != feed {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("X33 X34 it is read to its end, by who is logged in and who is not", func(t *testing.T) {
		for who, client := range map[string]appbsky.FeedService{"an account": asked, "nobody": anybody} {
			var got []string
			for post, err := range client.GetFeedSkeletonAll(t.Context(), &appbsky.FeedGetFeedSkeletonParams{Feed: feed, Limit: new(int64(2))}) {
				if err != nil {
					t.Fatal(who, err)
				}
				got = append(got, string(post.Post))
			}
			if diff := cmp.Diff(posts, got); diff != "" {
				t.Error(who, diff)
			}
		}
	})
	t.Run("X34 a token for another service is refused", func(t *testing.T) {
		other := appbsky.NewClient(serviceauth.NewDoer(session, "did:web:other.example.com#bsky_fg", host)).Feed
		_, err := other.GetFeedSkeleton(t.Context(), &appbsky.FeedGetFeedSkeletonParams{Feed: feed})
		if refused, ok := errors.AsType[*xrpc.Error](err); !ok || refused.Status != http.StatusUnauthorized || refused.Name != "BadJwtAudience" {
			t.Error(err)
		}
	})
	t.Run("another feed, and cursors of nobody's, are refused by name", func(t *testing.T) {
		if _, err := asked.GetFeedSkeleton(t.Context(), &appbsky.FeedGetFeedSkeletonParams{Feed: feed + "s"}); !errors.Is(err, appbsky.ErrUnknownFeed) {
			t.Error(err)
		}
		for _, cursor := range []string{"x", "-1", "4"} {
			if _, err := asked.GetFeedSkeleton(t.Context(), &appbsky.FeedGetFeedSkeletonParams{Feed: feed, Cursor: &cursor}); !errors.Is(err, xrpc.ErrInvalidRequest) {
				t.Error(cursor, err)
			}
		}
	})
	t.Run("what it does not have it says", func(t *testing.T) {
		if _, err := asked.GetTimeline(t.Context(), nil); !errors.Is(err, xrpc.ErrMethodNotImplemented) {
			t.Error(err)
		}
	})
}

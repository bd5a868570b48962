package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// TestServices has the real server sign tokens, for itself and for a service of ours.
func TestServices(t *testing.T) {
	server := realpds.Start(t)
	env := server.Environment()
	alice := env.Account("alice")
	session := scenario.Login(t, server, scenario.NewClient(t, server), alice)
	host, err := xrpc.NewClient(session.Host(), xrpc.ClientConfig{UnguardedTransport: env.Transport(), AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	about, err := comatproto.NewClient(host).Server.DescribeServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	t.Run("X35 a blob is uploaded by tokens, without the session's own", func(t *testing.T) {
		data := make([]byte, 100<<10)
		rand.Read(data)
		doer := serviceauth.NewDoer(session, string(about.DID), host, serviceauth.WithLife(30*time.Minute))
		for range 2 {
			out, err := comatproto.NewClient(doer).Repo.UploadBlob(t.Context(), xrpc.BytesBody(data, "application/octet-stream"))
			if err != nil {
				t.Fatal(err)
			}
			if want := lex.BlobCID(data); string(out.Blob.Ref) != string(want) || out.Blob.Size != int64(len(data)) {
				t.Errorf("stored %s with %d bytes, want %s", out.Blob.Ref, out.Blob.Size, want)
			}
		}
	})
	t.Run("X35 a token is for the one method", func(t *testing.T) {
		token, err := serviceauth.Request(t.Context(), session, serviceauth.Wanted{Audience: string(about.DID), Method: "com.atproto.repo.uploadBlob"})
		if err != nil {
			t.Fatal(err)
		}
		out, err := comatproto.NewClient(xrpc.Bearer(host, token)).Server.GetSession(t.Context())
		if err == nil {
			t.Errorf("it was a session's: %+v", out)
		}
	})

	const feed, method = "did:web:feed.test#bsky_fg", syntax.NSID("app.bsky.feed.getFeedSkeleton")
	verifier := &serviceauth.Verifier{
		Audiences: []string{feed}, RequireService: true, RequireLowS: true, Resolver: identity.NewCache(env.Resolver(), identity.CacheConfig{}),
	}
	mux := http.NewServeMux()
	service.Handle(mux, appbsky.FeedGetFeedSkeleton, func(ctx context.Context, _ *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
		caller, _ := serviceauth.From(ctx)
		return &appbsky.FeedGetFeedSkeletonOutput{Cursor: new(string(caller.Issuer))}, nil
	}, service.With(verifier.Require), service.Check())
	serving := httptest.NewServer(mux)
	defer serving.Close()
	ours, err := xrpc.NewClient(serving.URL, xrpc.ClientConfig{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(audience string) (*appbsky.FeedGetFeedSkeletonOutput, error) {
		uri := syntax.ATURI("at://" + string(alice.DID) + "/app.bsky.feed.generator/all")
		return appbsky.NewClient(serviceauth.NewDoer(session, audience, ours)).Feed.GetFeedSkeleton(t.Context(), &appbsky.FeedGetFeedSkeletonParams{Feed: uri})
	}
	t.Run("X33 X34 our service knows whose call it is", func(t *testing.T) {
		out, err := ask(feed)
		if err != nil {
			t.Fatal(err)
		}
		if out.Cursor == nil || *out.Cursor != string(alice.DID) {
			t.Errorf("got %+v", out)
		}
	})
	t.Run("X34 and turns away what is for another", func(t *testing.T) {
		for _, audience := range []string{"did:web:feed.test", "did:web:feed.test#other", "did:web:other.test#bsky_fg"} {
			if _, err := ask(audience); !errors.Is(err, xrpc.ErrorName("BadJwtAudience")) {
				t.Errorf("%s: %v", audience, err)
			}
		}
	})
	t.Run("X34 and what is for another method", func(t *testing.T) {
		token, err := serviceauth.Request(t.Context(), session, serviceauth.Wanted{Audience: feed, Method: "app.bsky.feed.getPosts"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verifier.Verify(t.Context(), token, method); !errors.Is(err, serviceauth.ErrMethod) {
			t.Errorf("got %v", err)
		}
		changed := []byte(token)
		at := bytes.LastIndexByte(changed, '.') + 10
		changed[at] ^= 1
		if _, err := verifier.Verify(t.Context(), string(changed), "app.bsky.feed.getPosts"); !errors.Is(err, serviceauth.ErrSignature) && !errors.Is(err, serviceauth.ErrMalformed) {
			t.Errorf("changed: %v", err)
		}
	})
}

package oauthtest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/chatbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/repo/firehose"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/service"
)

// An AppView that the sandbox's PDS knows, for tests of a program that reads a timeline.
func ExampleServer_Handle() {
	server := oauthtest.NewServer()
	defer server.Close()
	service.Handle(server, appbsky.FeedGetTimeline, func(ctx context.Context, params *appbsky.FeedGetTimelineParams) (*appbsky.FeedGetTimelineOutput, error) {
		fmt.Println(oauthtest.Caller(ctx).Handle, "wants", *params.Limit)
		return &appbsky.FeedGetTimelineOutput{Feed: []appbsky.FeedDefsFeedViewPost{}}, nil
	})

	session, err := server.Login(context.Background(), "alice")
	if err != nil {
		fmt.Println(err)
		return
	}
	timeline, err := appbsky.NewClient(session).Feed.GetTimeline(context.Background(), &appbsky.FeedGetTimelineParams{Limit: new(int64(30))})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(timeline.Feed), "posts")
	// Output:
	// alice.test wants 30
	// 0 posts
}

func TestHandle(t *testing.T) {
	server := sandbox(t)
	var called []string
	service.Handle(server, appbsky.FeedGetTimeline, func(ctx context.Context, _ *appbsky.FeedGetTimelineParams) (*appbsky.FeedGetTimelineOutput, error) {
		called = append(called, string(oauthtest.Caller(ctx).Handle))
		return &appbsky.FeedGetTimelineOutput{Feed: []appbsky.FeedDefsFeedViewPost{}}, nil
	})
	service.Handle(server, chatbsky.ConvoGetLog, func(context.Context, *chatbsky.ConvoGetLogParams) (*chatbsky.ConvoGetLogOutput, error) {
		called = append(called, "chat")
		return nil, fmt.Errorf("%w: not now", xrpc.ErrNotEnoughResources)
	})
	service.Handle(server.Public(), appbsky.ActorGetProfile, func(ctx context.Context, p *appbsky.ActorGetProfileParams) (*appbsky.ActorDefsProfileViewDetailed, error) {
		called = append(called, "public "+string(oauthtest.Caller(ctx).Handle))
		return &appbsky.ActorDefsProfileViewDetailed{DID: "did:web:x.test", Handle: "x.test"}, nil
	})
	login := func(scope string) *oauth.Session {
		session, err := server.Login(t.Context(), "alice", func(c *oauth.Config) { c.Scope = scope })
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	const timeline = "rpc:app.bsky.feed.getTimeline?aud=did:web:api.bsky.app%23bsky_appview"
	for _, tc := range []struct {
		name, scope string
		call        func(ctx context.Context, session *oauth.Session) error
		called      string // which handler, "" for none
		missing     bool
		err         error
	}{
		{"with the scope", "atproto " + timeline, getTimeline, "alice.test", false, nil},
		{"without the scope", "atproto repo:*", getTimeline, "", true, nil},
		{"with the scope of another service", "atproto rpc:app.bsky.feed.getTimeline?aud=did:web:other.test%23bsky_appview", getTimeline, "", true, nil},
		{"with the scope of an app password", "atproto transition:generic", getTimeline, "alice.test", false, nil},
		{"by a proxy to a service that the scope is for", "atproto rpc:chat.bsky.convo.getLog?aud=did:web:api.bsky.chat%23bsky_chat", getLog, "chat", false, xrpc.ErrNotEnoughResources},
		{"by a proxy to another", "atproto " + timeline, getLog, "", true, nil},
		{"what everybody may ask, asked by somebody", "atproto transition:generic", getProfile, "public alice.test", false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			session := login(tc.scope)
			called = nil
			err := tc.call(t.Context(), session)
			switch {
			case tc.missing:
				if !lacksScope(err) {
					t.Errorf("got %v", err)
				}
			case !errors.Is(err, tc.err):
				t.Errorf("got %v", err)
			}
			if got := fmt.Sprint(called); tc.called == "" && len(called) > 0 || tc.called != "" && got != "["+tc.called+"]" {
				t.Errorf("called %s", got)
			}
		})
	}
	t.Run("without a session", func(t *testing.T) {
		host, err := xrpc.NewClient("https://pds.test", xrpc.ClientConfig{UnguardedTransport: server.Environment().Transport()})
		if err != nil {
			t.Fatal(err)
		}
		called = nil
		api := appbsky.NewClient(host)
		if _, err := api.Feed.GetTimeline(t.Context(), nil); !errors.Is(err, xrpc.ErrorName("AuthMissing")) {
			t.Errorf("a timeline: %v", err)
		}
		if _, err := api.Actor.GetProfile(t.Context(), &appbsky.ActorGetProfileParams{Actor: "x.test"}); err != nil || fmt.Sprint(called) != "[public ]" {
			t.Errorf("a profile: %v, called %v", err, called)
		}
	})
	t.Run("a session that is over", func(t *testing.T) {
		session := login("atproto transition:generic")
		server.RevokeSessions(session.DID())
		called = nil
		if err := getProfile(t.Context(), session); !errors.Is(err, oauth.ErrReauthRequired) || len(called) > 0 {
			t.Errorf("%v, called %v", err, called)
		}
	})
	t.Run("in the place of a method of the server", func(t *testing.T) {
		service.Handle(server, comatproto.ServerGetSession, func(context.Context) (*comatproto.ServerGetSessionOutput, error) {
			return nil, xrpc.ErrUpstreamFailure
		})
		if _, err := comatproto.NewClient(login("atproto")).Server.GetSession(t.Context()); !errors.Is(err, xrpc.ErrUpstreamFailure) {
			t.Errorf("got %v", err)
		}
	})
	for _, pattern := range []string{"", "/", "/xrpc/", "/xrpc/timeline", "/other/app.bsky.feed.getTimeline", "GET /xrpc/app.bsky.feed.getTimeline"} {
		t.Run("no method is at "+pattern, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was taken")
				}
			}()
			server.Handle(pattern, http.NotFoundHandler())
		})
	}
}

func getTimeline(ctx context.Context, session *oauth.Session) error {
	_, err := appbsky.NewClient(session).Feed.GetTimeline(ctx, nil)
	return err
}

func getLog(ctx context.Context, session *oauth.Session) error {
	_, err := chatbsky.NewClient(session, xrpc.WithProxy("did:web:api.bsky.chat#bsky_chat")).Convo.GetLog(ctx, nil)
	return err
}

func getProfile(ctx context.Context, session *oauth.Session) error {
	_, err := appbsky.NewClient(session).Actor.GetProfile(ctx, &appbsky.ActorGetProfileParams{Actor: "x.test"})
	return err
}

// The sandbox's events are those of its repositories: each verifies, and none is missing.
func TestSubscribeRepos(t *testing.T) {
	server := sandbox(t)
	alice, err := server.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	account, err := identity.Lookup(t.Context(), server.Environment().Resolver(), "alice.test")
	if err != nil {
		t.Fatal(err)
	}
	key, err := account.Document.SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	host, err := xrpc.NewClient("https://pds.test", xrpc.ClientConfig{UnguardedTransport: server.Environment().Transport()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	post := func(text string) *records.Ref {
		ref, err := records.Post(ctx, alice, records.Text(text))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	first := post("one")
	post("two")

	api := comatproto.NewClient(host)
	stream := api.Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: new(int64(0))})
	defer stream.Close()
	var state *repo.State
	var seen []string
	for message, err := range stream.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		event, ok := message.Value.(*comatproto.SyncSubscribeReposCommit)
		if !ok {
			t.Fatalf("a message %T", message.Value)
		}
		change, err := firehose.ReadChange(event)
		if err != nil {
			t.Fatal(err)
		}
		if err := change.Verify(key); err != nil {
			t.Fatal(err)
		}
		if state == nil {
			state = new(change.Commit().State())
		} else if *state, err = state.Next(change); err != nil {
			t.Fatal(err)
		}
		for op, err := range change.Operations() {
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			if op.Record != nil {
				var p appbsky.FeedPost
				if err := op.Record.As(&p); err != nil {
					t.Fatal(err)
				}
				text = p.Text
			}
			seen = append(seen, string(op.Action)+" "+text)
		}
		if len(seen) == 2 { // what comes while somebody listens
			post("three")
			if err := records.Delete(ctx, alice, first.URI); err != nil {
				t.Fatal(err)
			}
		}
		if len(seen) == 4 {
			break
		}
	}
	if got := fmt.Sprint(seen); got != "[create one create two create three delete ]" {
		t.Errorf("seen %s", got)
	}
	t.Run("a cursor of the future", func(t *testing.T) {
		for _, err := range api.Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: new(int64(1000))}).Messages() {
			if !errors.Is(err, comatproto.ErrFutureCursor) {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("without a cursor, what comes from now on", func(t *testing.T) {
		late := api.Sync.SubscribeRepos(ctx, nil)
		defer late.Close()
		stop := make(chan struct{})
		defer close(stop)
		go func() { // until somebody has heard it
			for {
				select {
				case <-stop:
					return
				default:
					records.Post(ctx, alice, records.Text("late"))
				}
			}
		}()
		for message, err := range late.Messages() {
			if err != nil {
				t.Fatal(err)
			}
			if event := message.Value.(*comatproto.SyncSubscribeReposCommit); event.Seq < 6 {
				t.Errorf("it begins at %d", event.Seq)
			}
			break
		}
	})
}

package house

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/labels"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/jetstream"
)

// What follows are the snippets of docs/streams.md, in its order. TestSnippetsOfGuidesCompile compares.

func streamRead(ctx context.Context) error {
	host, err := xrpc.NewClient("https://relay1.us-east.bsky.network", xrpc.ClientConfig{})
	if err != nil {
		return err
	}
	stream := comatproto.NewClient(host).Sync.SubscribeRepos(ctx, nil)
	for message, err := range stream.Messages() {
		if err != nil {
			return err // it is final
		}
		if c, ok := message.Value.(*comatproto.SyncSubscribeReposCommit); ok {
			fmt.Println(c.Repo, c.Rev, len(c.Ops))
		}
	}
	return nil
}

func streamCursor(ctx context.Context, api *comatproto.Client, cursor *int64, work func(*comatproto.SyncSubscribeReposMessage) error, store func(*int64) error) error {
	var stored time.Time
	stream := api.Sync.SubscribeRepos(ctx, &comatproto.SyncSubscribeReposParams{Cursor: cursor})
	for message, err := range stream.Messages() {
		if err != nil {
			return err
		}
		if err := work(message); err != nil {
			return err // this message comes again, to the stream that begins at the stored cursor
		}
		if time.Since(stored) > time.Second {
			stored = time.Now()
			if err := store(stream.Cursor()); err != nil { // the message before this one
				return err
			}
		}
	}
	return nil
}

func streamEvents(ctx context.Context, api *comatproto.Client) *xrpc.Stream[comatproto.SyncSubscribeReposMessage] {
	stream := api.Sync.SubscribeRepos(ctx, nil, xrpc.WithStreamEvents(func(e xrpc.StreamEvent) {
		switch {
		case e.Kind == xrpc.StreamOpened && e.Cursor == nil:
			slog.Info("reading what happens from now on", "stream", e.NSID)
		case errors.Is(e.Err, xrpc.ErrOutdatedCursor):
			slog.Warn("messages are missing", "stream", e.NSID, "behind", *e.Cursor)
		case e.Kind == xrpc.StreamSkipped:
			slog.Warn("left out", "stream", e.NSID, "why", e.Err)
		case e.Kind == xrpc.StreamBroken:
			slog.Info("connecting again", "stream", e.NSID, "in", e.Pause, "why", e.Err)
		}
	}))
	return stream
}

func streamLabels(ctx context.Context, api *comatproto.Client, resolver identity.Resolver) error {
	verifier := &labels.Verifier{Resolver: resolver}
	for message, err := range api.Label.SubscribeLabels(ctx, nil).Messages() {
		if err != nil {
			return err
		}
		m, ok := message.Value.(*comatproto.LabelSubscribeLabelsLabels)
		if !ok {
			continue
		}
		for _, label := range m.Labels {
			if err := verifier.Verify(ctx, &label); err == nil {
				fmt.Println(label.Src, label.URI, label.Val)
			}
		}
	}
	return nil
}

func streamOfJetstream(ctx context.Context) error {
	host, err := xrpc.NewClient("https://jetstream2.us-east.bsky.network", xrpc.ClientConfig{})
	if err != nil {
		return err
	}
	stream, err := jetstream.Subscribe(ctx, host, &jetstream.Params{
		Collections: []string{appbsky.FeedPostNSID, "app.bsky.graph.*"},
		Since:       time.Now().Add(-time.Hour),
	})
	if err != nil {
		return err
	}
	for event, err := range stream.Messages() {
		if err != nil {
			return err
		}
		if c := event.Commit; c != nil && c.Operation == jetstream.Create && c.Collection == appbsky.FeedPostNSID {
			var post appbsky.FeedPost
			if err := c.Record.As(&post); err == nil { // anybody may write anything into a repository
				fmt.Println(event.URI(), post.Text)
			}
		}
	}
	return nil
}

var _ = []any{streamRead, streamCursor, streamEvents, streamLabels, streamOfJetstream}

package jetstream_test

import (
	"context"
	"fmt"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/jetstream"
)

// Read the posts of the network while they are written. (The context has ended, so nothing is
// sent.)
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	host, err := xrpc.NewClient("https://jetstream2.us-east.bsky.network", xrpc.ClientConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	stream, err := jetstream.Subscribe(ctx, host, &jetstream.Params{Collections: []string{appbsky.FeedPostNSID}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for event, err := range stream.Messages() {
		if err != nil {
			fmt.Println(err)
			return
		}
		if c := event.Commit; c != nil && c.Operation == jetstream.Create {
			var post appbsky.FeedPost
			if err := c.Record.As(&post); err != nil {
				continue // a post that breaks its lexicon
			}
			fmt.Println(event.URI(), post.Text)
		}
	}
	// Output:
	// xrpc: network.bsky.jetstream: context canceled
}

package comatproto_test

import (
	"context"
	"fmt"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
)

// Commits of the network as they happen. (The context is over, so that nothing is sent.)
func ExampleSyncService_SubscribeRepos() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	host, err := xrpc.NewClient("https://relay1.us-east.bsky.network", xrpc.ClientConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	stream := comatproto.NewClient(host).Sync.SubscribeRepos(ctx, nil)
	for message, err := range stream.Messages() {
		if err != nil {
			fmt.Println(err)
			return
		}
		if c, ok := message.Value.(*comatproto.SyncSubscribeReposCommit); ok {
			fmt.Println(c.Repo, c.Rev, len(c.Ops))
		}
	}
	// Output:
	// xrpc: com.atproto.sync.subscribeRepos: context canceled
}

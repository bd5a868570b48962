// Package jetstream reads the streams of Jetstream servers: what happens on the network as JSON, filtered by
// collection and account, without the proofs that com.atproto.sync.subscribeRepos has. What a Jetstream says has to
// be believed.
//
//	host, err := xrpc.NewClient("https://jetstream2.us-east.bsky.network", xrpc.ClientConfig{})
//	…
//	stream, err := jetstream.Subscribe(ctx, host, &jetstream.Params{Collections: []string{"app.bsky.feed.post"}})
//	…
//	for event, err := range stream.Messages() {
//		if err != nil {
//			return err
//		}
//		if c := event.Commit; c != nil && c.Operation == jetstream.Create {
//			var post appbsky.FeedPost
//			err := c.Record.As(&post)
//			…
//		}
//	}
//
// The stream is an xrpc.Stream: it makes broken connections anew, goes on from the event that was processed last, and
// has the same options and errors.
//
// Subscribe reads the endpoint /subscribe, which all servers have, and whose cursor is a time. SubscribeEvents reads
// network.bsky.jetstream.subscribeEvents of the second version, whose cursor is a sequence number, and
// which can replay from an archive.
package jetstream

// Package jetstream reads the streams of Jetstream servers. They send the events of the network as
// JSON, filtered by collection and account. They send no proofs, unlike
// com.atproto.sync.subscribeRepos, so you have to trust the server.
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
// The stream is an xrpc.Stream. It reconnects broken connections, continues after the last
// processed event, and has the same options and errors.
//
// Subscribe reads the endpoint /subscribe, which all servers have. Its cursor is a time.
// SubscribeEvents reads network.bsky.jetstream.subscribeEvents of the second version. Its cursor is
// a sequence number, and the server can replay old events from an archive.
package jetstream

// Package xrpc is the base of typed calls. It has the Doer, which supplies host and credentials;
// requests and their bodies; the options, limits and errors of calls; and the streams of
// subscriptions.
//
// Programs use generated clients (generated/comatproto, generated/appbsky) with an *oauth.Session,
// or with a Client for calls that need no login:
//
//	host, err := xrpc.NewClient("https://public.api.bsky.app", xrpc.ClientConfig{})
//	…
//	api := comatproto.NewClient(host)
//	out, err := api.Identity.ResolveHandle(ctx, &comatproto.IdentityResolveHandleParams{Handle: "alice.example.com"})
//
// A loop reads a subscription:
//
//	for message, err := range api.Sync.SubscribeRepos(ctx, nil).Messages() { … }
//
// Who serves methods mounts handlers by package service; an Endpoint is what generated code says of a method to it.
//
// See https://atproto.com/specs/xrpc and https://atproto.com/specs/event-stream.
package xrpc

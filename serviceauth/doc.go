// Package serviceauth tells a service of the AT Protocol whose call it answers. Each call carries a
// token. The account's server signs it with the account's key, for one service and one method, and
// for about a minute (https://atproto.com/specs/xrpc#inter-service-authentication-jwt).
//
// A service verifies the tokens of the calls that it gets:
//
//	verifier := &serviceauth.Verifier{
//		Audiences: []string{"did:web:feed.example.com#bsky_fg"},
//		Resolver:  identity.NewCache(identity.NewResolver(identity.Config{}), identity.CacheConfig{}),
//	}
//	mux.Handle("/xrpc/app.bsky.feed.getFeedSkeleton", verifier.Require(handler))
//	…
//	caller, ok := serviceauth.From(r.Context()) // caller.Issuer is the DID of the account
//
// If the account's server does not forward calls to a service, a client can ask that server for
// tokens, and call the service itself. A Doer does both:
//
//	host, err := xrpc.NewClient("https://feed.example.com", xrpc.ClientConfig{})
//	…
//	feed := serviceauth.NewDoer(session, "did:web:feed.example.com#bsky_fg", host)
//	out, err := appbsky.NewClient(feed).Feed.GetFeedSkeleton(ctx, params)
//
// A service with a key in its own DID document can call others in its own name, and sign its tokens
// itself: see Key and Sign.
package serviceauth

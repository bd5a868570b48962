// Package serviceauth is how services of the AT Protocol know whose call they answer: by a token
// that the account's server signs with the account's key, for one service and one method, and
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
// A client whose account's server does not pass its calls on asks that server for tokens, and
// calls the service itself. A Doer does both:
//
//	host, err := xrpc.NewClient("https://feed.example.com", xrpc.ClientConfig{})
//	…
//	feed := serviceauth.NewDoer(session, "did:web:feed.example.com#bsky_fg", host)
//	out, err := appbsky.NewClient(feed).Feed.GetFeedSkeleton(ctx, params)
//
// A service that has a key of its own in its DID document, and calls others in its own name,
// signs its tokens itself: see Key and Sign.
package serviceauth

// Package identity finds out who an account is: it resolves a handle to a DID, a DID to its
// document, and checks that both agree (https://atproto.com/specs/handle,
// https://atproto.com/specs/did).
//
//	resolver := identity.NewCache(identity.NewResolver(identity.Config{}), identity.CacheConfig{})
//	account, err := identity.Lookup(ctx, resolver, "alice.example.com")
//	// account.DID, account.Handle, account.PDS
//
// Most programs need only Lookup. ParseTyped understands what people type. Lookup works with any
// Resolver, like the other parts of this module:
//
//   - NetworkResolver asks DNS, web servers and PLC directories. It keeps no answers.
//   - Cache keeps the answers of another Resolver. By default it keeps what exists for five
//     minutes, and what does not exist for half a minute. Fresh asks again: use it if the answer
//     decides who may act for an account.
//   - ServiceResolver asks an atproto service for handles.
//   - Static has fixed answers, for tests and for programs without a network.
//   - Chain asks several Resolvers in order.
//
// A Document contains more than the account's server. Document.Endpoint returns the URL of any
// service in it. LookupService finds a service by a reference such as
// "did:web:api.bsky.app#bsky_appview". Document.PublicKey returns a key of the account, which
// verifies signatures of its commits, labels and tokens (https://atproto.com/specs/cryptography).
// Document.Raw is the JSON as it was fetched.
//
// Every error is an *Error. Its Kind tells the difference between what does not exist (ErrNotFound)
// and what could not be asked (ErrUnreachable).
package identity

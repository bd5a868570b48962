// Package identity finds out who an account is: from a handle to its DID, from a DID to its
// document, and whether both agree (https://atproto.com/specs/handle,
// https://atproto.com/specs/did).
//
// Lookup is what most programs want; ParseTyped understands what people type. Lookup works on
// any Resolver, as the other parts of this module do:
//
//   - NetworkResolver asks DNS, web servers and PLC directories. It keeps no answers.
//   - Cache keeps those of another Resolver: what exists for five minutes and what does not for
//     half a minute, unless CacheConfig says otherwise. Fresh asks anew: use it wherever the
//     answer decides who may act for an account.
//   - ServiceResolver asks an atproto service for handles.
//   - Static knows what is in it, for tests and for programs without a network.
//   - Chain asks Resolvers in a row.
//
// A Document says more than where the account is: Document.Endpoint returns the URL of any
// service in it, LookupService that of a reference such as
// "did:web:api.bsky.app#bsky_appview"; Document.PublicKey returns a key of the account, which
// verifies signatures of its commits, labels and tokens (https://atproto.com/specs/cryptography).
// Document.Raw is the JSON as it was fetched.
//
// What fails is an *Error. Its Kind tells what does not exist (ErrNotFound) from what could not
// be asked (ErrUnreachable).
package identity

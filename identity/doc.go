// Package identity finds out who an account is: from a handle to its DID, from a
// DID to its document and PDS, and whether both agree
// (https://atproto.com/specs/handle, https://atproto.com/specs/did).
//
// Lookup is what most programs want. It works on any Resolver; NetworkResolver is
// the one that asks DNS, web servers and the PLC directory. It keeps nothing: NewCache
// wraps a Resolver that does. ServiceResolver asks an atproto service for handles, and
// Chain puts resolvers in a row.
package identity

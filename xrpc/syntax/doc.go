// Package syntax holds the identifier types of the AT Protocol: DID, Handle, AtIdentifier, NSID,
// ATURI, TID, RecordKey, Datetime, Language, CID and URI.
//
//	did, err := syntax.ParseDID("did:plc:ewvi7nxzyoun6zhxrhs64oiz")
//	uri := syntax.RecordURI(syntax.AtIdentifier(did), "app.bsky.feed.post", "3jzfcijpj2z2a")
//
// Each type is a string type that keeps the text exactly as it was sent, so that a value that is
// read and written again does not change. Decoding never checks it. ParseX checks and converts a
// text, and Validate checks an existing value; both fail with an *Error. Accessors such as
// DID.Method expect a valid value, and return the zero value for others.
//
// The rules are those of https://atproto.com/specs (did, handle, nsid, at-uri-scheme, tid,
// record-key) and of the lexicon string formats. If implementations differ, this package accepts
// the most permissive reading.
//
// All types are values and safe for concurrent use. TIDClock is the exception; its comment says how
// to use it.
package syntax

// Package syntax holds the identifier types of the AT Protocol: DID, Handle,
// AtIdentifier, NSID, ATURI, TID, RecordKey, Datetime, Language, CID and URI.
//
// Each is a kind of string and holds the text exactly as it was sent, so that what
// is read and written again does not change. Decoding never checks them. ParseX
// checks and converts in one step, Validate checks a value that came from
// elsewhere; both fail with an *Error. Accessors such as DID.Method take a valid
// value and return the zero value when they are given something else.
//
// The rules are those of https://atproto.com/specs (did, handle, nsid, at-uri-scheme,
// tid, record-key) and of the lexicon string formats. Where implementations differ,
// the most permissive reading is accepted.
//
// All types are values and safe for concurrent use; TIDClock says so itself.
package syntax

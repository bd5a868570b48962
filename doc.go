// Package atproto is the root of atproto-go, a typed client for the AT Protocol
// with an OAuth session layer.
//
// The root package holds no code. Import what you need:
//
//   - oauth logs an account in and keeps its session alive; a *oauth.Session is
//     an xrpc.Doer.
//   - generated/comatproto, generated/appbsky … are the typed methods, records and
//     objects, written by lexgen from the schemas in lexicons.
//   - xrpc is what generated code stands on; xrpc/lex is the data model and
//     xrpc/syntax the identifier types.
//   - xrpc/jetstream reads the streams of Jetstream servers; labels verifies labels.
//   - xrpc/service serves methods, by handlers that have types; serviceauth knows whose
//     calls they are.
//   - identity resolves handles and DIDs, finds services and verifies signatures.
//   - repo reads repositories, which prove themselves, and repo/firehose the events that
//     change them.
//   - oauth/oauthtest is an authorization server, PDS and PLC directory in one
//     process, for tests of programs that use this module.
//
// See README.md for the way from login to typed calls.
package atproto

//go:generate go run ./internal/tools/vendorlex
//go:generate go run ./lexgen generate

// Package atproto is the root of atproto-go, a typed client for the AT Protocol with an OAuth session
// layer:
//
//	session, err := client.Resume(ctx, key) // client is an *oauth.Client
//	…
//	out, err := comatproto.NewClient(session).Server.GetSession(ctx)
//
// The root package has no code. Import what you need:
//
//   - oauth logs an account in and keeps its session alive. An *oauth.Session is an xrpc.Doer.
//   - generated/comatproto, generated/appbsky and so on have the typed methods, records and
//     objects. lexgen writes them from the schemas in lexicons.
//   - xrpc is the base of generated code, xrpc/lex is the data model, and xrpc/syntax has the
//     identifier types.
//   - xrpc/service serves methods with typed handlers. serviceauth tells whose calls they are.
//   - xrpc/jetstream reads the streams of Jetstream servers. labels verifies labels.
//   - identity resolves handles and DIDs, finds services and verifies signatures.
//   - repo reads repositories, which contain their own proofs. repo/firehose reads the events
//     that change them.
//   - oauth/oauthtest is an authorization server, a PDS and a PLC directory in one process, for
//     tests of programs that use this module.
//
// README.md shows the way from login to typed calls.
package atproto

//go:generate go run ./internal/tools/vendorlex
//go:generate go run ./lexgen generate

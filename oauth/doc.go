// Package oauth logs AT Protocol accounts in and keeps their sessions alive.
//
//	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
//	client, err := oauth.NewClient(config)
//	…
//	login, err := client.Authorize(ctx, "alice.example.com")        // send the user to login.URL
//	…
//	result, err := client.Callback(ctx, r.URL.Query(), binding)     // the user comes back here
//	…
//	api := comatproto.NewClient(result.Session)
//
// The package example shows a whole login and a call, against a sandbox. It runs as it is.
//
// # Sessions
//
// A *Session is an xrpc.Doer, so generated clients run on it. It binds every request to its key
// (DPoP), keeps track of nonces, and refreshes its tokens when they have expired or will expire soon.
//
// A refresh token works once. If a client uses it a second time, servers end the session. So a
// session is refreshed exactly once for all goroutines, and for all processes that share a Store. A
// refresh continues when the caller's context ends, and its result is stored. If the store fails,
// the session uses the new tokens from memory and tries to store them until that succeeds. While
// the access token is valid, calls do not wait for a refresh.
//
// A session ends by Logout, or because the server ends it. From then on every call fails with an
// error that is ErrReauthRequired; its Kind says why. After any other error the session goes on. If
// the error may pass, RetryAfter says how long the next refresh has to wait.
//
// Before the process ends, and after http.Server.Shutdown, call Client.Shutdown. It waits for
// refreshes, and for tokens that are not stored yet. Client.Stats returns counts for metrics.
//
// # Related packages
//
// Web provides the handlers of a web application for login, callback and logout, with their
// cookies. Client.Discover tells where a login would go. Session.Allows tells what the user
// granted.
//
//   - scope builds the scope that a login asks for
//   - store keeps sessions; seal encrypts them
//   - oauthtest is an authorization server and a PDS for tests
//
// # Specifications
//
// https://atproto.com/specs/oauth, which builds on OAuth 2.1, PAR (RFC 9126), PKCE (RFC 7636), DPoP
// (RFC 9449), issuer identification (RFC 9207), and the metadata of servers (RFC 8414) and
// resources (RFC 9728).
package oauth

// Package oauth logs AT Protocol accounts in and keeps their sessions alive.
//
//	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
//	client, err := oauth.NewClient(config)
//	…
//	login, err := client.Authorize(ctx, "alice.example.com")        // send the user to login.URL
//	…
//	result, err := client.Callback(ctx, r.URL.Query(), binding)     // where the user comes back
//	…
//	api := comatproto.NewClient(result.Session)
//
// The package example is the whole way, on a sandbox.
//
// # Sessions
//
// A *Session is an xrpc.Doer: generated clients run on it. It binds every request to
// its key (DPoP), keeps track of nonces, and renews its tokens when they run out or
// are about to. Refresh tokens work once, and servers answer a second use by ending
// the session; so a refresh happens once for all goroutines and for all processes that
// share a Store. It goes on when the caller's context ends, and its outcome is stored; where
// the store fails, the new tokens are used from memory and offered until it takes them. Calls
// do not wait for a refresh while their token lives.
//
// A session ends by Logout, or because the server says so. Then every call fails with
// an error that is ErrReauthRequired, and by its Kind says why. All other errors keep
// the session. After one that may pass, the next refresh has to wait; its RetryAfter says for how long.
//
// Before the process ends, and after http.Server.Shutdown, call Client.Shutdown: it waits for
// refreshes and for tokens that are not stored yet. Client.Stats counts for metrics.
//
// # Around it
//
// Web mounts login, callback and logout of a web application as handlers, with their
// cookies. Package scope builds what a login asks for; Session.Allows goes by what was
// granted. Client.Discover tells where a login would go. The oauthtest package is a
// server for tests. Package store is about how sessions are kept, package seal about how
// they are encrypted.
//
// # Specifications
//
// https://atproto.com/specs/oauth, which builds on OAuth 2.1, PAR (RFC 9126), PKCE
// (RFC 7636), DPoP (RFC 9449), issuer identification (RFC 9207), and the metadata of
// servers (RFC 8414) and resources (RFC 9728).
package oauth

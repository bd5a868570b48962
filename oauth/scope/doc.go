// Package scope builds, reads and compares the scopes of atproto OAuth: what a client asks for,
// what a user granted, and whether that is enough for a call.
//
//	asked := scope.Join(
//		scope.Atproto,
//		scope.Repo("app.bsky.feed.post", scope.Create, scope.Delete),
//		scope.RPC("did:web:api.bsky.app#bsky_appview", "app.bsky.feed.getTimeline"),
//		scope.Blob("image/*"),
//	)
//	// … log in with oauth.Config{Scope: asked, …}; later, check what was granted:
//	granted := scope.ParseGranted(session.Scope())
//	if !granted.Allows(scope.Repo("app.bsky.feed.post", scope.Create)) {
//		// ask again, or do without
//	}
//
// A scope is a list of tokens, separated by single spaces. Each token stands for one Permission.
// There is a type for each resource of https://atproto.com/specs/permission. Servers compare tokens
// as strings, so make both the client's metadata and its requests with Join. A parsed Set keeps the
// spelling of its text.
//
// Authors of lexicons publish permission sets, which are bundles of permissions. A client asks for
// one with Include. PermissionSet.Expand shows in advance what a server will grant for it.
package scope

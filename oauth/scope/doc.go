// Package scope builds, reads and compares the scopes of atproto OAuth: what a client
// asks for, what a user granted, and whether that is enough for a call.
//
//	asked := scope.Join(
//		scope.Atproto,
//		scope.Repo("app.bsky.feed.post", scope.Create, scope.Delete),
//		scope.RPC("did:web:api.bsky.app#bsky_appview", "app.bsky.feed.getTimeline"),
//		scope.Blob("image/*"),
//	)
//	// … log in with oauth.Config{Scope: asked, …}; later, of what was granted:
//	granted := scope.ParseGranted(session.Scope())
//	if !granted.Allows(scope.Repo("app.bsky.feed.post", scope.Create)) {
//		// ask again, or do without
//	}
//
// A scope is a list of tokens with a space between them. Each stands for one
// Permission, a type of its own for every resource of https://atproto.com/specs/permission.
// Servers compare tokens as strings, so the metadata of a client and its requests
// should both come from Join; a Set that was parsed keeps the spelling it was given.
//
// Permissions are bundled in permission sets, which authors of lexicons publish. A
// client asks for one with Include; PermissionSet.Expand shows in advance what a
// server will make of it.
package scope

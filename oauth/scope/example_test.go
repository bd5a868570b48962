package scope_test

import (
	"fmt"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// The scope that a client asks for is a string, for oauth.Config.Scope.
func Example() {
	fmt.Println(scope.Join(
		scope.Atproto,
		scope.Repo("app.bsky.feed.post", scope.Create, scope.Delete),
		scope.RPC("did:web:api.bsky.app#bsky_appview", "app.bsky.feed.getTimeline"),
		scope.Blob("image/*", "video/mp4"),
		scope.Account(scope.AccountEmail, scope.Read),
	))
	// Output:
	// atproto repo:app.bsky.feed.post?action=create&action=delete rpc:app.bsky.feed.getTimeline?aud=did:web:api.bsky.app%23bsky_appview blob?accept=image/*&accept=video/mp4 account:email
}

// One token for several collections.
func ExampleRepoPermission() {
	fmt.Println(scope.RepoPermission{
		Collections: []syntax.NSID{"app.bsky.feed.like", "app.bsky.feed.repost"},
		Actions:     []scope.Action{scope.Create},
	})
	fmt.Println(scope.Repo(scope.Any, scope.Delete))
	// Output:
	// repo?collection=app.bsky.feed.like&collection=app.bsky.feed.repost&action=create
	// repo:*?action=delete
}

// Check whether the granted scope is enough, and what is missing.
func ExampleSet_Allows() {
	granted := scope.ParseGranted("atproto repo:app.bsky.feed.post?action=create blob:*/*")
	fmt.Println(granted.Allows(scope.Repo("app.bsky.feed.post", scope.Create), scope.Blob("image/png")))
	for _, lacking := range granted.Missing(scope.Repo("app.bsky.feed.post")) {
		fmt.Println("this needs", lacking)
	}
	// Output:
	// true
	// this needs repo:app.bsky.feed.post?action=update&action=delete
}

// What a user is asked, and what a server will grant.
func ExamplePermissionSet_Expand() {
	set, err := scope.ParsePermissionSet([]byte(`{
		"lexicon": 1, "id": "app.example.authBasic",
		"defs": {"main": {
			"type": "permission-set",
			"title": "Basic functionality", "title:lang": {"fr": "Fonctions de base"},
			"permissions": [
				{"type": "permission", "resource": "repo", "collection": ["app.example.post"]},
				{"type": "permission", "resource": "rpc", "inheritAud": true, "lxm": ["app.example.getFeed"]},
				{"type": "permission", "resource": "repo", "collection": ["com.other.thing"]}
			]
		}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	include := scope.Include("app.example.authBasic", "did:web:api.example.com#feeds")
	fmt.Println(include)
	fmt.Println(set.Title("fr-CA"))
	permissions, err := set.Expand(include)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range permissions {
		fmt.Println(p)
	}
	// Output:
	// include:app.example.authBasic?aud=did:web:api.example.com%23feeds
	// Fonctions de base
	// repo:app.example.post
	// rpc:app.example.getFeed?aud=did:web:api.example.com%23feeds
}

// Find out what a call needs before you make it.
func ExampleForMethod() {
	for _, method := range []syntax.NSID{
		"com.atproto.server.getSession", "com.atproto.repo.createRecord", "app.bsky.feed.getTimeline", "com.atproto.server.createAppPassword",
	} {
		need, err := scope.ForMethod(method, "did:web:api.bsky.app#bsky_appview")
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(need)
	}
	// Output:
	// atproto
	// repo:*?action=create
	// rpc:app.bsky.feed.getTimeline?aud=did:web:api.bsky.app%23bsky_appview
	// scope: com.atproto.server.createAppPassword: not for OAuth sessions: users do this on the account page of their server
}

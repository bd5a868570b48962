package house

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc"
)

// What follows are the snippets of docs/scopes.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func scopes(config *oauth.Config) {
	config.Scope = scope.Join(
		scope.Atproto,
		scope.Repo(appbsky.FeedPostNSID, scope.Create, scope.Delete),
		scope.Blob("image/*"),
		scope.RPC(xrpc.BlueskyAppView, "app.bsky.feed.getTimeline"),
	)
}

func needOf() error {
	need, err := scope.ForMethod("app.bsky.feed.getTimeline", xrpc.BlueskyAppView)
	if errors.Is(err, scope.ErrNotForOAuth) {
		return nil // no OAuth session may call it, whatever its scope
	}
	if err != nil {
		return err
	}
	fmt.Println(need) // rpc:app.bsky.feed.getTimeline?aud=did:web:api.bsky.app%23bsky_appview
	return nil
}

func granted(session *oauth.Session, err error) error {
	if !session.Allows(scope.Account(scope.AccountEmail, scope.Read)) {
		return nil // the user did not grant it, or was not asked
	}
	if lacking, ok := oauth.MissingScope(err); ok {
		fmt.Println("log in again and agree to", lacking) // the server refused a call, and the session goes on
	}
	return nil
}

func askForLess(web *oauth.Web) {
	web.Options = func(*http.Request) []oauth.AuthorizeOption {
		return []oauth.AuthorizeOption{oauth.WithScope(scope.Join(scope.Atproto))}
	}
}

var _ = []any{scopes, needOf, granted, askForLess}

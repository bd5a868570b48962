package house

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/serviceauth"
)

// What follows are the snippets of docs/accounts.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func accounts(ctx context.Context) error {
	resolver := identity.NewCache(identity.NewResolver(identity.Config{}), identity.CacheConfig{
		KeepFound: 5 * time.Minute, KeepNotFound: 30 * time.Second, MaxEntries: 10_000,
	})
	account, err := identity.Lookup(ctx, resolver, "alice.example.com") // or a DID
	if err != nil {
		return err
	}
	fmt.Println(account.DID, account.Handle, account.PDS)
	return nil
}

func servicesAndKeys(account *identity.Identity, label, signature []byte) error {
	labeler, err := account.Document.Endpoint("atproto_labeler", "AtprotoLabeler")
	if errors.Is(err, identity.ErrNoService) {
		return nil // it publishes no labels
	}
	if err != nil {
		return err
	}
	key, err := account.Document.PublicKey("atproto_label")
	if err != nil {
		return err
	}
	fmt.Println(labeler.URL, key.Verify(label, signature) == nil)
	return nil
}

func verifyCalls(mux *http.ServeMux) {
	verifier := &serviceauth.Verifier{
		Audiences: []string{"did:web:feed.example.com#bsky_fg"},
		Resolver:  identity.NewCache(identity.NewResolver(identity.Config{}), identity.CacheConfig{}),
	}
	mux.Handle("/xrpc/app.bsky.feed.getFeedSkeleton", verifier.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := serviceauth.From(r.Context())
		fmt.Fprintln(w, "the feed of", caller.Issuer)
	})))
}

var _ = []any{accounts, servicesAndKeys, verifyCalls}

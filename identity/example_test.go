package identity_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func ExampleLookup() {
	ctx := context.Background()

	// In a program: resolver := identity.NewResolver(identity.Config{}). This one
	// takes its answers from memory.
	resolver := identity.NewResolver(identity.Config{
		LookupTXT: zone{"_atproto.alice.test": {"did=did:plc:aliceaaaaaaaaaaaaaaaaaaa"}}.lookup,
		RoundTripper: &web{pages: map[string]page{
			"https://plc.directory/did:plc:aliceaaaaaaaaaaaaaaaaaaa": {
				kind: "application/did+ld+json",
				body: document("did:plc:aliceaaaaaaaaaaaaaaaaaaa", "at://alice.test", "https://pds.test"),
			},
		}},
	})

	id, err := syntax.ParseAtIdentifier("alice.test")
	if err != nil {
		fmt.Println(err)
		return
	}
	account, err := identity.Lookup(ctx, resolver, id)
	switch {
	case errors.Is(err, identity.ErrUnreachable):
		fmt.Println("try again later:", err)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(account.Handle, account.DID, account.PDS)
	}
	// Output: alice.test did:plc:aliceaaaaaaaaaaaaaaaaaaa https://pds.test
}

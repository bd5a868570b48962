package identity_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/identity"
)

func Example() {
	// A program uses identity.NewCache(identity.NewResolver(identity.Config{}),
	// identity.CacheConfig{}). A Static sends no requests.
	resolver := identity.NewStatic(identity.Identity{
		DID: "did:plc:aliceaaaaaaaaaaaaaaaaaaa", Handle: "alice.test", PDS: "https://pds.test",
	})

	// Somebody typed this, or copied it from an app.
	typed, err := identity.ParseTyped("@Alice.test ")
	if err != nil {
		fmt.Println(err)
		return
	}
	account, err := identity.Lookup(context.Background(), resolver, typed.Account)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(account.Handle, account.DID, account.PDS)
	// Output: alice.test did:plc:aliceaaaaaaaaaaaaaaaaaaa https://pds.test
}

func ExampleLookup() {
	resolver := identity.NewStatic(identity.Identity{DID: "did:plc:aliceaaaaaaaaaaaaaaaaaaa", Handle: "alice.test", PDS: "https://pds.test"})

	account, err := identity.Lookup(context.Background(), resolver, "bob.test")
	switch {
	case errors.Is(err, identity.ErrUnreachable):
		fmt.Println("try again later:", err)
	case errors.Is(err, identity.ErrNotFound):
		fmt.Println("there is no such account")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(account.DID)
	}
	// Output: there is no such account
}

func ExampleNewStatic() {
	// A test needs no network. Config.Resolver of package oauth accepts this resolver too.
	resolver := identity.NewStatic(
		identity.Identity{DID: "did:plc:aliceaaaaaaaaaaaaaaaaaaa", Handle: "alice.test", PDS: "https://pds.test"},
		identity.Identity{DID: "did:web:feed.test", Document: &identity.Document{ID: "did:web:feed.test", Services: []identity.Service{
			{ID: "#bsky_fg", Type: "BskyFeedGenerator", Endpoint: "https://feed.test"},
		}}},
	)

	account, err := identity.Lookup(context.Background(), resolver, "did:plc:aliceaaaaaaaaaaaaaaaaaaa")
	fmt.Println(account.Handle, err)
	_, err = identity.Lookup(context.Background(), resolver, "did:web:feed.test")
	fmt.Println(err)
	// Output:
	// alice.test <nil>
	// identity: did:web:feed.test: no PDS
}

func ExampleLookupService() {
	resolver := identity.NewStatic(identity.Identity{DID: "did:web:feed.test", Document: &identity.Document{
		ID: "did:web:feed.test", Services: []identity.Service{{ID: "#bsky_fg", Type: "BskyFeedGenerator", Endpoint: "https://feed.test"}},
	}})

	ref, err := identity.ParseServiceRef("did:web:feed.test#bsky_fg")
	if err != nil {
		fmt.Println(err)
		return
	}
	feed, err := identity.LookupService(context.Background(), resolver, ref, "BskyFeedGenerator")
	if err != nil {
		fmt.Println(err)
		return
	}
	origin, err := feed.Origin()
	fmt.Println(feed.Ref, origin, err)
	// Output: did:web:feed.test#bsky_fg https://feed.test <nil>
}

func ExamplePublicKey_Verify() {
	// Most programs get the key from Document.SigningKey, or from Document.PublicKey.
	key, err := identity.ParseDIDKey("did:key:zQ3shqwJEJyMBsBXCWyCBpUBMqxcon9oHB7mCvx4sSpMdLJwc")
	if err != nil {
		fmt.Println(err)
		return
	}
	message, _ := base64.StdEncoding.DecodeString("oWVoZWxsb2V3b3JsZA==")
	signature, _ := base64.StdEncoding.DecodeString("5WpdIuEUUfVUYaozsi8G0B3cWO09cgZbIIwg1t2YKdUn/FEznOndsz/qgiYb89zwxYCbB71f7yQK5Lr7NasfoA==")

	fmt.Println(key.Algorithm(), key.Verify(message, signature))
	message[0]++
	fmt.Println(errors.Is(key.Verify(message, signature), identity.ErrInvalidSignature))
	// Output:
	// ES256K <nil>
	// true
}

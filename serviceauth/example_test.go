package serviceauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A feed generator that knows which account asks.
func Example() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := serviceauth.NewKey(private) // the account's; its server has it
	if err != nil {
		fmt.Println(err)
		return
	}
	const did = syntax.DID("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
	known := &identity.Static{Documents: map[syntax.DID]*identity.Document{did: {ID: did, VerificationMethods: []identity.VerificationMethod{
		{ID: string(did) + "#atproto", Type: "Multikey", Controller: string(did), PublicKeyMultibase: key.Public().Multikey()},
	}}}}

	verifier := &serviceauth.Verifier{Audiences: []string{"did:web:feed.example.com#bsky_fg"}, Resolver: known}
	feed := verifier.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := serviceauth.From(r.Context())
		fmt.Println("the feed of", caller.Issuer)
	}))

	token, err := serviceauth.Sign(key, serviceauth.Claims{
		Issuer: did, Audience: "did:web:feed.example.com#bsky_fg", Method: "app.bsky.feed.getFeedSkeleton",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	call := httptest.NewRequest("GET", "/xrpc/app.bsky.feed.getFeedSkeleton", nil)
	call.Header.Set("Authorization", "Bearer "+token)
	feed.ServeHTTP(httptest.NewRecorder(), call)

	// Output: the feed of did:plc:aliceaaaaaaaaaaaaaaaaaaa
}

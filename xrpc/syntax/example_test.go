package syntax_test

import (
	"fmt"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func ExampleParseATURI() {
	uri, err := syntax.ParseATURI("at://alice.test/app.bsky.feed.post/3jzfcijpj2z2a")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(uri.Authority(), uri.Collection().Name(), uri.RecordKey())
	// Output: alice.test post 3jzfcijpj2z2a
}

func ExampleDatetimeOf() {
	fmt.Println(syntax.DatetimeOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
	// Output: 2026-01-02T03:04:05.000Z
}

func ExampleParseDID() {
	_, err := syntax.ParseDID("did:plc:")
	fmt.Println(err)
	// Output: invalid did "did:plc:": lacks a method or an identifier
}

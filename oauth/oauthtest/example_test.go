package oauthtest_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

func Example() {
	ctx := context.Background()
	server := oauthtest.NewServer()
	defer server.Close()

	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	server.Environment().Configure(&config)
	client, err := oauth.NewClient(config)
	if err != nil {
		log.Fatal(err)
	}
	login, err := client.Authorize(ctx, "alice.test")
	if err != nil {
		log.Fatal(err)
	}
	callback, err := server.Approve(ctx, login.URL, server.Environment().Account("alice"))
	if err != nil {
		log.Fatal(err)
	}
	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Session.Handle(), "at", result.Session.Host())

	server.RevokeSessions(result.Session.DID())
	_, err = result.Session.AuthenticatedRequest(ctx, "GET", "/xrpc/com.atproto.server.getSession", nil)
	fmt.Println("log in again:", errors.Is(err, oauth.ErrReauthRequired))
	// Output:
	// alice.test at https://pds.test
	// log in again: true
}

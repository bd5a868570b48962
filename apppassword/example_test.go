package apppassword_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A bot begins in the same way every time: the first start logs in, and later starts resume the
// session in the store. The server here is a sandbox. For a real server, remove the lines with the
// sandbox and use a store that survives the process.
func ExampleClient_ResumeOrLogin() {
	ctx := context.Background()
	server := oauthtest.NewServer()
	defer server.Close()
	server.AddAppPassword(server.Environment().Account("alice").DID, "bot", "abcd-efgh-ijkl-mnop")

	config := apppassword.Config{Store: new(store.Memory), Seal: seal.Keys(make([]byte, 32))} // your own 32 random bytes
	server.Environment().ConfigureAppPassword(&config)
	for range 2 { // two starts of the program
		client, err := apppassword.NewClient(config)
		if err != nil {
			log.Fatal(err)
		}
		session, err := client.ResumeOrLogin(ctx, "alice.test", "abcd-efgh-ijkl-mnop")
		if err != nil {
			log.Fatal(err)
		}
		me, err := comatproto.NewClient(session).Server.GetSession(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(me.Handle)
		if err := client.Shutdown(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(server.Stats().Requests["/xrpc/com.atproto.server.createSession"], "login")
	// Output:
	// alice.test
	// alice.test
	// 1 login
}

// If a login uses the account's own password, the server may ask for a code that it sends by email.
func ExampleWithAuthFactor() {
	ctx := context.Background()
	server := oauthtest.NewServer()
	defer server.Close()
	alice := server.Environment().Account("alice")
	server.SetAuthFactor(alice.DID, "K7QRM-2XDPA")

	var config apppassword.Config
	server.Environment().ConfigureAppPassword(&config)
	client, err := apppassword.NewClient(config)
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.Login(ctx, "alice.test", alice.Password)
	if errors.Is(err, apppassword.ErrAuthFactorRequired) {
		fmt.Println("which code?") // the user reads it in an email
		session, err = client.Login(ctx, "alice.test", alice.Password, apppassword.WithAuthFactor("K7QRM-2XDPA"))
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("logged in as", session.Handle())
	// Output:
	// which code?
	// logged in as alice.test
}

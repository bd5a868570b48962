package records_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// loggedIn returns a session of alice.test at a sandbox. A program has an *oauth.Session instead.
func loggedIn(ctx context.Context, server *oauthtest.Server) *apppassword.Session {
	var config apppassword.Config
	server.Environment().ConfigureAppPassword(&config)
	client, err := apppassword.NewClient(config)
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.Login(ctx, "alice.test", server.Environment().Account("alice").Password)
	if err != nil {
		log.Fatal(err)
	}
	return session
}

// A record is written, read into its type, and deleted.
func ExampleCreate() {
	ctx := context.Background()
	server := oauthtest.NewServer()
	defer server.Close()
	session := loggedIn(ctx, server)

	ref, err := records.Create(ctx, session, &appbsky.FeedPost{Text: "hello", CreatedAt: syntax.Now()})
	if err != nil {
		log.Fatal(err)
	}
	post, _, err := records.Get[appbsky.FeedPost](ctx, session, ref.URI)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(post.Text)
	fmt.Println(records.Delete(ctx, session, ref.URI))
	_, _, err = records.Get[appbsky.FeedPost](ctx, session, ref.URI)
	fmt.Println(errors.Is(err, records.ErrNotFound))
	// Output:
	// hello
	// <nil>
	// true
}

// An update changes an existing record, and loses nothing that others write.
func ExampleUpdate() {
	ctx := context.Background()
	server := oauthtest.NewServer()
	defer server.Close()
	session := loggedIn(ctx, server)

	for _, change := range []func(p *appbsky.ActorProfile) error{
		func(p *appbsky.ActorProfile) error { p.DisplayName = new("Alice"); return nil },
		func(p *appbsky.ActorProfile) error { p.Description = new("Tea."); return nil },
	} {
		if _, err := records.Update(ctx, session, "self", change); err != nil {
			log.Fatal(err)
		}
	}
	uri := syntax.RecordURI(syntax.AtIdentifier(session.DID()), appbsky.ActorProfileNSID, "self")
	profile, _, err := records.Get[appbsky.ActorProfile](ctx, session, uri)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*profile.DisplayName, *profile.Description)
	// Output: Alice Tea.
}

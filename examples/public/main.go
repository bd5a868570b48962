// Command public reads what everybody may read, without a login: a profile, a whole repository with its proofs, and posts
// of the network as they are written.
//
//	go run ./examples/public atproto.com
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/jetstream"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("whose? go run ./examples/public HANDLE")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	v := visitor{
		out:       os.Stdout,
		resolver:  identity.NewResolver(identity.Config{}),
		appView:   "https://public.api.bsky.app",
		jetstream: "https://jetstream2.us-east.bsky.network",
	}
	if err := v.visit(ctx, os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// A visitor knows where to ask. The zero value of hosts is right for the Internet.
type visitor struct {
	out                io.Writer
	resolver           identity.Resolver
	appView, jetstream string
	hosts              xrpc.ClientConfig
}

func (v *visitor) visit(ctx context.Context, who string) error {
	id, err := syntax.ParseAtIdentifier(who)
	if err != nil {
		return err
	}
	account, err := identity.Lookup(ctx, v.resolver, id)
	if err != nil {
		return err
	}
	if err := v.profile(ctx, account); err != nil {
		return err
	}
	if err := v.repository(ctx, account); err != nil {
		return err
	}
	return v.stream(ctx)
}

// profile asks an AppView, which counts what it knows of the network.
func (v *visitor) profile(ctx context.Context, account *identity.Identity) error {
	host, err := xrpc.NewClient(v.appView, v.hosts)
	if err != nil {
		return err
	}
	profile, err := appbsky.NewClient(host).Actor.GetProfile(ctx, &appbsky.ActorGetProfileParams{Actor: syntax.AtIdentifier(account.DID)})
	if err != nil {
		return err
	}
	fmt.Fprintf(v.out, "%s, %s\n", profile.Handle, profile.DID)
	if profile.FollowersCount != nil {
		fmt.Fprintf(v.out, "%d followers\n", *profile.FollowersCount)
	}
	return nil
}

// repository reads all records of the account from its PDS, and believes them because the account's key has signed them.
func (v *visitor) repository(ctx context.Context, account *identity.Identity) error {
	host, err := xrpc.NewClient(account.PDS, v.hosts)
	if err != nil {
		return err
	}
	key, err := account.Document.SigningKey()
	if err != nil {
		return err
	}
	download, err := comatproto.NewClient(host).Sync.GetRepo(ctx, &comatproto.SyncGetRepoParams{DID: account.DID})
	if err != nil {
		return err
	}
	defer download.Close()
	r, err := repo.Read(ctx, download)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Verify(account.DID, key); err != nil {
		return err
	}
	count := make(map[syntax.NSID]int)
	for record, err := range r.Records() {
		if err != nil {
			return err
		}
		count[record.Collection]++
	}
	for _, collection := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(v.out, "%6d %s\n", count[collection], collection)
	}
	return nil
}

// stream reads the next five posts of the network.
func (v *visitor) stream(ctx context.Context) error {
	host, err := xrpc.NewClient(v.jetstream, v.hosts)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	posts, err := jetstream.Subscribe(ctx, host, &jetstream.Params{Collections: []string{appbsky.FeedPostNSID}})
	if err != nil {
		return err
	}
	defer posts.Close()
	left := 5
	for event, err := range posts.Messages() {
		if err != nil {
			return err
		}
		var post appbsky.FeedPost
		if c := event.Commit; c == nil || c.Operation != jetstream.Create || c.Record.As(&post) != nil {
			continue // not a post, or not as its lexicon wants it
		}
		fmt.Fprintf(v.out, "%s\n    %q\n", event.URI(), post.Text)
		if left--; left == 0 {
			break
		}
	}
	return nil
}

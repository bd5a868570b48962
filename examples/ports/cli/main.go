package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
	"github.com/gimucco/atproto-go/records"
)

const usage = `usage:
  cli login ACCOUNT     log in; ACCOUNT is a handle, a DID or the URL of a server
  cli status            say who is logged in
  cli bsky-post TEXT    write a post`

func main() {
	folder, err := os.UserConfigDir()
	if err != nil {
		log.Fatal(err)
	}
	config, err := newConfig(filepath.Join(folder, "go-oauth-cli-app"))
	if err != nil {
		log.Fatal(err)
	}
	if err := run(context.Background(), config, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func newConfig(dir string) (oauth.Config, error) {
	config := oauth.Config{
		ClientID:     "https://app.example.com/go-oauth-cli-app.json",
		RedirectURIs: []string{"http://127.0.0.1/callback"},
		Scope:        scope.Join(scope.Atproto, scope.Repo(appbsky.FeedPostNSID, scope.Create)),
	}
	key, err := seal.KeyFile(filepath.Join(dir, "seal.key"))
	if err != nil {
		return config, err
	}
	config.Seal = seal.Keys(key)
	config.Store, err = filestore.Open(filepath.Join(dir, "sessions"))
	return config, err
}

func run(ctx context.Context, config oauth.Config, args []string, opts ...loopback.Option) error {
	if len(args) == 0 || len(args) != map[string]int{"login": 2, "status": 1, "bsky-post": 2}[args[0]] {
		return errors.New(usage)
	}
	client, err := oauth.NewClient(config)
	if err != nil {
		return err
	}
	if args[0] == "login" {
		session, err := loopback.Login(ctx, client, args[1], opts...)
		if err != nil {
			return err
		}
		fmt.Println("logged in:", session.DID())
		return nil
	}
	session, err := loopback.ResumeOrLogin(ctx, client, "", opts...) // without an account there is nobody to log in
	if err != nil {
		return err
	}
	if args[0] == "bsky-post" {
		ref, err := records.Post(ctx, session, records.Text(args[1]))
		if err != nil {
			return err
		}
		fmt.Printf("posted: https://bsky.app/profile/%s/post/%s\n", session.DID(), ref.URI.RecordKey())
		return nil
	}
	me, err := comatproto.NewClient(session).Server.GetSession(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("did:    %s\nhandle: %s\nhost:   %s\n", session.DID(), me.Handle, session.Host())
	return nil
}

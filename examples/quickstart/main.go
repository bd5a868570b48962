// The quickstart logs an account in and makes the calls that most programs make:
// typed ones, a raw one, a blob up and down, a refresh and a logout. It needs no
// set-up and no network: the server is the sandbox of oauth/oauthtest, in this
// process. Against a real account only the lines marked "sandbox" change.
//
//	go run ./examples/quickstart
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	step("Start the sandbox: an authorization server, a PDS and a DID directory in this process")
	server := oauthtest.NewServer() // sandbox
	defer server.Close()            // sandbox
	alice := server.Environment().Account("alice")
	show("account", "%s, %s", alice.Handle, alice.DID)

	step("Log in")
	session, err := login(ctx, server, alice)
	if err != nil {
		return err
	}
	show("session", "%s at %s", session.DID(), session.Host())
	show("scope", "%s", session.Scope())

	step("Typed calls")
	api := comatproto.NewClient(session)
	me, err := api.Server.GetSession(ctx)
	if err != nil {
		return err
	}
	show("getSession", "handle %s", me.Handle)

	created, err := api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
		Repo:       syntax.AtIdentifier(session.DID()),
		Collection: appbsky.FeedPostNSID,
		Record: lex.Of(&appbsky.FeedPost{
			Text:      "Hello from atproto-go",
			CreatedAt: syntax.Now(),
			Langs:     []syntax.Language{"en"},
		}),
	})
	if err != nil {
		return err
	}
	show("createRecord", "%s", created.URI)

	listed, err := api.Repo.ListRecords(ctx, &comatproto.RepoListRecordsParams{
		Repo:       syntax.AtIdentifier(session.DID()),
		Collection: appbsky.FeedPostNSID,
	})
	if err != nil {
		return err
	}
	for _, record := range listed.Records {
		var post appbsky.FeedPost
		if err := record.Value.As(&post); err != nil {
			return err
		}
		show("listRecords", "%q, %s", post.Text, post.CreatedAt)
	}

	step("A raw call, for what no lexicon covers")
	resp, err := session.AuthenticatedRequest(ctx, "GET", "/xrpc/com.atproto.server.describeServer", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var described struct {
		DID string `json:"did"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&described); err != nil {
		return err
	}
	show("describeServer", "HTTP %d, server %s", resp.StatusCode, described.DID)

	step("A blob, up and down")
	picture := bytes.Repeat([]byte("not really a picture "), 50_000)
	uploaded, err := api.Repo.UploadBlob(ctx, xrpc.BytesBody(picture, "image/png"))
	if err != nil {
		return err
	}
	show("uploadBlob", "%d bytes, %s", uploaded.Blob.Size, uploaded.Blob.Ref)

	// A server keeps what a record refers to, and forgets the rest.
	_, err = api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{
		Repo:       syntax.AtIdentifier(session.DID()),
		Collection: appbsky.FeedPostNSID,
		Record: lex.Of(&appbsky.FeedPost{
			Text:      "With a picture",
			CreatedAt: syntax.Now(),
			Embed: appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedImages{
				Images: []appbsky.EmbedImagesImage{{Image: uploaded.Blob, Alt: "not really a picture"}},
			}),
		}),
	})
	if err != nil {
		return err
	}
	download, err := api.Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: session.DID(), CID: syntax.CID(uploaded.Blob.Ref)})
	if err != nil {
		return err
	}
	defer download.Close()
	back, err := io.ReadAll(download)
	if err != nil {
		return err
	}
	show("getBlob", "%d bytes, the same: %t", len(back), bytes.Equal(back, picture))

	step("Refresh the tokens (calls do this by themselves when it is time)")
	if err := session.Refresh(ctx); err != nil {
		return err
	}
	show("refresh", "new tokens until %s; the server counted %d refresh", session.ExpiresAt().Format(time.DateTime),
		server.Stats().Grants["refresh_token"]) // sandbox

	step("Log out")
	if err := session.Logout(ctx); err != nil {
		return err
	}
	_, err = api.Server.GetSession(ctx)
	show("getSession", "%v", err)
	if !errors.Is(err, oauth.ErrReauthRequired) {
		return fmt.Errorf("the session is still usable after the logout: %w", err)
	}
	return nil
}

// login goes through the OAuth flow. In a web application the two halves are two
// handlers: one redirects to login.URL, the other is called back.
func login(ctx context.Context, server *oauthtest.Server, account oauthtest.Account) (*oauth.Session, error) {
	config := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	server.Environment().Configure(&config) // sandbox
	client, err := oauth.NewClient(config)
	if err != nil {
		return nil, err
	}
	login, err := client.Authorize(ctx, string(account.Handle))
	if err != nil {
		return nil, err
	}
	show("authorize", "%.72s…", login.URL)

	// Here the user signs in and agrees, in a browser.
	callback, err := server.Approve(ctx, login.URL, account) // sandbox
	if err != nil {
		return nil, err
	}
	show("callback", "%.72s…", callback)

	result, err := client.Callback(ctx, callback.Query(), login.Binding)
	if err != nil {
		return nil, err
	}
	return result.Session, nil
}

var steps int

func step(title string) {
	steps++
	fmt.Printf("\n%d. %s\n", steps, title)
}

func show(name, format string, args ...any) {
	fmt.Printf("   %-14s  %s\n", name, fmt.Sprintf(format, args...))
}

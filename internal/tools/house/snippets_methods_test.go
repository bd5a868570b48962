package house

import (
	"context"
	"fmt"
	"io"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/chatbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What follows are the snippets of docs/methods.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func lists(ctx context.Context, session *oauth.Session, api *comatproto.Client) error {
	for record, err := range api.Repo.ListRecordsAll(ctx, &comatproto.RepoListRecordsParams{
		Repo:       syntax.AtIdentifier(session.DID()),
		Collection: appbsky.FeedPostNSID,
	}) {
		if err != nil {
			return err
		}
		var post appbsky.FeedPost
		if err := record.Value.As(&post); err != nil {
			return err
		}
		fmt.Println(post.CreatedAt, post.Text)
	}
	return nil
}

func callAgain(session *oauth.Session) *comatproto.Client {
	api := comatproto.NewClient(session, xrpc.WithRetry(xrpc.RetryPolicy{})) // three attempts; procedures only if nothing was sent
	return api
}

func messages(ctx context.Context, session *oauth.Session, friend syntax.DID) error {
	chat := chatbsky.NewClient(session, xrpc.WithProxy(xrpc.BlueskyChat))
	found, err := chat.Convo.GetConvoForMembers(ctx, &chatbsky.ConvoGetConvoForMembersParams{Members: []syntax.DID{friend}})
	if err != nil {
		return err
	}
	_, err = chat.Convo.SendMessage(ctx, &chatbsky.ConvoSendMessageInput{
		ConvoID: found.Convo.ID,
		Message: chatbsky.ConvoDefsMessageInput{Text: "hello"},
	})
	return err
}

func callService(ctx context.Context, session *oauth.Session, uri syntax.ATURI) error {
	host, err := xrpc.NewClient("https://feed.example.com", xrpc.ClientConfig{})
	if err != nil {
		return err
	}
	feed := serviceauth.NewDoer(session, "did:web:feed.example.com#bsky_fg", host) // asks the account's server for tokens
	out, err := appbsky.NewClient(feed).Feed.GetFeedSkeleton(ctx, &appbsky.FeedGetFeedSkeletonParams{Feed: uri})
	if err != nil {
		return err
	}
	fmt.Println(len(out.Feed))
	return nil
}

func withoutSession(ctx context.Context) error {
	host, err := xrpc.NewClient("https://public.api.bsky.app", xrpc.ClientConfig{})
	if err != nil {
		return err
	}
	found, err := comatproto.NewClient(host).Identity.ResolveHandle(ctx, &comatproto.IdentityResolveHandleParams{Handle: "alice.example.com"})
	if err != nil {
		return err
	}
	fmt.Println(found.DID)
	return nil
}

func download(ctx context.Context, file io.Writer, session *oauth.Session, api *comatproto.Client, uploaded *comatproto.RepoUploadBlobOutput) error {
	blob := syntax.CID(uploaded.Blob.Ref)
	download, err := api.Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: session.DID(), CID: blob}, xrpc.WithCID(blob))
	if err != nil {
		return err
	}
	defer download.Close()
	_, err = io.Copy(file, download) // xrpc.ErrCIDMismatch at its end if the bytes are others
	return err
}

func validation() error {
	post := &appbsky.FeedPost{Text: "hello", CreatedAt: syntax.Now()}
	if err := lex.Validate(post, lex.Strict); err != nil { // lists every violation with its path
		return err
	}
	recordCID, err := lex.CID(post) // of its DAG-CBOR, as a server computes it
	if err != nil {
		return err
	}
	fmt.Println(recordCID)
	return nil
}

var _ = []any{lists, callAgain, messages, callService, withoutSession, download, validation}

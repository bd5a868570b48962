package house

import (
	"context"
	"fmt"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// What follows are the snippets of docs/records.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func readAndWriteRecords(ctx context.Context, session *oauth.Session, post *records.Ref, name string) error {
	ref, err := records.Create(ctx, session, &appbsky.FeedLike{Subject: *post, CreatedAt: syntax.Now()})
	if err != nil {
		return err // a field that was forgotten is found before anything is sent
	}
	_, err = records.Update(ctx, session, "self", func(p *appbsky.ActorProfile) error {
		p.DisplayName = &name
		return nil
	}) // reads, changes, and writes; begins again if somebody else wrote meanwhile
	if err != nil {
		return err
	}
	for r, err := range records.List[appbsky.FeedLike](ctx, session, syntax.AtIdentifier(session.DID())) {
		if err != nil {
			return err
		}
		if r.Err == nil { // anybody may write anything into a repository
			fmt.Println(r.URI, r.Value.Subject.URI)
		}
	}
	batch := records.NewBatch(session) // takes effect as one, or not at all
	batch.Delete(ref.URI)
	_, err = batch.Apply(ctx)
	return err
}

func writePosts(ctx context.Context, session *oauth.Session, parent syntax.ATURI) error {
	ref, err := records.Post(ctx, session, records.Text("Look, @alice.example.com: example.com #cats").
		ReplyTo(parent).
		Image("cat.jpg", "A cat on a keyboard."))
	if err != nil {
		return err
	}
	_, err = records.Like(ctx, session, ref) // Repost and Follow likewise; Delete takes them back
	return err
}

var _ = []any{readAndWriteRecords, writePosts}

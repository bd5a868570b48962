package scenario

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// posts writes a thread with package records, with everything that a post can contain.
func posts(t *testing.T, b Backend) {
	ctx := t.Context()
	bob := b.Environment().Account("bob")
	session := Login(t, b, NewClient(t, b), bob)
	read := func(ref *records.Ref) *appbsky.FeedPost {
		t.Helper()
		post, at, err := records.Get[appbsky.FeedPost](ctx, session, ref.URI)
		if err != nil || at.CID != ref.CID {
			t.Fatalf("%+v, %v", at, err)
		}
		return post
	}

	root, err := records.Post(ctx, session, records.Text("Grüezi @"+string(bob.Handle)+", see example.com #atproto").Languages("de"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("mentions, links and tags are found", func(t *testing.T) {
		post := read(root)
		var texts []string
		for _, f := range post.Facets {
			texts = append(texts, post.Text[f.Index.ByteStart:f.Index.ByteEnd])
		}
		if diff := cmp.Diff([]string{"@" + string(bob.Handle), "example.com", "#atproto"}, texts); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if mention, ok := post.Facets[0].Features[0].Value.(*appbsky.RichtextFacetMention); !ok || mention.DID != session.DID() {
			t.Errorf("mentioned: %+v", post.Facets[0].Features[0].Value)
		}
	})
	t.Run("a reply to a reply names the beginning of the thread", func(t *testing.T) {
		first, err := records.Post(ctx, session, records.Text("one").ReplyTo(root.URI))
		if err != nil {
			t.Fatal(err)
		}
		second, err := records.Post(ctx, session, records.Text("two").ReplyTo(first.URI))
		if err != nil {
			t.Fatal(err)
		}
		want := &appbsky.FeedPostReplyRef{Root: *root, Parent: *first}
		if diff := cmp.Diff(want.Root.URI, read(second).Reply.Root.URI); diff != "" {
			t.Errorf("root (-want +got):\n%s", diff)
		}
		if got := read(second).Reply; got.Parent.URI != first.URI || got.Parent.CID != first.CID || got.Root.CID != root.CID {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("a picture goes up with its size, beside a quote", func(t *testing.T) {
		var data bytes.Buffer
		if err := png.Encode(&data, image.NewGray(image.Rect(0, 0, 31, 21))); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "picture.png")
		if err := os.WriteFile(path, data.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		ref, err := records.Post(ctx, session, records.Text("").Image(path, "grey").Quote(root), records.WithServerValidation(true))
		if err != nil {
			t.Fatal(err)
		}
		embed, ok := read(ref).Embed.Value.(*appbsky.EmbedRecordWithMedia)
		if !ok || embed.Record.Record.URI != root.URI {
			t.Fatalf("%+v", embed)
		}
		images, ok := embed.Media.Value.(*appbsky.EmbedImages)
		if !ok || len(images.Images) != 1 {
			t.Fatalf("%+v", embed.Media.Value)
		}
		got := images.Images[0]
		if got.Alt != "grey" || got.AspectRatio == nil || got.AspectRatio.Width != 31 || got.AspectRatio.Height != 21 || got.Image.MimeType != "image/png" {
			t.Errorf("%+v", got)
		}
		blob, err := comatproto.NewClient(session).Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: session.DID(), CID: syntax.CID(got.Image.Ref)})
		if err != nil {
			t.Fatal(err)
		}
		defer blob.Close()
		if back, err := io.ReadAll(blob); err != nil || !bytes.Equal(back, data.Bytes()) {
			t.Errorf("%d bytes came back, %v", len(back), err)
		}
	})
	t.Run("a like, a repost and a follow are written and taken back", func(t *testing.T) {
		like, err := records.Like(ctx, session, root)
		if err != nil {
			t.Fatal(err)
		}
		repost, err := records.Repost(ctx, session, root)
		if err != nil {
			t.Fatal(err)
		}
		follow, err := records.Follow(ctx, session, b.Environment().Account("alice").DID)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := records.Get[appbsky.FeedLike](ctx, session, like.URI); err != nil || got.Subject.CID != root.CID {
			t.Errorf("%+v, %v", got, err)
		}
		for _, ref := range []*records.Ref{like, repost, follow} {
			if err := records.Delete(ctx, session, ref.URI, records.WithSwap(ref.CID)); err != nil {
				t.Error(err)
			}
		}
	})
	if err := session.Logout(ctx); err != nil {
		t.Error(err)
	}
}

package records

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/records/richtext"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Draft is a post that is not written yet. Text begins one. Its methods return it, so calls can
// be chained. Post reports errors in it.
//
//	ref, err := records.Post(ctx, session, records.Text("Look, @alice.example").ReplyTo(parent).Image("cat.jpg", "A cat."))
//
// It is not safe for concurrent use.
type Draft struct {
	text      string
	facets    []appbsky.RichtextFacet
	given     bool // facets are given, so none are detected
	reply     *appbsky.FeedPostReplyRef
	parent    syntax.ATURI
	quoted    *Ref
	pictures  []picture
	card      *appbsky.EmbedExternalExternal
	languages []syntax.Language
	resolver  richtext.Resolver
	reader    xrpc.Doer
	createdAt time.Time
	err       error // the first wrong argument
}

type picture struct{ path, alt string }

// Text begins a post with this text. Its links, mentions and tags are detected as richtext.Detect
// describes.
func Text(text string) *Draft { return &Draft{text: text} }

// RichText begins a post with given links, mentions and tags. None are detected.
func RichText(text string, facets []appbsky.RichtextFacet) *Draft {
	return &Draft{text: text, facets: slices.Clone(facets), given: true}
}

// ReplyTo makes the post a reply. It reads the parent post, because a reply also names the first
// post of its thread. If you know both, use InThread.
func (d *Draft) ReplyTo(parent syntax.ATURI) *Draft {
	if parent == "" {
		d.fail("ReplyTo: the URI is empty: pass the one of the parent post")
	}
	d.parent, d.reply = parent, nil
	return d
}

// InThread makes the post a reply to parent in the thread that root began.
func (d *Draft) InThread(root, parent *Ref) *Draft {
	if root == nil || parent == nil {
		d.fail("InThread: a Ref is nil: pass those of the first post and of the parent")
		return d
	}
	d.parent, d.reply = "", &appbsky.FeedPostReplyRef{Root: *root, Parent: *parent}
	return d
}

// Quote shows a record, such as another post, below the text.
func (d *Draft) Quote(record *Ref) *Draft {
	if record == nil {
		d.fail("Quote: the Ref is nil: pass the one of a record")
	}
	d.quoted = record
	return d
}

// Image adds an image from a file; see UploadImage. alt describes the image in words. At most four
// images are allowed.
func (d *Draft) Image(path, alt string) *Draft {
	d.pictures = append(d.pictures, picture{path, alt})
	return d
}

// Card shows a link with a title and a description below the text. A post has either images or a
// card.
func (d *Draft) Card(uri syntax.URI, title, description string) *Draft {
	d.card = &appbsky.EmbedExternalExternal{URI: uri, Title: title, Description: description}
	return d
}

// Languages sets the languages of the text.
func (d *Draft) Languages(languages ...syntax.Language) *Draft {
	d.languages = slices.Clone(languages)
	return d
}

// At sets the time when the post was written. The default is when it is sent.
func (d *Draft) At(t time.Time) *Draft {
	d.createdAt = t
	return d
}

// Resolver sets the resolver for mentioned accounts. The default asks the account's server.
func (d *Draft) Resolver(r richtext.Resolver) *Draft {
	d.resolver = r
	return d
}

// Reader sets the Doer that reads the parent of a reply. The default is the account's server, which
// may have the records of its own accounts only.
func (d *Draft) Reader(doer xrpc.Doer) *Draft {
	d.reader = doer
	return d
}

// fail keeps the first wrong argument. Without it, the post would be written without what the
// argument stands for.
func (d *Draft) fail(problem string) {
	if d.err == nil {
		d.err = errors.New("records: " + problem)
	}
}

// Post writes a post. It looks up what Record looks up, uploads the images, and creates the record.
// Options and errors are those of Create, and those of Get, richtext.Detect and UploadImage.
func Post(ctx context.Context, account Account, draft *Draft, opts ...Option) (*Ref, error) {
	s, err := read(opts, "WithKey WithSwapCommit WithoutChecks WithServerValidation")
	if err != nil {
		return nil, err
	}
	post, err := draft.record(ctx, account, s)
	if err != nil {
		return nil, err
	}
	return Create(ctx, account, post, opts...)
}

// Record finds the thread of a reply and the facets of the text, uploads the images, and returns
// the post. Use it to change the post before writing it, or to write it with a Batch. Options:
// WithCall.
func (d *Draft) Record(ctx context.Context, account Account, opts ...Option) (*appbsky.FeedPost, error) {
	s, err := read(opts, "")
	if err != nil {
		return nil, err
	}
	return d.record(ctx, account, s)
}

func (d *Draft) record(ctx context.Context, account Account, s *settings) (*appbsky.FeedPost, error) {
	if d == nil {
		return nil, errors.New("records: the draft is nil: begin one with Text")
	}
	if d.err != nil {
		return nil, d.err
	}
	if err := checkAccount(account); err != nil {
		return nil, err
	}
	if d.card != nil && len(d.pictures) > 0 {
		return nil, fmt.Errorf("records: a post has either images or a card, not both")
	}
	if most := 4; len(d.pictures) > most {
		// This is checked before the upload.
		return nil, fmt.Errorf("records: a post has at most %d images, not %d", most, len(d.pictures))
	}
	post := &appbsky.FeedPost{Text: d.text, Facets: slices.Clone(d.facets), Langs: d.languages, Reply: d.reply, CreatedAt: syntax.Now()}
	if !d.createdAt.IsZero() {
		post.CreatedAt = syntax.DatetimeOf(d.createdAt)
	}
	if d.parent != "" {
		reply, err := d.thread(ctx, account, s)
		if err != nil {
			return nil, err
		}
		post.Reply = reply
	}
	if !d.given {
		resolver := d.resolver
		if resolver == nil {
			resolver = richtext.Server(account)
		}
		facets, err := richtext.Detect(ctx, d.text, resolver)
		if err != nil {
			return nil, fmt.Errorf("records: %w", err)
		}
		post.Facets = facets
	}
	// If the record breaks its lexicon, nothing is uploaded.
	if err := s.check(post); err != nil {
		return nil, err
	}
	embed, err := d.embed(ctx, account, s)
	if err != nil {
		return nil, err
	}
	post.Embed = embed
	return post, nil
}

// thread reads the parent post. A reply to a reply belongs to the same thread.
func (d *Draft) thread(ctx context.Context, account Account, s *settings) (*appbsky.FeedPostReplyRef, error) {
	reader := d.reader
	if reader == nil {
		reader = account
	}
	parent, ref, err := Get[appbsky.FeedPost](ctx, reader, d.parent, WithCall(s.calls...))
	if err != nil {
		return nil, fmt.Errorf("%w (reading the parent post %s)", err, d.parent)
	}
	if ref.CID == "" {
		return nil, fmt.Errorf("records: the server does not return the CID of %s, so a reply cannot refer to it", ref.URI)
	}
	reply := &appbsky.FeedPostReplyRef{Root: *ref, Parent: *ref}
	if parent.Reply != nil {
		reply.Root = parent.Reply.Root
	}
	return reply, nil
}

// embed uploads the images and returns what is shown below the text.
func (d *Draft) embed(ctx context.Context, account Account, s *settings) (appbsky.FeedPostEmbedUnion, error) {
	var none appbsky.FeedPostEmbedUnion
	images := new(appbsky.EmbedImages)
	for _, p := range d.pictures {
		image, err := uploadImage(ctx, account, p.path, p.alt, s)
		if err != nil {
			return none, err
		}
		images.Images = append(images.Images, *image)
	}
	var record *appbsky.EmbedRecord
	if d.quoted != nil {
		record = &appbsky.EmbedRecord{Record: *d.quoted}
	}
	switch {
	case len(images.Images) > 0 && record != nil:
		return appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedRecordWithMedia{Record: *record, Media: appbsky.NewEmbedRecordWithMediaMediaUnion(images)}), nil
	case len(images.Images) > 0:
		return appbsky.NewFeedPostEmbedUnion(images), nil
	case d.card != nil && record != nil:
		return appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedRecordWithMedia{Record: *record, Media: appbsky.NewEmbedRecordWithMediaMediaUnion(&appbsky.EmbedExternal{External: *d.card})}), nil
	case d.card != nil:
		return appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedExternal{External: *d.card}), nil
	case record != nil:
		return appbsky.NewFeedPostEmbedUnion(record), nil
	}
	return none, nil
}

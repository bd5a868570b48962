package site

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/clipperhouse/uax29/v2/graphemes"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/records/richtext"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A post is what the page shows of one.
type post struct {
	Key       syntax.RecordKey
	Text      []piece
	Pictures  []picture
	CreatedAt syntax.Datetime
	Ago       string
}

// A piece of a text may lead somewhere.
type piece struct{ Text, Link string }

// A picture is one of a post.
type picture struct {
	CID           syntax.CID
	Alt           string
	Width, Height int64 // so that the page keeps room for it; 0: not known
}

// latestPosts reads the last posts of the account, newest first.
func latestPosts(ctx context.Context, session *oauth.Session, now time.Time) ([]post, error) {
	list, err := comatproto.NewClient(session).Repo.ListRecords(ctx, &comatproto.RepoListRecordsParams{
		Repo:       syntax.AtIdentifier(session.DID()),
		Collection: appbsky.FeedPostNSID,
		Limit:      new(int64(20)),
	})
	if err != nil {
		return nil, err
	}
	var posts []post
	for _, record := range list.Records {
		var p appbsky.FeedPost
		if record.Value.As(&p) != nil {
			continue // not a post: any application may write anything into a repository
		}
		shown := post{Key: record.URI.RecordKey(), Text: pieces(&p), Pictures: pictures(&p), CreatedAt: p.CreatedAt}
		if at, err := p.CreatedAt.LenientTime(); err == nil {
			shown.Ago = ago(now, at)
		}
		posts = append(posts, shown)
	}
	return posts, nil
}

// pieces takes the text of a post apart.
func pieces(p *appbsky.FeedPost) []piece {
	var all []piece
	for segment := range richtext.Segments(p.Text, p.Facets) {
		one := piece{Text: segment.Text}
		for _, feature := range segment.Features {
			switch f := feature.Value.(type) {
			case *appbsky.RichtextFacetLink:
				if strings.HasPrefix(string(f.URI), "https://") || strings.HasPrefix(string(f.URI), "http://") {
					one.Link = string(f.URI)
				}
			case *appbsky.RichtextFacetMention:
				one.Link = "https://bsky.app/profile/" + string(f.DID)
			case *appbsky.RichtextFacetTag:
				one.Link = "https://bsky.app/hashtag/" + f.Tag
			}
		}
		all = append(all, one)
	}
	return all
}

// pictures returns the pictures of a post, also of one that quotes another post.
func pictures(p *appbsky.FeedPost) []picture {
	embed := p.Embed.Value
	if both, ok := embed.(*appbsky.EmbedRecordWithMedia); ok {
		embed = both.Media.Value
	}
	images, _ := embed.(*appbsky.EmbedImages)
	if images == nil {
		return nil
	}
	var all []picture
	for _, image := range images.Images {
		one := picture{CID: syntax.CID(image.Image.Ref), Alt: image.Alt}
		if image.AspectRatio != nil {
			one.Width, one.Height = image.AspectRatio.Width, image.AspectRatio.Height
		}
		all = append(all, one)
	}
	return all
}

// post writes a post. If that fails, the page that says so keeps what the user typed.
func (s *site) post(w http.ResponseWriter, r *http.Request) {
	session, err := s.web.Session(r)
	if err != nil {
		s.web.Fail(w, r, err)
		return
	}
	folder, err := os.MkdirTemp("", "webapp")
	if err != nil {
		s.web.Fail(w, r, err)
		return
	}
	defer os.RemoveAll(folder)
	d, err := readDraft(w, r, folder)
	r = withDraft(r, d)
	if err == nil {
		err = s.publish(r.Context(), session, d)
	}
	if err != nil {
		s.web.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// How long a post may be: in what people take for characters, and in bytes.
const (
	maxGraphemes = 300
	maxBytes     = 3000
)

// publish writes a draft as a record.
func (s *site) publish(ctx context.Context, session *oauth.Session, d *draft) error {
	if err := d.check(); err != nil {
		return err
	}
	record := records.Text(d.Text)
	if d.picture != "" {
		clean := filepath.Join(filepath.Dir(d.picture), "clean")
		if err := s.clean(ctx, d.picture, clean); err != nil {
			return err
		}
		record.Image(clean, d.Alt)
	}
	_, err := records.Post(ctx, session, record, records.WithKey(syntax.RecordKey(d.Key)))
	if err != nil {
		return s.wasSent(ctx, session, d, err)
	}
	return nil
}

// check returns what is wrong with a draft, before anything is sent.
func (d *draft) check() error {
	length := 0
	for g := graphemes.FromString(d.Text); g.Next(); {
		length++
	}
	switch {
	case length > maxGraphemes:
		return &problem{http.StatusBadRequest, fmt.Sprintf("A post has %d characters at most. Yours has %d.", maxGraphemes, length)}
	case len(d.Text) > maxBytes:
		return &problem{http.StatusBadRequest, fmt.Sprintf("This post is too long: its characters take %d bytes, and a post has %d at most.", len(d.Text), maxBytes)}
	case d.Text == "" && d.picture == "":
		return &problem{http.StatusBadRequest, "Write something, or choose a picture."}
	case d.picture != "" && d.Alt == "":
		return &problem{http.StatusBadRequest, "Describe the picture, for people who cannot see it. Then choose the picture again."}
	}
	return nil
}

// wasSent decides what to make of err, with which a record could not be created. If the form was sent twice, or
// the answer was lost, the record exists under the key of the form, and all is well.
func (s *site) wasSent(ctx context.Context, session *oauth.Session, d *draft, err error) error {
	uri := syntax.RecordURI(syntax.AtIdentifier(session.DID()), appbsky.FeedPostNSID, syntax.RecordKey(d.Key))
	written, _, gone := records.Get[appbsky.FeedPost](ctx, session, uri)
	switch {
	case gone != nil:
		return err
	case written.Text != d.Text: // the user went back and changed the text
		d.Key = s.keys.NewTID()
		return &problem{http.StatusConflict, "This form was already sent, with another text. To send this text as a new post, press Post again."}
	}
	return nil
}

// delete deletes a post. The session may do that only after its user has allowed it.
func (s *site) delete(w http.ResponseWriter, r *http.Request) {
	session, err := s.web.Session(r)
	if err != nil {
		s.web.Fail(w, r, err)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxField)
	key, err := syntax.ParseRecordKey(r.PostFormValue("key"))
	if err != nil {
		s.web.Fail(w, r, &problem{http.StatusBadRequest, "There is no such post. Load the page again."})
		return
	}
	uri := syntax.RecordURI(syntax.AtIdentifier(session.DID()), appbsky.FeedPostNSID, key)
	if err := records.Delete(r.Context(), session, uri); err != nil {
		s.web.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

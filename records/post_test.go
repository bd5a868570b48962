package records_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	bobsPost = "at://did:plc:bobbbbbbbbbbbbbbbbbbbbbb/app.bsky.feed.post/3jzfcijpj2z2a"
	rootPost = "at://did:plc:carollllllllllllllllllll/app.bsky.feed.post/3jzfcijpj2z2b"
	created  = `{"uri":"at://did:plc:aliceaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3jzfcijpj2z2c","cid":"` + string(two) + `"}`
	getBobs  = "getRecord?repo=did%3Aplc%3Abobbbbbbbbbbbbbbbbbbbbbb&collection=app.bsky.feed.post&rkey=3jzfcijpj2z2a"
	moment   = "2026-01-02T03:04:05.006Z"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)

func bobs(fields string) string {
	return fmt.Sprintf(`{"uri":%q,"cid":%q,"value":{"$type":"app.bsky.feed.post","text":"?","createdAt":%q%s}}`, bobsPost, one, moment, fields)
}

// post is the call that writes a post with these fields after its $type.
func post(fields string) string {
	return `createRecord {` + repo + `,"collection":"app.bsky.feed.post","record":{"$type":"app.bsky.feed.post",` + fields + `,"createdAt":"` + moment + `"}}`
}

func TestPost(t *testing.T) {
	refOf := func(uri string, cid syntax.CID) string { return fmt.Sprintf(`{"uri":%q,"cid":%q}`, uri, cid) }
	picture := pngFile(t, 30, 20)
	uploaded := `{"blob":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"image/png","size":3}}`
	image := `{"image":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"image/png","size":3},"alt":"a cat","aspectRatio":{"width":30,"height":20}}`
	upload := "uploadBlob " + contents(t, picture)
	quoted := &records.Ref{URI: bobsPost, CID: one}
	quote := `{"$type":"app.bsky.embed.record","record":` + refOf(bobsPost, one) + `}`

	for _, tt := range []struct {
		name    string
		draft   *records.Draft
		answers []string
		calls   []string
	}{
		{"text alone", records.Text("hello").At(at), []string{created}, []string{post(`"text":"hello"`)}},
		{"a link is found", records.Text("é example.com").At(at), []string{created},
			[]string{post(`"text":"é example.com","facets":[{"index":{"byteStart":3,"byteEnd":14},"features":[{"$type":"app.bsky.richtext.facet#link","uri":"https://example.com"}]}]`)}},
		{"an account is asked for at the account's server", records.Text("@bob.test").At(at), []string{`{"did":"did:plc:bobbbbbbbbbbbbbbbbbbbbbb"}`, created},
			[]string{"com.atproto.identity.resolveHandle?handle=bob.test", post(`"text":"@bob.test","facets":[{"index":{"byteStart":0,"byteEnd":9},"features":[{"$type":"app.bsky.richtext.facet#mention","did":"did:plc:bobbbbbbbbbbbbbbbbbbbbbb"}]}]`)}},
		{"an account that does not exist is text", records.Text("@bob.test").At(at), []string{"400 InvalidRequest Unable to resolve handle", created},
			[]string{"com.atproto.identity.resolveHandle?handle=bob.test", post(`"text":"@bob.test"`)}},
		{"facets that are given are all there are", records.RichText("@bob.test", nil).At(at), []string{created}, []string{post(`"text":"@bob.test"`)}},
		{"a reply to the beginning of a thread", records.Text("yes").ReplyTo(bobsPost).At(at), []string{bobs(""), created},
			[]string{getBobs, post(`"text":"yes","reply":{"root":` + refOf(bobsPost, one) + `,"parent":` + refOf(bobsPost, one) + `}`)}},
		{"a reply to a reply is in its thread", records.Text("yes").ReplyTo(bobsPost).At(at), []string{bobs(`,"reply":{"root":` + refOf(rootPost, two) + `,"parent":` + refOf(rootPost, two) + `}`), created},
			[]string{getBobs, post(`"text":"yes","reply":{"root":` + refOf(rootPost, two) + `,"parent":` + refOf(bobsPost, one) + `}`)}},
		{"a reply whose thread is known", records.Text("yes").ReplyTo("x").InThread(&records.Ref{URI: rootPost, CID: two}, quoted).At(at), []string{created},
			[]string{post(`"text":"yes","reply":{"root":` + refOf(rootPost, two) + `,"parent":` + refOf(bobsPost, one) + `}`)}},
		{"a quote", records.Text("see").Quote(quoted).At(at), []string{created}, []string{post(`"text":"see","embed":` + quote)}},
		{"a picture without a text", records.Text("").Image(picture, "a cat").At(at), []string{uploaded, created},
			[]string{upload, post(`"text":"","embed":{"$type":"app.bsky.embed.images","images":[` + image + `]}`)}},
		{"pictures with a quote", records.Text("").Image(picture, "a cat").Image(picture, "a cat").Quote(quoted).At(at), []string{uploaded, uploaded, created},
			[]string{upload, upload, post(`"text":"","embed":{"$type":"app.bsky.embed.recordWithMedia","record":{"record":` + refOf(bobsPost, one) + `},"media":{"$type":"app.bsky.embed.images","images":[` + image + `,` + image + `]}}`)}},
		{"a card", records.Text("").Card("https://example.com", "T", "D").At(at), []string{created},
			[]string{post(`"text":"","embed":{"$type":"app.bsky.embed.external","external":{"uri":"https://example.com","title":"T","description":"D"}}`)}},
		{"a card with a quote", records.Text("").Card("https://example.com", "T", "D").Quote(quoted).At(at), []string{created},
			[]string{post(`"text":"","embed":{"$type":"app.bsky.embed.recordWithMedia","record":{"record":` + refOf(bobsPost, one) + `},"media":{"$type":"app.bsky.embed.external","external":{"uri":"https://example.com","title":"T","description":"D"}}}`)}},
		{"languages", records.Text("oui").Languages("fr", "en").At(at), []string{created}, []string{post(`"text":"oui","langs":["fr","en"]`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &server{answers: tt.answers}
			ref, err := records.Post(t.Context(), s, tt.draft)
			if diff := cmp.Diff(tt.calls, s.calls, sameJSON); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if err != nil || ref.CID != two {
				t.Errorf("got %v, %v", ref, err)
			}
		})
	}

	t.Run("who else may be asked", func(t *testing.T) {
		elsewhere, s := &server{answers: []string{bobs("")}}, &server{answers: []string{created}}
		draft := records.Text("@bob.test").ReplyTo(bobsPost).Reader(elsewhere).Resolver(identity.NewStatic(identity.Identity{DID: "did:plc:bobbbbbbbbbbbbbbbbbbbbbb", Handle: "bob.test"})).At(at)
		if _, err := records.Post(t.Context(), s, draft); err != nil || len(s.calls) != 1 || len(elsewhere.calls) != 1 || !strings.Contains(s.calls[0], "facet#mention") {
			t.Errorf("asked %q and %q, %v", s.calls, elsewhere.calls, err)
		}
	})
	t.Run("a post is of now, and its record may be changed before it is written", func(t *testing.T) {
		post, err := records.Text("x").Record(t.Context(), new(server))
		if err != nil {
			t.Fatal(err)
		}
		if when, err := post.CreatedAt.Time(); err != nil || time.Since(when) > time.Minute {
			t.Errorf("it is of %s", post.CreatedAt)
		}
	})

	text := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(text, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	four := records.Text("").Image("a", "").Image("b", "").Image("c", "").Image("d", "").Image("e", "")
	for name, tt := range map[string]struct {
		draft   *records.Draft
		answers []string
		calls   int
		is      error
		says    string
	}{
		"P112 a text that is too long is told before pictures are uploaded": {records.Text(strings.Repeat("x", 301)).Image(picture, ""), nil, 0, nil, "301"},
		"a parent that does not exist":                                      {records.Text("").ReplyTo(bobsPost), []string{"400 RecordNotFound gone"}, 1, records.ErrNotFound, bobsPost},
		"a parent that is no post":                                          {records.Text("").ReplyTo("at://did:plc:bobbbbbbbbbbbbbbbbbbbbbb/app.bsky.feed.like/3jzfcijpj2z2a"), nil, 0, records.ErrNotARecord, "app.bsky.feed.like"},
		"a parent without a version":                                        {records.Text("").ReplyTo(bobsPost), []string{strings.Replace(bobs(""), `"cid":"`+string(one)+`",`, "", 1)}, 1, nil, "does not return the CID"},
		"a server that is down at a mention":                                {records.Text("@bob.test"), []string{"503 UpstreamFailure down"}, 1, xrpc.ErrUpstreamFailure, "@bob.test"},
		"a thread without its parent":                                       {records.Text("").InThread(nil, nil), nil, 0, nil, "InThread"},
		"a quote of nothing":                                                {records.Text("").Quote(nil), nil, 0, nil, "Quote"},
		"a reply to nothing":                                                {records.Text("").ReplyTo(""), nil, 0, nil, "ReplyTo"},
		"a card of nothing":                                                 {records.Text("").Card("", "", ""), nil, 0, nil, "uri"},
		"a picture of nothing":                                              {records.Text("").Image("", ""), nil, 0, os.ErrNotExist, ""},
		"no draft":                                                          {nil, nil, 0, nil, "the draft is nil"},
		"a card and pictures":                                               {records.Text("").Card("https://example.com", "", "").Image(picture, ""), nil, 0, nil, "not both"},
		"five pictures":                                                     {four, nil, 0, nil, "4 images"},
		"a picture that is not there":                                       {records.Text("").Image(picture+"x", ""), nil, 0, os.ErrNotExist, picture + "x"},
		"a picture that is a text":                                          {records.Text("").Image(text, ""), nil, 0, records.ErrNotAnImage, "text/plain"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{answers: tt.answers}
			_, err := records.Post(t.Context(), s, tt.draft)
			if err == nil || len(s.calls) != tt.calls || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("after %q: %v", s.calls, err)
			}
		})
	}
}

func TestSocial(t *testing.T) {
	subject := &records.Ref{URI: bobsPost, CID: one}
	for name, write := range map[string]func(context.Context, records.Account) (*records.Ref, error){
		"app.bsky.feed.like": func(ctx context.Context, a records.Account) (*records.Ref, error) {
			return records.Like(ctx, a, subject)
		},
		"app.bsky.feed.repost": func(ctx context.Context, a records.Account) (*records.Ref, error) {
			return records.Repost(ctx, a, subject)
		},
		"app.bsky.graph.follow": func(ctx context.Context, a records.Account) (*records.Ref, error) {
			return records.Follow(ctx, a, "did:plc:bobbbbbbbbbbbbbbbbbbbbbb")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{answers: []string{created}}
			if ref, err := write(t.Context(), s); err != nil || ref.CID != two {
				t.Fatalf("got %v, %v", ref, err)
			}
			var in struct {
				Collection string
				Record     struct {
					Subject   json.RawMessage
					CreatedAt syntax.Datetime
				}
			}
			if err := json.Unmarshal([]byte(strings.TrimPrefix(s.calls[0], "createRecord ")), &in); err != nil {
				t.Fatal(err)
			}
			if in.Collection != name || !bytes.Contains(in.Record.Subject, []byte("did:plc:bobbbbbbbbbbbbbbbbbbbbbb")) || in.Record.CreatedAt.Validate() != nil {
				t.Errorf("wrote %s", s.calls[0])
			}
		})
	}
	t.Run("nothing to like", func(t *testing.T) {
		s := new(server)
		_, err := records.Like(t.Context(), s, nil)
		_, err2 := records.Repost(t.Context(), s, nil)
		_, err3 := records.Follow(t.Context(), s, "bob.test")
		if err == nil || err2 == nil || err3 == nil || len(s.calls) > 0 {
			t.Errorf("%v, %v, %v after %q", err, err2, err3, s.calls)
		}
	})
}

func TestUploadImage(t *testing.T) {
	encode := func(write func(*bytes.Buffer) error) []byte {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	picture := image.NewGray(image.Rect(0, 0, 30, 20))
	jpg := encode(func(b *bytes.Buffer) error { return jpeg.Encode(b, picture, nil) })
	// turned is a JPEG whose camera wrote something into it.
	turned := func(tiff string) []byte {
		segment := "Exif\x00\x00" + tiff
		return []byte(string(jpg[:2]) + "\xff\xe1" + string([]byte{byte((len(segment) + 2) >> 8), byte(len(segment) + 2)}) + segment + string(jpg[2:]))
	}
	big := func(orientation byte) string {
		return "MM\x00*\x00\x00\x00\x08\x00\x02\x01\x00\x00\x03\x00\x00\x00\x01\x00\x01\x00\x00\x01\x12\x00\x03\x00\x00\x00\x01\x00" + string([]byte{orientation}) + "\x00\x00"
	}
	little := func(orientation byte) string {
		return "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00" + string([]byte{orientation}) + "\x00\x00\x00"
	}
	// A lossless WebP of 30 × 20, as far as its header.
	webp := []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x1d\xc0\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	avif := []byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf")

	for name, tt := range map[string]struct {
		file []byte
		want *appbsky.EmbedDefsAspectRatio
	}{
		"PNG":                                  {encode(func(b *bytes.Buffer) error { return png.Encode(b, picture) }), ratio(30, 20)},
		"GIF":                                  {encode(func(b *bytes.Buffer) error { return gif.Encode(b, picture, nil) }), ratio(30, 20)},
		"WebP":                                 {webp, ratio(30, 20)},
		"JPEG":                                 {jpg, ratio(30, 20)},
		"JPEG that stands":                     {turned(big(1)), ratio(30, 20)},
		"JPEG upside down":                     {turned(big(3)), ratio(30, 20)},
		"JPEG lying on its side":               {turned(big(6)), ratio(20, 30)},
		"JPEG on its side, the other way":      {turned(little(8)), ratio(20, 30)},
		"JPEG turned by what is no turn":       {turned(big(9)), ratio(30, 20)},
		"JPEG whose metadata is cut off":       {turned(big(6)[:20]), ratio(30, 20)},
		"JPEG whose metadata is noise":         {turned("XX*\x00\xff\xff\xff\xff"), ratio(30, 20)},
		"JPEG whose directory is past the end": {turned("II*\x00\xff\xff\xff\xff"), ratio(30, 20)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "picture.bin")
			if err := os.WriteFile(path, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			s := &server{answers: []string{`{"blob":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"image/png","size":3}}`}}
			got, err := records.UploadImage(t.Context(), s, path, "alt")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.AspectRatio); diff != "" || got.Alt != "alt" || got.Image.Size != 3 {
				t.Errorf("%+v, ratio (-want +got):\n%s", got, diff)
			}
			if s.calls[0] != "uploadBlob "+string(tt.file) {
				t.Errorf("the file was not sent as it is")
			}
		})
	}
	for name, tt := range map[string]struct {
		file []byte
		is   error
	}{
		"a PNG that is cut off": {encode(func(b *bytes.Buffer) error { return png.Encode(b, picture) })[:20], records.ErrNotAnImage},
		"a text":                {[]byte("hello"), records.ErrNotAnImage},
		"nothing":               {nil, records.ErrNotAnImage},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "picture.png")
			if err := os.WriteFile(path, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			s := new(server)
			if got, err := records.UploadImage(t.Context(), s, path, ""); !errors.Is(err, tt.is) || len(s.calls) > 0 || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
	t.Run("X27 one that is too large is not sent", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "picture.png")
		if err := os.WriteFile(path, append(jpg, make([]byte, 2_000_000)...), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := records.UploadImage(t.Context(), new(server), path, "")
		if _, ok := errors.AsType[*lex.ValidationError](err); !ok {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a type that cannot be measured has no ratio", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "picture.avif")
		if err := os.WriteFile(path, avif, 0o600); err != nil {
			t.Fatal(err)
		}
		s := &server{answers: []string{`{"blob":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"image/avif","size":3}}`}}
		if got, err := records.UploadImage(t.Context(), s, path, ""); err != nil || got.AspectRatio != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func ratio(width, height int64) *appbsky.EmbedDefsAspectRatio {
	return &appbsky.EmbedDefsAspectRatio{Width: width, Height: height}
}

// pngFile writes a picture and returns its path.
func pngFile(t testing.TB, width, height int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture.png")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(file, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func contents(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

package appbsky_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

const strongRef = `{"uri":"at://did:plc:z72i7hdynmk6r22z27h6tvur/app.bsky.feed.post/3l3qylp5d3c2y","cid":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"}`

// post has the fields in the order in which we write them.
const post = `{"$type":"app.bsky.feed.post","text":"hi @alice.example 🌍 \"quoted\"\n","facets":[` +
	`{"index":{"byteStart":3,"byteEnd":17},"features":[{"$type":"app.bsky.richtext.facet#mention","did":"did:plc:z72i7hdynmk6r22z27h6tvur"},{"$type":"app.bsky.richtext.facet#sparkle","level":3}]}],` +
	`"reply":{"root":` + strongRef + `,"parent":` + strongRef + `},` +
	`"embed":{"$type":"app.bsky.embed.recordWithMedia","record":{"record":` + strongRef + `},"media":{"$type":"app.bsky.embed.images","images":[` +
	`{"image":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"image/jpeg","size":760898},"alt":"","aspectRatio":{"width":4,"height":3}}]}},` +
	`"langs":["en","de-AT"],"labels":{"$type":"com.atproto.label.defs#selfLabels","values":[{"val":"!no-unauthenticated"}]},"tags":[],"createdAt":"2026-01-02T03:04:05.678Z",` +
	`"newer":{"b":[1,null],"a":{"$link":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"}},"via":"test"}`

// sameJSON compares JSON by what it means, behind a word in front of it, if any: fields are written in the order of DAG-CBOR.
var sameJSON = cmp.Comparer(func(a, b string) bool {
	wordA, jsonA, _ := strings.Cut(a, "{")
	wordB, jsonB, _ := strings.Cut(b, "{")
	var x, y any
	if json.Unmarshal([]byte("{"+jsonA), &x) != nil || json.Unmarshal([]byte("{"+jsonB), &y) != nil {
		return a == b
	}
	return wordA == wordB && reflect.DeepEqual(x, y)
})

func TestPostComesBack(t *testing.T) {
	t.Run("L22 L23 L25 L27 L28 decoding and encoding loses nothing", func(t *testing.T) {
		var p appbsky.FeedPost
		if err := lex.UnmarshalJSON([]byte(post), &p); err != nil {
			t.Fatal(err)
		}
		out, err := lex.MarshalJSON(&p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(post, string(out), sameJSON); diff != "" {
			t.Error(diff)
		}
		media, ok := p.Embed.Value.(*appbsky.EmbedRecordWithMedia)
		if !ok {
			t.Fatalf("embed is a %T", p.Embed.Value)
		}
		if images, ok := media.Media.Value.(*appbsky.EmbedImages); !ok || images.Images[0].Image.Size != 760898 {
			t.Errorf("media is %T", media.Media.Value)
		}
		features := p.Facets[0].Features
		if m, ok := features[0].Value.(*appbsky.RichtextFacetMention); !ok || m.DID != "did:plc:z72i7hdynmk6r22z27h6tvur" {
			t.Errorf("first feature is %T", features[0].Value)
		}
		if u, ok := features[1].Value.(*lex.UnknownVariant); !ok || u.LexType() != "app.bsky.richtext.facet#sparkle" {
			t.Errorf("second feature is %T", features[1].Value)
		}
		if diff := cmp.Diff([]string{"newer", "via"}, p.Extra.Names()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("encoding/json gives the same, by value too", func(t *testing.T) {
		var p appbsky.FeedPost
		if err := json.Unmarshal([]byte(post), &p); err != nil {
			t.Fatal(err)
		}
		for _, v := range []any{p, &p, []appbsky.FeedPost{p}[0]} {
			var buf strings.Builder
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(post, strings.TrimSpace(buf.String()), sameJSON); diff != "" {
				t.Error(diff)
			}
		}
	})
	t.Run("L27 $type may come last", func(t *testing.T) {
		var p appbsky.FeedPost
		const text = `{"createdAt":"2026-01-02T03:04:05Z","text":"","embed":{"images":[],"$type":"app.bsky.embed.images"},"$type":"app.bsky.feed.post"}`
		if err := lex.UnmarshalJSON([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		if _, ok := p.Embed.Value.(*appbsky.EmbedImages); !ok {
			t.Errorf("embed is %T", p.Embed.Value)
		}
	})
}

func TestPostRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, text, path string
		want             error
	}{
		{"L22 no text", `{"createdAt":"2026-01-02T03:04:05Z"}`, "", lex.ErrMissing},
		{"L28 another record", `{"$type":"app.bsky.feed.like","text":"","createdAt":""}`, "", lex.ErrUnion},
		{"L24 a key twice", `{"text":"","text":"","createdAt":""}`, "text", lex.ErrDuplicate},
		{"L24 an escaped key twice", `{"text":"","\u0074ext":"","createdAt":""}`, "text", lex.ErrDuplicate},
		{"L22 null where a text is required", `{"text":null,"createdAt":""}`, "text", lex.ErrType},
		{"deep inside", strings.Replace(post, `"byteStart":3`, `"byteStart":"3"`, 1), "facets[0].index.byteStart", lex.ErrType},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var p appbsky.FeedPost
			err := lex.UnmarshalJSON([]byte(tc.text), &p)
			if !errors.Is(err, tc.want) {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if e, ok := errors.AsType[*lex.Error](err); !ok || !strings.HasSuffix(e.Path(), tc.path) {
				t.Errorf("error %v does not name %q", err, tc.path)
			}
		})
	}
}

func TestPostIsWritten(t *testing.T) {
	t.Run("P33 L23 what is set is sent, what is not is not", func(t *testing.T) {
		p := appbsky.FeedPost{CreatedAt: "2026-01-02T03:04:05Z", Langs: []syntax.Language{}, Embed: appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedImages{}),
			Labels: appbsky.NewFeedPostLabelsUnion(&comatproto.LabelDefsSelfLabels{})}
		out, err := lex.MarshalJSON(&p)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"$type":"app.bsky.feed.post","text":"","embed":{"$type":"app.bsky.embed.images","images":[]},"langs":[],` +
			`"labels":{"$type":"com.atproto.label.defs#selfLabels","values":[]},"createdAt":"2026-01-02T03:04:05Z"}`
		if diff := cmp.Diff(want, string(out)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("an empty union that is required is an error", func(t *testing.T) {
		p := appbsky.FeedPost{Embed: appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedRecordWithMedia{})}
		if _, err := lex.MarshalJSON(&p); !errors.Is(err, lex.ErrMissing) {
			t.Errorf("error %v", err)
		}
	})
}

func TestRecords(t *testing.T) {
	if _, ok := appbsky.Records(appbsky.FeedPostNSID).(*appbsky.FeedPost); !ok {
		t.Error("no post")
	}
	if r := appbsky.Records("com.example.none"); r != nil {
		t.Errorf("%T", r)
	}
}

func ExampleNewFeedPostEmbedUnion() {
	p := appbsky.FeedPost{
		Text:      "A picture.",
		CreatedAt: "2026-01-02T03:04:05Z",
		Embed:     appbsky.NewFeedPostEmbedUnion(&appbsky.EmbedExternal{External: appbsky.EmbedExternalExternal{URI: "https://example.com", Title: "Example"}}),
	}
	switch embed := p.Embed.Value.(type) {
	case *appbsky.EmbedExternal:
		fmt.Println("a link to", embed.External.URI)
	case *lex.UnknownVariant:
		fmt.Println("something newer:", embed.LexType())
	}
	// Output: a link to https://example.com
}

func FuzzFeedPost(f *testing.F) {
	f.Add([]byte(post))
	f.Add([]byte(`{"text":"","createdAt":"","embed":{"$type":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var p, again appbsky.FeedPost
		if err := lex.UnmarshalJSON(data, &p); err != nil {
			return
		}
		out, err := lex.MarshalJSON(&p)
		if err != nil {
			t.Fatalf("what was read is not written: %v", err)
		}
		if err := lex.UnmarshalJSON(out, &again); err != nil {
			t.Fatalf("what was written is not read: %v: %s", err, out)
		}
		second, err := lex.MarshalJSON(&again)
		if err != nil || string(second) != string(out) {
			t.Fatalf("%v\n%s\n%s", err, out, second)
		}
	})
}

func TestDecodingReplacesWhatWasThere(t *testing.T) {
	var post appbsky.FeedPost
	for _, doc := range []string{
		`{"$type":"app.bsky.feed.post","text":"first","createdAt":"2026-01-01T00:00:00Z","langs":["en"],"mood":"good"}`,
		`{"$type":"app.bsky.feed.post","text":"second","createdAt":"2026-01-01T00:00:00Z","mood":"better"}`,
	} {
		if err := lex.UnmarshalJSON([]byte(doc), &post); err != nil {
			t.Fatal(err)
		}
	}
	if mood, _ := post.Extra.Get("mood"); post.Text != "second" || post.Langs != nil || string(mood) != `"better"` {
		t.Errorf("got %+v", post)
	}
}

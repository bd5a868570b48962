package richtext_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/records/richtext"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// everybody resolves each handle to a DID that says it, but those that it is told of.
type everybody struct {
	fails map[syntax.Handle]error
	asked *[]syntax.Handle
}

func (r everybody) ResolveHandle(_ context.Context, handle syntax.Handle) (syntax.DID, error) {
	if r.asked != nil {
		*r.asked = append(*r.asked, handle)
	}
	if err := r.fails[handle]; err != nil {
		return "", err
	}
	return syntax.DID("did:web:" + string(handle)), nil
}

func Example() {
	facets, err := richtext.Detect(context.Background(), "Grüezi @alice.test, see example.com #atproto", everybody{})
	if err != nil {
		panic(err)
	}
	for s := range richtext.Segments("Grüezi @alice.test, see example.com #atproto", facets) {
		for _, feature := range s.Features {
			switch f := feature.Value.(type) {
			case *appbsky.RichtextFacetMention:
				fmt.Printf("%q is %s\n", s.Text, f.DID)
			case *appbsky.RichtextFacetLink:
				fmt.Printf("%q leads to %s\n", s.Text, f.URI)
			case *appbsky.RichtextFacetTag:
				fmt.Printf("%q is the tag %s\n", s.Text, f.Tag)
			}
		}
	}
	// Output:
	// "@alice.test" is did:web:alice.test
	// "example.com" leads to https://example.com
	// "#atproto" is the tag atproto
}

func ExampleBuilder() {
	var b richtext.Builder
	b.Text("Read ").Link("the docs", "https://atproto.com/docs").Text(" ").Tag("atproto")
	fmt.Println(b.String())
	for _, f := range b.Facets() {
		fmt.Println(b.String()[f.Index.ByteStart:f.Index.ByteEnd])
	}
	// Output:
	// Read the docs #atproto
	// the docs
	// #atproto
}

// found is a facet in short.
type found struct {
	From, To int64
	Kind     string
	Value    string
}

func short(t testing.TB, facets []appbsky.RichtextFacet) []found {
	t.Helper()
	var all []found
	for _, f := range facets {
		s := found{From: f.Index.ByteStart, To: f.Index.ByteEnd}
		switch v := f.Features[0].Value.(type) {
		case *appbsky.RichtextFacetMention:
			s.Kind, s.Value = "mention", strings.TrimPrefix(string(v.DID), "did:web:")
		case *appbsky.RichtextFacetLink:
			s.Kind, s.Value = "link", string(v.URI)
		case *appbsky.RichtextFacetTag:
			s.Kind, s.Value = "tag", v.Tag
		default:
			t.Fatalf("a feature of type %T", v)
		}
		all = append(all, s)
	}
	return all
}

// testdata/facets.json is what the app's own library (@atproto/api 0.19.19, RichText.detectFacets
// without resolving handles) finds in texts of all kinds.
func TestDetectAgreesWithTheApp(t *testing.T) {
	data, err := os.ReadFile("testdata/facets.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Text   string
		Facets [][]any
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 800 {
		t.Errorf("only %d texts", len(cases))
	}
	for _, c := range cases {
		var want []found
		for _, f := range c.Facets {
			w := found{From: int64(f[0].(float64)), To: int64(f[1].(float64)), Kind: f[2].(string), Value: f[3].(string)}
			if w.Kind == "mention" {
				// The app asks for what is no handle as well, and finds nobody.
				handle, err := syntax.ParseHandle(w.Value)
				if err != nil {
					continue
				}
				w.Value = string(handle.Normalize())
			}
			if strings.ContainsFunc(w.Value, func(r rune) bool { return r >= utf8.RuneSelf }) && w.Kind == "link" {
				encoded, ok := inASCII[w.Value]
				if !ok {
					t.Errorf("%q: how is %q written in ASCII?", c.Text, w.Value)
				}
				if w.Value = encoded; w.Value == "" {
					continue
				}
			}
			want = append(want, w)
		}
		slices.SortStableFunc(want, func(a, b found) int { return cmp.Compare(a.From, b.From) })
		want = withoutOverlaps(want)
		facets, err := richtext.Detect(t.Context(), c.Text, everybody{})
		if err != nil {
			t.Errorf("%q: %v", c.Text, err)
			continue
		}
		if diff := gocmp.Diff(want, short(t, facets)); diff != "" {
			t.Errorf("%q (-app +ours):\n%s", c.Text, diff)
		}
	}
}

// inASCII is how we write what the app leaves as it was typed; "" where the host cannot exist.
var inASCII = map[string]string{
	"https://example.com/é":                                "https://example.com/%C3%A9",
	"https://example.com/🦋":                                "https://example.com/%F0%9F%A6%8B",
	"https://例え.jp/パス":                                     "https://xn--r8jz45g.jp/%E3%83%91%E3%82%B9",
	"http://example.comhttps://example.com/🦋(example.com)": "http://example.comhttps://example.com/%F0%9F%A6%8B(example.com)",
	"https://example.com?#tag\u200bmore":                   "https://example.com?#tag%E2%80%8Bmore",
	"https://example.com/🦋(#tag)":                          "https://example.com/%F0%9F%A6%8B(#tag)",
	"https://bar.com#tag\u00admore":                        "https://bar.com#tag%C2%ADmore",
	"https://example.com/a?b=c#d@alice.testé":              "https://example.com/a?b=c#d@alice.test%C3%A9",
	"https://example.com/🦋a.b":                             "https://example.com/%F0%9F%A6%8Ba.b",
	"https://example.com...#ไทย":                           "https://example.com...#%E0%B9%84%E0%B8%97%E0%B8%A2",
	"https://foo.gov#العربية":                              "https://foo.gov#%D8%A7%D9%84%D8%B9%D8%B1%D8%A8%D9%8A%D8%A9",
	"https://example.com/éhttps://":                        "https://example.com/%C3%A9https://",
	"https://example.com/a/b#a。":                           "https://example.com/a/b#a%E3%80%82",
	"https://a.com(https://b.com)@alice.testé":             "https://a.com(https://b.com)@alice.test%C3%A9",
	"https://a.com?x🦋":                                     "https://a.com?x%F0%9F%A6%8B",
	"https://example.com’sfile.txt":                        "",
	"https://example.com’s(example.com)":                   "",
	"https://example.com’s":                                "",
}

// withoutOverlaps drops what the app writes into the record and does not show.
func withoutOverlaps(all []found) []found {
	var kept []found
	end := int64(0)
	for _, f := range all {
		if f.From >= end {
			kept, end = append(kept, f), f.To
		}
	}
	return kept
}

func TestMentionsAreResolved(t *testing.T) {
	down := errors.New("the network is down")
	t.Run("each handle is asked for once, in lower case", func(t *testing.T) {
		var asked []syntax.Handle
		facets, err := richtext.Detect(t.Context(), "@Alice.test @alice.test @bob.test", everybody{asked: &asked})
		if err != nil || len(facets) != 3 {
			t.Fatalf("got %v, %v", facets, err)
		}
		if diff := gocmp.Diff([]syntax.Handle{"alice.test", "bob.test"}, asked); diff != "" {
			t.Errorf("asked for (-want +got):\n%s", diff)
		}
	})
	t.Run("one that does not exist is plain text", func(t *testing.T) {
		resolver := everybody{fails: map[syntax.Handle]error{"nobody.test": &identity.Error{Kind: identity.ErrNotFound}}}
		facets, err := richtext.Detect(t.Context(), "@nobody.test @bob.test", resolver)
		if diff := gocmp.Diff([]found{{13, 22, "mention", "bob.test"}}, short(t, facets)); err != nil || diff != "" {
			t.Errorf("%v, (-want +got):\n%s", err, diff)
		}
	})
	t.Run("one that could not be asked for is an error", func(t *testing.T) {
		_, err := richtext.Detect(t.Context(), "hi @bob.test", everybody{fails: map[syntax.Handle]error{"bob.test": down}})
		if !errors.Is(err, down) || !strings.Contains(err.Error(), "@bob.test") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("one within a link is a part of the link", func(t *testing.T) {
		facets, err := richtext.Detect(t.Context(), "https://example.com/(@bob.test) @bob.test", everybody{})
		want := []found{{0, 31, "link", "https://example.com/(@bob.test)"}, {32, 41, "mention", "bob.test"}}
		if diff := gocmp.Diff(want, short(t, facets)); err != nil || diff != "" {
			t.Errorf("%v, (-want +got):\n%s", err, diff)
		}
	})
	t.Run("without a resolver there are none", func(t *testing.T) {
		facets, err := richtext.Detect(t.Context(), "@bob.test #tag", nil)
		if diff := gocmp.Diff([]found{{10, 14, "tag", "tag"}}, short(t, facets)); err != nil || diff != "" {
			t.Errorf("%v, (-want +got):\n%s", err, diff)
		}
	})
}

func TestSegments(t *testing.T) {
	link := appbsky.NewRichtextFacetFeaturesUnion(&appbsky.RichtextFacetLink{URI: "https://example.com"})
	at := func(from, to int64) appbsky.RichtextFacet {
		return appbsky.RichtextFacet{Index: appbsky.RichtextFacetByteSlice{ByteStart: from, ByteEnd: to}, Features: []appbsky.RichtextFacetFeaturesUnion{link}}
	}
	const text = "aé🦋z" // at 0, 1, 3, 7; ends at 8
	for name, tt := range map[string]struct {
		facets []appbsky.RichtextFacet
		want   string // those with features in brackets
	}{
		"no facets":                      {nil, "aé🦋z"},
		"all of it":                      {[]appbsky.RichtextFacet{at(0, 8)}, "[aé🦋z]"},
		"in the middle":                  {[]appbsky.RichtextFacet{at(1, 3)}, "a|[é]|🦋z"},
		"in any order":                   {[]appbsky.RichtextFacet{at(7, 8), at(0, 1)}, "[a]|é🦋|[z]"},
		"side by side":                   {[]appbsky.RichtextFacet{at(1, 3), at(3, 7)}, "a|[é]|[🦋]|z"},
		"that overlap":                   {[]appbsky.RichtextFacet{at(1, 7), at(3, 8)}, "a|[é🦋]|z"},
		"that begin within a character":  {[]appbsky.RichtextFacet{at(2, 7)}, "aé🦋z"},
		"that end within a character":    {[]appbsky.RichtextFacet{at(1, 5)}, "aé🦋z"},
		"that are empty":                 {[]appbsky.RichtextFacet{at(3, 3)}, "aé🦋z"},
		"that go backwards":              {[]appbsky.RichtextFacet{at(7, 1)}, "aé🦋z"},
		"that begin before the text":     {[]appbsky.RichtextFacet{at(-1, 3)}, "aé🦋z"},
		"that end behind the text":       {[]appbsky.RichtextFacet{at(1, 9)}, "aé🦋z"},
		"that are huge":                  {[]appbsky.RichtextFacet{at(1, 1<<62), at(1<<62, 1<<63-1)}, "aé🦋z"},
		"one that is odd and one is not": {[]appbsky.RichtextFacet{at(1, 4), at(1, 3)}, "a|[é]|🦋z"},
	} {
		t.Run(name, func(t *testing.T) {
			var parts []string
			for s := range richtext.Segments(text, tt.facets) {
				if s.Features != nil {
					s.Text = "[" + s.Text + "]"
				}
				parts = append(parts, s.Text)
			}
			if diff := gocmp.Diff(tt.want, strings.Join(parts, "|")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for range richtext.Segments(text, tt.facets) {
				break // who has seen enough may stop
			}
		})
	}
}

func TestBuilder(t *testing.T) {
	var b richtext.Builder
	b.Text("日本 ").Mention("@alice.test", "did:web:alice.test").Text(" 🦋 ").Link("né", "https://example.com").Link("", "https://example.com").Tag("ไทย")
	want := []found{{7, 18, "mention", "alice.test"}, {24, 27, "link", "https://example.com"}, {27, 37, "tag", "ไทย"}}
	if diff := gocmp.Diff(want, short(t, b.Facets())); diff != "" || b.String() != "日本 @alice.test 🦋 né#ไทย" {
		t.Errorf("%q, (-want +got):\n%s", b.String(), diff)
	}
}

func FuzzDetect(f *testing.F) {
	for _, seed := range []string{"", "@alice.test (example.com). #tag $AAPL", "\xff#\xff @a.test\xff", "＃タグ #️⃣ (((((@a.test", "https://", "a.", "$A("} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		facets, err := richtext.Detect(t.Context(), text, everybody{})
		if err != nil {
			t.Fatal(err)
		}
		marked, all := 0, ""
		for s := range richtext.Segments(text, facets) {
			all += s.Text
			if s.Features != nil {
				marked++
			}
		}
		if all != text {
			t.Errorf("%q became %q", text, all)
		}
		if utf8.ValidString(text) && marked != len(facets) {
			t.Errorf("%q: %d facets, and %d of them can be shown", text, len(facets), marked)
		}
	})
}

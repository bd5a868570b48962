package codec

import (
	"encoding/json"
	"errors"
	"testing"

	comatprototypes "github.com/bluesky-social/indigo/api/atproto"
	bsky "github.com/bluesky-social/indigo/api/bsky"
	"github.com/gimucco/atproto-go/bench/figures"
	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

const testdata = "../testdata"

// indigo has types for the same documents.
var indigo = map[string]func() any{
	"timeline": func() any { return new(bsky.FeedGetTimeline_Output) },
	"repos":    func() any { return new(comatprototypes.SyncListRepos_Output) },
	"post":     func() any { return new(bsky.FeedPost) },
}

func documents(t testing.TB) []Document {
	t.Helper()
	docs, err := Documents(testdata)
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// run benchmarks operations one by one, and the first as a ratio to each of the others.
func run(b *testing.B, names []string, operations map[string]figures.Operation, bytes int) {
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			if err := operations[name](b.Context(), b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
	for _, name := range names[1:] {
		b.Run("ratio to "+name, func(b *testing.B) {
			ratio, err := figures.Ratio(b.Context(), operations[names[0]], operations[name])
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ratio, "×")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, d := range documents(b) {
		b.Run(d.Name, func(b *testing.B) {
			run(b, []string{"ours", "json.Valid", "jx.Skip", "indigo"}, map[string]figures.Operation{
				"ours":       d.Decode,
				"json.Valid": d.Valid,
				"jx.Skip":    d.Skip,
				"indigo":     times(func() error { return json.Unmarshal(d.JSON, indigo[d.Name]()) }),
			}, len(d.JSON))
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, d := range documents(b) {
		b.Run(d.Name, func(b *testing.B) {
			encode, err := d.Encode(false)
			if err != nil {
				b.Fatal(err)
			}
			appending, err := d.Encode(true)
			if err != nil {
				b.Fatal(err)
			}
			theirs := indigo[d.Name]()
			if err := json.Unmarshal(d.JSON, theirs); err != nil {
				b.Fatal(err)
			}
			run(b, []string{"ours", "ours, lent buffer", "json.Valid", "indigo"}, map[string]figures.Operation{
				"ours":              encode,
				"ours, lent buffer": appending,
				"json.Valid":        d.Valid,
				"indigo":            times(func() error { _, err := json.Marshal(theirs); return err }),
			}, len(d.JSON))
		})
	}
}

func BenchmarkCBOR(b *testing.B) {
	ours, theirs, err := postCBOR(documents(b)[2])
	if err != nil {
		b.Fatal(err)
	}
	for name := range ours {
		b.Run("post/"+name, func(b *testing.B) {
			run(b, []string{"ours", "indigo"}, map[string]figures.Operation{"ours": ours[name], "indigo": theirs[name]}, 0)
		})
	}
}

func BenchmarkThread(b *testing.B) {
	for _, depth := range []int{10, 100, 1000, 1900} {
		d := Document{"thread", Thread(depth), func() Value { return new(appbsky.FeedGetPostThreadOutput) }}
		b.Run(map[int]string{10: "10", 100: "100", 1000: "1000", 1900: "1900"}[depth], func(b *testing.B) {
			run(b, []string{"ours", "json.Valid"}, map[string]figures.Operation{"ours": d.Decode, "json.Valid": d.Valid}, len(d.JSON))
		})
	}
}

func TestThreadOneLevelTooDeepIsATypedError(t *testing.T) {
	t.Run("P38", func(t *testing.T) {
		out := new(appbsky.FeedGetPostThreadOutput)
		if err := lex.UnmarshalJSON(Thread(1900), out); err != nil {
			t.Fatal(err)
		}
		depth := 0
		for v := out.Thread.Value; ; depth++ {
			post, ok := v.(*appbsky.FeedDefsThreadViewPost)
			if !ok {
				t.Fatalf("a %T", v)
			}
			if len(post.Replies) == 0 {
				break
			}
			v = post.Replies[0].Value
		}
		if depth != 1899 {
			t.Errorf("%d levels", depth)
		}
		var e *lex.Error
		if err := lex.UnmarshalJSON(Thread(2050), out); !errors.Is(err, lex.ErrDepth) || !errors.As(err, &e) {
			t.Errorf("error %v", err)
		}
	})
}

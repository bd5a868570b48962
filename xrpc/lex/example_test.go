package lex_test

import (
	"fmt"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// The value of a record is an Unknown. Records of the packages that you name are decoded. Any other
// becomes an UnknownVariant, which keeps it unchanged.
func Example() {
	value, err := lex.Raw([]byte(`{"$type":"app.bsky.feed.post","text":"hello","createdAt":"2026-01-01T00:00:00Z","mood":"good"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	record, err := value.Decode(appbsky.Records)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch record := record.(type) {
	case *appbsky.FeedPost:
		mood, _ := record.Extra.Get("mood")
		fmt.Printf("a post: %s, and a field newer than the lexicon: %s\n", record.Text, mood)

		record.Text = "hello again"
		out, err := lex.MarshalJSON(record)
		fmt.Println(string(out), err)
	case *lex.UnknownVariant:
		fmt.Printf("a %s: %s\n", record.LexType(), record.JSON())
	}
	// Output:
	// a post: hello, and a field newer than the lexicon: "good"
	// {"$type":"app.bsky.feed.post","text":"hello again","createdAt":"2026-01-01T00:00:00Z","mood":"good"} <nil>
}

func ExampleUnmarshalJSON() {
	var post appbsky.FeedPost
	err := lex.UnmarshalJSON([]byte(`{"text":"hello","createdAt":"2026-01-01T00:00:00Z","facets":[{"index":{"byteStart":0,"byteEnd":1.5},"features":[]}]}`), &post)
	fmt.Println(err)
	// Output:
	// lex: facets[0].index.byteEnd: 1.5 is not an integer (at byte 95)
}

func ExampleNullable() {
	for _, v := range []lex.Nullable[string]{lex.Some("a value"), lex.Null[string](), {}} {
		value, ok := v.Get()
		fmt.Printf("%q %t, null %t, left out %t\n", value, ok, v.IsNull(), v.IsAbsent())
	}
	// Output:
	// "a value" true, null false, left out false
	// "" false, null true, left out false
	// "" false, null false, left out true
}

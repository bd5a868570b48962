package lex_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func ExampleFromAny() {
	record, err := lex.FromAny(map[string]any{"$type": "com.example.note", "text": "hello", "tags": []string{"a", "b"}, "stars": 3})
	if err != nil {
		panic(err)
	}
	text, _ := record.JSON()
	fmt.Println(string(text))
	// Output: {"$type":"com.example.note","stars":3,"tags":["a","b"],"text":"hello"}
}

func TestAs(t *testing.T) {
	raw, err := lex.Raw([]byte(`{"$type":"app.bsky.feed.post","text":"hi","createdAt":"2026-01-02T03:04:05.006Z"}`))
	if err != nil {
		t.Fatal(err)
	}
	if post, err := lex.As[appbsky.FeedPost](raw); err != nil || post.Text != "hi" {
		t.Errorf("got %v, %v", post, err)
	}
	if like, err := lex.As[appbsky.FeedLike](raw); !errors.Is(err, lex.ErrUnion) || like != nil {
		t.Errorf("a post as a like: %v, %v", like, err)
	}
	if _, err := lex.As[appbsky.FeedPost](lex.Unknown{}); err == nil {
		t.Error("nothing is a post")
	}
}

func TestFromAny(t *testing.T) {
	type name string
	type number uint16
	const link = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
	text, none := "x", (*string)(nil)
	var decoded map[string]any
	if err := json.Unmarshal([]byte(`{"a":[1,2.0,{"b":null}],"c":{"$link":"`+link+`"}}`), &decoded); err != nil {
		t.Fatal(err)
	}
	for label, tt := range map[string]struct {
		in   map[string]any
		want string
	}{
		"nothing in it":           {map[string]any{}, `{}`},
		"simple values":           {map[string]any{"s": "a\n", "t": true, "n": nil, "i": -3}, `{"i":-3,"n":null,"s":"a\n","t":true}`},
		"numbers of all sizes":    {map[string]any{"a": int8(-1), "b": uint64(math.MaxInt64), "c": number(7), "d": float32(8), "e": json.Number("9"), "f": json.Number("1e3")}, `{"a":-1,"b":9223372036854775807,"c":7,"d":8,"e":9,"f":1000}`},
		"what encoding/json made": {decoded, `{"a":[1,2,{"b":null}],"c":{"$link":"` + link + `"}}`},
		"types of one's own":      {map[string]any{"a": name("n"), "b": map[name][]name{"k": {"v"}}, "c": [2]bool{true, false}}, `{"a":"n","b":{"k":["v"]},"c":[true,false]}`},
		"pointers":                {map[string]any{"a": &text, "b": none, "c": new(any)}, `{"a":"x","b":null,"c":null}`},
		"nil slices and maps":     {map[string]any{"a": []string(nil), "b": map[string]int(nil), "c": []any{}}, `{"a":[],"b":{},"c":[]}`},
		"bytes":                   {map[string]any{"a": []byte{1, 2}, "b": lex.Bytes{3}, "c": [2]byte{4, 5}}, `{"a":{"$bytes":"AQI"},"b":{"$bytes":"Aw"},"c":{"$bytes":"BAU"}}`},
		"a link":                  {map[string]any{"a": lex.CIDLink(link)}, `{"a":{"$link":"` + link + `"}}`},
		"JSON as it is":           {map[string]any{"a": json.RawMessage(`{"b":[1]}`)}, `{"a":{"b":[1]}}`},
		"strings of the syntax":   {map[string]any{"did": syntax.DID("did:plc:ewvi7nxzyoun6zhxrhs64oiz")}, `{"did":"did:plc:ewvi7nxzyoun6zhxrhs64oiz"}`},
		"generated types":         {map[string]any{"embed": &appbsky.EmbedRecord{Record: appbsky.EmbedRecord{}.Record}}, `{"embed":{"$type":"app.bsky.embed.record","record":{"cid":"","uri":""}}}`},
		"a key that needs quotes": {map[string]any{"\"": 1}, `{"\"":1}`},
	} {
		t.Run(label, func(t *testing.T) {
			got, err := lex.FromAny(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			text, err := got.JSON()
			if diff := cmp.Diff(tt.want, string(text)); err != nil || diff != "" {
				t.Errorf("%v, (-want +got):\n%s", err, diff)
			}
		})
	}

	defer debug.SetMaxStack(debug.SetMaxStack(64 << 20)) // what goes on for ever ends soon
	itself := map[string]any{}
	itself["a"] = []any{itself}
	var loop any
	loop = &loop
	for label, tt := range map[string]struct {
		in   map[string]any
		kind error
		path string
	}{
		"nil":                          {nil, lex.ErrMissing, ""},
		"a fraction":                   {map[string]any{"a": []any{1, map[string]any{"b": 1.5}}}, lex.ErrType, "a[1].b"},
		"a number that is none":        {map[string]any{"a": math.NaN()}, lex.ErrType, "a"},
		"an infinite one":              {map[string]any{"a": math.Inf(1)}, lex.ErrType, "a"},
		"a float past what is exact":   {map[string]any{"a": float64(1 << 60)}, lex.ErrType, "a"},
		"an integer past 64 bits":      {map[string]any{"a": uint64(math.MaxUint64)}, lex.ErrRange, "a"},
		"a json.Number that is none":   {map[string]any{"a": json.Number("x")}, lex.ErrType, "a"},
		"a channel":                    {map[string]any{"a": []any{make(chan int)}}, lex.ErrType, "a[0]"},
		"a struct":                     {map[string]any{"a": struct{}{}}, lex.ErrType, "a"},
		"a generated type, no pointer": {map[string]any{"a": appbsky.FeedPost{}}, lex.ErrType, "a"},
		"keys that are not strings":    {map[string]any{"a": map[int]string{1: "x"}}, lex.ErrType, "a"},
		"a string that is no UTF-8":    {map[string]any{"a": "\xff"}, lex.ErrSyntax, "a"},
		"a key that is no UTF-8":       {map[string]any{"\xff": 1}, lex.ErrSyntax, ""},
		"JSON that is none":            {map[string]any{"a": json.RawMessage(`{`)}, nil, "a"},
		"an empty unknown":             {map[string]any{"a": lex.Unknown{}}, lex.ErrMissing, "a"},
		"a map that holds itself":      {itself, lex.ErrDepth, "a[0].a[0].a[0].a[0]….a[0].a[0].a[0].a[0]"},
		"a pointer to itself":          {map[string]any{"a": loop}, lex.ErrDepth, "a"},
		"a link that is none":          {map[string]any{"a": map[string]any{"$link": "x"}}, nil, ""},
	} {
		t.Run(label, func(t *testing.T) {
			got, err := lex.FromAny(tt.in)
			e, ok := errors.AsType[*lex.Error](err)
			if !ok || !got.IsZero() || tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Fatalf("got %v, %v", got, err)
			}
			if tt.path != "" && !strings.HasPrefix(e.Path(), tt.path) {
				t.Errorf("the path is %q, not %q: %v", e.Path(), tt.path, err)
			}
		})
	}
}

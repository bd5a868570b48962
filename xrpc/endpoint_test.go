package xrpc

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// searching are parameters of every kind, written as lexgen writes them.
type searching struct {
	Q      string
	Limit  *int64
	Exact  *bool
	Tags   []string
	Years  []int64
	Both   []bool
	Sort   *string
	Number int64
	Deep   bool
}

func (p *searching) DecodeQuery(values url.Values) error {
	q := NewQueryDecoder(values)
	*p = searching{
		Q: q.String("q"), Limit: QueryDefault(q.OptionalInt("limit"), 50), Exact: q.OptionalBool("exact"),
		Tags: QueryStrings[string](q, "tags"), Years: q.Ints("years"), Both: q.Bools("both"), Sort: q.OptionalString("sort"),
		Number: q.Int("number"), Deep: q.Bool("deep"),
	}
	q.Need("tags")
	return q.End(p)
}

func (p *searching) ValidateLex(v *lex.Validator) {
	v.Field("number").Int(p.Number)
	v.Field("q").MaxBytes(p.Q, 5)
}

func TestQueriesAreRead(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		want        *searching
		param, why  string
	}{
		{"everything", "q=a&limit=1&exact=true&tags=x&tags=y&years=1&years=-2&both=true&both=false&sort=s&number=-0&deep=false",
			&searching{Q: "a", Limit: new(int64(1)), Exact: new(true), Tags: []string{"x", "y"}, Years: []int64{1, -2}, Both: []bool{true, false}, Sort: new("s")}, "", ""},
		{"what is left out has its default", "q=a&tags=x&number=9&deep=true", &searching{Q: "a", Limit: new(int64(50)), Tags: []string{"x"}, Number: 9, Deep: true}, "", ""},
		{"empty elements are left out", "q=a&tags=&tags=x&tags=&number=9&deep=true&limit=", &searching{Q: "a", Limit: new(int64(50)), Tags: []string{"x"}, Number: 9, Deep: true}, "", ""},
		{"a text is missing", "tags=x&number=9&deep=true", nil, "q", "is missing"},
		{"an integer is missing", "q=a&tags=x&deep=true", nil, "number", "is missing"},
		{"a boolean is missing", "q=a&tags=x&number=9", nil, "deep", "is missing"},
		{"an array is missing", "q=a&number=9&deep=true&tags=", nil, "tags", "is missing"},
		{"the first thing that is wrong is told", "q=a&q=b&number=x&deep=1", nil, "q", "comes 2 times; it takes one value"},
		{"an array of integers", "q=a&years=1&years=x", nil, "years[1]", `"x" is not an integer`},
		{"an array of booleans", "q=a&both=1", nil, "both[0]", `"1" is neither true nor false`},
		{"an array of texts", "q=a&tags=%FF", nil, "tags[0]", "is not UTF-8"},
		{"P127 an integer beyond 64 bits", "q=a&limit=9223372036854775808", nil, "limit", `"9223372036854775808" is no integer of 64 bits`},
		{"an integer beyond what everybody reads", "q=a&tags=x&deep=true&number=9007199254740992", nil, "number", "9007199254740992 has more than 53 bits"},
		{"a limit of the lexicon", "q=abcdef&tags=x&deep=true&number=1", nil, "q", "has 6 bytes, at most 5 are allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			values, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			got := &searching{Q: "of before", Sort: new("of before")}
			err = got.DecodeQuery(values)
			if tt.want != nil {
				if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
					t.Error(err, diff)
				}
				return
			}
			if diff := cmp.Diff(&ParamError{Param: tt.param, Reason: tt.why}, err); diff != "" {
				t.Error(diff)
			}
			if !errors.Is(err, ErrInvalidRequest) || errors.Is(err, ErrForbidden) {
				t.Error(err)
			}
		})
	}
	t.Run("values are left as they are", func(t *testing.T) {
		values := url.Values{"q": {"a"}, "number": {"1"}, "deep": {"true"}, "tags": {"", "a", "b", "", "c"}}
		if err := new(searching).DecodeQuery(values); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"", "a", "b", "", "c"}, values["tags"]); diff != "" {
			t.Error(diff)
		}
	})
}

// Names and the status that goes with each come from one list.
func TestNamesAndStatuses(t *testing.T) {
	for status := 400; status < 600; status++ {
		name := NameOfStatus(status)
		if own := name.DefaultStatus(); NameOfStatus(own) != name {
			t.Errorf("%d is %s, which is %d, which is %s", status, name, own, NameOfStatus(own))
		}
	}
	if got := ErrorName("UnknownFeed").DefaultStatus(); got != 400 {
		t.Errorf("an error of a lexicon is %d", got)
	}
}

func TestLabelersAreReadAsTheyAreWritten(t *testing.T) {
	all := []Labeler{{DID: "did:web:a.example", Redact: true}, {DID: "did:web:b.example"}}
	if diff := cmp.Diff(all, ParseLabelers([]string{FormatLabelers(all)})); diff != "" {
		t.Error(diff)
	}
	for _, text := range []string{"did:web:a.example; redact,did:web:b.example", "did:web:a.example;x=1;redact , nonsense, ,did:web:b.example;other"} {
		if diff := cmp.Diff(all, ParseLabelers([]string{text})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	if got := ParseLabelers([]string{"did:web:a.example;redact", "did:web:b.example"}); len(got) != 2 {
		t.Error(got)
	}
}

func TestABodyIsOpened(t *testing.T) {
	body := StreamBody(strings.NewReader("once"), 4, "text/plain")
	r, err := body.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "once" {
		t.Error(string(got), err)
	}
	r.Close()
	if _, err := body.Open(t.Context()); !errors.Is(err, ErrBodyNotReplayable) {
		t.Error(err)
	}
}

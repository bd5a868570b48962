package service_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/toolsozone"
	"github.com/gimucco/atproto-go/xrpc"
)

// FuzzDecodeQuery reads any query as the parameters of methods that have all kinds of them. What can be read is written,
// and read again, as the same.
func FuzzDecodeQuery(f *testing.F) {
	for _, seed := range []string{
		"", "actor=alice.example&limit=007&includePins=true&cursor=a+b%2B", "actor=&actor=a.example&limit=", "limit=1&limit=2", "limit=-9223372036854775809",
		"types=a&types=&types=b&addedLabels=x&createdAfter=2026-01-02T03:04:05Z&hasComment=false", "subject=%FF", "policies=a;b", "limit=%zz", "=&==&&", "modTool=\x00&batchId=%00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		again(t, values, new(appbsky.FeedGetAuthorFeedParams), new(appbsky.FeedGetAuthorFeedParams))
		again(t, values, new(toolsozone.ModerationQueryEventsParams), new(toolsozone.ModerationQueryEventsParams))
	})
}

// A readable reads and writes itself.
type readable interface {
	xrpc.Params
	xrpc.DecodedParams
}

func again(t *testing.T, values url.Values, first, second readable) {
	err := first.DecodeQuery(values)
	if err != nil {
		if text := err.Error(); !strings.HasPrefix(text, "parameter ") || len(text) > 3000 {
			t.Errorf("error %q", text)
		}
		return
	}
	var q xrpc.Query
	first.EncodeQuery(&q)
	written, err := url.ParseQuery(q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.DecodeQuery(written); err != nil {
		t.Errorf("%s was written, and cannot be read: %v", q.Encode(), err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("%s: %s", q.Encode(), diff)
	}
}

package comatproto_test

import (
	"errors"
	"testing"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/paging"
)

func TestNullLists(t *testing.T) {
	call := func(answer string) *comatproto.Client {
		return comatproto.NewClient(&doer{answers: []string{"application/json " + answer}})
	}
	t.Run("P120 of objects", func(t *testing.T) {
		out, err := call(`{"records":null}`).Repo.ListRecords(t.Context(), nil)
		if err != nil || out.Records == nil || len(out.Records) != 0 {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("P120 of strings", func(t *testing.T) {
		out, err := call(`{"cids":null}`).Sync.ListBlobs(t.Context(), nil)
		if err != nil || out.CIDs == nil || len(out.CIDs) != 0 {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("P120 within a list", func(t *testing.T) {
		out, err := call(`{"codes":[{"code":"a","available":1,"disabled":false,"forAccount":"b","createdBy":"c","createdAt":"2026-01-02T03:04:05Z","uses":null}]}`).Admin.GetInviteCodes(t.Context(), nil)
		if err != nil || len(out.Codes) != 1 || out.Codes[0].Uses == nil {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("P120 that nobody has to send", func(t *testing.T) {
		out, err := call(`{"reqId":null,"results":null,"commit":null}`).Repo.ApplyWrites(t.Context(), new(comatproto.RepoApplyWritesInput))
		if err != nil || out.Results != nil {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("P120 that is missing is missing", func(t *testing.T) {
		if _, err := call(`{}`).Repo.ListRecords(t.Context(), nil); !errors.Is(err, lex.ErrMissing) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("P120 in a record", func(t *testing.T) {
		const post = `{"$type":"app.bsky.feed.post","text":"x","createdAt":"2026-01-02T03:04:05Z","embed":{"$type":"app.bsky.embed.images","images":null}}`
		out, err := call(`{"uri":"`+uri+`","value":`+post+`}`).Repo.GetRecord(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := out.Value.As(new(appbsky.FeedPost)); !errors.Is(err, lex.ErrType) {
			t.Errorf("got %v", err)
		}
		if err := lex.UnmarshalJSON([]byte(post), new(appbsky.FeedPost)); !errors.Is(err, lex.ErrType) {
			t.Errorf("got %v", err)
		}
	})
}

func TestListsEnd(t *testing.T) {
	const page, empty = `application/json {"cursor":"1","records":[{"uri":"` + uri + `","cid":"` + cid + `","value":{}}]}`, `application/json {"cursor":"1","records":[]}`
	for _, tt := range []struct {
		name    string
		answers []string
		want    int
		err     error
	}{
		{"P86 an empty page with the same cursor is the end", []string{page, empty}, 1, nil},
		{"P86 so is one that is a null", []string{page, `application/json {"cursor":"1","records":null}`}, 1, nil},
		{"P86 a page that has something is an error", []string{page, page}, 2, paging.ErrRepeatedCursor},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			var failed error
			for _, err := range comatproto.NewClient(&doer{answers: tt.answers}).Repo.ListRecordsAll(t.Context(), nil) {
				if err != nil {
					failed = err
					continue
				}
				n++
			}
			if n != tt.want || !errors.Is(failed, tt.err) {
				t.Errorf("%d records, %v", n, failed)
			}
		})
	}
}

package comatproto_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/paging"
	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

// doer answers requests in turn and notes them.
type doer struct {
	answers []string // "status content-type body"
	asked   []string
	proxy   []string
}

func (d *doer) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	line := req.Method + " " + string(req.NSID) + "?" + req.Query
	if req.Body != nil {
		r, err := xrpc.NewHTTPRequest(ctx, req.Method, &url.URL{Scheme: "https", Host: "pds.example"}, req.Header, req.Body)
		if err != nil {
			return nil, err
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		line += " " + req.Body.ContentType() + " " + string(body)
	}
	d.asked = append(d.asked, line)
	d.proxy = append(d.proxy, req.Header.Get("Atproto-Proxy"))
	answer := d.answers[0]
	d.answers = d.answers[1:]
	status := http.StatusOK
	if rest, failed := strings.CutPrefix(answer, "400 "); failed {
		status, answer = http.StatusBadRequest, rest
	}
	kind, body, _ := strings.Cut(answer, " ")
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}, nil
}

const (
	uri = "at://did:plc:a/app.bsky.feed.post/3l3qylp5d3c2y"
	cid = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
)

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

func TestCallsOnTheWire(t *testing.T) {
	put := comatproto.RepoPutRecordInput{Repo: "did:plc:a", Collection: "com.example.x", RKey: "self", Record: lex.Of(&comatproto.RepoStrongRef{URI: uri, CID: cid})}
	putNull, putSome := put, put
	putNull.SwapRecord = lex.Null[syntax.CID]()
	putSome.SwapRecord = lex.Some(syntax.CID(cid))
	const putWire = `POST com.atproto.repo.putRecord? application/json {"repo":"did:plc:a","collection":"com.example.x","rkey":"self","record":{"uri":"` + uri + `","cid":"` + cid + `"}`
	plc, err := lex.Raw([]byte(`{"type":"plc_operation","prev":null}`))
	if err != nil {
		t.Fatal(err)
	}
	const written = `application/json {"uri":"` + uri + `","cid":"` + cid + `"}`
	for _, tc := range []struct {
		name, answer string
		call         func(context.Context, *comatproto.Client) error
		want         string
	}{
		{"P34 putRecord without swapRecord", written, func(ctx context.Context, api *comatproto.Client) error {
			_, err := api.Repo.PutRecord(ctx, &put)
			return err
		}, putWire + "}"},
		{"P34 putRecord with null", written, func(ctx context.Context, api *comatproto.Client) error {
			_, err := api.Repo.PutRecord(ctx, &putNull)
			return err
		}, putWire + `,"swapRecord":null}`},
		{"P34 putRecord with a CID", written, func(ctx context.Context, api *comatproto.Client) error {
			_, err := api.Repo.PutRecord(ctx, &putSome)
			return err
		}, putWire + `,"swapRecord":"` + cid + `"}`},
		{"P39 createAccount without plcOp", `application/json {"accessJwt":"a","refreshJwt":"b","handle":"a.example","did":"did:plc:a"}`, func(ctx context.Context, api *comatproto.Client) error {
			_, err := api.Server.CreateAccount(ctx, &comatproto.ServerCreateAccountInput{Handle: "a.example"})
			return err
		}, `POST com.atproto.server.createAccount? application/json {"handle":"a.example"}`},
		{"P39 signPlcOperation", `application/json {"operation":{"type":"plc_operation"}}`, func(ctx context.Context, api *comatproto.Client) error {
			_, err := api.Identity.SignPlcOperation(ctx, &comatproto.IdentitySignPlcOperationInput{Token: new("t"), RotationKeys: []string{}, Services: plc})
			return err
		}, `POST com.atproto.identity.signPlcOperation? application/json {"token":"t","rotationKeys":[],"services":{"type":"plc_operation","prev":null}}`},
		{"X4 a query with its defaults", `application/json {"records":[]}`, func(ctx context.Context, api *comatproto.Client) error {
			_, err := api.Repo.ListRecords(ctx, &comatproto.RepoListRecordsParams{Repo: "did:plc:a", Collection: "app.bsky.feed.post"})
			return err
		}, `GET com.atproto.repo.listRecords?repo=did%3Aplc%3Aa&collection=app.bsky.feed.post&limit=50`},
		{"a body of bytes", `application/json {"blob":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"text/plain","size":2}}`, func(ctx context.Context, api *comatproto.Client) error {
			out, err := api.Repo.UploadBlob(ctx, xrpc.BytesBody([]byte("hi"), "text/plain"))
			if err == nil && out.Blob.Size != 2 {
				t.Errorf("blob %+v", out.Blob)
			}
			return err
		}, `POST com.atproto.repo.uploadBlob? text/plain hi`},
		{"an output of bytes", `application/octet-stream hello`, func(ctx context.Context, api *comatproto.Client) error {
			out, err := api.Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: "did:plc:a", CID: cid})
			if err != nil {
				return err
			}
			defer out.Close()
			if b, err := io.ReadAll(out); string(b) != "hello" || err != nil {
				t.Errorf("%q, %v", b, err)
			}
			return nil
		}, `GET com.atproto.sync.getBlob?did=did%3Aplc%3Aa&cid=` + cid},
		{"X5 a false is not the same as nothing", `application/json {"records":[]}`, func(ctx context.Context, api *comatproto.Client) error {
			_, err := api.Repo.ListRecords(ctx, &comatproto.RepoListRecordsParams{Repo: "did:plc:a", Collection: "app.bsky.feed.post", Limit: new(int64(0)), Cursor: new(""), Reverse: new(false)})
			return err
		}, `GET com.atproto.repo.listRecords?repo=did%3Aplc%3Aa&collection=app.bsky.feed.post&limit=0&cursor=&reverse=false`},
		{"X7 X10 nothing in, nothing out", ` `, func(ctx context.Context, api *comatproto.Client) error {
			return api.Server.ActivateAccount(ctx)
		}, `POST com.atproto.server.activateAccount?`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := &doer{answers: []string{tc.answer}}
			if err := tc.call(t.Context(), comatproto.NewClient(d)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tc.want}, d.asked, sameJSON); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Run("X12 P42 by their names, and of what is not sent", func(t *testing.T) {
		d := &doer{answers: []string{`400 application/json {"error":"InvalidSwap","message":"no"}`}}
		_, err := comatproto.NewClient(d).Repo.PutRecord(t.Context(), &comatproto.RepoPutRecordInput{Record: lex.Of(new(comatproto.RepoStrongRef))})
		if !errors.Is(err, comatproto.ErrInvalidSwap) || errors.Is(err, comatproto.ErrRecordNotFound) {
			t.Errorf("error %v", err)
		}
		var zero comatproto.Client
		if _, err := zero.Server.GetSession(t.Context()); err == nil {
			t.Error("a zero Client works")
		}
		if _, err := comatproto.NewClient(d).Repo.PutRecord(t.Context(), nil); err == nil {
			t.Error("a nil input is sent")
		}
	})
}

func TestDirectMethodsHaveNoDefaultProxy(t *testing.T) {
	t.Run("X22 the PDS's own methods are not proxied by default", func(t *testing.T) {
		const labels = `application/json {"labels":[]}`
		d := &doer{answers: []string{labels, ` `, ` `}}
		api := comatproto.NewClient(d, xrpc.WithProxy("did:web:api.example#svc"))
		if _, err := api.Label.QueryLabels(t.Context(), &comatproto.LabelQueryLabelsParams{}); err != nil {
			t.Fatal(err)
		}
		if err := api.Server.ActivateAccount(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := api.Server.ActivateAccount(t.Context(), xrpc.WithProxy("did:web:other.example#svc")); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"did:web:api.example#svc", "", "did:web:other.example#svc"}, d.proxy); diff != "" {
			t.Error(diff)
		}
	})
}

func TestListRecordsAll(t *testing.T) {
	record := func(key string) string {
		return `{"uri":"at://did:plc:a/app.bsky.feed.post/` + key + `","cid":"` + cid + `","value":{"$type":"app.bsky.feed.post"}}`
	}
	page := func(cursor string, records ...string) string {
		if cursor != "" {
			cursor = `,"cursor":"` + cursor + `"`
		}
		return `application/json {"records":[` + strings.Join(records, ",") + `]` + cursor + `}`
	}
	params := &comatproto.RepoListRecordsParams{Repo: "did:plc:a", Collection: "app.bsky.feed.post", Limit: new(int64(2))}
	collect := func(d *doer) (keys []syntax.RecordKey, err error) {
		for r, err := range comatproto.NewClient(d).Repo.ListRecordsAll(t.Context(), params) {
			if err != nil {
				return keys, err
			}
			keys = append(keys, r.URI.RecordKey())
		}
		return keys, nil
	}
	t.Run("X26 pages are followed, an empty one goes on", func(t *testing.T) {
		d := &doer{answers: []string{page("1", record("a"), record("b")), page("2"), page("", record("c"))}}
		keys, err := collect(d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]syntax.RecordKey{"a", "b", "c"}, keys); diff != "" {
			t.Error(diff)
		}
		const query = "GET com.atproto.repo.listRecords?repo=did%3Aplc%3Aa&collection=app.bsky.feed.post&limit=2"
		if diff := cmp.Diff([]string{query, query + "&cursor=1", query + "&cursor=2"}, d.asked); diff != "" {
			t.Error(diff)
		}
		if params.Cursor != nil {
			t.Error("the caller's params were changed")
		}
	})
	t.Run("X26 a repeated cursor is an error", func(t *testing.T) {
		d := &doer{answers: []string{page("1", record("a")), page("1", record("b")), page("1")}}
		keys, err := collect(d)
		if !errors.Is(err, paging.ErrRepeatedCursor) || len(keys) != 2 {
			t.Errorf("%v, %v", keys, err)
		}
	})
}

func TestValidationOfCalls(t *testing.T) {
	ctx := t.Context()
	page := `application/json {"records":[{"uri":"at://x y","cid":"` + cid + `","value":{}}]}`
	limit := int64(1000)
	for name, tc := range map[string]struct {
		on    bool
		limit *int64
		asked int
		want  string
	}{
		"off":        {limit: &limit, asked: 1},
		"parameters": {on: true, limit: &limit, want: "xrpc: com.atproto.repo.listRecords: parameters: lex: invalid: limit: 1000 is more than 100"},
		"output":     {on: true, asked: 1, want: "records[0].uri: "},
	} {
		t.Run("L52 "+name, func(t *testing.T) {
			d := &doer{answers: []string{page}}
			api := comatproto.NewClient(d, xrpc.WithValidation(tc.on))
			out, err := api.Repo.ListRecords(ctx, &comatproto.RepoListRecordsParams{Repo: "did:plc:a", Collection: "com.example.x", Limit: tc.limit})
			if len(d.asked) != tc.asked {
				t.Errorf("%d requests", len(d.asked))
			}
			if tc.want == "" {
				if err != nil || len(out.Records) != 1 {
					t.Error(err)
				}
				return
			}
			var invalid *lex.ValidationError
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v", err)
			}
		})
	}
	t.Run("L52 input", func(t *testing.T) {
		d := &doer{}
		_, err := comatproto.NewClient(d).Repo.PutRecord(ctx, &comatproto.RepoPutRecordInput{Repo: "x", Collection: "com.example.x", RKey: ".", Record: lex.Of(&comatproto.RepoStrongRef{CID: cid})}, xrpc.WithValidation(true))
		var invalid *lex.ValidationError
		if !errors.As(err, &invalid) {
			t.Fatal(err)
		}
		var paths []string
		for _, v := range invalid.Violations {
			paths = append(paths, v.Path)
		}
		if diff := cmp.Diff([]string{"repo", "rkey", "record.uri"}, paths); diff != "" {
			t.Error(diff)
		}
	})
}

package records_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	alice = syntax.DID("did:plc:aliceaaaaaaaaaaaaaaaaaaa")
	one   = syntax.CID("bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a")
	two   = syntax.CID("bafyreihffx5a2e7k5uwrmmgofbvzujc5cmw5h4espouwuxt3liqoflx3ee")
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

// A server answers calls, and notes them as "method input".
type server struct {
	answers []string // JSON of a success, or "status name message"
	calls   []string
	hook    func() // before an answer
}

func (s *server) DID() syntax.DID { return alice }

func (s *server) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	text := string(req.NSID)
	if req.Query != "" {
		text += "?" + req.Query
	}
	if req.Body != nil {
		out, err := xrpc.NewHTTPRequest(ctx, req.Method, &url.URL{Scheme: "https", Host: "pds.test"}, req.Header, req.Body)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(out.Body)
		if err != nil {
			return nil, err
		}
		out.Body.Close()
		text += " " + string(body)
	}
	s.calls = append(s.calls, strings.TrimPrefix(text, "com.atproto.repo."))
	if s.hook != nil {
		s.hook()
	}
	if len(s.answers) == 0 {
		return nil, errors.New("one call too many: " + text)
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	status := 200
	if number, rest, ok := strings.Cut(answer, " "); ok && answer[0] != '{' {
		status, _ = strconv.Atoi(number)
		name, message, _ := strings.Cut(rest, " ")
		answer = fmt.Sprintf(`{"error":%q,"message":%q}`, name, message)
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)),
	}, nil
}

func written(cid syntax.CID) string {
	return fmt.Sprintf(`{"uri":"at://%s/app.bsky.actor.profile/self","cid":%q}`, alice, cid)
}

func profile(cid syntax.CID, value string) string {
	return fmt.Sprintf(`{"uri":"at://%s/app.bsky.actor.profile/self","cid":%q,"value":%s}`, alice, cid, value)
}

const repo = `"repo":"did:plc:aliceaaaaaaaaaaaaaaaaaaa"`

func TestUpdate(t *testing.T) {
	const (
		read     = "getRecord?repo=did%3Aplc%3Aaliceaaaaaaaaaaaaaaaaaaa&collection=app.bsky.actor.profile&rkey=self"
		none     = "400 RecordNotFound Could not locate record"
		conflict = "400 InvalidSwap Record was at another version"
	)
	write := func(record, swap string) string {
		return `putRecord {` + repo + `,"collection":"app.bsky.actor.profile","rkey":"self","record":` + record + `,"swapRecord":` + swap + `}`
	}
	rename := func(p *appbsky.ActorProfile) error {
		p.DisplayName = new("Alice")
		return nil
	}
	renamed, now := `{"$type":"app.bsky.actor.profile","displayName":"Alice"}`, `{"$type":"app.bsky.actor.profile","displayName":"Alice","theme":{"dark":true}}`
	for _, tt := range []struct {
		name    string
		answers []string
		change  func(*appbsky.ActorProfile) error
		calls   []string
		want    syntax.CID
		err     error
	}{
		{"P34 where nothing is, it begins, and nothing has to be there", []string{none, written(one)}, rename,
			[]string{read, write(renamed, "null")}, one, nil},
		{"where nothing is, as servers said it before", []string{"400 InvalidRequest Could not locate record: at://…", written(one)}, rename,
			[]string{read, write(renamed, "null")}, one, nil},
		{"P32 what the lexicon does not have stays, and only what was read is replaced", []string{profile(one, `{"$type":"app.bsky.actor.profile","theme":{"dark":true}}`), written(two)}, rename,
			[]string{read, write(now, `"`+string(one)+`"`)}, two, nil},
		{"others who write are not overwritten", []string{none, conflict, profile(one, `{"$type":"app.bsky.actor.profile","theme":{"dark":true}}`), written(two)}, rename,
			[]string{read, write(renamed, "null"), read, write(now, `"`+string(one)+`"`)}, two, nil},
		{"others who write the same are not taken for this write", []string{none, strings.Replace(written(one), "}", `,"validationStatus":"valid"}`, 1), profile(one, renamed)}, rename,
			[]string{read, write(renamed, "null"), read}, one, nil},
		{"a record that stays what it is, is not written", []string{profile(one, now)}, rename, []string{read}, one, nil},
		{"others are faster each time", []string{none, conflict, none, conflict, none, conflict, none, conflict, none, conflict}, rename,
			[]string{read, write(renamed, "null"), read, write(renamed, "null"), read, write(renamed, "null"), read, write(renamed, "null"), read, write(renamed, "null")}, "", records.ErrChanged},
		{"a change that fails writes nothing", []string{none}, func(*appbsky.ActorProfile) error { return io.ErrUnexpectedEOF }, []string{read}, "", io.ErrUnexpectedEOF},
		{"what cannot be read is not overwritten", []string{profile(one, `{"$type":"app.bsky.actor.profile","displayName":7}`)}, rename, []string{read}, "", records.ErrNotARecord},
		{"nor is a record of another type", []string{profile(one, `{"$type":"app.bsky.feed.post","text":""}`)}, rename, []string{read}, "", records.ErrNotARecord},
		{"a server that is down says nothing of the record", []string{"503 UpstreamFailure down"}, rename, []string{read}, "", xrpc.ErrUpstreamFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{answers: tt.answers}
				ref, err := records.Update(t.Context(), s, "self", tt.change)
				if !errors.Is(err, tt.err) || tt.err == nil && (err != nil || ref.CID != tt.want) {
					t.Errorf("got %v, %v", ref, err)
				}
				if diff := cmp.Diff(tt.calls, s.calls, sameJSON); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
	t.Run("it ends with its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s := &server{answers: []string{none, conflict}}
			s.hook = func() {
				if len(s.calls) == 2 {
					cancel()
				}
			}
			if _, err := records.Update(ctx, s, "self", rename); !errors.Is(err, context.Canceled) || len(s.calls) != 2 {
				t.Errorf("got %v after %d calls", err, len(s.calls))
			}
		})
	})
	t.Run("without a CID nothing can be replaced safely", func(t *testing.T) {
		s := &server{answers: []string{strings.Replace(profile(one, now), `"cid":"`+string(one)+`",`, "", 1)}}
		if _, err := records.Update(t.Context(), s, "self", rename); err == nil || len(s.calls) != 1 {
			t.Errorf("got %v", err)
		}
	})
}

// Each is refused before anything is sent.
func TestWrongUses(t *testing.T) {
	like := &appbsky.FeedLike{CreatedAt: "2026-01-02T03:04:05Z"}
	like.Subject.URI, like.Subject.CID = "at://did:plc:bobaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3jzfcijpj2z2a", one
	mine, his := syntax.ATURI("at://"+string(alice)+"/app.bsky.feed.like/3jzfcijpj2z2a"), like.Subject.URI
	forgotten := *like
	forgotten.CreatedAt = ""
	s := new(server)
	ctx := t.Context()
	for name, tt := range map[string]struct {
		call func() error
		want string
		kind error
	}{
		"P112 a required field that was forgotten": {func() error { _, err := records.Create(ctx, s, &forgotten); return err }, "createdAt", nil},
		"P112 likewise in a batch": {func() error {
			b := records.NewBatch(s)
			b.Create(like)
			b.Create(&forgotten)
			_, err := b.Apply(ctx)
			return err
		}, "write 2 of the batch: records: app.bsky.feed.like", nil},
		"P112 likewise put":           {func() error { _, err := records.Put(ctx, s, "self", &forgotten); return err }, "createdAt", nil},
		"what is no record":           {func() error { _, err := records.Create(ctx, s, &like.Subject); return err }, "com.atproto.repo.strongRef", records.ErrNotARecord},
		"a part of a lexicon":         {func() error { _, err := records.Create(ctx, s, &appbsky.FeedPostReplyRef{}); return err }, "is the type of an object", records.ErrNotARecord},
		"a URI of another collection": {func() error { _, _, err := records.Get[appbsky.FeedLike](ctx, s, his); return err }, "app.bsky.feed.like", records.ErrNotARecord},
		"a URI of a repository":       {func() error { _, _, err := records.Get[appbsky.FeedLike](ctx, s, "at://alice.test"); return err }, "not the URI of a record", records.ErrNotARecord},
		"what is no URI":              {func() error { _, _, err := records.Get[appbsky.FeedLike](ctx, s, "https://x.test"); return err }, "https://x.test", nil},
		"a key that is none": {func() error {
			_, err := records.Update(ctx, s, "a/b", func(*appbsky.FeedLike) error { return nil })
			return err
		}, "a/b", nil},
		"another's record":               {func() error { return records.Delete(ctx, s, his) }, "did:plc:bob", records.ErrForeign},
		"another's record by its handle": {func() error { return records.Delete(ctx, s, "at://bob.test/app.bsky.feed.like/3jzfcijpj2z2a") }, "write the DID", records.ErrForeign},
		"a collection to delete":         {func() error { return records.Delete(ctx, s, "at://"+syntax.ATURI(alice)+"/app.bsky.feed.like") }, "not the URI of a record", records.ErrNotARecord},
		"a swap where nothing can be":    {func() error { _, err := records.Create(ctx, s, like, records.WithSwap(one)); return err }, "WithSwap: remove the option", nil},
		"a key where there is one":       {func() error { _, err := records.Put(ctx, s, "x", like, records.WithKey("y")); return err }, "WithKey: remove the option", nil},
		"a swap in an update": {func() error {
			_, err := records.Update(ctx, s, "x", func(*appbsky.FeedLike) error { return nil }, records.WithSwap(one))
			return err
		}, "WithSwap: remove the option", nil},
		"checks where nothing is sent": {func() error { return records.Delete(ctx, s, mine, records.WithoutChecks()) }, "WithoutChecks: remove the option", nil},
		"more writes than servers take": {func() error {
			b := records.NewBatch(s)
			for range 201 {
				b.Create(like)
			}
			_, err := b.Apply(ctx)
			return err
		}, "201 writes; at most 200", nil},
		"another's record in a batch": {func() error {
			b := records.NewBatch(s)
			b.Delete(mine)
			b.Delete(his)
			_, err := b.Apply(ctx)
			return err
		}, "write 2 of the batch", records.ErrForeign},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.call()
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if len(s.calls) != 0 {
				t.Errorf("sent %q", s.calls)
				s.calls = nil
			}
		})
	}
	t.Run("P112 it is a *lex.ValidationError, and goes out if that is wished", func(t *testing.T) {
		_, err := records.Create(ctx, s, &forgotten)
		if _, ok := errors.AsType[*lex.ValidationError](err); !ok {
			t.Errorf("got %v", err)
		}
		s.answers = []string{written(one)}
		if _, err := records.Create(ctx, s, &forgotten, records.WithoutChecks(), records.WithCall(xrpc.WithValidation(false))); err != nil || len(s.calls) != 1 {
			t.Errorf("got %v", err)
		}
	})
}

func TestNilIsRefused(t *testing.T) {
	like := &appbsky.FeedLike{CreatedAt: "2026-01-02T03:04:05Z"}
	like.Subject.URI, like.Subject.CID = "at://did:plc:bobaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3jzfcijpj2z2a", one
	mine := syntax.ATURI("at://" + string(alice) + "/app.bsky.feed.like/3jzfcijpj2z2a")
	s, ctx := new(server), t.Context()
	apply := func(b *records.Batch) error { _, err := b.Apply(ctx); return err }
	for name, tt := range map[string]struct {
		call func(*records.Batch) error
		want string
		kind error
	}{
		"a record":                 {func(*records.Batch) error { _, err := records.Create(ctx, s, nil); return err }, "it is a nil", records.ErrNotARecord},
		"a record of a type":       {func(*records.Batch) error { _, err := records.Create(ctx, s, (*appbsky.FeedLike)(nil)); return err }, "FeedLike", records.ErrNotARecord},
		"a record to put":          {func(*records.Batch) error { _, err := records.Put(ctx, s, "x", nil); return err }, "it is a nil", records.ErrNotARecord},
		"a record in a batch":      {func(b *records.Batch) error { b.Create(nil); return apply(b) }, "write 1 of the batch", records.ErrNotARecord},
		"an update in a batch":     {func(b *records.Batch) error { b.Update("x", (*appbsky.FeedLike)(nil)); return apply(b) }, "write 1 of the batch", records.ErrNotARecord},
		"the account":              {func(*records.Batch) error { _, err := records.Create(ctx, nil, like); return err }, "account is nil", nil},
		"the account of a type":    {func(*records.Batch) error { _, err := records.Create(ctx, (*server)(nil), like); return err }, "account is nil", nil},
		"the account of a batch":   {func(*records.Batch) error { b := records.NewBatch(nil); b.Create(like); return apply(b) }, "account is nil", nil},
		"the account to delete":    {func(*records.Batch) error { return records.Delete(ctx, nil, mine) }, "account is nil", nil},
		"the account of a post":    {func(*records.Batch) error { _, err := records.Post(ctx, nil, records.Text("x")); return err }, "account is nil", nil},
		"the account of a picture": {func(*records.Batch) error { _, err := records.UploadImage(ctx, nil, "x", ""); return err }, "account is nil", nil},
		"the func of an update":    {func(*records.Batch) error { _, err := records.Update[appbsky.FeedLike](ctx, s, "x", nil); return err }, "func is nil", nil},
		"the func of preferences":  {func(*records.Batch) error { return records.UpdatePreferences(ctx, s, nil) }, "func is nil", nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := tt.call(records.NewBatch(s))
			if err == nil || !strings.Contains(err.Error(), tt.want) || tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if len(s.calls) != 0 {
				t.Fatalf("sent %q", s.calls)
			}
		})
	}
	t.Run("an option is as none", func(t *testing.T) {
		s := &server{answers: []string{written(one)}}
		if _, err := records.Create(ctx, s, like, nil); err != nil {
			t.Error(err)
		}
	})
}

// old is a record of generated code that does not know its keys.
type old struct{ appbsky.ActorProfile }

func (*old) LexKey() {}

// named is a record whose key is an NSID.
type named struct{ appbsky.ActorProfile }

func (*named) LexKey() string { return "nsid" }

func TestKeysAreThoseOfTheLexicon(t *testing.T) {
	const tid = syntax.RecordKey("3jzfcijpj2z2a")
	like := &appbsky.FeedLike{CreatedAt: "2026-01-02T03:04:05Z"}
	like.Subject.URI, like.Subject.CID = "at://did:plc:bobaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3jzfcijpj2z2a", one
	profile, feed := new(appbsky.ActorProfile), &appbsky.FeedGenerator{DID: alice, DisplayName: "x", CreatedAt: like.CreatedAt}
	create := func(record lex.Typed, opts ...records.Option) func(*server) error {
		return func(s *server) error { _, err := records.Create(t.Context(), s, record, opts...); return err }
	}
	put := func(key syntax.RecordKey, record lex.Typed, opts ...records.Option) func(*server) error {
		return func(s *server) error { _, err := records.Put(t.Context(), s, key, record, opts...); return err }
	}
	update := func(key syntax.RecordKey, opts ...records.Option) func(*server) error {
		return func(s *server) error {
			_, err := records.Update(t.Context(), s, key, func(p *appbsky.ActorProfile) error { p.DisplayName = new("x"); return nil }, opts...)
			return err
		}
	}
	batch := func(key syntax.RecordKey, record lex.Typed, opts ...records.Option) func(*server) error {
		return func(s *server) error {
			b := records.NewBatch(s)
			if key == "" {
				b.Create(record)
			} else {
				b.CreateAt(key, record)
			}
			_, err := b.Apply(t.Context(), opts...)
			return err
		}
	}
	for name, tt := range map[string]struct {
		call func(*server) error
		want string // the key that is sent, "none", or what an ErrKey says
	}{
		"the only key is taken":                    {create(profile), "self"},
		"the only key is taken to put":             {put("", profile), "self"},
		"the only key is taken to update":          {update(""), "self"},
		"the only key is taken in a batch":         {batch("", profile), "self"},
		"the only key may be given":                {create(profile, records.WithKey("self")), "self"},
		"another than the only one":                {create(profile, records.WithKey("abc")), `always "self"`},
		"another than the only one to put":         {put("abc", profile), `always "self"`},
		"another than the only one to update":      {update("me"), `always "self"`},
		"another than the only one in a batch":     {batch("abc", profile), `write 1 of the batch`},
		"another than the only one without checks": {create(profile, records.WithKey("abc"), records.WithoutChecks()), "abc"},
		"likewise to update":                       {update("me", records.WithoutChecks()), "me"},
		"likewise in a batch":                      {batch("abc", profile, records.WithoutChecks()), "abc"},
		"the server makes a TID":                   {create(like), "none"},
		"a TID":                                    {create(like, records.WithKey(tid)), string(tid)},
		"no TID":                                   {put("self", like), "a TID"},
		"no TID without checks":                    {put("self", like, records.WithoutChecks()), "self"},
		"an NSID":                                  {put("com.example.name", new(named)), "com.example.name"},
		"no NSID":                                  {put("self", new(named)), "an NSID"},
		"no server makes an NSID":                  {create(new(named)), "an NSID"},
		"any key":                                  {put("my-feed", feed), "my-feed"},
		"any key, or none":                         {create(feed), "none"},
		"a record that does not know its keys":     {put("abc", new(old)), "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{answers: []string{written(one)}}
			if strings.Contains(name, "update") {
				s.answers = []string{"400 RecordNotFound no", written(one)}
			} else if strings.Contains(name, "batch") {
				s.answers = []string{`{}`}
			}
			err := tt.call(s)
			if len(s.calls) == 0 {
				if !errors.Is(err, records.ErrKey) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				return
			}
			key := "none"
			if _, after, ok := strings.Cut(s.calls[len(s.calls)-1], `"rkey":"`); ok {
				key, _, _ = strings.Cut(after, `"`)
			}
			if err != nil || key != tt.want {
				t.Errorf("got %v with the key %s, want %s", err, key, tt.want)
			}
		})
	}
}

func TestARecordThatIsThereIsToldFromOtherTrouble(t *testing.T) {
	const failed = "500 InternalServerError Internal Server Error"
	like := &appbsky.FeedLike{CreatedAt: "2026-01-02T03:04:05Z"}
	like.Subject.URI, like.Subject.CID = "at://did:plc:bobaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3jzfcijpj2z2a", one
	there := fmt.Sprintf(`{"uri":"at://%s/app.bsky.feed.like/3jzfcijpj2z2a","cid":%q,"value":{}}`, alice, one)
	for name, tt := range map[string]struct {
		answers []string
		key     bool
		want    error
	}{
		"as servers say it":                          {[]string{"400 InvalidRequest Record already exists: at://…"}, true, records.ErrExists},
		"by a name":                                  {[]string{"409 RecordAlreadyExists no"}, true, records.ErrExists},
		"by a failure, and it is there":              {[]string{failed, there}, true, records.ErrExists},
		"by a failure, and it is not there":          {[]string{failed, "400 RecordNotFound no"}, true, xrpc.ErrInternalServerError},
		"by a failure, and nobody knows":             {[]string{failed, failed}, true, xrpc.ErrInternalServerError},
		"a failure where the server makes the key":   {[]string{failed}, false, xrpc.ErrInternalServerError},
		"a request that is refused for other faults": {[]string{"400 InvalidRequest Invalid record"}, true, xrpc.ErrInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{answers: tt.answers}
			var opts []records.Option
			if tt.key {
				opts = append(opts, records.WithKey("3jzfcijpj2z2a"))
			}
			_, err := records.Create(t.Context(), s, like, opts...)
			if !errors.Is(err, tt.want) || errors.Is(err, records.ErrExists) != (tt.want == records.ErrExists) || len(s.answers) != 0 {
				t.Errorf("got %v, %d answers are left", err, len(s.answers))
			}
			if _, ok := errors.AsType[*xrpc.Error](err); !ok {
				t.Errorf("the server's answer is lost: %v", err)
			}
		})
	}
}

func TestList(t *testing.T) {
	entry := func(key, value string) string {
		return fmt.Sprintf(`{"uri":"at://%s/app.bsky.feed.like/%s","cid":%q,"value":%s}`, alice, key, one, value)
	}
	like := `{"$type":"app.bsky.feed.like","createdAt":"2026-01-02T03:04:05Z","subject":{"uri":"at://did:plc:bobaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/a","cid":"` + string(two) + `"}}`
	s := &server{answers: []string{
		`{"cursor":"next","records":[` + entry("a", like) + `,` + entry("b", `{"$type":"app.bsky.feed.post","text":"x"}`) + `]}`,
		`{"records":[` + entry("c", `{"$type":"app.bsky.feed.like","createdAt":7,"subject":"x"}`) + `,` + entry("d", like) + `]}`,
	}}
	var got []string
	for r, err := range records.List[appbsky.FeedLike](t.Context(), s, syntax.AtIdentifier(alice)) {
		if err != nil {
			t.Fatal(err)
		}
		line := string(r.URI.RecordKey()) + " "
		switch {
		case errors.Is(r.Err, records.ErrNotARecord) && r.Value == nil && !r.Raw.IsZero():
			line += "is none"
		case r.Err == nil && r.Value.Subject.CID == two && r.CID == one:
			line += "is one"
		}
		got = append(got, line)
	}
	if diff := cmp.Diff([]string{"a is one", "b is none", "c is none", "d is one"}, got); diff != "" {
		t.Errorf("P32 %s", diff)
	}
	want := "listRecords?repo=did%3Aplc%3Aaliceaaaaaaaaaaaaaaaaaaa&collection=app.bsky.feed.like&limit=100"
	if diff := cmp.Diff([]string{want, want + "&cursor=next"}, s.calls); diff != "" {
		t.Error(diff)
	}
	s.answers = []string{"400 RepoNotFound no"}
	for r, err := range records.List[appbsky.FeedLike](t.Context(), s, syntax.AtIdentifier(alice)) {
		if !errors.Is(err, xrpc.ErrorName("RepoNotFound")) || r != nil {
			t.Errorf("got %v, %v", r, err)
		}
	}
	for range records.List[appbsky.FeedLike](t.Context(), &server{answers: []string{`{"records":[` + entry("a", like) + `,` + entry("b", like) + `]}`}}, syntax.AtIdentifier(alice)) {
		break // nothing more is asked for
	}
}

// withHandle is an account that knows its handle.
type withHandle struct {
	*server
	handle syntax.Handle
}

func (a withHandle) Handle() syntax.Handle { return a.handle }

func TestDeleteTakesTheHandleOfTheAccount(t *testing.T) {
	for _, tt := range []struct {
		handle syntax.Handle
		uri    syntax.ATURI
		want   error
	}{
		{"alice.test", "at://alice.test/app.bsky.feed.like/3jzfcijpj2z2a", nil},
		{"alice.test", "at://Alice.test/app.bsky.feed.like/3jzfcijpj2z2a", nil},
		{"alice.test", "at://bob.test/app.bsky.feed.like/3jzfcijpj2z2a", records.ErrForeign},
		{syntax.HandleInvalid, "at://handle.invalid/app.bsky.feed.like/3jzfcijpj2z2a", records.ErrForeign},
		{"", "at://alice.test/app.bsky.feed.like/3jzfcijpj2z2a", records.ErrForeign},
	} {
		t.Run(string(tt.handle)+" "+string(tt.uri), func(t *testing.T) {
			s := &server{answers: []string{"{}"}}
			err := records.Delete(t.Context(), withHandle{s, tt.handle}, tt.uri)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v", err)
			}
			if want := `deleteRecord {` + repo + `,"collection":"app.bsky.feed.like","rkey":"3jzfcijpj2z2a"}`; err == nil && !cmp.Equal(s.calls, []string{want}, sameJSON) {
				t.Errorf("sent %q, want %s", s.calls, want)
			}
		})
	}
}

func TestBatch(t *testing.T) {
	like := &appbsky.FeedLike{CreatedAt: "2026-01-02T03:04:05Z"}
	like.Subject.URI, like.Subject.CID = "at://did:plc:bobaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3jzfcijpj2z2a", one
	s := new(server)
	b := records.NewBatch(s)
	var uris []syntax.ATURI
	for range 100 {
		uris = append(uris, b.Create(like))
	}
	for i, uri := range uris {
		if syntax.TID(uri.RecordKey()).Validate() != nil || i > 0 && uri <= uris[i-1] {
			t.Fatalf("%s after %s", uri, uris[max(0, i-1)])
		}
	}
	b = records.NewBatch(s)
	created := b.CreateAt("3jzfcijpj2z2a", like)
	b.Update("3jzfcijpj2z2b", like)
	b.Delete("at://" + syntax.ATURI(alice) + "/app.bsky.feed.like/c")
	s.answers = []string{
		"400 InvalidSwap no",
		`{"results":[{"$type":"com.atproto.repo.applyWrites#createResult","uri":"` + string(created) + `","cid":"` + string(one) + `"},` +
			`{"$type":"com.atproto.repo.applyWrites#updateResult","uri":"at://` + string(alice) + `/app.bsky.feed.like/3jzfcijpj2z2b","cid":"` + string(two) + `"},` +
			`{"$type":"com.atproto.repo.applyWrites#deleteResult"}]}`,
	}
	if _, err := b.Apply(t.Context(), records.WithSwapCommit(two)); !errors.Is(err, records.ErrChanged) || b.Len() != 3 {
		t.Fatalf("got %v, %d are left", err, b.Len())
	}
	refs, err := b.Apply(t.Context())
	want := []*records.Ref{{URI: created, CID: one}, {URI: "at://" + syntax.ATURI(alice) + "/app.bsky.feed.like/3jzfcijpj2z2b", CID: two}, nil}
	if diff := cmp.Diff(want, refs); diff != "" || err != nil || b.Len() != 0 {
		t.Errorf("%v, %d are left, %s", err, b.Len(), diff)
	}
	value := `{"$type":"app.bsky.feed.like","subject":{"uri":"at://did:plc:bobaaaaaaaaaaaaaaaaaaaaa/app.bsky.feed.post/3jzfcijpj2z2a","cid":"` + string(one) + `"},"createdAt":"2026-01-02T03:04:05Z"}`
	writes := `"writes":[{"$type":"com.atproto.repo.applyWrites#create","collection":"app.bsky.feed.like","rkey":"3jzfcijpj2z2a","value":` + value + `},` +
		`{"$type":"com.atproto.repo.applyWrites#update","collection":"app.bsky.feed.like","rkey":"3jzfcijpj2z2b","value":` + value + `},` +
		`{"$type":"com.atproto.repo.applyWrites#delete","collection":"app.bsky.feed.like","rkey":"c"}]`
	if diff := cmp.Diff([]string{`applyWrites {` + repo + `,` + writes + `,"swapCommit":"` + string(two) + `"}`, `applyWrites {` + repo + `,` + writes + `}`}, s.calls, sameJSON); diff != "" {
		t.Error(diff)
	}
	if refs, err := b.Apply(t.Context()); refs != nil || err != nil || len(s.calls) != 2 {
		t.Errorf("an empty batch: %v, %v", refs, err)
	}
	b.Delete(created)
	s.answers = []string{`{}`}
	if refs, err := b.Apply(t.Context()); err != nil || len(refs) != 1 || refs[0] != nil {
		t.Errorf("a server without results: %v, %v", refs, err)
	}
	b.Delete(created)
	s.answers = []string{`{"results":[{"$type":"com.atproto.repo.applyWrites#deleteResult"},{"$type":"com.atproto.repo.applyWrites#deleteResult"}]}`}
	if _, err := b.Apply(t.Context()); err == nil || b.Len() != 0 {
		t.Errorf("results of others: %v", err)
	}
}

package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/generated/toolsozone"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// refusing serves methods whose handlers must not be reached.
func refusing(t testing.TB) http.Handler {
	reached := func(ctx context.Context) { t.Errorf("the handler of %s was reached", service.Request(ctx).URL) }
	mux := http.NewServeMux()
	service.Handle(mux, appbsky.FeedGetFeedSkeleton, func(ctx context.Context, _ *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
		reached(ctx)
		return &appbsky.FeedGetFeedSkeletonOutput{}, nil
	})
	service.Handle(mux, appbsky.FeedSearchPosts, func(ctx context.Context, _ *appbsky.FeedSearchPostsParams) (*appbsky.FeedSearchPostsOutput, error) {
		reached(ctx)
		return &appbsky.FeedSearchPostsOutput{}, nil
	})
	service.Handle(mux, appbsky.FeedGetPosts, func(ctx context.Context, _ *appbsky.FeedGetPostsParams) (*appbsky.FeedGetPostsOutput, error) {
		reached(ctx)
		return &appbsky.FeedGetPostsOutput{}, nil
	})
	service.Handle(mux, appbsky.FeedGetAuthorFeed, func(ctx context.Context, _ *appbsky.FeedGetAuthorFeedParams) (*appbsky.FeedGetAuthorFeedOutput, error) {
		reached(ctx)
		return &appbsky.FeedGetAuthorFeedOutput{}, nil
	})
	service.Handle(mux, toolsozone.ModerationQueryEvents, func(ctx context.Context, _ *toolsozone.ModerationQueryEventsParams) (*toolsozone.ModerationQueryEventsOutput, error) {
		reached(ctx)
		return &toolsozone.ModerationQueryEventsOutput{}, nil
	})
	service.Handle(mux, comatproto.RepoDeleteRecord, func(ctx context.Context, _ *comatproto.RepoDeleteRecordInput) (*comatproto.RepoDeleteRecordOutput, error) {
		reached(ctx)
		return &comatproto.RepoDeleteRecordOutput{}, nil
	}, service.MaxInput(200))
	service.Handle(mux, comatproto.RepoApplyWrites, func(ctx context.Context, _ *comatproto.RepoApplyWritesInput) (*comatproto.RepoApplyWritesOutput, error) {
		reached(ctx)
		return &comatproto.RepoApplyWritesOutput{}, nil
	})
	service.Handle(mux, appbsky.VideoUploadVideo, func(ctx context.Context, body *xrpc.Body) (*appbsky.VideoUploadVideoOutput, error) {
		r, err := body.Open(ctx)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		if _, err := io.Copy(io.Discard, r); err != nil {
			return nil, fmt.Errorf("reading the video: %w", err)
		}
		reached(ctx)
		return &appbsky.VideoUploadVideoOutput{}, nil
	}, service.MaxInput(1000))
	service.Handle(mux, comatproto.IdentityRequestPlcOperationSignature, func(ctx context.Context) error {
		reached(ctx)
		return nil
	})
	service.Handle(mux, comatproto.SyncSubscribeRepos, func(ctx context.Context, _ *comatproto.SyncSubscribeReposParams, _ func(*comatproto.SyncSubscribeReposMessage) error) error {
		reached(ctx)
		return nil
	})
	mux.Handle("/xrpc/", service.NotImplemented())
	return mux
}

// unknownSize is a body whose length is not announced.
type unknownSize struct{ io.Reader }

func TestBadRequests(t *testing.T) {
	const (
		skeleton = "/xrpc/app.bsky.feed.getFeedSkeleton"
		feed     = "?feed=at://did:plc:aliceaaaaaaaaaaaaaaaaaaa/app.bsky.feed.generator/news"
		author   = "/xrpc/app.bsky.feed.getAuthorFeed?actor=alice.example"
		events   = "/xrpc/tools.ozone.moderation.queryEvents"
		remove   = "/xrpc/com.atproto.repo.deleteRecord"
		apply    = "/xrpc/com.atproto.repo.applyWrites"
		video    = "/xrpc/app.bsky.video.uploadVideo"
		nothing  = "/xrpc/com.atproto.identity.requestPlcOperationSignature"
		stream   = "/xrpc/com.atproto.sync.subscribeRepos"
		js       = "application/json"
		right    = `{"repo":"alice.example","collection":"app.bsky.feed.post","rkey":"self"}`
	)
	server := httptest.NewServer(refusing(t))
	t.Cleanup(server.Close)
	for _, tt := range []struct {
		name                       string
		verb, target, contentType  string
		body                       io.Reader
		status                     int
		want, message, header, has string
	}{
		{"a parameter is missing", "GET", skeleton, "", nil, 400, "InvalidRequest", "parameter feed: is missing", "", ""},
		{"a parameter without a value counts as missing", "GET", skeleton + "?feed=", "", nil, 400, "InvalidRequest", "parameter feed: is missing", "", ""},
		{"the name of a parameter has its case", "GET", skeleton + "?Feed=at://alice.example", "", nil, 400, "InvalidRequest", "parameter feed: is missing", "", ""},
		{"a format is broken", "GET", skeleton + "?feed=news", "", nil, 400, "InvalidRequest", `parameter feed: invalid at-uri "news": does not start with "at://"`, "", ""},
		{"a word is no integer", "GET", skeleton + feed + "&limit=ten", "", nil, 400, "InvalidRequest", `parameter limit: "ten" is not an integer`, "", ""},
		{"a fraction is no integer", "GET", skeleton + feed + "&limit=1.5", "", nil, 400, "InvalidRequest", `parameter limit: "1.5" is not an integer`, "", ""},
		{"an exponent is no integer", "GET", skeleton + feed + "&limit=1e1", "", nil, 400, "InvalidRequest", `parameter limit: "1e1" is not an integer`, "", ""},
		{"hexadecimal is no integer", "GET", skeleton + feed + "&limit=0x10", "", nil, 400, "InvalidRequest", `parameter limit: "0x10" is not an integer`, "", ""},
		{"a plus is no integer's", "GET", skeleton + feed + "&limit=%2B5", "", nil, 400, "InvalidRequest", `parameter limit: "+5" is not an integer`, "", ""},
		{"spaces are no integer's", "GET", skeleton + feed + "&limit=%205", "", nil, 400, "InvalidRequest", `parameter limit: " 5" is not an integer`, "", ""},
		{"an integer is too small", "GET", skeleton + feed + "&limit=0", "", nil, 400, "InvalidRequest", "parameter limit: 0 is less than 1", "", ""},
		{"an integer is too great", "GET", skeleton + feed + "&limit=101", "", nil, 400, "InvalidRequest", "parameter limit: 101 is more than 100", "", ""},
		{"P127 an integer is beyond 64 bits", "GET", skeleton + feed + "&limit=99999999999999999999", "", nil, 400, "InvalidRequest", `parameter limit: "99999999999999999999" is no integer of 64 bits`, "", ""},
		{"a value comes twice", "GET", skeleton + feed + "&limit=1&limit=2", "", nil, 400, "InvalidRequest", "parameter limit: comes 2 times; it takes one value", "", ""},
		{"a boolean is written as a number", "GET", author + "&includePins=1", "", nil, 400, "InvalidRequest", `parameter includePins: "1" is neither true nor false`, "", ""},
		{"a boolean is written in capitals", "GET", author + "&includePins=TRUE", "", nil, 400, "InvalidRequest", `parameter includePins: "TRUE" is neither true nor false`, "", ""},
		{"a text is not UTF-8", "GET", "/xrpc/app.bsky.feed.searchPosts?q=%FF", "", nil, 400, "InvalidRequest", "parameter q: is not UTF-8", "", ""},
		{"a query is malformed", "GET", skeleton + "?feed=%zz", "", nil, 400, "InvalidRequest", `the query is malformed: invalid URL escape "%zz"`, "", ""},
		{"an array is missing", "GET", "/xrpc/app.bsky.feed.getPosts?uris=", "", nil, 400, "InvalidRequest", "parameter uris: is missing", "", ""},
		{"an array has too many", "GET", "/xrpc/app.bsky.feed.getPosts?" + strings.Repeat("uris=at://alice.example/app.bsky.feed.post/a&", 26), "", nil, 400, "InvalidRequest", "parameter uris: has a length of 26, at most 25 is allowed", "", ""},
		{"an element of an array is wrong", "GET", "/xrpc/app.bsky.feed.getPosts?uris=at://alice.example/app.bsky.feed.post/a&uris=b", "", nil, 400, "InvalidRequest", `parameter uris[1]: invalid at-uri "b": does not start with "at://"`, "", ""},
		{"a time is none", "GET", events + "?createdAfter=yesterday", "", nil, 400, "InvalidRequest", `parameter createdAfter: invalid datetime "yesterday": does not start like 2006-01-02T15:04:05`, "", ""},

		{"a query is called by POST", "POST", skeleton + feed, js, strings.NewReader("{}"), 405, "InvalidRequest", "app.bsky.feed.getFeedSkeleton is called by GET, HEAD", "Allow", "GET, HEAD"},
		{"a query is called by DELETE", "DELETE", skeleton + feed, "", nil, 405, "InvalidRequest", "app.bsky.feed.getFeedSkeleton is called by GET, HEAD", "Allow", "GET, HEAD"},
		{"a procedure is called by GET", "GET", remove, "", nil, 405, "InvalidRequest", "com.atproto.repo.deleteRecord is called by POST", "Allow", "POST"},
		{"a subscription is called by POST", "POST", stream, "", nil, 405, "InvalidRequest", "com.atproto.sync.subscribeRepos is called by GET", "Allow", "GET"},
		{"a subscription is called without a WebSocket", "GET", stream, "", nil, 426, "InvalidRequest", "com.atproto.sync.subscribeRepos is a stream: open it as a WebSocket", "Upgrade", "websocket"},
		{"a parameter of a subscription is wrong", "GET", stream + "?cursor=now", "", nil, 400, "InvalidRequest", `parameter cursor: "now" is not an integer`, "", ""},
		{"a method is not known", "GET", "/xrpc/com.example.nothing", "", nil, 501, "MethodNotImplemented", "this service does not have the method", "", ""},
		{"a procedure is not known", "POST", "/xrpc/com.example.nothing", js, strings.NewReader("{}"), 501, "MethodNotImplemented", "this service does not have the method", "", ""},
		{"a path names no method", "GET", "/xrpc/nothing", "", nil, 400, "InvalidRequest", "the path has to be /xrpc/ and the name of a method", "", ""},
		{"a path has nothing", "GET", "/xrpc/", "", nil, 400, "InvalidRequest", "the path has to be /xrpc/ and the name of a method", "", ""},
		{"a path goes on", "GET", skeleton + "/", "", nil, 400, "InvalidRequest", "the path has to be /xrpc/ and the name of a method", "", ""},

		{"a query has a body", "GET", skeleton + feed, js, strings.NewReader("{}"), 400, "InvalidRequest", "app.bsky.feed.getFeedSkeleton has no input, and a body was sent", "", ""},
		{"a procedure without input has a body", "POST", nothing, js, strings.NewReader("{}"), 400, "InvalidRequest", "com.atproto.identity.requestPlcOperationSignature has no input, and a body was sent", "", ""},
		{"a procedure without input has a body of any length", "POST", nothing, js, unknownSize{strings.NewReader("{}")}, 400, "InvalidRequest", "com.atproto.identity.requestPlcOperationSignature has no input, and a body was sent", "", ""},
		{"an input has no type", "POST", remove, "", strings.NewReader(right), 400, "InvalidRequest", "the header field Content-Type is missing: it has to be application/json", "", ""},
		{"an input has another type", "POST", remove, "text/plain", strings.NewReader(right), 400, "InvalidRequest", `the content type is "text/plain": it has to be application/json`, "", ""},
		{"a video is none", "POST", video, "image/png", strings.NewReader("x"), 400, "InvalidRequest", `the content type is "image/png": it has to be video/mp4`, "", ""},
		{"an input is empty", "POST", remove, js, strings.NewReader(""), 400, "InvalidRequest", "com.atproto.repo.deleteRecord has an input, and no body was sent", "", ""},
		{"an input breaks off", "POST", remove, js, strings.NewReader(`{"repo":"alice.example"`), 400, "InvalidRequest", "input: document: want ',' or '}' in an object (at byte 23)", "", ""},
		{"an input is not JSON", "POST", remove, js, strings.NewReader("repo=alice"), 400, "InvalidRequest", "", "", ""},
		{"an input is an array", "POST", remove, js, strings.NewReader("[]"), 400, "InvalidRequest", "", "", ""},
		{"an input is null", "POST", remove, js, strings.NewReader("null"), 400, "InvalidRequest", "", "", ""},
		{"an input lacks a field", "POST", remove, js, strings.NewReader(`{"repo":"alice.example","collection":"app.bsky.feed.post"}`), 400, "InvalidRequest", `input: document: required field "rkey" is missing (at byte 58)`, "", ""},
		{"an input has a field of another type", "POST", remove, js, strings.NewReader(`{"repo":1,"collection":"app.bsky.feed.post","rkey":"self"}`), 400, "InvalidRequest", "input: repo: a number where a string should be (at byte 8)", "", ""},
		{"an input has a field twice", "POST", remove, js, strings.NewReader(`{"repo":"a.example","repo":"b.example","collection":"app.bsky.feed.post","rkey":"self"}`), 400, "InvalidRequest", "", "", ""},
		{"an input is wrong deep inside", "POST", apply, js, strings.NewReader(`{"repo":"alice.example","writes":[{"$type":"com.atproto.repo.applyWrites#delete","collection":"app.bsky.feed.post","rkey":7}]}`), 400, "InvalidRequest", "input: writes[0].rkey: a number where a string should be (at byte 122)", "", ""},
		{"an input has a member that a closed union has not", "POST", apply, js, strings.NewReader(`{"repo":"alice.example","writes":[{"$type":"com.example.other"}]}`), 400, "InvalidRequest", "", "", ""},
		{"an input breaks a format", "POST", remove, js, strings.NewReader(`{"repo":"alice.example","collection":"post","rkey":"self"}`), 400, "InvalidRequest", "", "", ""},
		{"an input is not UTF-8", "POST", remove, js, strings.NewReader("{\"repo\":\"\xff\"}"), 400, "InvalidRequest", "", "", ""},
		{"an input has something behind it", "POST", remove, js, strings.NewReader(right + "{}"), 400, "InvalidRequest", "", "", ""},
		{"an input is too large", "POST", remove, js, strings.NewReader(right + strings.Repeat(" ", 300)), 413, "PayloadTooLarge", "the body has more than 200 bytes", "", ""},
		{"an input is too large and does not say so", "POST", remove, js, unknownSize{strings.NewReader(right + strings.Repeat(" ", 300))}, 413, "PayloadTooLarge", "the body has more than 200 bytes", "", ""},
		{"bytes are too many", "POST", video, "video/mp4", strings.NewReader(strings.Repeat("x", 1001)), 413, "PayloadTooLarge", "the body has more than 1000 bytes", "", ""},
		{"bytes are too many, and the handler finds out", "POST", video, "video/mp4", unknownSize{strings.NewReader(strings.Repeat("x", 1001))}, 413, "PayloadTooLarge", "the body has more than 1000 bytes", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), tt.verb, server.URL+tt.target, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.contentType != "" {
				r.Header.Set("Content-Type", tt.contentType)
			}
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Error, Message string }
			if err := json.Unmarshal(text, &got); err != nil || resp.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%s %s: %v", resp.Header.Get("Content-Type"), text, err)
			}
			if resp.StatusCode != tt.status || got.Error != tt.want {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, text, tt.status, tt.want)
			}
			if tt.message != "" && got.Message != tt.message || got.Message == "" {
				t.Errorf("message %q, want %q", got.Message, tt.message)
			}
			if tt.header != "" && resp.Header.Get(tt.header) != tt.has {
				t.Errorf("%s: %q", tt.header, resp.Header.Get(tt.header))
			}
		})
	}
	t.Run("a body that is compressed", func(t *testing.T) {
		r, _ := http.NewRequest("POST", server.URL+remove, strings.NewReader(right))
		r.Header.Set("Content-Type", js)
		r.Header.Set("Content-Encoding", "gzip")
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnsupportedMediaType {
			t.Error(resp.Status)
		}
	})
}

// What the reference server takes is taken.
func TestOddRequestsThatAreRight(t *testing.T) {
	var got *appbsky.FeedGetAuthorFeedParams
	mux := http.NewServeMux()
	service.Handle(mux, appbsky.FeedGetAuthorFeed, func(_ context.Context, p *appbsky.FeedGetAuthorFeedParams) (*appbsky.FeedGetAuthorFeedOutput, error) {
		got = p
		return &appbsky.FeedGetAuthorFeedOutput{}, nil
	})
	service.Handle(mux, comatproto.RepoDeleteRecord, func(context.Context, *comatproto.RepoDeleteRecordInput) (*comatproto.RepoDeleteRecordOutput, error) {
		return &comatproto.RepoDeleteRecordOutput{}, nil
	})
	want := func(change func(*appbsky.FeedGetAuthorFeedParams)) *appbsky.FeedGetAuthorFeedParams {
		p := &appbsky.FeedGetAuthorFeedParams{Actor: "alice.example", Limit: new(int64(50)), Filter: new("posts_with_replies"), IncludePins: new(false)}
		change(p)
		return p
	}
	for name, tt := range map[string]struct {
		query string
		want  *appbsky.FeedGetAuthorFeedParams
	}{
		"defaults":                   {"actor=alice.example", want(func(*appbsky.FeedGetAuthorFeedParams) {})},
		"what is not known":          {"actor=alice.example&newer=1&newer=2", want(func(*appbsky.FeedGetAuthorFeedParams) {})},
		"an empty value is none":     {"actor=&actor=alice.example&limit=&cursor=&includePins=", want(func(*appbsky.FeedGetAuthorFeedParams) {})},
		"zeros in front":             {"actor=alice.example&limit=007", want(func(p *appbsky.FeedGetAuthorFeedParams) { p.Limit = new(int64(7)) })},
		"booleans":                   {"actor=alice.example&includePins=true", want(func(p *appbsky.FeedGetAuthorFeedParams) { p.IncludePins = new(true) })},
		"a plus is a space":          {"actor=alice.example&cursor=a+b%2B", want(func(p *appbsky.FeedGetAuthorFeedParams) { p.Cursor = new("a b+") })},
		"a semicolon is a semicolon": {"actor=alice.example&cursor=a;b=c", want(func(p *appbsky.FeedGetAuthorFeedParams) { p.Cursor = new("a;b=c") })},
		"a known value that is new":  {"actor=alice.example&filter=newer", want(func(p *appbsky.FeedGetAuthorFeedParams) { p.Filter = new("newer") })},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			got = nil
			mux.ServeHTTP(w, httptest.NewRequest("GET", "/xrpc/app.bsky.feed.getAuthorFeed?"+tt.query, nil))
			if diff := cmp.Diff(tt.want, got); diff != "" || w.Code != 200 {
				t.Errorf("%d %s %s", w.Code, w.Body, diff)
			}
		})
	}
	for name, contentType := range map[string]string{
		"parameters of a type":    "application/json; charset=utf-8",
		"a type in capitals":      "Application/JSON",
		"a parameter of no value": "application/json;",
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/xrpc/com.atproto.repo.deleteRecord", strings.NewReader(`{"repo":"alice.example","collection":"app.bsky.feed.post","rkey":"self","newer":1}`))
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	t.Run("Loose takes an input that breaks a format, and not one that cannot be read", func(t *testing.T) {
		handler := service.Handler(comatproto.RepoDeleteRecord, func(context.Context, *comatproto.RepoDeleteRecordInput) (*comatproto.RepoDeleteRecordOutput, error) {
			return &comatproto.RepoDeleteRecordOutput{}, nil
		}, service.Loose())
		for body, want := range map[string]int{`{"repo":"?","collection":"?","rkey":"?"}`: 200, `{"repo":"?"}`: 400} {
			r := httptest.NewRequest("POST", "/xrpc/com.atproto.repo.deleteRecord", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
		}
	})
}

func TestCallsEnd(t *testing.T) {
	t.Run("a handler has the time that there is", func(t *testing.T) {
		var log journal
		mux := http.NewServeMux()
		service.Handle(mux, appbsky.FeedDescribeFeedGenerator, func(ctx context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("asking the database: %w", ctx.Err())
		}, service.Timeout(time.Millisecond), log.option())
		host, _ := serve(t, mux)
		_, err := appbsky.NewClient(host).Feed.DescribeFeedGenerator(t.Context())
		got, ok := errors.AsType[*xrpc.Error](err)
		if !ok || got.Status != 503 || got.Name != xrpc.ErrNotEnoughResources {
			t.Error(err)
		}
		if text := log.String(); !strings.Contains(text, "service.Timeout") {
			t.Errorf("logged %q", text)
		}
	})
	t.Run("a name is worth more than the time that is over", func(t *testing.T) {
		mux := http.NewServeMux()
		service.Handle(mux, appbsky.FeedDescribeFeedGenerator, func(ctx context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
			<-ctx.Done()
			return nil, xrpc.ErrUpstreamTimeout
		}, service.Timeout(time.Millisecond))
		host, _ := serve(t, mux)
		if _, err := appbsky.NewClient(host).Feed.DescribeFeedGenerator(t.Context()); !errors.Is(err, xrpc.ErrUpstreamTimeout) {
			t.Error(err)
		}
	})
	t.Run("a caller who goes ends the handler, and is no failure", func(t *testing.T) {
		var log journal
		ended := make(chan error, 1)
		began := make(chan bool)
		mux := http.NewServeMux()
		service.Handle(mux, appbsky.FeedDescribeFeedGenerator, func(ctx context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
			close(began)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}, log.option())
		server := httptest.NewServer(mux)
		host, err := xrpc.NewClient(server.URL, xrpc.ClientConfig{AllowLoopback: true})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-began; cancel() }()
		if _, err := appbsky.NewClient(host).Feed.DescribeFeedGenerator(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		server.Close() // waits for the handler
		if text := log.String(); text != "" {
			t.Errorf("logged %q", text)
		}
	})
	t.Run("an input that does not come is not waited for", func(t *testing.T) {
		mux := http.NewServeMux()
		service.Handle(mux, comatproto.RepoDeleteRecord, func(context.Context, *comatproto.RepoDeleteRecordInput) (*comatproto.RepoDeleteRecordOutput, error) {
			return &comatproto.RepoDeleteRecordOutput{}, nil
		}, service.Idle(time.Millisecond))
		_, url := serve(t, mux)
		r, w := io.Pipe()
		defer w.Close()
		go w.Write([]byte(`{"repo":`))
		resp, err := http.Post(url+"/xrpc/com.atproto.repo.deleteRecord", "application/json", r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestTimeout {
			t.Error(resp.Status)
		}
	})
}

// A timed is a writer that notes the bounds that are put on its connection.
type timed struct {
	*httptest.ResponseRecorder
	read, write []bool // whether there was a bound, each time one was set
}

func (w *timed) SetReadDeadline(t time.Time) error {
	w.read = append(w.read, !t.IsZero())
	return nil
}

func (w *timed) SetWriteDeadline(t time.Time) error {
	w.write = append(w.write, !t.IsZero())
	return nil
}

// net/http goes on reading while a handler is busy, to notice when the caller goes; and other calls come by the same
// connection.
func TestBoundsOfBodiesAreTakenAway(t *testing.T) {
	w := &timed{ResponseRecorder: httptest.NewRecorder()}
	handler := service.Handler(comatproto.RepoDeleteRecord, func(context.Context, *comatproto.RepoDeleteRecordInput) (*comatproto.RepoDeleteRecordOutput, error) {
		if n := len(w.read); n == 0 || !w.read[0] || w.read[n-1] {
			t.Errorf("bounds while the handler is busy: %v", w.read)
		}
		return &comatproto.RepoDeleteRecordOutput{}, nil
	})
	r := httptest.NewRequest("POST", "/xrpc/com.atproto.repo.deleteRecord", strings.NewReader(`{"repo":"alice.example","collection":"app.bsky.feed.post","rkey":"self"}`))
	r.Header.Set("Content-Type", "application/json")
	handler.ServeHTTP(w, r)
	if diff := cmp.Diff([]bool{true, false}, w.write); diff != "" || w.Code != 200 {
		t.Error(w.Code, w.Body, diff)
	}
}

func TestDIDDocumentsThatMakeNoSense(t *testing.T) {
	good := service.DIDService{ID: "bsky_fg", Type: "BskyFeedGenerator", Endpoint: "https://feed.example.com"}
	for want, tt := range map[string]struct {
		did     syntax.DID
		service service.DIDService
	}{
		`"nonsense" is not a did:web`:                         {"nonsense", good},
		`"did:plc:ewvi7nxzyoun6zhxrhs64oiz" is not a did:web`: {"did:plc:ewvi7nxzyoun6zhxrhs64oiz", good},
		"the ID is empty":                                     {"did:web:feed.example.com", service.DIDService{ID: "#", Type: good.Type, Endpoint: good.Endpoint}},
		"the type is empty":                                   {"did:web:feed.example.com", service.DIDService{ID: good.ID, Endpoint: good.Endpoint}},
		`the endpoint "" is not a URL`:                        {"did:web:feed.example.com", service.DIDService{ID: good.ID, Type: good.Type}},
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if cause := fmt.Sprint(recover()); !strings.Contains(cause, want) {
					t.Errorf("the panic is %s", cause)
				}
			}()
			service.DIDDocument(tt.did, tt.service)
		})
	}
}

package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/service"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// serve starts a server of mux, and returns a plain client of it.
func serve(t testing.TB, mux http.Handler) (*xrpc.Client, string) {
	t.Helper()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	host, err := xrpc.NewClient(server.URL, xrpc.ClientConfig{AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	return host, server.URL
}

// A journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) option() service.Option {
	return service.Logger(slog.New(slog.NewTextHandler(j, nil)))
}

const feedURI = syntax.ATURI("at://did:plc:aliceaaaaaaaaaaaaaaaaaaa/app.bsky.feed.generator/news")

// Every shape of method, by the generated client and back.
func TestClientsReadWhatIsServed(t *testing.T) {
	mux := http.NewServeMux()
	service.Handle(mux, appbsky.FeedGetFeedSkeleton, func(_ context.Context, p *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
		return &appbsky.FeedGetFeedSkeletonOutput{Cursor: new(fmt.Sprint(*p.Limit)), Feed: []appbsky.FeedDefsSkeletonFeedPost{{Post: p.Feed}}}, nil
	}, service.Check())
	service.Handle(mux, appbsky.FeedDescribeFeedGenerator, func(context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
		return &appbsky.FeedDescribeFeedGeneratorOutput{DID: "did:web:feed.example", Feeds: []appbsky.FeedDescribeFeedGeneratorFeed{}}, nil
	}, service.Check())
	service.Handle(mux, comatproto.RepoCreateRecord, func(_ context.Context, in *comatproto.RepoCreateRecordInput) (*comatproto.RepoCreateRecordOutput, error) {
		cid, err := lex.CID(&in.Record)
		if err != nil {
			return nil, err
		}
		return &comatproto.RepoCreateRecordOutput{URI: syntax.ATURI("at://" + string(in.Repo) + "/" + string(in.Collection) + "/self"), CID: cid}, nil
	}, service.Check())
	muted := make(chan syntax.AtIdentifier, 1)
	service.Handle(mux, appbsky.GraphMuteActor, func(_ context.Context, in *appbsky.GraphMuteActorInput) error {
		muted <- in.Actor
		return nil
	})
	signed := make(chan bool, 1)
	service.Handle(mux, comatproto.IdentityRequestPlcOperationSignature, func(context.Context) error {
		signed <- true
		return nil
	})
	service.Handle(mux, comatproto.RepoUploadBlob, func(ctx context.Context, body *xrpc.Body) (*comatproto.RepoUploadBlobOutput, error) {
		r, err := body.Open(ctx)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		return &comatproto.RepoUploadBlobOutput{Blob: lex.Blob{Ref: lex.CIDLink(lex.BlobCID(data)), MimeType: body.ContentType(), Size: body.Size()}}, nil
	}, service.Check())
	service.Handle(mux, comatproto.SyncGetBlob, func(_ context.Context, p *comatproto.SyncGetBlobParams) (*xrpc.Body, error) {
		return xrpc.BytesBody([]byte("the bytes of "+p.DID), "image/png"), nil
	})
	service.Handle(mux, comatproto.SyncGetRepo, func(context.Context, *comatproto.SyncGetRepoParams) (*xrpc.Body, error) {
		return xrpc.StreamBody(strings.NewReader("a car of unknown length"), -1, ""), nil
	})
	host, url := serve(t, mux)
	bsky, api := appbsky.NewClient(host), comatproto.NewClient(host)
	ctx := t.Context()

	t.Run("a query", func(t *testing.T) {
		out, err := bsky.Feed.GetFeedSkeleton(ctx, &appbsky.FeedGetFeedSkeletonParams{Feed: feedURI})
		want := &appbsky.FeedGetFeedSkeletonOutput{Cursor: new("50"), Feed: []appbsky.FeedDefsSkeletonFeedPost{{Post: feedURI}}}
		if diff := cmp.Diff(want, out); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
	t.Run("a query without parameters", func(t *testing.T) {
		out, err := bsky.Feed.DescribeFeedGenerator(ctx)
		if err != nil || out.DID != "did:web:feed.example" {
			t.Error(err, out)
		}
	})
	t.Run("a procedure", func(t *testing.T) {
		post := lex.Of(&appbsky.FeedPost{Text: "hello", CreatedAt: "2026-01-02T03:04:05Z"})
		out, err := api.Repo.CreateRecord(ctx, &comatproto.RepoCreateRecordInput{Repo: "did:plc:aliceaaaaaaaaaaaaaaaaaaa", Collection: appbsky.FeedPostNSID, Record: post})
		if err != nil {
			t.Fatal(err)
		}
		if cid, err := lex.CID(&post); err != nil || out.CID != cid {
			t.Errorf("CID %s, want %s, %v", out.CID, cid, err)
		}
	})
	t.Run("a procedure without output", func(t *testing.T) {
		if err := bsky.Graph.MuteActor(ctx, &appbsky.GraphMuteActorInput{Actor: "bob.example"}); err != nil {
			t.Fatal(err)
		}
		if got := <-muted; got != "bob.example" {
			t.Errorf("muted %s", got)
		}
	})
	t.Run("a procedure with neither", func(t *testing.T) {
		if err := api.Identity.RequestPlcOperationSignature(ctx); err != nil || !<-signed {
			t.Error(err)
		}
	})
	t.Run("an upload", func(t *testing.T) {
		data := bytes.Repeat([]byte("0123456789"), 100_000)
		out, err := api.Repo.UploadBlob(ctx, xrpc.BytesBody(data, "image/png"))
		want := lex.Blob{Ref: lex.CIDLink(lex.BlobCID(data)), MimeType: "image/png", Size: 1_000_000}
		if err != nil || out.Blob != want {
			t.Error(err, out)
		}
	})
	t.Run("a download", func(t *testing.T) {
		d, err := api.Sync.GetBlob(ctx, &comatproto.SyncGetBlobParams{DID: "did:plc:aliceaaaaaaaaaaaaaaaaaaa", CID: "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		got, err := io.ReadAll(d)
		if err != nil || string(got) != "the bytes of did:plc:aliceaaaaaaaaaaaaaaaaaaa" || d.ContentType != "image/png" || d.Size != int64(len(got)) {
			t.Error(err, string(got), d.ContentType, d.Size)
		}
	})
	t.Run("a download whose size nobody knows, of the lexicon's type", func(t *testing.T) {
		d, err := api.Sync.GetRepo(ctx, &comatproto.SyncGetRepoParams{DID: "did:plc:aliceaaaaaaaaaaaaaaaaaaa"})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		got, err := io.ReadAll(d)
		if err != nil || string(got) != "a car of unknown length" || d.ContentType != "application/vnd.ipld.car" || d.Size != -1 {
			t.Error(err, string(got), d.ContentType, d.Size)
		}
	})
	t.Run("HEAD has the header of GET", func(t *testing.T) {
		for _, path := range []string{"app.bsky.feed.describeFeedGenerator", "com.atproto.sync.getBlob?did=did:plc:aliceaaaaaaaaaaaaaaaaaaa&cid=bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"} {
			got, err := http.Head(url + "/xrpc/" + path)
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
			if got.StatusCode != http.StatusOK || got.ContentLength <= 0 || got.Header.Get("Content-Type") == "" {
				t.Errorf("%s: %s, %d bytes, %v", path, got.Status, got.ContentLength, got.Header)
			}
		}
	})
}

func TestErrors(t *testing.T) {
	secret := errors.New("the password is hunter2")
	for _, tt := range []struct {
		name    string
		err     error
		status  int
		want    xrpc.ErrorName
		message string
		logged  bool
	}{
		{"one of the lexicon", appbsky.ErrUnknownFeed, 400, "UnknownFeed", "", false},
		{"one of the lexicon, with a reason", fmt.Errorf("%w: there is no feed %s", appbsky.ErrUnknownFeed, feedURI), 400, "UnknownFeed", "there is no feed " + string(feedURI), false},
		{"what stands before the name is the service's own", fmt.Errorf("/var/db: %w", fmt.Errorf("%w: no such feed", appbsky.ErrUnknownFeed)), 400, "UnknownFeed", "no such feed", false},
		{"a reason behind a name in the middle", fmt.Errorf("reading hunter2: %w: no such feed", appbsky.ErrUnknownFeed), 400, "UnknownFeed", "no such feed", false},
		{"a reason behind a name that is wrapped", fmt.Errorf("reading hunter2: %w: no such feed", fmt.Errorf("%w", appbsky.ErrUnknownFeed)), 400, "UnknownFeed", "no such feed", false},
		{"a name that stands before the name, too", fmt.Errorf("hunter2 UnknownFeed: hunter2 (%w)", appbsky.ErrUnknownFeed), 400, "UnknownFeed", "", false},
		{"another error that is joined", errors.Join(fmt.Errorf("%w: no such feed", appbsky.ErrUnknownFeed), secret), 400, "UnknownFeed", "no such feed", false},
		{"another error that is joined, and wrapped", fmt.Errorf("UnknownFeed: %w", errors.Join(fmt.Errorf("%w: no such feed", appbsky.ErrUnknownFeed), secret)), 400, "UnknownFeed", "no such feed", false},
		{"one of the specification", fmt.Errorf("/var/db: %w", xrpc.ErrForbidden), 403, "Forbidden", "", false},
		{"too many", xrpc.ErrRateLimitExceeded, 429, "RateLimitExceeded", "", false},
		{"one that a service asked has", &xrpc.Error{Name: "NotFound", Message: "gone", ResponseInfo: xrpc.ResponseInfo{Status: 404}}, 404, "NotFound", "gone", false},
		{"a stream of another service", &xrpc.Error{Name: "FutureCursor", ResponseInfo: xrpc.ResponseInfo{Status: 101}}, 502, "UpstreamFailure", "", true},
		{"status, name and message", &service.Error{Status: 404, Name: "NotFound", Message: "no such thing", Err: secret}, 404, "NotFound", "no such thing", false},
		{"a name alone", &service.Error{Name: xrpc.ErrUpstreamFailure, Message: "later"}, 502, "UpstreamFailure", "later", true},
		{"a status alone", &service.Error{Status: 403}, 403, "Forbidden", "", false},
		{"a status that is none", &service.Error{Status: 200, Name: "Fine"}, 500, "Fine", "Internal Server Error", true},
		{"the first of several", errors.Join(secret, fmt.Errorf("%w: %w", appbsky.ErrUnknownFeed, &xrpc.Error{Name: "Other", ResponseInfo: xrpc.ResponseInfo{Status: 404}})), 400, "UnknownFeed", "xrpc: : Other (HTTP 404)", false},
		{"any other", secret, 500, "InternalServerError", "Internal Server Error", true},
		{"any other, by way of the one for it", fmt.Errorf("%w: %w", xrpc.ErrInternalServerError, secret), 500, "InternalServerError", "Internal Server Error", true},
		{"a text that is not UTF-8", fmt.Errorf("%w: \xff", appbsky.ErrUnknownFeed), 400, "UnknownFeed", "\uFFFD", false},
		{"neither output nor error", nil, 500, "InternalServerError", "Internal Server Error", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log journal
			mux := http.NewServeMux()
			service.Handle(mux, appbsky.FeedDescribeFeedGenerator, func(ctx context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
				service.ResponseHeader(ctx).Set("Retry-After", "7")
				return nil, tt.err
			}, log.option())
			host, _ := serve(t, mux)
			_, err := appbsky.NewClient(host).Feed.DescribeFeedGenerator(t.Context())
			got, ok := errors.AsType[*xrpc.Error](err)
			if !ok {
				t.Fatal(err)
			}
			if got.Status != tt.status || got.Name != tt.want || got.Message != tt.message {
				t.Errorf("%d %s %q, want %d %s %q", got.Status, got.Name, got.Message, tt.status, tt.want, tt.message)
			}
			if strings.Contains(string(got.Body), "hunter2") {
				t.Errorf("it was told: %s", got.Body)
			}
			if got.Header.Get("Retry-After") != "7" {
				t.Error("the header of the handler is lost")
			}
			if text := log.String(); tt.logged != (text != "") {
				t.Errorf("logged: %q", text)
			} else if tt.err != nil && errors.Is(tt.err, secret) && tt.logged && !strings.Contains(text, "hunter2") {
				t.Errorf("the log does not say it: %q", text)
			}
		})
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	var log journal
	mux := http.NewServeMux()
	service.Handle(mux, appbsky.FeedDescribeFeedGenerator, func(context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
		panic(fmt.Errorf("%w: hunter2", xrpc.ErrForbidden))
	}, log.option())
	host, _ := serve(t, mux)
	_, err := appbsky.NewClient(host).Feed.DescribeFeedGenerator(t.Context())
	got, ok := errors.AsType[*xrpc.Error](err)
	if !ok || got.Status != 500 || got.Name != xrpc.ErrInternalServerError || strings.Contains(string(got.Body), "hunter2") {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "hunter2") || !strings.Contains(text, "served_test.go") {
		t.Errorf("the log does not say what and where: %q", text)
	}
}

func TestADownloadThatBreaksOffIsNoWholeOne(t *testing.T) {
	for name, body := range map[string]*xrpc.Body{
		"an error in the middle":       xrpc.StreamBody(io.MultiReader(strings.NewReader("half"), broken{}), -1, ""),
		"less than was announced":      xrpc.StreamBody(strings.NewReader("half"), 8, ""),
		"an error that has a name":     xrpc.StreamBody(io.MultiReader(strings.NewReader("half"), broken{xrpc.ErrForbidden}), -1, ""),
		"more than 4 KiB, then broken": xrpc.StreamBody(io.MultiReader(strings.NewReader(strings.Repeat("half", 4<<10)), broken{}), -1, ""),
	} {
		t.Run(name, func(t *testing.T) {
			var log journal
			mux := http.NewServeMux()
			service.Handle(mux, comatproto.SyncGetRepo, func(context.Context, *comatproto.SyncGetRepoParams) (*xrpc.Body, error) { return body, nil }, log.option())
			host, _ := serve(t, mux)
			d, err := comatproto.NewClient(host).Sync.GetRepo(t.Context(), &comatproto.SyncGetRepoParams{DID: "did:plc:aliceaaaaaaaaaaaaaaaaaaa"})
			if err == nil {
				defer d.Close()
				_, err = io.ReadAll(d)
			}
			if err == nil {
				t.Error("half of it passed for all")
			}
			if log.String() == "" {
				t.Error("nothing was logged")
			}
		})
	}
}

func TestDownloadsThatCannotBegin(t *testing.T) {
	for name, body := range map[string]*xrpc.Body{
		"they cannot be opened":                xrpc.OpenerBody(func() (io.ReadCloser, error) { return nil, errors.New("hunter2") }, -1, ""),
		"their type is not that of the method": xrpc.BytesBody([]byte("x"), "image/png"),
		"there are none":                       nil,
	} {
		t.Run(name, func(t *testing.T) {
			var log journal
			w := httptest.NewRecorder()
			service.Handler(comatproto.SyncGetRepo, func(context.Context, *comatproto.SyncGetRepoParams) (*xrpc.Body, error) { return body, nil }, log.option()).
				ServeHTTP(w, httptest.NewRequest("GET", "/xrpc/com.atproto.sync.getRepo?did=did:plc:aliceaaaaaaaaaaaaaaaaaaa", nil))
			if w.Code != 500 || !strings.Contains(w.Body.String(), "InternalServerError") || strings.Contains(w.Body.String(), "hunter2") || log.String() == "" {
				t.Errorf("%d %s; logged %q", w.Code, w.Body, log.String())
			}
		})
	}
}

// A goner is a caller who goes while he is answered.
type goner struct{ *httptest.ResponseRecorder }

func (g goner) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestWhoGoesWhileHeIsAnsweredIsNoFailure(t *testing.T) {
	var log journal
	service.Handler(comatproto.SyncGetRepo, func(context.Context, *comatproto.SyncGetRepoParams) (*xrpc.Body, error) {
		return xrpc.BytesBody([]byte("a car"), ""), nil
	}, log.option()).ServeHTTP(goner{httptest.NewRecorder()}, httptest.NewRequest("GET", "/xrpc/com.atproto.sync.getRepo?did=did:plc:aliceaaaaaaaaaaaaaaaaaaa", nil))
	service.Handler(appbsky.FeedDescribeFeedGenerator, func(context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
		return &appbsky.FeedDescribeFeedGeneratorOutput{}, nil
	}, log.option()).ServeHTTP(goner{httptest.NewRecorder()}, httptest.NewRequest("GET", "/xrpc/app.bsky.feed.describeFeedGenerator", nil))
	if text := log.String(); text != "" {
		t.Errorf("logged %q", text)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	return 0, errors.New("the disk is gone")
}

func TestOutputsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name string
		out  *appbsky.FeedGetFeedSkeletonOutput
		err  error
		opts []service.Option
		want int
	}{
		{"wrong, and checked", &appbsky.FeedGetFeedSkeletonOutput{Feed: []appbsky.FeedDefsSkeletonFeedPost{{Post: "nonsense"}}}, nil, []service.Option{service.Check()}, 500},
		{"wrong, and not checked", &appbsky.FeedGetFeedSkeletonOutput{Feed: []appbsky.FeedDefsSkeletonFeedPost{{Post: "nonsense"}}}, nil, nil, 200},
		{"right, and checked", &appbsky.FeedGetFeedSkeletonOutput{Feed: []appbsky.FeedDefsSkeletonFeedPost{{Post: feedURI}}}, nil, []service.Option{service.Check()}, 200},
		{"not to be encoded", &appbsky.FeedGetFeedSkeletonOutput{Feed: []appbsky.FeedDefsSkeletonFeedPost{{Post: "\xff"}}}, nil, nil, 500},
		{"an error that the lexicon has", nil, appbsky.ErrUnknownFeed, []service.Option{service.Check()}, 400},
		{"an error that any method may have", nil, xrpc.ErrForbidden, []service.Option{service.Check()}, 403},
		{"an error that the lexicon does not have", nil, appbsky.ErrUnknownList, []service.Option{service.Check()}, 500},
		{"an error that the lexicon does not have, not checked", nil, appbsky.ErrUnknownList, nil, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log journal
			handler := service.Handler(appbsky.FeedGetFeedSkeleton, func(context.Context, *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
				return tt.out, tt.err
			}, append(tt.opts, log.option())...)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", "/xrpc/app.bsky.feed.getFeedSkeleton?feed="+string(feedURI), nil))
			if w.Code != tt.want || (log.String() != "") != (tt.want == 500) {
				t.Errorf("%d %s, want %d; logged: %s", w.Code, w.Body, tt.want, log.String())
			}
		})
	}
}

func TestMiddlewareStandsInFront(t *testing.T) {
	var order []string
	wrap := func(name string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				order = append(order, name)
				next.ServeHTTP(w, r)
			})
		}
	}
	handler := service.Handler(appbsky.FeedGetFeedSkeleton, func(context.Context, *appbsky.FeedGetFeedSkeletonParams) (*appbsky.FeedGetFeedSkeletonOutput, error) {
		order = append(order, "handler")
		return &appbsky.FeedGetFeedSkeletonOutput{}, nil
	}, service.With(wrap("first"), wrap("second")), service.With(wrap("third")))
	for _, tt := range []struct {
		verb, query string
		want        []string
	}{
		{"GET", "?feed=" + string(feedURI), []string{"first", "second", "third", "handler"}},
		{"GET", "", []string{"first", "second", "third"}}, // before anything of the call is read
		{"POST", "", nil}, // the HTTP method comes first
	} {
		order = nil
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tt.verb, "/xrpc/app.bsky.feed.getFeedSkeleton"+tt.query, nil))
		if diff := cmp.Diff(tt.want, order); diff != "" {
			t.Errorf("%s %s: %s", tt.verb, tt.query, diff)
		}
	}
}

func TestLabelersOfACall(t *testing.T) {
	const mod = syntax.DID("did:plc:ar7c4by46qjdydhdevvrndac")
	for _, tt := range []struct {
		name  string
		opts  []xrpc.Option
		given bool
		want  []xrpc.Labeler
	}{
		{"X23 nothing is said", nil, false, nil},
		{"X23 none is wanted", []xrpc.Option{xrpc.WithLabelers()}, true, nil},
		{"X23 two are wanted", []xrpc.Option{xrpc.WithLabelers(xrpc.Labeler{DID: mod, Redact: true}, xrpc.Labeler{DID: "did:web:labels.example"})}, true,
			[]xrpc.Labeler{{DID: mod, Redact: true}, {DID: "did:web:labels.example"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mux := http.NewServeMux()
			service.Handle(mux, appbsky.FeedDescribeFeedGenerator, func(ctx context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
				labelers, given := service.AcceptLabelers(ctx)
				if given != tt.given {
					t.Errorf("given: %t", given)
				}
				if got := service.Request(ctx).URL.Path; got != "/xrpc/app.bsky.feed.describeFeedGenerator" {
					t.Errorf("path %s", got)
				}
				service.ContentLabelers(ctx, labelers...)
				return &appbsky.FeedDescribeFeedGeneratorOutput{}, nil
			})
			host, _ := serve(t, mux)
			var info xrpc.ResponseInfo
			if _, err := appbsky.NewClient(host).Feed.DescribeFeedGenerator(t.Context(), append(tt.opts, xrpc.WithResponse(&info))...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, info.Labelers()); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("outside of a handler there is nobody", func(t *testing.T) {
		if labelers, given := service.AcceptLabelers(t.Context()); given || labelers != nil || service.Request(t.Context()) != nil {
			t.Error(labelers, given)
		}
		service.ContentLabelers(t.Context())
	})
}

func TestBrowsers(t *testing.T) {
	describe := func(context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) {
		return &appbsky.FeedDescribeFeedGeneratorOutput{}, nil
	}
	refuse := service.With(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	})
	for _, tt := range []struct {
		name   string
		opts   []service.Option
		verb   string
		asks   bool
		status int
		origin string
	}{
		{"they get nothing that they are not meant to get", nil, "GET", false, 200, ""},
		{"they may ask in vain", nil, "OPTIONS", true, 405, ""},
		{"they may call", []service.Option{service.AllowBrowsers()}, "GET", false, 200, "*"},
		{"they may ask, before anybody looks for a token", []service.Option{service.AllowBrowsers(), refuse}, "OPTIONS", true, 204, "*"},
		{"they see why they are refused", []service.Option{service.AllowBrowsers(), refuse}, "GET", false, 401, "*"},
		{"OPTIONS of nobody's is no question", []service.Option{service.AllowBrowsers()}, "OPTIONS", false, 405, "*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.verb, "/xrpc/app.bsky.feed.describeFeedGenerator", nil)
			r.Header.Set("Origin", "https://web.example")
			if tt.asks {
				r.Header.Set("Access-Control-Request-Method", "GET")
			}
			w := httptest.NewRecorder()
			service.Handler(appbsky.FeedDescribeFeedGenerator, describe, tt.opts...).ServeHTTP(w, r)
			if w.Code != tt.status || w.Header().Get("Access-Control-Allow-Origin") != tt.origin {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			if tt.status == 204 && !strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
				t.Error(w.Header())
			}
		})
	}
}

func TestHealth(t *testing.T) {
	for _, tt := range []struct {
		name   string
		check  func(context.Context) error
		status int
		want   string
	}{
		{"nobody looks", nil, 200, `{"version":"1.2"}`},
		{"well", func(context.Context) error { return nil }, 200, `{"version":"1.2"}`},
		{"not well", func(context.Context) error { return errors.New("hunter2") }, 503, `{"version":"1.2","error":"Service Unavailable"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			service.Health("1.2", tt.check).ServeHTTP(w, httptest.NewRequest("GET", "/xrpc/_health", nil))
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestMistakesAtTheStart(t *testing.T) {
	describe := func(context.Context) (*appbsky.FeedDescribeFeedGeneratorOutput, error) { return nil, nil }
	for name, mount := range map[string]func(){
		"no handler":    func() { service.Handler(appbsky.FeedDescribeFeedGenerator, nil) },
		"no size":       func() { service.Handler(appbsky.FeedDescribeFeedGenerator, describe, service.MaxInput(0)) },
		"negative time": func() { service.Handler(appbsky.FeedDescribeFeedGenerator, describe, service.Timeout(-1)) },
		"no idle time":  func() { service.Handler(appbsky.FeedDescribeFeedGenerator, describe, service.Idle(0)) },
		"no ping":       func() { service.Handler(appbsky.FeedDescribeFeedGenerator, describe, service.Ping(0)) },
		"twice": func() {
			mux := http.NewServeMux()
			service.Handle(mux, appbsky.FeedDescribeFeedGenerator, describe)
			service.Handle(mux, appbsky.FeedDescribeFeedGenerator, describe)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if why := fmt.Sprint(recover()); !strings.Contains(why, "app.bsky.feed.describeFeedGenerator") {
					t.Errorf("panic %q", why)
				}
			}()
			mount()
		})
	}
}

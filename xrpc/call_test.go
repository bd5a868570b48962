package xrpc

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// value is a typed output and input: an object that is kept as it is.
type value = lex.Unknown

// doerFunc is a Doer.
type doerFunc func(ctx context.Context, req *Request) (*http.Response, error)

func (f doerFunc) Do(ctx context.Context, req *Request) (*http.Response, error) { return f(ctx, req) }

// answer is a response as a server would give it.
func answer(status int, contentType, body string, header ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: make(http.Header), Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
	if contentType != "" {
		resp.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp
}

var (
	query     = Method{NSID: "com.example.get", Kind: KindQuery, Output: "application/json"}
	procedure = Method{NSID: "com.example.put", Kind: KindProcedure, Input: "application/json", Output: "application/json"}
	upload    = Method{NSID: "com.example.upload", Kind: KindProcedure, Input: "*/*", Output: "application/json"}
)

type params struct{}

func (p *params) EncodeQuery(q *Query) {
	q.Int("limit", 50)
	AddStrings(q, "tags", []string{"a b", "ü&#"})
	q.Bool("reverse", false)
}

func TestCallBuildsTheRequest(t *testing.T) {
	input := lex.Of(new(mustRaw(t, `{"a":1}`)))
	for _, tt := range []struct {
		name   string
		call   func(c *Caller) error
		method string
		query  string
		header http.Header
		body   string
	}{
		{"X2 X3 X9 a query", func(c *Caller) error {
			_, err := Call[value](t.Context(), c, query, &params{}, Input{}, nil)
			return err
		}, "GET", "limit=50&tags=a+b&tags=%C3%BC%26%23&reverse=false", http.Header{"Accept": {"application/json"}}, ""},
		{"X7 a procedure with JSON", func(c *Caller) error {
			_, err := Call[value](t.Context(), c, procedure, nil, JSON(&input), nil)
			return err
		}, "POST", "", http.Header{"Accept": {"application/json"}}, `application/json {"a":1}`},
		{"X7 a procedure without input", func(c *Caller) error {
			return Send(t.Context(), c, Method{NSID: "com.example.do", Kind: KindProcedure}, nil, Input{}, nil)
		}, "POST", "", http.Header{}, ""},
		{"X8 bytes of the caller's type", func(c *Caller) error {
			_, err := Call[value](t.Context(), c, upload, nil, Raw(BytesBody([]byte("data"), "image/png")), nil)
			return err
		}, "POST", "", http.Header{"Accept": {"application/json"}}, "image/png data"},
		{"X8 bytes without a type", func(c *Caller) error {
			_, err := Call[value](t.Context(), c, upload, nil, Raw(BytesBody([]byte("data"), "")), nil)
			return err
		}, "POST", "", http.Header{"Accept": {"application/json"}}, "application/octet-stream data"},
		{"X21 X23 options of the call", func(c *Caller) error {
			_, err := Call[value](t.Context(), c, query, nil, Input{}, []Option{
				WithProxy("did:web:api.example.com#svc"),
				WithLabelers(Labeler{DID: "did:plc:abc", Redact: true}, Labeler{DID: "did:plc:def"}, Labeler{DID: "did:plc:abc"}),
				WithHeader("X-Test", "1"), WithUserAgent("test/1"),
			})
			return err
		}, "GET", "", http.Header{
			"Accept": {"application/json"}, "Atproto-Proxy": {"did:web:api.example.com#svc"},
			"Atproto-Accept-Labelers": {"did:plc:abc;redact, did:plc:def"}, "X-Test": {"1"}, "User-Agent": {"test/1"},
		}, ""},
		{"X23 no labelers is not the server's default", func(c *Caller) error {
			_, err := Call[value](t.Context(), c, query, nil, Input{}, []Option{WithLabelers()})
			return err
		}, "GET", "", http.Header{"Accept": {"application/json"}, "Atproto-Accept-Labelers": {""}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got *Request
			body := ""
			c := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
				got = req
				if req.Body != nil {
					r, err := req.Body.open(ctx)
					if err != nil {
						return nil, err
					}
					defer r.Close()
					data, err := io.ReadAll(r)
					if err != nil {
						return nil, err
					}
					body = req.Body.ContentType() + " " + string(data)
				}
				return answer(200, "application/json; charset=utf-8", `{}`), nil
			}))
			if err := tt.call(c); err != nil {
				t.Fatal(err)
			}
			if got.Method != tt.method || got.Query != tt.query || body != tt.body {
				t.Errorf("sent %s ?%s %q", got.Method, got.Query, body)
			}
			if diff := cmp.Diff(tt.header, got.Header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

func mustRaw(tb testing.TB, json string) lex.Unknown {
	tb.Helper()
	u, err := lex.Raw([]byte(json))
	if err != nil {
		tb.Fatal(err)
	}
	return u
}

func TestDefaultsAndCallOptions(t *testing.T) { // X21, X22
	direct := query
	direct.Direct = true
	const a, b = "did:web:a.example.com#svc", "did:web:b.example.com#svc"
	for _, tt := range []struct {
		name     string
		method   Method
		defaults []Option
		call     []Option
		want     string
	}{
		{"X21 none", query, nil, nil, ""},
		{"X21 a default", query, []Option{WithProxy(a)}, nil, a},
		{"X21 the call wins", query, []Option{WithProxy(a)}, []Option{WithProxy(b)}, b},
		{"X21 the call switches it off", query, []Option{WithProxy(a)}, []Option{WithProxy("")}, ""},
		{"X22 the PDS's own methods know no default", direct, []Option{WithProxy(a)}, nil, ""},
		{"X22 unless the call says so", direct, []Option{WithProxy(a)}, []Option{WithProxy(b)}, b},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			c := NewCaller(doerFunc(func(_ context.Context, req *Request) (*http.Response, error) {
				got = req.Header.Get("Atproto-Proxy")
				return answer(200, "application/json", `{}`), nil
			}), tt.defaults...)
			if _, err := Call[value](t.Context(), c, tt.method, nil, Input{}, tt.call); err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("proxy %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNothingIsSentWhenTheCallIsWrong(t *testing.T) { // P42
	var nothing *value
	for name, tt := range map[string]struct {
		caller *Caller
		in     Input
		opts   []Option
	}{
		"P42 X45 no client":          {nil, Input{}, nil},
		"P42 a zero client":          {new(Caller), Input{}, nil},
		"P42 a nil input":            {nil, JSON(nothing), nil},
		"P42 a nil body":             {nil, Raw(nil), nil},
		"P42 a nil stream":           {nil, Raw(StreamBody(nil, 5, "application/json")), nil},
		"P42 a typed nil stream":     {nil, Raw(StreamBody((*strings.Reader)(nil), 5, "application/json")), nil},
		"P42 a nil file":             {nil, Raw(ReaderAtBody((*os.File)(nil), 5, "application/json")), nil},
		"P42 a nil opener":           {nil, Raw(OpenerBody(nil, 5, "application/json")), nil},
		"X21 a proxy that is none":   {nil, Input{}, []Option{WithProxy("api.example.com")}},
		"X23 a labeler that is none": {nil, Input{}, []Option{WithLabelers(Labeler{DID: "x"})}},
		"X8 a body of another type":  {nil, Raw(BytesBody(nil, "text/plain")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			sent := false
			c := tt.caller
			if !strings.HasSuffix(name, "client") {
				c = NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
					sent = true
					return answer(200, "application/json", `{}`), nil
				}))
			}
			_, err := Call[value](t.Context(), c, procedure, nil, tt.in, tt.opts)
			if err == nil || sent {
				t.Errorf("error %v, sent: %t", err, sent)
			}
			if err != nil && !strings.Contains(err.Error(), "com.example.put") {
				t.Errorf("the error does not name the method: %v", err)
			}
		})
	}
}

func TestErrors(t *testing.T) { // X12–X16, P40
	for _, tt := range []struct {
		name    string
		resp    *http.Response
		want    ErrorName
		message string
	}{
		{"P40 X12 named", answer(400, "application/json", `{"error":"InvalidSwap","message":"was at x"}`), "InvalidSwap", "was at x"},
		{"P40 X13 a page of a proxy", answer(502, "text/html", `<html>Bad Gateway</html>`), "UpstreamFailure", ""},
		{"X13 nothing", answer(503, "", ``), "NotEnoughResources", ""},
		{"X13 an array", answer(500, "application/json", `["x"]`), "InternalServerError", ""},
		{"X13 fields of other types", answer(400, "application/json", `{"error":5,"message":{"a":1}}`), "InvalidRequest", ""},
		{"X15 floats do not hide it", answer(400, "application/json", `{"error":"X","ratio":1.5}`), "X", ""},
		{"X14 400", answer(400, "", ``), "InvalidRequest", ""},
		{"X14 401", answer(401, "", ``), "AuthenticationRequired", ""},
		{"X14 403", answer(403, "", ``), "Forbidden", ""},
		{"X14 406", answer(406, "", ``), "NotAcceptable", ""},
		{"X14 X37 413", answer(413, "text/html", `<h1>Too large</h1>`), "PayloadTooLarge", ""},
		{"X14 415", answer(415, "", ``), "UnsupportedMediaType", ""},
		{"X14 429", answer(429, "", ``), "RateLimitExceeded", ""},
		{"X14 500", answer(500, "", ``), "InternalServerError", ""},
		{"X14 501", answer(501, "", ``), "MethodNotImplemented", ""},
		{"X14 502", answer(502, "", ``), "UpstreamFailure", ""},
		{"X14 503", answer(503, "", ``), "NotEnoughResources", ""},
		{"X14 504", answer(504, "", ``), "UpstreamTimeout", ""},
		{"X14 404", answer(404, "", ``), "XRPCNotSupported", ""},
		{"X14 418", answer(418, "", ``), "InvalidRequest", ""},
		{"a redirect is not followed", answer(302, "", ``, "Location", "https://elsewhere.example"), "InvalidRequest", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) { return tt.resp, nil }))
			_, err := Call[value](t.Context(), c, query, nil, Input{}, nil)
			e, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if !errors.Is(err, tt.want) || e.Message != tt.message || e.Status != tt.resp.StatusCode || e.NSID != query.NSID {
				t.Errorf("got %#v", e)
			}
			if errors.Is(err, ErrorName("Other")) {
				t.Error("it is found under any name")
			}
		})
	}
}

func TestErrorHoldsWhatTheHeaderSays(t *testing.T) {
	t.Run("P40 X12 X16 X18 of a refusal", func(t *testing.T) {
		c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
			return answer(429, "application/json", `{"error":"RateLimitExceeded"}`,
				"Retry-After", "7", "RateLimit-Limit", "3000", "RateLimit-Remaining", "0", "RateLimit-Reset", "1700000000",
				"RateLimit-Policy", "3000;w=300", "WWW-Authenticate", `DPoP algs="ES256", error="use_dpop_nonce"`), nil
		}))
		_, err := Call[value](t.Context(), c, query, nil, Input{}, nil)
		e, _ := errors.AsType[*Error](err)
		if e == nil {
			t.Fatal(err)
		}
		want := RateLimit{Limit: 3000, Reset: time.Unix(1_700_000_000, 0), Window: 5 * time.Minute}
		if diff := cmp.Diff(want, e.RateLimit); diff != "" {
			t.Errorf("rate limit (-want +got):\n%s", diff)
		}
		if e.RetryAfter != 7*time.Second {
			t.Errorf("retry after %s", e.RetryAfter)
		}
		if diff := cmp.Diff([]Challenge{{Scheme: "DPoP", Params: map[string]string{"algs": "ES256", "error": "use_dpop_nonce"}}}, e.Challenges()); diff != "" {
			t.Errorf("challenges (-want +got):\n%s", diff)
		}
	})
}

func TestHugeErrorIsCutOff(t *testing.T) {
	t.Run("X13 what is kept of it is bounded", func(t *testing.T) {
		c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
			return answer(500, "text/plain", strings.Repeat("x", 1<<20)), nil
		}))
		_, err := Call[value](t.Context(), c, query, nil, Input{}, nil)
		e, _ := errors.AsType[*Error](err)
		if e == nil || len(e.Body) != maxErrorBody {
			t.Errorf("kept %d bytes", len(e.Body))
		}
	})
}

func TestResponseInfoOnSuccessAndFailure(t *testing.T) { // X24, X25, P40
	for _, status := range []int{200, 500} {
		t.Run(fmt.Sprintf("P40 X24 X25 of HTTP %d", status), func(t *testing.T) {
			var info ResponseInfo
			c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) {
				return answer(status, "application/json", `{}`, "Atproto-Repo-Rev", "3kabcdefghij2", "Atproto-Content-Labelers", "did:plc:abc;redact, did:plc:def, junk"), nil
			}))
			Call[value](t.Context(), c, query, nil, Input{}, []Option{WithResponse(&info)})
			if info.Status != status || info.RepoRev() != "3kabcdefghij2" {
				t.Errorf("got %d, %q", info.Status, info.RepoRev())
			}
			if diff := cmp.Diff([]Labeler{{DID: "did:plc:abc", Redact: true}, {DID: "did:plc:def"}}, info.Labelers()); diff != "" {
				t.Errorf("labelers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInvalidResponses(t *testing.T) {
	for name, tt := range map[string]struct {
		resp *http.Response
		opts []Option
		want error
	}{
		"X9 another type":     {answer(200, "text/html", `<p>`), nil, nil},
		"no type":             {answer(200, "", `{}`), nil, nil},
		"malformed":           {answer(200, "application/json", `{`), nil, lex.ErrSyntax},
		"X46 too large":       {answer(200, "application/json", `{"a":"`+strings.Repeat("x", 100)+`"}`), []Option{WithMaxOutput(64)}, ErrOutputTooLarge},
		"X46 nested too deep": {answer(200, "application/json", `{"a":`+strings.Repeat("[", 50)+strings.Repeat("]", 50)+`}`), []Option{WithMaxNesting(40)}, lex.ErrDepth},
		"X46 default nesting": {answer(200, "application/json", `{"a":`+strings.Repeat("[", 100_000)), nil, lex.ErrDepth},
	} {
		t.Run(name, func(t *testing.T) {
			closed := false
			tt.resp.Body = &closeSpy{tt.resp.Body, &closed}
			c := NewCaller(doerFunc(func(context.Context, *Request) (*http.Response, error) { return tt.resp, nil }))
			_, err := Call[value](t.Context(), c, query, nil, Input{}, tt.opts)
			e, ok := errors.AsType[*InvalidResponseError](err)
			if !ok || e.Status != 200 || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			if !closed {
				t.Error("the body was not closed")
			}
		})
	}
}

type closeSpy struct {
	io.ReadCloser
	closed *bool
}

func (s *closeSpy) Close() error {
	*s.closed = true
	return s.ReadCloser.Close()
}

func TestOutputWithoutAnnouncedSizeIsBounded(t *testing.T) {
	t.Run("X46 a bomb of gzip", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			io.WriteString(z, `{"a":"`)
			for range 64 {
				io.WriteString(z, strings.Repeat("x", 1<<20))
			}
		}))
		defer server.Close()
		client, err := NewClient(server.URL, ClientConfig{AllowLoopback: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = Call[value](t.Context(), NewCaller(client), query, nil, Input{}, nil)
		if !errors.Is(err, ErrOutputTooLarge) {
			t.Errorf("got %v", err)
		}
	})
}

func TestHeaderTimeout(t *testing.T) {
	t.Run("X17 without an answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
				<-ctx.Done()
				return nil, &SendError{NSID: req.NSID, Err: ctx.Err()}
			}))
			start := time.Now()
			_, err := Call[value](t.Context(), c, query, nil, Input{}, nil)
			if !errors.Is(err, ErrHeaderTimeout) || time.Since(start) != DefaultHeaderTimeout {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	})
}

// stalled is a body that stops arriving.
type stalled struct {
	ctx  context.Context
	sent bool
}

func (s *stalled) Read(p []byte) (int, error) {
	if !s.sent {
		s.sent = true
		return copy(p, `{"a":`), nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s *stalled) Close() error { return nil }

func TestIdleTimeout(t *testing.T) {
	t.Run("X17 X46 an answer that stops", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
				resp := answer(200, "application/json", "")
				resp.Body, resp.ContentLength = &stalled{ctx: ctx}, -1
				return resp, nil
			}))
			start := time.Now()
			_, err := Call[value](t.Context(), c, query, nil, Input{}, nil)
			if !errors.Is(err, ErrIdle) || time.Since(start) != DefaultIdleTimeout {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
		})
	})
}

func TestDownloadStreams(t *testing.T) {
	t.Run("P41 X11 a download is not read ahead", func(t *testing.T) {
		read := 0
		c := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
			resp := answer(200, "application/vnd.ipld.car", "")
			resp.ContentLength = 1 << 30
			resp.Body = io.NopCloser(io.LimitReader(readFunc(func(p []byte) (int, error) {
				read += len(p)
				return len(p), nil
			}), 1<<30))
			return resp, nil
		}))
		d, err := Open(t.Context(), c, Method{NSID: "com.example.getRepo", Output: "application/vnd.ipld.car"}, nil, Input{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d.ContentType != "application/vnd.ipld.car" || d.Size != 1<<30 {
			t.Errorf("got %q, %d", d.ContentType, d.Size)
		}
		if _, err := io.CopyN(io.Discard, d, 1<<20); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if read > 2<<20 {
			t.Errorf("%d bytes were read ahead", read)
		}
	})
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestRedirectsAreToldApart(t *testing.T) {
	for status, said := range map[int]bool{301: true, 302: true, 303: true, 307: true, 308: true, 400: false} {
		t.Run(fmt.Sprintf("P82 %d names its place: %t", status, said), func(t *testing.T) {
			err := error(&Error{NSID: "com.atproto.sync.getBlob", Name: ErrInvalidRequest, ResponseInfo: ResponseInfo{
				Status: status, Header: http.Header{"Location": {"https://cdn.test/blob\n"}},
			}})
			if got := strings.Contains(err.Error(), `"https://cdn.test/blob\n"`); got != said {
				t.Errorf("got %v", err)
			}
		})
	}
}

package xrpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/internal/safehttp"
)

func TestWhatIsRefusedHereWasNotSent(t *testing.T) {
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the user left"))
	for _, tt := range []struct {
		name string
		ctx  context.Context
		host string
		opts []Option
		in   Input
		want error
	}{
		{"a private address", t.Context(), "https://10.0.0.1", nil, Input{}, safehttp.ErrBlocked},
		{"a name that leads to one", t.Context(), "https://localhost:1", nil, Input{}, safehttp.ErrBlocked},
		{"a header field with a line break", t.Context(), "https://pds.test", []Option{WithHeader("X-Mine", "a\r\nSecret: b")}, Input{}, nil},
		{"a header field whose name is none", t.Context(), "https://pds.test", []Option{WithHeader("X Mine", "a")}, Input{}, nil},
		{"a context that is over", over, "https://pds.test", nil, Input{}, context.Canceled},
		{"a file that is gone", t.Context(), "https://pds.test", nil, Raw(OpenerBody(func() (io.ReadCloser, error) { return nil, io.ErrNoProgress }, 1, "a/b")), io.ErrNoProgress},
		{"a file that the opener does not have", t.Context(), "https://pds.test", nil, Raw(OpenerBody(func() (io.ReadCloser, error) { return nil, nil }, 1, "a/b")), nil},
		{"an opened file that is nil", t.Context(), "https://pds.test", nil, Raw(OpenerBody(func() (io.ReadCloser, error) { return (*os.File)(nil), nil }, 1, "a/b")), nil},
	} {
		t.Run("P121 "+tt.name, func(t *testing.T) {
			attempts := 0
			client, err := NewClient(tt.host, ClientConfig{})
			if err != nil {
				t.Fatal(err)
			}
			c := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
				attempts++
				return client.Do(ctx, req)
			}))
			_, err = Call[value](tt.ctx, c, upload, nil, tt.in, append(tt.opts, WithRetry(RetryPolicy{})))
			e, ok := errors.AsType[*SendError](err)
			if !ok || e.Sent != SentNo || tt.want != nil && !errors.Is(err, tt.want) || strings.Contains(err.Error(), "Secret") {
				t.Errorf("got %v", err)
			}
			if want := 1; attempts > want || tt.ctx == over && attempts > 0 {
				t.Errorf("tried %d times", attempts)
			}
		})
	}
}

// A request that fails between the opening of its body and its sending.
func TestBodiesOfWhatNeverLeftAreClosed(t *testing.T) {
	for name, fail := range map[string]func(*http.Request) (*http.Response, error){
		"signing fails":             func(*http.Request) (*http.Response, error) { return nil, errors.New("no key") },
		"the context is over there": func(req *http.Request) (*http.Response, error) { return SendHTTP(nil, ended(req), "a.b.c") },
	} {
		t.Run("P121 "+name, func(t *testing.T) {
			server := httptest.NewServer(nil)
			defer server.Close()
			open, closed := 0, 0
			body := OpenerBody(func() (io.ReadCloser, error) {
				open++
				return &counter{strings.NewReader("data"), &closed}, nil
			}, 4, "a/b")
			c := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
				httpReq, err := NewHTTPRequest(ctx, req.Method, mustURL(t, server.URL), req.Header, req.Body)
				if err != nil {
					return nil, err
				}
				if _, err := httpReq.GetBody(); err != nil { // as net/http does, which then does not use it
					t.Error(err)
				}
				return fail(httpReq)
			}))
			for range 2 { // the second does not wait for the first
				if _, err := Call[value](t.Context(), c, upload, nil, Raw(body), nil); err == nil {
					t.Error("no error")
				}
			}
			if open != 4 || closed != open {
				t.Errorf("opened %d times, closed %d times", open, closed)
			}
		})
	}
	t.Run("P121 a body that is being read is left to its reader", func(t *testing.T) {
		closed := 0
		body := OpenerBody(func() (io.ReadCloser, error) { return &counter{strings.NewReader("data"), &closed}, nil }, 4, "a/b")
		var reader io.ReadCloser
		c := NewCaller(doerFunc(func(ctx context.Context, req *Request) (*http.Response, error) {
			var err error
			if reader, err = req.Body.open(ctx); err != nil {
				return nil, err
			}
			io.ReadFull(reader, make([]byte, 1))
			return nil, errors.New("broken")
		}))
		Call[value](t.Context(), c, upload, nil, Raw(body), nil)
		if rest, err := io.ReadAll(reader); closed != 0 || string(rest) != "ata" || err != nil {
			t.Errorf("closed %d times, read %q, %v", closed, rest, err)
		}
	})
	t.Run("P121 a body that was closed gives nothing more", func(t *testing.T) {
		view := BytesBody([]byte("data"), "").shown("a/b", bodyWatch{})
		r, err := view.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		view.closeUnread()
		if n, err := r.Read(make([]byte, 9)); n != 0 || !errors.Is(err, errBodyClosed) {
			t.Errorf("read %d bytes, %v", n, err)
		}
	})
}

// ended gives a request a context that is over.
func ended(req *http.Request) *http.Request {
	ctx, cancel := context.WithCancel(req.Context())
	cancel()
	return req.WithContext(ctx)
}

// A counter counts how often it is closed.
type counter struct {
	io.Reader
	closed *int
}

func (c *counter) Close() error {
	*c.closed++
	return nil
}

func TestUserAgent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header http.Header
		want   string
	}{
		{"X45 by default it is ours", nil, userAgent},
		{"X45 the program's own", http.Header{"User-Agent": {"mine/1"}}, "mine/1"},
		{"X45 none, if the program says none", http.Header{"User-Agent": {""}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got bytes.Buffer
			req, err := NewHTTPRequest(t.Context(), "GET", mustURL(t, "https://pds.test/"), tt.header, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Write(&got)
			if !strings.Contains(got.String(), "User-Agent: "+tt.want) == (tt.want != "") {
				t.Errorf("sent %q", got.String())
			}
		})
	}
}

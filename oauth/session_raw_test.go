package oauth_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc"
)

// echo answers calls with what a request carried.
func echo(into *http.Header, body *string) func(*oauth.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if !strings.HasPrefix(req.URL.Path, "/xrpc/") {
			return next()
		}
		*into, *body = req.Header.Clone(), form(req)
		return respond(req, 200, `{}`), nil
	})
}

func TestBodiesOfRawRequests(t *testing.T) {
	server := sandbox(t)
	var header http.Header
	var sent string
	s := login(t, server, newClient(t, server, echo(&header, &sent)))
	do := func(t *testing.T, resp *http.Response, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	t.Run("what encodes as JSON is sent as JSON", func(t *testing.T) {
		resp, err := s.AuthenticatedRequest(t.Context(), "POST", "/xrpc/a.b.c", map[string]any{"a": []int{}, "u": "https://x/"})
		do(t, resp, err)
		if sent != `{"a":[],"u":"https://x/"}` || header.Get("Content-Type") != "application/json" {
			t.Errorf("sent %q as %q", sent, header.Get("Content-Type"))
		}
	})
	t.Run("no body has no content type", func(t *testing.T) {
		resp, err := s.AuthenticatedRequest(t.Context(), "POST", "/xrpc/a.b.c", nil)
		do(t, resp, err)
		if sent != "" || header["Content-Type"] != nil {
			t.Errorf("sent %q as %q", sent, header["Content-Type"])
		}
	})
	t.Run("bytes are sent as they are, under the given type", func(t *testing.T) {
		const data = "\x00\xff{not JSON"
		resp, err := s.AuthenticatedRawRequest(t.Context(), "POST", "/xrpc/a.b.c", strings.NewReader(data), "image/png")
		do(t, resp, err)
		if sent != data || header.Get("Content-Type") != "image/png" {
			t.Errorf("sent %q as %q", sent, header.Get("Content-Type"))
		}
	})
	t.Run("without a given type that of the header counts, in any letters", func(t *testing.T) {
		resp, err := s.AuthenticatedRawRequest(t.Context(), "POST", "/xrpc/a.b.c", io.MultiReader(strings.NewReader("x")), "", xrpc.WithHeader("content-TYPE", "text/markdown"))
		do(t, resp, err)
		if got := header["Content-Type"]; len(got) != 1 || got[0] != "text/markdown" {
			t.Errorf("sent as %q", got)
		}
	})
	t.Run("JSON that is encoded already is sent as it is", func(t *testing.T) {
		resp, err := s.AuthenticatedRequest(t.Context(), "POST", "/xrpc/a.b.c", json.RawMessage(`{"a":1}`))
		do(t, resp, err)
		if sent != `{"a":1}` {
			t.Errorf("sent %q", sent)
		}
	})
	for _, tt := range []struct {
		name string
		body any
		want string
	}{
		{"a reader", strings.NewReader(`{"a":1}`), "use AuthenticatedRawRequest"},
		{"a buffer", bytes.NewBufferString(`{"a":1}`), "use AuthenticatedRawRequest"},
		{"a reader that is closed", io.NopCloser(strings.NewReader("x")), "use AuthenticatedRawRequest"},
		{"bytes", []byte(`{"a":1}`), "json.RawMessage"},
		{"a string", `{"a":1}`, "json.RawMessage"},
		{"a body of xrpc", xrpc.BytesBody([]byte("x"), "text/plain"), "use AuthenticatedRawRequest"},
		{"a nil input", (*comatproto.RepoCreateRecordInput)(nil), "nil *comatproto.RepoCreateRecordInput"},
		{"a nil pointer", (*struct{ A int })(nil), "pass nil for a request without a body"},
		{"a channel", make(chan int), "unsupported type"},
	} {
		t.Run(tt.name+" is not encoded as JSON, and nothing is sent", func(t *testing.T) {
			sent = "nothing"
			resp, err := s.AuthenticatedRequest(t.Context(), "POST", "/xrpc/a.b.c", tt.body)
			if err == nil {
				resp.Body.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || sent != "nothing" {
				t.Errorf("got %v, sent %q", err, sent)
			}
		})
	}
}

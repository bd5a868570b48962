package oauth_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

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
}

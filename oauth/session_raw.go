package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// AuthenticatedRequest sends a request to the session's PDS with a JSON body, or
// none if body is nil, and returns the response whatever its status. path is a
// path with its query, such as "/xrpc/com.atproto.server.getSession", or an
// absolute URL on Host; any other is refused with ErrOrigin. Of the options, those
// that set headers apply.
//
// It goes through the same loop as typed calls: proofs, nonces and refreshes are
// taken care of. The caller closes the response's body.
func (s *Session) AuthenticatedRequest(ctx context.Context, method, path string, body any, opts ...xrpc.Option) (*http.Response, error) {
	if body == nil {
		return s.raw(ctx, method, path, nil, opts)
	}
	encoded, err := encodeBody(body)
	if err != nil {
		return nil, fmt.Errorf("oauth: encoding the body of %s %s: %w", method, path, err)
	}
	return s.raw(ctx, method, path, xrpc.BytesBody(encoded, "application/json"), opts)
}

// AuthenticatedRawRequest sends body as it is, under contentType. A body that is a
// *bytes.Reader, *bytes.Buffer, *strings.Reader or regular *os.File can be sent
// again when the server asks; any other is sent once, after making sure of token
// and nonce, and ErrBodyNotReplayable says that this was not enough. The body is
// not closed. The rest is as for AuthenticatedRequest.
func (s *Session) AuthenticatedRawRequest(ctx context.Context, method, path string, body io.Reader, contentType string, opts ...xrpc.Option) (*http.Response, error) {
	if body == nil {
		return s.raw(ctx, method, path, nil, opts)
	}
	return s.raw(ctx, method, path, bodyOf(body, contentType), opts)
}

// raw resolves path and options and hands over to send.
func (s *Session) raw(ctx context.Context, method, path string, body *xrpc.Body, opts []xrpc.Option) (*http.Response, error) {
	target, err := url.Parse(path)
	if err != nil {
		return nil, &Error{Kind: ErrOrigin, Err: err}
	}
	if target.Host == "" && !strings.HasPrefix(target.Path, "/") {
		return nil, &Error{Kind: ErrOrigin, Err: fmt.Errorf("%q is neither an absolute path nor an absolute URL", path)}
	}
	header, err := xrpc.HeaderOf(opts...)
	if err != nil {
		return nil, err
	}
	return s.send(ctx, &outgoing{method: method, target: target, header: header, body: body})
}

func encodeBody(body any) ([]byte, error) {
	if v, ok := body.(lex.Encodable); ok {
		return lex.MarshalJSON(v)
	}
	return json.Marshal(body)
}

// bodyOf finds out whether a reader can be read again from where it stands.
func bodyOf(r io.Reader, contentType string) *xrpc.Body {
	switch r := r.(type) {
	case *bytes.Buffer:
		return xrpc.BytesBody(r.Bytes(), contentType)
	case *bytes.Reader:
		return xrpc.ReaderAtBody(io.NewSectionReader(r, r.Size()-int64(r.Len()), int64(r.Len())), int64(r.Len()), contentType)
	case *strings.Reader:
		return xrpc.ReaderAtBody(io.NewSectionReader(r, r.Size()-int64(r.Len()), int64(r.Len())), int64(r.Len()), contentType)
	case *os.File:
		info, err := r.Stat()
		if err != nil || !info.Mode().IsRegular() {
			break
		}
		at, err := r.Seek(0, io.SeekCurrent)
		if err != nil || at > info.Size() {
			break
		}
		return xrpc.ReaderAtBody(io.NewSectionReader(r, at, info.Size()-at), info.Size()-at, contentType)
	}
	return xrpc.StreamBody(r, -1, contentType)
}

// HTTPClient returns an *http.Client whose requests go out under this session, for
// code that wants one. It follows no redirects and keeps no cookies; URLs that are
// not on Host are refused with ErrOrigin. It is cheap to make and safe for
// concurrent use.
func (s *Session) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     sessionTransport{s},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// sessionTransport is the session as an http.RoundTripper.
type sessionTransport struct{ session *Session }

// RoundTrip implements http.RoundTripper.
func (t sessionTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	out := &outgoing{method: req.Method, target: req.URL, header: req.Header}
	if req.Body != nil && req.Body != http.NoBody {
		defer req.Body.Close()
		body, err := requestBody(req)
		if err != nil {
			return nil, err
		}
		out.body = body
	}
	return t.session.send(req.Context(), out)
}

// requestBody turns the body of an *http.Request into one of ours. GetBody, where
// there is one, opens it again.
func requestBody(req *http.Request) (*xrpc.Body, error) {
	contentType := req.Header.Get("Content-Type")
	if req.GetBody == nil {
		size := req.ContentLength
		if size == 0 {
			size = -1 // unknown, says net/http of a body that is not nil
		}
		return xrpc.StreamBody(req.Body, size, contentType), nil
	}
	return xrpc.OpenerBody(req.GetBody, req.ContentLength, contentType), nil
}

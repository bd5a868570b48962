package apppassword

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gimucco/atproto-go/internal/raw"
	"github.com/gimucco/atproto-go/xrpc"
)

// AuthenticatedRequest sends a request to the account's server and returns the response whatever
// its status. body is encoded as JSON; if it is nil, the request has no body. JSON that you have
// already is a json.RawMessage; readers, bytes and strings are refused, because they are for
// AuthenticatedRawRequest. path is a path with its query, such as
// "/xrpc/com.atproto.server.getSession", or an absolute URL on Host. Any other URL is refused with
// ErrOrigin. Only options that set headers are allowed.
//
// It uses the same loop as typed calls. The caller closes the response's body.
func (s *Session) AuthenticatedRequest(ctx context.Context, method, path string, body any, opts ...xrpc.Option) (*http.Response, error) {
	return s.door().JSON(ctx, method, path, body, opts)
}

// AuthenticatedRawRequest sends body unchanged, with the given content type. A *bytes.Reader,
// *bytes.Buffer, *strings.Reader or regular *os.File can be sent again if the server asks for that.
// Any other body is sent once, after a check of the token; if the server still wants it again, the
// error is ErrBodyNotReplayable. The body is not closed. Everything else is as in
// AuthenticatedRequest.
func (s *Session) AuthenticatedRawRequest(ctx context.Context, method, path string, body io.Reader, contentType string, opts ...xrpc.Option) (*http.Response, error) {
	return s.door().Reader(ctx, method, path, body, contentType, opts)
}

// HTTPClient returns an *http.Client that sends its requests with this session, for code that needs
// one. It follows no redirects and keeps no cookies. It refuses URLs that are not on Host with
// ErrOrigin. It is cheap to make and safe for concurrent use.
func (s *Session) HTTPClient() *http.Client { return s.door().Client() }

func (s *Session) door() raw.Door { return raw.Door{Send: s.sendRaw, Fail: rawError} }

func (s *Session) sendRaw(ctx context.Context, req *raw.Request) (*http.Response, error) {
	return s.send(ctx, "", req)
}

// rawError adds a kind to an error of a raw request.
func rawError(err error) error {
	if origin, ok := errors.AsType[*raw.OriginError](err); ok {
		return &Error{Kind: ErrOrigin, Err: origin.Err}
	}
	return fmt.Errorf("apppassword: %w", err)
}

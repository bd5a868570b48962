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

// AuthenticatedRequest sends a request to the account's server with a JSON body, or none if body
// is nil, and returns the response whatever its status. path is a path with its query, such as
// "/xrpc/com.atproto.server.getSession", or an absolute URL on Host; any other is refused with
// ErrOrigin. Of the options, those that set headers apply.
//
// It goes through the same loop as typed calls. The caller closes the response's body.
func (s *Session) AuthenticatedRequest(ctx context.Context, method, path string, body any, opts ...xrpc.Option) (*http.Response, error) {
	return s.door().JSON(ctx, method, path, body, opts)
}

// AuthenticatedRawRequest sends body as it is, under contentType. A body that is a *bytes.Reader,
// *bytes.Buffer, *strings.Reader or regular *os.File can be sent again when the server asks; any
// other is sent once, after making sure of the token, and ErrBodyNotReplayable says that this was
// not enough. The body is not closed. The rest is as for AuthenticatedRequest.
func (s *Session) AuthenticatedRawRequest(ctx context.Context, method, path string, body io.Reader, contentType string, opts ...xrpc.Option) (*http.Response, error) {
	return s.door().Reader(ctx, method, path, body, contentType, opts)
}

// HTTPClient returns an *http.Client whose requests go out under this session, for code that
// wants one. It follows no redirects and keeps no cookies; URLs that are not on Host are refused
// with ErrOrigin. It is cheap to make and safe for concurrent use.
func (s *Session) HTTPClient() *http.Client { return s.door().Client() }

func (s *Session) door() raw.Door { return raw.Door{Send: s.sendRaw, Fail: rawError} }

func (s *Session) sendRaw(ctx context.Context, req *raw.Request) (*http.Response, error) {
	return s.send(ctx, "", req)
}

// rawError gives what is wrong with a raw request a kind.
func rawError(err error) error {
	if origin, ok := errors.AsType[*raw.OriginError](err); ok {
		return &Error{Kind: ErrOrigin, Err: origin.Err}
	}
	return fmt.Errorf("apppassword: %w", err)
}

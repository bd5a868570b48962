package raw

import (
	"context"
	"io"
	"net/http"

	"github.com/gimucco/atproto-go/xrpc"
)

// A Sender sends a request with a session, and returns the response whatever its status.
type Sender func(ctx context.Context, req *Request) (*http.Response, error)

// A Door sends requests with a session.
type Door struct {
	Send Sender
	Fail func(error) error // converts the error of a wrong request to an error of the session's package
}

// JSON sends a request that the function JSON makes.
func (d Door) JSON(ctx context.Context, method, path string, body any, opts []xrpc.Option) (*http.Response, error) {
	req, err := JSON(method, path, body, opts)
	if err != nil {
		return nil, d.Fail(err)
	}
	return d.Send(ctx, req)
}

// Reader sends a request that the function Reader makes.
func (d Door) Reader(ctx context.Context, method, path string, body io.Reader, contentType string, opts []xrpc.Option) (*http.Response, error) {
	req, err := Reader(method, path, body, contentType, opts)
	if err != nil {
		return nil, d.Fail(err)
	}
	return d.Send(ctx, req)
}

// Client returns an *http.Client that sends its requests through the door. It follows no redirects
// and keeps no cookies.
func (d Door) Client() *http.Client {
	return &http.Client{
		Transport:     transport(d.Send),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport makes a Sender an http.RoundTripper.
type transport Sender

// RoundTrip implements http.RoundTripper.
func (send transport) RoundTrip(req *http.Request) (*http.Response, error) {
	out := &Request{Method: req.Method, Target: req.URL, Header: req.Header}
	if req.Body != nil && req.Body != http.NoBody {
		defer req.Body.Close()
		out.Body = requestBody(req)
	}
	return send(req.Context(), out)
}

// requestBody converts the body of an *http.Request. If there is a GetBody, the body can be sent
// again.
func requestBody(req *http.Request) *xrpc.Body {
	contentType := req.Header.Get("Content-Type")
	if req.GetBody == nil {
		size := req.ContentLength
		if size == 0 {
			size = -1 // for a body that is not nil, 0 means unknown
		}
		return xrpc.StreamBody(req.Body, size, contentType)
	}
	return xrpc.OpenerBody(req.GetBody, req.ContentLength, contentType)
}

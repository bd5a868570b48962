package raw

import (
	"context"
	"io"
	"net/http"

	"github.com/gimucco/atproto-go/xrpc"
)

// A Sender sends a request under a session, and returns the response whatever its status.
type Sender func(ctx context.Context, req *Request) (*http.Response, error)

// A Door lets requests out under a session.
type Door struct {
	Send Sender
	Fail func(error) error // gives what is wrong with a request the kind that the session's package has for it
}

// JSON sends what the function of this name makes.
func (d Door) JSON(ctx context.Context, method, path string, body any, opts []xrpc.Option) (*http.Response, error) {
	req, err := JSON(method, path, body, opts)
	if err != nil {
		return nil, d.Fail(err)
	}
	return d.Send(ctx, req)
}

// Reader sends what the function of this name makes.
func (d Door) Reader(ctx context.Context, method, path string, body io.Reader, contentType string, opts []xrpc.Option) (*http.Response, error) {
	req, err := Reader(method, path, body, contentType, opts)
	if err != nil {
		return nil, d.Fail(err)
	}
	return d.Send(ctx, req)
}

// Client is an *http.Client whose requests go through the door. It follows no redirects and keeps
// no cookies.
func (d Door) Client() *http.Client {
	return &http.Client{
		Transport:     transport(d.Send),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// transport is a Sender as an http.RoundTripper.
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

// requestBody turns the body of an *http.Request into one of ours. GetBody, where there is one,
// opens it again.
func requestBody(req *http.Request) *xrpc.Body {
	contentType := req.Header.Get("Content-Type")
	if req.GetBody == nil {
		size := req.ContentLength
		if size == 0 {
			size = -1 // unknown, says net/http of a body that is not nil
		}
		return xrpc.StreamBody(req.Body, size, contentType)
	}
	return xrpc.OpenerBody(req.GetBody, req.ContentLength, contentType)
}

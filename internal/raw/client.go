package raw

import (
	"context"
	"net/http"

	"github.com/gimucco/atproto-go/xrpc"
)

// A Sender sends a request under a session, and returns the response whatever its status.
type Sender func(ctx context.Context, req *Request) (*http.Response, error)

// Client is an *http.Client whose requests are sent by send. It follows no redirects and keeps
// no cookies.
func Client(send Sender) *http.Client {
	return &http.Client{
		Transport:     transport(send),
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

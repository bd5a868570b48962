package xrpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Doer sends one request and returns the response whatever its status; the
// caller closes its body. It supplies host and credentials. It does not follow
// redirects, does not change req, and accepts the same req again.
//
// An error means that there is no response: a *SendError, which says whether the
// request may have arrived, or an error of the Doer's own, such as a session that
// ended, after which nothing was sent. A Doer is safe for concurrent use.
type Doer interface {
	Do(ctx context.Context, req *Request) (*http.Response, error)
}

// A Request is one call of a method, without host and credentials.
type Request struct {
	Method string      // GET for queries and subscriptions, POST for procedures
	NSID   syntax.NSID // the method; the path is /xrpc/ and this
	Query  string      // encoded parameters, without "?"
	Header http.Header // accept, proxy, labelers, …; a Doer overwrites Authorization and DPoP
	Body   *Body       // nil: none
}

// Sent says whether a request that got no response may have reached the server.
type Sent int

const (
	// SentMaybe: the request, or a part of it, left. The server may have acted on it.
	SentMaybe Sent = iota
	// SentNo: nothing of the request left this process.
	SentNo
)

// String returns "maybe" or "no".
func (s Sent) String() string {
	if s == SentNo {
		return "no"
	}
	return "maybe"
}

// A SendError is a request that got no response: the server was not reached, did
// not answer in time, or the connection broke.
type SendError struct {
	NSID syntax.NSID // empty for requests that are not calls of a method
	Sent Sent
	Err  error
}

// Error names the method and the cause, and says when nothing was sent.
func (e *SendError) Error() string {
	what := "request"
	if e.NSID != "" {
		what = string(e.NSID)
	}
	if e.Sent == SentNo {
		return fmt.Sprintf("xrpc: %s was not sent: %v", what, e.Err)
	}
	return fmt.Sprintf("xrpc: %s got no answer: %v", what, e.Err)
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// NewHTTPRequest builds the *http.Request of one attempt: header is copied, body is
// opened afresh. It is for implementations of Doer.
//
// net/http is not given a way to read the body again: whether a request may be sent
// twice is for the Doer to decide, which signs anew each time.
func NewHTTPRequest(ctx context.Context, method string, target *url.URL, header http.Header, body *Body) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if body == nil {
		req.Header.Del("Content-Type")
		return req, nil
	}
	req.Body, err = body.open(ctx)
	if err != nil {
		return nil, err
	}
	req.ContentLength = body.size
	if body.size == 0 {
		req.Body.Close()
		req.Body = http.NoBody
	}
	if req.Header.Get("Content-Type") == "" || body.contentType != "" {
		req.Header.Set("Content-Type", body.contentType)
	}
	return req, nil
}

// SendHTTP performs one round trip, without redirects. Failures are *SendError.
// It is for implementations of Doer.
func SendHTTP(rt http.RoundTripper, req *http.Request, nsid syntax.NSID) (*http.Response, error) {
	var asked, connected atomic.Bool
	trace := &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}
	traced := req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	resp, err := rt.RoundTrip(traced)
	if err == nil {
		return resp, nil
	}
	// Nothing can have left without a connection. A transport that does not report
	// its connections (asked stays false) is believed only when it says that dialing
	// failed.
	sent := SentMaybe
	if !connected.Load() && (asked.Load() || dialFailed(err)) {
		sent = SentNo
	}
	return nil, &SendError{NSID: nsid, Sent: sent, Err: err}
}

func dialFailed(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial"
	}
	_, unknownName := errors.AsType[*net.DNSError](err)
	return unknownName
}

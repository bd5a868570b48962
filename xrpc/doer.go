package xrpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Doer sends one request and returns the response whatever its status; the caller closes its
// body. A Doer supplies the host and the credentials. It does not follow redirects, does not change
// req, and accepts the same req again.
//
// An error means that there is no response. It is a *SendError, which says whether the request may
// have reached the server, or an error of the Doer's own, such as an ended session; then nothing
// was sent. A Doer is safe for concurrent use.
type Doer interface {
	// Do sends req and returns its response; see Doer.
	Do(ctx context.Context, req *Request) (*http.Response, error)
}

// A Request is one call of a method, without host and credentials.
type Request struct {
	Method string      // GET for queries and subscriptions, POST for procedures
	NSID   syntax.NSID // the method; the path is "/xrpc/" followed by it
	Query  string      // encoded parameters, without "?"
	Header http.Header // accept, proxy, labelers and others; a Doer overwrites Authorization and DPoP
	Body   *Body       // nil for none
}

// Sent says whether a request without a response may have reached the server.
type Sent int

const (
	// SentMaybe: at least a part of the request was sent. The server may have carried it out.
	SentMaybe Sent = iota
	// SentNo: no part of the request was sent.
	SentNo
)

// String returns "maybe" or "no".
func (s Sent) String() string {
	if s == SentNo {
		return "no"
	}
	return "maybe"
}

// A SendError says that a request got no response, or only a part of one: the server was not
// reached, did not answer in time, or the connection broke. It is also the error for requests that
// this process refuses, such as one to a private address or with an invalid header; these have
// SentNo.
//
// If a time limit has passed, errors.Is finds context.DeadlineExceeded, and errors.As finds a
// net.Error whose Timeout is true.
type SendError struct {
	NSID syntax.NSID // empty if the request is not a call of a method
	Sent Sent        // whether the server may have received the request
	Err  error       // the cause

	final bool // the same call cannot succeed later
}

// Error names the method and the cause. It says if nothing was sent.
func (e *SendError) Error() string {
	what := "request"
	if e.NSID != "" {
		what = string(e.NSID)
	}
	if e.Sent == SentNo {
		return fmt.Sprintf("xrpc: %s was not sent: %s", what, said.Text(e.Err.Error()))
	}
	return fmt.Sprintf("xrpc: %s got no answer: %s", what, said.Text(e.Err.Error()))
}

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// NewHTTPRequest builds the *http.Request of one attempt. It copies header and opens body. It is
// for implementations of Doer.
//
// If a body can be opened twice, net/http may send it again when it knows that the server has not
// processed the request: the connection was closed before anything was written, or an HTTP/2 server
// is about to restart and names the requests that it leaves out (P72). All other repetitions are up
// to the Doer, which signs each of them.
//
// A request that cannot be sent fails with a *SendError with SentNo: a target with an Opaque part,
// an invalid header field, or a body that cannot be opened.
func NewHTTPRequest(ctx context.Context, method string, target *url.URL, header http.Header, body *Body) (*http.Request, error) {
	refused := func(err error) error { return &SendError{Sent: SentNo, Err: err, final: true} }
	if target.Opaque != "" {
		// Such a URL names another place than its Host (P79).
		return nil, refused(fmt.Errorf("the URL has the opaque part %.100q", target.Opaque))
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), nil)
	if err != nil {
		return nil, refused(err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if body == nil {
		req.Header.Del("Content-Type")
	} else if req.Header.Get("Content-Type") == "" || body.contentType != "" {
		req.Header.Set("Content-Type", body.contentType)
	}
	if _, said := req.Header["User-Agent"]; !said {
		req.Header.Set("User-Agent", userAgent)
	}
	if err := checkHeader(req.Header); err != nil {
		return nil, refused(err)
	}
	if body == nil {
		return req, nil
	}
	req.Body, err = body.open(ctx)
	if err != nil {
		return nil, refused(err)
	}
	req.ContentLength = body.size
	if body.size == 0 {
		req.Body.Close()
		req.Body = http.NoBody
	} else if body.Replayable() {
		// Not open: net/http may ask for a reader, and then neither use nor close it.
		req.GetBody = body.reopen
	}
	return req, nil
}

// userAgent is the User-Agent of requests, unless the program sets another.
const userAgent = "atproto-go (+https://github.com/gimucco/atproto-go)"

// checkHeader refuses fields that cannot be sent. Its error does not contain values, because they
// may be secret.
func checkHeader(header http.Header) error {
	for name, values := range header {
		if rest := strings.TrimLeftFunc(name, func(r rune) bool { return r < utf8.RuneSelf && isTokenByte(byte(r)) }); name == "" || rest != "" {
			return fmt.Errorf("%.80q is not a valid name of a header field", name)
		}
		for _, value := range values {
			if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("the value of the header field %s has a line break or another control character", name)
			}
		}
	}
	return nil
}

// SendHTTP performs one round trip and follows no redirects. Its errors are *SendError. It is for
// implementations of Doer.
func SendHTTP(rt http.RoundTripper, req *http.Request, nsid syntax.NSID) (*http.Response, error) {
	if ctx := req.Context(); ctx.Err() != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, &SendError{NSID: nsid, Sent: SentNo, Err: overBecause(ctx), final: true}
	}
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
	// Without a connection, nothing can have been sent. If a transport does not report its
	// connections (asked stays false), only a dialing error proves that.
	sent, blocked := SentMaybe, errors.Is(err, safehttp.ErrBlocked)
	if !connected.Load() && (asked.Load() || blocked || dialFailed(err)) {
		sent = SentNo
	}
	return nil, &SendError{NSID: nsid, Sent: sent, Err: err, final: blocked}
}

func dialFailed(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op == "dial"
	}
	_, unknownName := errors.AsType[*net.DNSError](err)
	return unknownName
}

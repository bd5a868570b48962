// Package raw sends requests that are not typed calls. Sessions of both kinds use it for
// AuthenticatedRequest, AuthenticatedRawRequest and HTTPClient.
package raw

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/gimucco/atproto-go/internal/nilvalue"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// A Request is a request without host and credentials.
type Request struct {
	Method string
	Target *url.URL // path and query; scheme and host only if the caller gave them
	Header http.Header
	Body   *xrpc.Body // nil for none
}

// An OriginError says that a target is not on the session's server. Nothing was sent.
type OriginError struct{ Err error }

// Error names the target, and the session's server.
func (e *OriginError) Error() string { return e.Err.Error() }

// Unwrap returns the error of url.Parse, if there is one.
func (e *OriginError) Unwrap() error { return e.Err }

// JSON makes a request with a JSON body, or without a body if body is nil. Only options that set
// headers are allowed.
func JSON(method, path string, body any, opts []xrpc.Option) (*Request, error) {
	if body == nil {
		return request(method, path, nil, opts)
	}
	encoded, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("encoding the body of %s %s: %w", method, path, err)
	}
	return request(method, path, xrpc.BytesBody(encoded, "application/json"), opts)
}

// encode refuses what is not a value to be encoded. Package json would encode a reader as {}, bytes as base64, and a text
// that is JSON already as a string, and the caller would hear of it from the server, if at all.
func encode(body any) ([]byte, error) {
	if nilvalue.Is(body) {
		return nil, fmt.Errorf("it is a nil %T: pass nil for a request without a body", body)
	}
	switch v := body.(type) {
	case lex.Encodable:
		return lex.MarshalJSON(v)
	case json.Marshaler: // also json.RawMessage, which is JSON already
	case []byte, string:
		return nil, fmt.Errorf("it is a %T: pass JSON as a json.RawMessage, and anything else to AuthenticatedRawRequest", body)
	case io.Reader:
		return nil, fmt.Errorf("a %T is not encoded as JSON: use AuthenticatedRawRequest, with a content type", body)
	case *xrpc.Body:
		return nil, errors.New("a body of xrpc is for typed calls: use AuthenticatedRawRequest, with a content type")
	}
	return json.Marshal(body)
}

// Reader makes a request with the content of a reader, or without a body if it is nil.
func Reader(method, path string, body io.Reader, contentType string, opts []xrpc.Option) (*Request, error) {
	if body == nil {
		return request(method, path, nil, opts)
	}
	if nilvalue.Is(body) {
		return nil, fmt.Errorf("the body of %s %s is a nil %T: for no body, pass nil itself", method, path, body)
	}
	return request(method, path, bodyOf(body, contentType), opts)
}

func request(method, path string, body *xrpc.Body, opts []xrpc.Option) (*Request, error) {
	target, err := url.Parse(path)
	if err != nil {
		return nil, &OriginError{err}
	}
	if target.Host == "" && !strings.HasPrefix(target.Path, "/") {
		return nil, &OriginError{fmt.Errorf("%q is neither an absolute path nor an absolute URL", path)}
	}
	header, err := xrpc.HeaderOf(opts...)
	if err != nil {
		return nil, err
	}
	return &Request{Method: method, Target: target, Header: header, Body: body}, nil
}

// bodyOf checks whether a reader can be read again from its current position.
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

// Resolve returns the URL of a target on a session's origin. An absolute URL must be on that
// origin, because a token and its proof are for one server (O102). Otherwise the error is an
// *OriginError. origin is scheme, host and perhaps a port, in the form that a session stores.
func Resolve(origin string, target *url.URL) (*url.URL, error) {
	scheme, host, ok := strings.Cut(origin, "://") // every call comes here, so the origin is not parsed as a URL
	if !ok || host == "" || strings.ContainsAny(host, "/?#@") {
		return nil, &OriginError{fmt.Errorf("the session's server %.100q is not an origin", origin)}
	}
	base := &url.URL{Scheme: scheme, Host: host}
	if target.Opaque != "" {
		// net/http would send it as the target, whatever the host is (P79).
		return nil, &OriginError{fmt.Errorf("the URL has the opaque part %.100q, the session is for %s", target.Opaque, origin)}
	}
	if (target.Scheme != "" || target.Host != "") && (safehttp.Origin(target) != safehttp.Origin(base) || target.User != nil) {
		return nil, &OriginError{fmt.Errorf("the request goes to %s, the session is for %s", safehttp.Origin(target), origin)}
	}
	full := *target
	full.Scheme, full.Host, full.Fragment = base.Scheme, base.Host, ""
	return &full, nil
}

package xrpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An ErrorName is the name of an error that a lexicon declares. It is an error
// itself, to be used with errors.Is:
//
//	if errors.Is(err, comatproto.ErrInvalidSwap) { … }
type ErrorName string

// Error returns the name, quoted and cut short if it is none that a lexicon can declare.
func (n ErrorName) Error() string { return said.Word(string(n)) }

// Names of errors that any method may fail with; the specification gives each to a
// status, and they are filled in when the server names none.
const (
	ErrInvalidRequest         ErrorName = "InvalidRequest"
	ErrAuthenticationRequired ErrorName = "AuthenticationRequired"
	ErrForbidden              ErrorName = "Forbidden"
	ErrXRPCNotSupported       ErrorName = "XRPCNotSupported"
	ErrNotAcceptable          ErrorName = "NotAcceptable"
	ErrPayloadTooLarge        ErrorName = "PayloadTooLarge"
	ErrUnsupportedMediaType   ErrorName = "UnsupportedMediaType"
	ErrRateLimitExceeded      ErrorName = "RateLimitExceeded"
	ErrInternalServerError    ErrorName = "InternalServerError"
	ErrMethodNotImplemented   ErrorName = "MethodNotImplemented"
	ErrUpstreamFailure        ErrorName = "UpstreamFailure"
	ErrNotEnoughResources     ErrorName = "NotEnoughResources"
	ErrUpstreamTimeout        ErrorName = "UpstreamTimeout"
)

// NameOfStatus is the name that the specification gives to an HTTP status, for an answer that has none.
func NameOfStatus(status int) ErrorName {
	switch status {
	case http.StatusUnauthorized:
		return ErrAuthenticationRequired
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return ErrXRPCNotSupported
	case http.StatusNotAcceptable:
		return ErrNotAcceptable
	case http.StatusRequestEntityTooLarge:
		return ErrPayloadTooLarge
	case http.StatusUnsupportedMediaType:
		return ErrUnsupportedMediaType
	case http.StatusTooManyRequests:
		return ErrRateLimitExceeded
	case http.StatusNotImplemented:
		return ErrMethodNotImplemented
	case http.StatusBadGateway:
		return ErrUpstreamFailure
	case http.StatusServiceUnavailable:
		return ErrNotEnoughResources
	case http.StatusGatewayTimeout:
		return ErrUpstreamTimeout
	}
	if status >= 500 {
		return ErrInternalServerError
	}
	return ErrInvalidRequest
}

// An Error is a response that is not a success, or an error frame that ends a stream: its Status is 101, that of the
// response that opened the stream.
type Error struct {
	NSID    syntax.NSID
	Name    ErrorName // as the server named it, else by the status
	Message string    // the server's, may be empty

	ResponseInfo // HTTP status, header, rate limit

	// Body is the beginning of the response's body, 64 KiB at most.
	Body []byte
}

// Error names the method, the error and the status, and quotes the message. Of a redirect it
// names the place.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "xrpc: %s: %s (%s)", e.NSID, said.Word(string(e.Name)), e.where())
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", said.Quote(e.Message))
	}
	if place := e.Header.Get("Location"); place != "" && e.Status >= 300 && e.Status < 400 {
		fmt.Fprintf(&b, ": the server points to %.300q, which is not followed", place)
	}
	return b.String()
}

// where says how the error came.
func (e *Error) where() string {
	if e.Status == http.StatusSwitchingProtocols {
		return "in the stream"
	}
	return fmt.Sprintf("HTTP %d", e.Status)
}

// Is reports whether target is the error's Name, or ErrScopeMissing where that is what it says in
// other words.
func (e *Error) Is(target error) bool {
	name, ok := target.(ErrorName)
	return ok && (name == e.Name || name == ErrScopeMissing && e.isScopeMissing())
}

// Challenges returns the challenges of the WWW-Authenticate header.
func (e *Error) Challenges() []Challenge { return ParseChallenges(e.Header) }

// maxErrorScan is how much of an error's body is looked through for its name (P87).
const maxErrorScan = 1 << 20

// newError reads a failed response, of whose body the beginning is given. Whatever that is, there is
// an *Error.
func newError(nsid syntax.NSID, info ResponseInfo, body []byte) *Error {
	e := &Error{NSID: nsid, ResponseInfo: info, Body: body}
	if len(body) > maxErrorBody {
		e.Body = bytes.Clone(body[:maxErrorBody])
	}
	e.Name, e.Message = readError(body)
	if e.Name == "" {
		e.Name = NameOfStatus(info.Status)
	}
	return e
}

// readError finds name and message in the body of an error. It is lenient on purpose: an error must not
// be hidden by another (X15), nor by the end of what is known of it.
func readError(body []byte) (name ErrorName, message string) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return "", ""
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
		var text string
		if json.Unmarshal(value, &text) != nil {
			continue
		}
		switch key {
		case "error":
			name = ErrorName(text)
		case "message":
			message = said.Cut(text, maxErrorBody)
		}
	}
	return name, message
}

// An InvalidResponseError is a success whose body is not what the lexicon says. The method was
// carried out.
type InvalidResponseError struct {
	NSID syntax.NSID
	ResponseInfo

	// Body is the beginning of the response's body, 64 KiB at most.
	Body []byte
	Err  error
}

// Error names the method and what is wrong.
func (e *InvalidResponseError) Error() string {
	return fmt.Sprintf("xrpc: %s: invalid response (HTTP %d): %s", e.NSID, e.Status, said.Text(e.Err.Error()))
}

// Unwrap returns the cause.
func (e *InvalidResponseError) Unwrap() error { return e.Err }

// A ResponseInfo is what a response says besides its body.
type ResponseInfo struct {
	Status     int
	Header     http.Header
	RateLimit  RateLimit
	RetryAfter time.Duration // what the server asks to wait, by the end of RateLimit's window if it refuses without saying more; 0 if it does not
}

// RepoRev returns the revision of the account's repository that the answer takes
// into account, for reading one's own writes; "" if the server says none.
func (r *ResponseInfo) RepoRev() syntax.TID { return syntax.TID(r.Header.Get("Atproto-Repo-Rev")) }

// Labelers returns which labelers the answer takes into account.
func (r *ResponseInfo) Labelers() []Labeler {
	return ParseLabelers(r.Header.Values("Atproto-Content-Labelers"))
}

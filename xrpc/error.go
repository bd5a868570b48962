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

// An ErrorName is the name of an error that a lexicon declares. It is an error itself, for
// errors.Is:
//
//	if errors.Is(err, comatproto.ErrInvalidSwap) { … }
type ErrorName string

// Error returns the name. A name that no lexicon can declare is quoted and cut off.
func (n ErrorName) Error() string { return said.Word(string(n)) }

// Names of errors that any method may return. The specification gives a status to each. If the
// server names no error, the name comes from the status.
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

// NameOfStatus returns the error name that the specification gives to an HTTP status. It is for an
// answer without a name.
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

// An Error is a response that is not a success, or an error frame that ends a stream. For a frame,
// Status is 101, the status of the response that opened the stream.
type Error struct {
	NSID    syntax.NSID // the method
	Name    ErrorName   // from the server, or else from the status
	Message string      // from the server; may be empty

	ResponseInfo // HTTP status, header, rate limit

	// Body is the beginning of the response's body, at most 64 KiB.
	Body []byte
}

// Error names the method, the error and the status, and quotes the message. For a redirect it names
// the target.
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

// where says how the error arrived.
func (e *Error) where() string {
	if e.Status == http.StatusSwitchingProtocols {
		return "in the stream"
	}
	return fmt.Sprintf("HTTP %d", e.Status)
}

// Is reports whether target is the error's Name. It also reports true for ErrScopeMissing if the
// error says that in other words.
func (e *Error) Is(target error) bool {
	name, ok := target.(ErrorName)
	return ok && (name == e.Name || name == ErrScopeMissing && e.isScopeMissing())
}

// Challenges returns the challenges of the WWW-Authenticate header.
func (e *Error) Challenges() []Challenge { return ParseChallenges(e.Header) }

// maxErrorScan is how much of an error's body is searched for its name (P87).
const maxErrorScan = 1 << 20

// newError returns the *Error for a failed response. body is the beginning of the response's body,
// with any content.
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

// readError reads name and message from the body of an error. It is lenient on purpose: another
// error, or the end of the known part, must not hide them (X15).
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

// An InvalidResponseError is a success whose body does not follow the lexicon. The method was
// carried out.
type InvalidResponseError struct {
	NSID         syntax.NSID // the method
	ResponseInfo             // HTTP status, header, rate limit

	// Body is the beginning of the response's body, at most 64 KiB.
	Body []byte
	Err  error // what is wrong with the body
}

// Error names the method and what is wrong.
func (e *InvalidResponseError) Error() string {
	return fmt.Sprintf("xrpc: %s: invalid response (HTTP %d): %s", e.NSID, e.Status, said.Text(e.Err.Error()))
}

// Unwrap returns the cause.
func (e *InvalidResponseError) Unwrap() error { return e.Err }

// A ResponseInfo is the part of a response that is not its body.
type ResponseInfo struct {
	Status    int         // HTTP status
	Header    http.Header // header of the response
	RateLimit RateLimit   // the server's rate limit; Limit is 0 if it sent none

	// RetryAfter is how long the server asks to wait. If it refuses a call with 429 and does not
	// say, this is the time until RateLimit's window ends. It is 0 if unknown, and at most 24 hours,
	// whatever the server says.
	RetryAfter time.Duration
}

// RepoRev returns the revision of the account's repository that the answer includes. Use it to
// check that a read includes your own writes. It is "" if the server does not say.
func (r *ResponseInfo) RepoRev() syntax.TID { return syntax.TID(r.Header.Get("Atproto-Repo-Rev")) }

// Labelers returns the labelers whose labels the answer includes.
func (r *ResponseInfo) Labelers() []Labeler {
	return ParseLabelers(r.Header.Values("Atproto-Content-Labelers"))
}

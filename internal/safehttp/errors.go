package safehttp

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gimucco/atproto-go/internal/said"
)

// Causes of an *Error, for errors.Is. Any other cause is one of the network.
var (
	// ErrBlocked: the URL or the address behind it is not one to connect to; the
	// request was not sent.
	ErrBlocked = errors.New("target not allowed")
	// ErrSentTwice: a request that must be sent once, since it spends a code or a refresh
	// token, came a second time, from a wrapper of the transport.
	ErrSentTwice = errors.New("a form that was sent already is not sent again")
	// ErrRedirect: the server redirects where it must not, or too often.
	ErrRedirect = errors.New("redirect refused")
	// ErrStatus: the server answered with another status than it should.
	ErrStatus = errors.New("unexpected status")
	// ErrContentType: the answer is of another type than it should be.
	ErrContentType = errors.New("unexpected content type")
	// ErrTooLarge: the answer, decompressed, is larger than the limit.
	ErrTooLarge = errors.New("answer too large")
)

// An Error is why a Get failed.
type Error struct {
	URL    string      // as requested
	Status int         // of the answer, 0 if there was none
	Header http.Header // of the answer, nil if there was none
	Err    error       // the cause
}

// maxURL is how much of a URL is told.
const maxURL = 500

// Error implements error.
func (e *Error) Error() string {
	if e.Status != 0 {
		return said.Text(fmt.Sprintf("GET %s: status %d: %v", said.Cut(e.URL, maxURL), e.Status, e.Err))
	}
	return said.Text(fmt.Sprintf("GET %s: %v", said.Cut(e.URL, maxURL), e.Err))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

package safehttp

import (
	"errors"
	"fmt"
	"net/http"
)

// Causes of an *Error, for errors.Is. Any other cause is one of the network.
var (
	// ErrBlocked: the URL or the address behind it is not one to connect to; the
	// request was not sent.
	ErrBlocked = errors.New("target not allowed")
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

// Error implements error.
func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("GET %s: status %d: %v", e.URL, e.Status, e.Err)
	}
	return fmt.Sprintf("GET %s: %v", e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

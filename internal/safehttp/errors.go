package safehttp

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gimucco/atproto-go/internal/said"
)

// Causes of an *Error, for errors.Is. Any other cause comes from the network.
var (
	// ErrBlocked: requests to this URL or its address are not allowed; the request was not sent.
	ErrBlocked = errors.New("target not allowed")
	// ErrSentTwice: a wrapper of the transport sent a request again that must be sent only once,
	// because it contains a code or a refresh token.
	ErrSentTwice = errors.New("a form that was sent already is not sent again")
	// ErrRedirect: the server redirects although it must not, or too often.
	ErrRedirect = errors.New("redirect refused")
	// ErrStatus: the answer has another status than it should.
	ErrStatus = errors.New("unexpected status")
	// ErrContentType: the answer has another content type than it should.
	ErrContentType = errors.New("unexpected content type")
	// ErrTooLarge: the answer, decompressed, is larger than the limit.
	ErrTooLarge = errors.New("answer too large")
)

// An Error says why a Get failed.
type Error struct {
	URL    string      // as requested
	Status int         // of the answer; 0 if there was none
	Header http.Header // of the answer; nil if there was none
	Err    error       // the cause
}

// maxURL is how much of a URL an error shows.
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

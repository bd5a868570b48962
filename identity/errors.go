package identity

import (
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/internal/said"
)

// What an *Error is about, for errors.Is.
var (
	// ErrNotFound: the handle or DID does not exist; the servers that would know
	// have said so.
	ErrNotFound = errors.New("not found")
	// ErrUnreachable: the servers that would know could not be asked, or are not in
	// a state to answer. Another try later can succeed.
	ErrUnreachable = errors.New("unreachable")
	// ErrBlocked: the name leads to an address or port that is not on the public
	// Internet, or to a URL that is not https.
	ErrBlocked = errors.New("target not allowed")
	// ErrReservedTLD: handles under this top level domain cannot exist.
	ErrReservedTLD = errors.New("reserved top level domain")
	// ErrAmbiguous: the handle names several DIDs.
	ErrAmbiguous = errors.New("several DIDs")
	// ErrHandleMismatch: the account that the handle names does not claim it.
	ErrHandleMismatch = errors.New("handle not claimed by its account")
	// ErrInvalidDID: not a DID, or not one its method can have.
	ErrInvalidDID = errors.New("invalid DID")
	// ErrInvalidHandle: not a handle by its syntax.
	ErrInvalidHandle = errors.New("invalid handle")
	// ErrUnsupportedMethod: a DID of another method than plc and web.
	ErrUnsupportedMethod = errors.New("unsupported DID method")
	// ErrInvalidDocument: the DID document is malformed, or about another DID.
	ErrInvalidDocument = errors.New("invalid DID document")
	// ErrInvalidService: not the origin of a service to ask, nor a reference to one.
	ErrInvalidService = errors.New("invalid service")
	// ErrNoPDS: the DID document names no PDS, or not in the form it should.
	ErrNoPDS = errors.New("no PDS")
	// ErrNoService: the DID document names no such service, or not in the form it should.
	ErrNoService = errors.New("no such service")
	// ErrNoKey: the DID document has no such key, or none that can be read; that is
	// ErrInvalidKey, too.
	ErrNoKey = errors.New("no such key")
	// ErrInvalidKey: not a public key on a curve of atproto, or not in a form of it.
	ErrInvalidKey = errors.New("invalid public key")
	// ErrInvalidSignature: the key did not sign this, or not in the form it should.
	ErrInvalidSignature = errors.New("invalid signature")
)

// An Error is why an account could not be resolved.
type Error struct {
	Subject string // the handle or DID
	Kind    error  // one of the Err values of this package
	Err     error  // the details; may be nil
}

// maxSubject is how much of a handle or DID is told.
const maxSubject = 300

// Error implements error. What strangers wrote is cut short in it, and what does not print
// is written as Go writes it in a string.
func (e *Error) Error() string {
	if e.Err == nil {
		return said.Text(fmt.Sprintf("identity: %s: %v", e.Subject, e.Kind))
	}
	return said.Text(fmt.Sprintf("identity: %s: %v: %v", said.Cut(e.Subject, maxSubject), e.Kind, e.Err))
}

// Unwrap returns the kind and the details.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

func failure(subject string, kind error, format string, args ...any) *Error {
	return &Error{Subject: subject, Kind: kind, Err: fmt.Errorf(format, args...)}
}

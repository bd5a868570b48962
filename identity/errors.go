package identity

import (
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/internal/said"
)

// The kinds of an *Error, for errors.Is.
var (
	// ErrNotFound: the handle or DID does not exist; the responsible servers have said so.
	ErrNotFound = errors.New("not found")
	// ErrUnreachable: the responsible servers could not be asked, or could not answer. A later try
	// can succeed.
	ErrUnreachable = errors.New("unreachable")
	// ErrBlocked: the name leads to an address or port that is not on the public Internet, or to a
	// URL that is not https.
	ErrBlocked = errors.New("target not allowed")
	// ErrReservedTLD: handles under this top-level domain cannot exist.
	ErrReservedTLD = errors.New("reserved top level domain")
	// ErrAmbiguous: the handle names several DIDs.
	ErrAmbiguous = errors.New("several DIDs")
	// ErrHandleMismatch: the handle names an account, but that account does not claim the handle.
	ErrHandleMismatch = errors.New("handle not claimed by its account")
	// ErrInvalidDID: the text is not a DID, or not one that its method allows.
	ErrInvalidDID = errors.New("invalid DID")
	// ErrInvalidHandle: the text does not have the syntax of a handle.
	ErrInvalidHandle = errors.New("invalid handle")
	// ErrUnsupportedMethod: the DID's method is neither plc nor web.
	ErrUnsupportedMethod = errors.New("unsupported DID method")
	// ErrInvalidDocument: the DID document is malformed, or belongs to another DID.
	ErrInvalidDocument = errors.New("invalid DID document")
	// ErrInvalidService: the text is not the origin of a service, or not a reference to one.
	ErrInvalidService = errors.New("invalid service")
	// ErrNoPDS: the DID document names no PDS, or names it in the wrong form.
	ErrNoPDS = errors.New("no PDS")
	// ErrNoService: the DID document has no such service, or has it in the wrong form.
	ErrNoService = errors.New("no such service")
	// ErrNoKey: the DID document has no such key. If the key cannot be read, the error is
	// ErrInvalidKey too.
	ErrNoKey = errors.New("no such key")
	// ErrInvalidKey: the text is not a public key on a curve of atproto, or not in a known form.
	ErrInvalidKey = errors.New("invalid public key")
	// ErrInvalidSignature: the key did not make this signature, or the signature has the wrong
	// form.
	ErrInvalidSignature = errors.New("invalid signature")
)

// An Error says why an account could not be resolved.
type Error struct {
	Subject string // the handle or DID
	Kind    error  // one of the Err values of this package
	Err     error  // the details; may be nil
}

// maxSubject is how much of a handle or DID an error shows.
const maxSubject = 300

// Error implements error. Text from strangers is cut off, and characters that do not print are
// escaped as in a Go string.
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

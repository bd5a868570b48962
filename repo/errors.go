package repo

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// The kinds of an *Error, for errors.Is.
var (
	// ErrCAR: the file is not a CAR of version 1, or not one of a repository.
	ErrCAR = errors.New("malformed CAR")
	// ErrTruncated: the file ends too early. Fetch it again.
	ErrTruncated = errors.New("CAR ends too early")
	// ErrHash: a block does not fit its CID. The sender damaged or forged it.
	ErrHash = errors.New("block differs from its CID")
	// ErrLimit: something is larger than allowed. For files, an Option allows more.
	ErrLimit = errors.New("larger than allowed")
	// ErrMissingBlock: a needed block is not in the file. A slice of a repository does not contain
	// all blocks; the file of a whole repository must.
	ErrMissingBlock = errors.New("missing block")
	// ErrCommit: the commit is malformed.
	ErrCommit = errors.New("malformed commit")
	// ErrTree: the tree of records is malformed: it is not the only tree that its records can have.
	ErrTree = errors.New("malformed tree")
	// ErrRecord: a record cannot be decoded into the given type.
	ErrRecord = errors.New("unexpected record")
	// ErrAccount: the commit belongs to another account.
	ErrAccount = errors.New("commit of another account")
	// ErrSignature: the account's key did not sign the commit. Keys change: look the account up
	// again before you trust this result.
	ErrSignature = errors.New("commit not signed by the account")
	// ErrNotFound: there is no such record; the tree proves it.
	ErrNotFound = errors.New("no such record")
	// ErrEvent: an event contradicts itself, or says something that is not in its blocks.
	ErrEvent = errors.New("malformed event")
	// ErrTooBig: the event says that it does not contain the changes. Fetch the repository.
	ErrTooBig = errors.New("event without its operations")
	// ErrNotInductive: the event comes from a server older than Sync 1.1, and does not say what the
	// repository was before. Its records belong to the account. It cannot be checked that its
	// deletions are true and that its operations are complete.
	ErrNotInductive = errors.New("event that cannot be verified")
	// ErrIncomplete: the operations of an event are not complete. Fetch the repository.
	ErrIncomplete = errors.New("operations do not lead to the commit")
	// ErrStale: the event is not newer than the known state. Ignore it.
	ErrStale = errors.New("event that is not new")
	// ErrGap: the event does not follow the known state: events between them are missing. Fetch the
	// repository.
	ErrGap = errors.New("event that does not follow")
	// ErrStorage: the temporary file could not be written or read.
	ErrStorage = errors.New("temporary file")
	// ErrClosed: the Repository is closed, or Read or Open did not make it.
	ErrClosed = errors.New("repository is closed")
)

// An Error is the error of this package. Errors of readers and contexts are wrapped instead.
type Error struct {
	Kind   error      // one of the Err values of this package
	Reason string     // the exact problem
	Block  syntax.CID // the block that the error is about, if any
	Path   string     // the record that the error is about, if any: its collection and key
	Offset int64      // byte in the CAR; -1 if there is none
	Err    error      // the cause, if any
}

func failure(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Reason: fmt.Sprintf(format, args...), Offset: -1}
}

// at adds the offset in the CAR.
func (e *Error) at(offset int64) *Error {
	e.Offset = offset
	return e
}

// of adds the block.
func (e *Error) of(id cid) *Error {
	e.Block = id.text()
	return e
}

// about adds the record.
func (e *Error) about(path string) *Error {
	e.Path = path
	return e
}

// because adds the cause.
func (e *Error) because(err error) *Error {
	e.Err = err
	return e
}

// Error says what is wrong, and where.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "repo: %v: %s", e.Kind, e.Reason)
	if e.Path != "" {
		fmt.Fprintf(&b, ", record %.200q", e.Path)
	}
	if e.Block != "" {
		fmt.Fprintf(&b, ", block %s", e.Block)
	}
	if e.Offset >= 0 {
		fmt.Fprintf(&b, ", at byte %d", e.Offset)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

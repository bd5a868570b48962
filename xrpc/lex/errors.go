package lex

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of an *Error, for errors.Is.
var (
	// ErrSyntax: the document is not well-formed, or not UTF-8.
	ErrSyntax = errors.New("malformed")
	// ErrType: a value is of another kind than the lexicon says.
	ErrType = errors.New("wrong type")
	// ErrRange: a number is not a 64-bit integer.
	ErrRange = errors.New("out of range")
	// ErrMissing: a required field, or the $type of a union's member, is missing.
	ErrMissing = errors.New("missing")
	// ErrDuplicate: a key comes twice in one object.
	ErrDuplicate = errors.New("duplicate key")
	// ErrDepth: objects and arrays nest deeper than allowed.
	ErrDepth = errors.New("nested too deeply")
	// ErrUnion: a $type is not a member of a closed union, or not that of the expected record.
	ErrUnion = errors.New("unexpected $type")
)

// An Error is the error of decoding and encoding.
type Error struct {
	Kind   error  // one of the Err values of this package, or the error of a type that decodes itself
	Reason string // the exact problem
	Offset int    // byte in the document; -1 for encoding

	path []string // innermost first
}

func newError(kind error, offset int, format string, args ...any) *Error {
	return &Error{Kind: kind, Offset: offset, Reason: fmt.Sprintf(format, args...)}
}

// under adds an outer step to the path.
func (e *Error) under(step string) { e.path = append(e.path, step) }

// shownSteps is how many steps of a path are shown at each end.
const shownSteps = 8

// Path says where in the document the error is, such as "records[3].value.text". It is empty at the
// top. The middle of a very long path is left out.
func (e *Error) Path() string {
	var b strings.Builder
	for i := len(e.path) - 1; i >= 0; i-- {
		if passed := len(e.path) - 1 - i; passed >= shownSteps && i >= shownSteps {
			if passed == shownSteps {
				b.WriteString("…")
			}
			continue
		}
		step := e.path[i]
		if !strings.HasPrefix(step, "[") && b.Len() > 0 {
			b.WriteByte('.')
		}
		if len(step) > 64 {
			step = step[:64] + "…"
		}
		b.WriteString(strings.ToValidUTF8(step, "\uFFFD"))
	}
	return b.String()
}

// Error says what is wrong, and where.
func (e *Error) Error() string {
	where := e.Path()
	if where == "" {
		where = "document"
	}
	if e.Offset < 0 {
		return fmt.Sprintf("lex: %s: %s", where, e.Reason)
	}
	return fmt.Sprintf("lex: %s: %s (at byte %d)", where, e.Reason, e.Offset)
}

// Unwrap returns the kind.
func (e *Error) Unwrap() error { return e.Kind }

package syntax

import (
	"fmt"
	"unicode/utf8"
)

// A Kind is a string format of this package, with its name in lexicons.
type Kind string

// The kinds of an Error.
const (
	KindDID          Kind = "did"
	KindHandle       Kind = "handle"
	KindAtIdentifier Kind = "at-identifier"
	KindNSID         Kind = "nsid"
	KindATURI        Kind = "at-uri"
	KindTID          Kind = "tid"
	KindRecordKey    Kind = "record-key"
	KindDatetime     Kind = "datetime"
	KindLanguage     Kind = "language"
	KindCID          Kind = "cid"
	KindURI          Kind = "uri"
)

// An Error says why a string is not of its kind. It is the error of every Parse function and every
// Validate method of this package.
type Error struct {
	Kind   Kind   // the format that the string should have
	Value  string // the string, cut off if it is long
	Reason string // the broken rule
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("invalid %s %q: %s", e.Kind, e.Value, e.Reason)
}

// maxErrorValue limits how much of a hostile string gets into logs.
const maxErrorValue = 80

func invalid(kind Kind, value, reason string) error {
	if len(value) > maxErrorValue {
		cut := maxErrorValue
		for cut > 0 && !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut] + "…"
	}
	return &Error{Kind: kind, Value: value, Reason: reason}
}

package scope

import (
	"fmt"
	"unicode/utf8"
)

// An Error says which token of a scope breaks which rule. Every error of this package about scopes
// and permissions is an *Error.
type Error struct {
	Token  string // the token, cut off if it is long; "" if the error is about the whole scope
	Offset int    // where the token begins in the scope, in bytes; 0 for a single token
	Err    error  // the rule, and how the token breaks it
}

// Error quotes the token and says what is wrong with it.
func (e *Error) Error() string {
	switch {
	case e.Token == "":
		return fmt.Sprintf("scope: %v", e.Err)
	case e.Offset > 0:
		return fmt.Sprintf("scope: token %q at byte %d: %v", e.Token, e.Offset, e.Err)
	}
	return fmt.Sprintf("scope: token %q: %v", e.Token, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// maxErrorToken limits how much of a hostile scope gets into logs.
const maxErrorToken = 120

// tokenError returns nil if err is nil.
func tokenError(token string, offset int, err error) error {
	if err == nil {
		return nil
	}
	if len(token) > maxErrorToken {
		cut := maxErrorToken
		for cut > 0 && !utf8.RuneStart(token[cut]) {
			cut--
		}
		token = token[:cut] + "…"
	}
	return &Error{Token: token, Offset: offset, Err: err}
}

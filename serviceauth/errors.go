package serviceauth

import (
	"errors"
	"fmt"
	"net/http"
)

// The reasons why a token is refused. Each is also the error name in the answer of Require, as in
// the reference's services. Test for one with errors.Is.
const (
	// ErrMissing: the request has no token.
	ErrMissing Reason = "AuthMissing"
	// ErrMalformed: the text is not a token, or contains something that no token may contain.
	ErrMalformed Reason = "BadJwt"
	// ErrType: it is a token of another kind: an access token, a refresh token or a proof.
	ErrType Reason = "BadJwtType"
	// ErrExpired: the token has expired, is not valid yet, or is valid for longer than tokens may
	// be.
	ErrExpired Reason = "JwtExpired"
	// ErrAudience: the token is for another service.
	ErrAudience Reason = "BadJwtAudience"
	// ErrMethod: the token is for another method, or for none.
	ErrMethod Reason = "BadJwtLexiconMethod"
	// ErrIssuer: the issuer cannot be an account, is unknown, or has no such key.
	ErrIssuer Reason = "BadJwtIss"
	// ErrSignature: the issuer did not sign the token.
	ErrSignature Reason = "BadJwtSignature"
	// ErrReplayed: the token was used before, and this service accepts each token once.
	ErrReplayed Reason = "BadJwtReplayed"
	// ErrUnavailable: the token could not be checked now. It may be good: try again.
	ErrUnavailable Reason = "UpstreamFailure"
)

// A Reason says why a token is refused.
type Reason string

// Error returns the reason's name.
func (r Reason) Error() string { return string(r) }

// Status returns the HTTP status of the answer: 503 for ErrUnavailable, and 401 for all others.
func (r Reason) Status() int {
	if r == ErrUnavailable {
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// An Error says why a token was refused. Its text contains no secret part of the token.
type Error struct {
	Reason Reason // why the token was refused
	Err    error  // what was wrong
}

// Error returns the reason and what was wrong.
func (e *Error) Error() string { return fmt.Sprintf("serviceauth: %s: %v", e.Reason, e.Err) }

// Unwrap returns what was wrong.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the Reason.
func (e *Error) Is(target error) bool { return target == e.Reason }

func refuse(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Err: fmt.Errorf(format, args...)}
}

// reasonOf returns the reason in an error of Verify.
func reasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ErrUnavailable
}

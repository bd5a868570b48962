package serviceauth

import (
	"errors"
	"fmt"
	"net/http"
)

// Why a token is refused. Each is also the name of the error that Require answers with, as the
// reference's services have it. Test for one with errors.Is.
const (
	// ErrMissing: the request carries no token.
	ErrMissing Reason = "AuthMissing"
	// ErrMalformed: the token is none, or says something that no token may say.
	ErrMalformed Reason = "BadJwt"
	// ErrType: the token is of another kind: an access token, a refresh token or a proof.
	ErrType Reason = "BadJwtType"
	// ErrExpired: its time is over, has not come yet, or is longer than tokens may live.
	ErrExpired Reason = "JwtExpired"
	// ErrAudience: it is for another service.
	ErrAudience Reason = "BadJwtAudience"
	// ErrMethod: it is for another method, or for none.
	ErrMethod Reason = "BadJwtLexiconMethod"
	// ErrIssuer: who made it cannot be an account, is not known, or has no such key.
	ErrIssuer Reason = "BadJwtIss"
	// ErrSignature: the issuer has not signed it.
	ErrSignature Reason = "BadJwtSignature"
	// ErrReplayed: it came before, and this service takes each token once.
	ErrReplayed Reason = "BadJwtReplayed"
	// ErrUnavailable: whether the token is good could not be found out now. It may be: try again.
	ErrUnavailable Reason = "UpstreamFailure"
)

// A Reason is why a token is refused.
type Reason string

// Error returns the reason's name.
func (r Reason) Error() string { return string(r) }

// Status returns the HTTP status that the reason is answered with: 503 for ErrUnavailable, 401
// for all others.
func (r Reason) Status() int {
	if r == ErrUnavailable {
		return http.StatusServiceUnavailable
	}
	return http.StatusUnauthorized
}

// An Error is a token that was refused. Its text holds nothing of the token that is secret.
type Error struct {
	Reason Reason
	Err    error // what was wrong
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

// reasonOf is the reason of an error of Verify.
func reasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ErrUnavailable
}

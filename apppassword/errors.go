package apppassword

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc"
)

// A Kind says what went wrong, in the terms that a program makes decisions on. A Kind is an error
// itself, for errors.Is:
//
//	if errors.Is(err, apppassword.ErrReauthRequired) { … log in again … }
type Kind string

// Error returns the kind as a short sentence.
func (k Kind) Error() string { return string(k) }

// Is reports whether target is ErrReauthRequired and k means the same: those kinds are marked
// "reauth" below.
func (k Kind) Is(target error) bool { return target == ErrReauthRequired && k.endsSession() }

// The kinds of errors. errors.Is also finds those marked "reauth" as ErrReauthRequired, alone or in
// an *Error.
const (
	// ErrReauthRequired: the session has ended; only a new login helps.
	ErrReauthRequired Kind = "log in again"
	// ErrRevoked (reauth): the server ended the session, because its app password was revoked or it
	// was unused for three months.
	ErrRevoked Kind = "session was ended by the server"
	// ErrAmbiguousRefresh (reauth): an earlier refresh was sent, its answer was lost, and the
	// server does not accept the refresh token a second time.
	ErrAmbiguousRefresh Kind = "an earlier refresh was interrupted and its answer lost"
	// ErrLoggedOut (reauth): the session was logged out, here or in another process.
	ErrLoggedOut Kind = "session was logged out"
	// ErrRefused (reauth): the tokens no longer work and the server does not refresh them, but it
	// does not say, in the protocol's words, that the session has ended. The session is kept and
	// tried once a minute, and OnEnd is not called. This is the only kind marked "reauth" after
	// which a session may go on.
	ErrRefused Kind = "the server does not renew the session"
	// ErrSessionUnknown (reauth): the store holds no session under this key.
	ErrSessionUnknown Kind = "no such session"

	// ErrWrongPassword: the server has no such account, or the password is wrong. Servers do not
	// say which, and they limit the attempts.
	ErrWrongPassword Kind = "identifier or password is wrong"
	// ErrAuthFactorRequired: the login used the account's own password, and the server has sent a
	// code by email. Log in again with WithAuthFactor and the code, or with an app password, which
	// needs no code.
	ErrAuthFactorRequired Kind = "the server wants the code that it has sent by email"
	// ErrAuthFactorInvalid: the code is wrong, or too old.
	ErrAuthFactorInvalid Kind = "the code is wrong or too old"
	// ErrAccountTakedown: the server has taken the account down. An existing session is kept.
	ErrAccountTakedown Kind = "the account is taken down"
	// ErrRateLimited: too many logins or refreshes. RetryAfter says how long to wait, if the server
	// says so.
	ErrRateLimited Kind = "too many requests"
	// ErrAccountMismatch: the server logged in another account than the one that was asked for. The
	// client has ended that session.
	ErrAccountMismatch Kind = "another account was logged in"
	// ErrServer: the server refused for another reason, failed, or sent an answer that cannot be
	// used.
	ErrServer Kind = "the server failed or refused"

	// ErrConfig: the Config or an argument of a login is wrong; the message names the rule that it
	// breaks.
	ErrConfig Kind = "invalid configuration"
	// ErrUnresolved: the account or its server was not found.
	ErrUnresolved Kind = "account or server could not be resolved"
	// ErrBodyNotReplayable: the server asked for the request again, but its body can be read only
	// once. Use a body that can be opened again.
	ErrBodyNotReplayable Kind = "body cannot be sent again"
	// ErrOrigin: the URL is not on the account's server; no request was sent.
	ErrOrigin Kind = "not the session's server"
	// ErrStore: the store failed. This failure loses no session.
	ErrStore Kind = "session store failed"
	// ErrBusy: another process is refreshing the session, or began to and stopped, and this caller
	// waited for the maximum time. RetryAfter says when to try again.
	ErrBusy Kind = "another process refreshes the session"
	// ErrShutdown: the call needs a refresh, but Client.Shutdown was called.
	ErrShutdown Kind = "the client is shutting down"
	// ErrSealed: a stored record was changed, moved, or sealed with another key.
	ErrSealed Kind = "stored record cannot be opened"
	// ErrNetwork: a server could not be reached or did not answer in time.
	ErrNetwork Kind = "server not reached"
)

// endsSession reports whether k means that the program has to log in again.
func (k Kind) endsSession() bool {
	switch k {
	case ErrReauthRequired, ErrRevoked, ErrAmbiguousRefresh, ErrLoggedOut, ErrRefused, ErrSessionUnknown:
		return true
	}
	return false
}

// An Error is the error of every function in this package, except if a call got no answer
// (*xrpc.SendError). Test its Kind with errors.Is, and read the details with
// errors.AsType[*apppassword.Error]. If the caller's context ended first, errors.Is also finds
// context.Canceled or context.DeadlineExceeded, and the Kind only says what the caller was waiting
// for: ErrStore or ErrNetwork. Some functions then return the error of the context alone.
type Error struct {
	Kind Kind // what went wrong

	// Name and Message are the server's own words. They are empty if the server sent none, and cut
	// off after 2,000 bytes. Message may contain anything, so quote it wherever you write it.
	// errors.Is also finds Name, as one of the errors in the method's lexicon, such as
	// comatproto.ErrAuthFactorTokenRequired.
	Name    xrpc.ErrorName
	Message string // the server's message; see Name

	Status     int           // HTTP status of the server's answer; 0 if there was none
	RetryAfter time.Duration // how long to wait before the next try, at most 24 hours; 0 if unknown
	Retryable  bool          // the same call may succeed later
	Err        error         // the cause; may be nil
}

// Error returns the kind, the server's words and the cause, in this order. The server's words are
// quoted and cut off.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("apppassword: ")
	b.WriteString(string(e.Kind))
	if e.Name != "" {
		fmt.Fprintf(&b, ": %s", said.Word(string(e.Name)))
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", said.Quote(e.Message))
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d %s)", e.Status, http.StatusText(e.Status))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", said.Text(e.Err.Error()))
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary returns Retryable. It makes an xrpc.Stream on a session connect again after such an
// error.
func (e *Error) Temporary() bool { return e.Retryable }

// Is reports whether target is the error's Kind or Name. It also reports true for ErrReauthRequired
// if the Kind means that the session has ended.
func (e *Error) Is(target error) bool {
	if name, ok := target.(xrpc.ErrorName); ok {
		return name == e.Name && name != ""
	}
	return errors.Is(e.Kind, target)
}

// LogValue returns the error for log/slog. It leaves out Message, because a server may repeat there
// what it was sent.
func (e *Error) LogValue() slog.Value {
	attributes := []slog.Attr{slog.String("kind", string(e.Kind))}
	if e.Status != 0 {
		attributes = append(attributes, slog.Int("status", e.Status))
	}
	if e.Name != "" {
		attributes = append(attributes, slog.String("name", said.Word(string(e.Name))))
	}
	if e.Err != nil {
		cause := slog.StringValue(said.Text(e.Err.Error()))
		if own, ok := e.Err.(slog.LogValuer); ok {
			cause = own.LogValue()
		}
		attributes = append(attributes, slog.Attr{Key: "cause", Value: cause})
	}
	return slog.GroupValue(attributes...)
}

// networkError wraps a failure to get an answer. If the caller's context ended first, errors.Is
// still finds that. If the address is forbidden, another try cannot help.
func networkError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	return &Error{Kind: ErrNetwork, Retryable: !errors.Is(err, safehttp.ErrBlocked), Err: err}
}

// resolutionError wraps a failed look-up of an account. A network failure may pass; other failures
// do not.
func resolutionError(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, identity.ErrUnreachable) {
		return networkError(ctx, err)
	}
	return &Error{Kind: ErrUnresolved, Err: err}
}

// storeError wraps a failure of the store that the callers do not handle.
func storeError(err error) error { return &Error{Kind: ErrStore, Retryable: true, Err: err} }

// sealError is for a record that cannot be sealed or opened.
func sealError(r *store.Record, err error) error {
	return &Error{Kind: ErrSealed, Err: fmt.Errorf("record %s %s: %w", r.Key.Kind, r.Key.DID, err)}
}

// configError names the wrong setting or argument, and the rule that it breaks.
func configError(what, format string, args ...any) error {
	return &Error{Kind: ErrConfig, Err: fmt.Errorf(what+" "+format, args...)}
}

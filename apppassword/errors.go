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

// A Kind says what went wrong in the terms a program decides on. Kinds are errors
// themselves, to be used with errors.Is:
//
//	if errors.Is(err, apppassword.ErrReauthRequired) { … log in again … }
type Kind string

// Error returns the kind as a short sentence.
func (k Kind) Error() string { return string(k) }

// Is reports whether target is ErrReauthRequired and k one of the kinds that mean it: those
// marked "reauth" below.
func (k Kind) Is(target error) bool { return target == ErrReauthRequired && k.endsSession() }

// The kinds of failure. Those marked "reauth" are also found as ErrReauthRequired,
// bare or in an *Error.
const (
	// ErrReauthRequired: the session is over; only a new login helps.
	ErrReauthRequired Kind = "log in again"
	// ErrRevoked (reauth): the server ended the session: its app password was taken away, or it
	// was not used for three months.
	ErrRevoked Kind = "session was ended by the server"
	// ErrAmbiguousRefresh (reauth): an earlier refresh was sent but its answer was lost, and
	// the server does not take the refresh token a second time.
	ErrAmbiguousRefresh Kind = "an earlier refresh was interrupted and its answer lost"
	// ErrLoggedOut (reauth): the session was logged out, here or in another process.
	ErrLoggedOut Kind = "session was logged out"
	// ErrRefused (reauth): the server does not renew the tokens, which are of no use any more, and
	// does not say in the words of the protocol that the session is over. The session is kept, and
	// tried once a minute; OnEnd is not told. It is the one kind marked "reauth" after which a
	// session may go on.
	ErrRefused Kind = "the server does not renew the session"
	// ErrSessionUnknown (reauth): the store holds no session under this key.
	ErrSessionUnknown Kind = "no such session"

	// ErrWrongPassword: there is no such account at the server, or this is not its password.
	// Servers do not say which, and count the attempts.
	ErrWrongPassword Kind = "identifier or password is wrong"
	// ErrAuthFactorRequired: the account's own password was given, and the server has sent a code
	// by email. Log in again with WithAuthFactor and the code, or with an app password, which needs none.
	ErrAuthFactorRequired Kind = "the server wants the code that it has sent by email"
	// ErrAuthFactorInvalid: the code is wrong, or too old.
	ErrAuthFactorInvalid Kind = "the code is wrong or too old"
	// ErrAccountTakedown: the server has taken the account down. A session that there was is kept.
	ErrAccountTakedown Kind = "the account is taken down"
	// ErrRateLimited: too many logins or refreshes; RetryAfter says how long to wait, as far as the
	// server says it.
	ErrRateLimited Kind = "too many requests"
	// ErrAccountMismatch: the server logged in another account than the one asked for. The session
	// that it made was given back.
	ErrAccountMismatch Kind = "another account was logged in"
	// ErrServer: the server refused in other words, failed, or gave an answer that cannot be used.
	ErrServer Kind = "the server failed or refused"

	// ErrConfig: the Config, or what a login was given, is wrong; the message names the rule.
	ErrConfig Kind = "invalid configuration"
	// ErrUnresolved: the account or its server could not be found.
	ErrUnresolved Kind = "account or server could not be resolved"
	// ErrBodyNotReplayable: the server asked for the request again, but its body can be read
	// only once. Use a body that can be opened twice.
	ErrBodyNotReplayable Kind = "body cannot be sent again"
	// ErrOrigin: the URL is not on the account's server; nothing was sent.
	ErrOrigin Kind = "not the session's server"
	// ErrStore: the store failed. Nothing is lost that was not lost before.
	ErrStore Kind = "session store failed"
	// ErrBusy: another process refreshes the session, or began to and left; this caller has
	// waited for long enough. RetryAfter says when to try again.
	ErrBusy Kind = "another process refreshes the session"
	// ErrShutdown: a refresh is needed, and Client.Shutdown was called.
	ErrShutdown Kind = "the client is shutting down"
	// ErrSealed: a stored record was tampered with, moved, or sealed under another key.
	ErrSealed Kind = "stored record cannot be opened"
	// ErrNetwork: a server could not be reached or did not answer in time.
	ErrNetwork Kind = "server not reached"
)

// endsSession reports whether k means that a new login is what helps.
func (k Kind) endsSession() bool {
	switch k {
	case ErrReauthRequired, ErrRevoked, ErrAmbiguousRefresh, ErrLoggedOut, ErrRefused, ErrSessionUnknown:
		return true
	}
	return false
}

// An Error is what every function of this package fails with, except where a context ended
// first or a call got no answer (*xrpc.SendError). Test for a Kind with errors.Is, read the details with
// errors.AsType[*apppassword.Error].
type Error struct {
	Kind Kind

	// Name and Message are the server's own words, empty when it said none, and cut short at
	// 2,000 bytes. Message may hold anything: quote it wherever you write it. errors.Is finds the name,
	// too, as one of the errors of the method's lexicon, such as comatproto.ErrAuthFactorTokenRequired.
	Name    xrpc.ErrorName
	Message string

	Status     int           // HTTP status of the server's answer, 0 if there was none
	RetryAfter time.Duration // what the server asked to wait, or what is left of a pause; 0: not known
	Retryable  bool          // trying again, unchanged, can help
	Err        error         // the cause, may be nil
}

// Error returns kind, the server's words and the cause, in this order. What servers say is quoted
// and cut short.
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

// Temporary returns Retryable: an xrpc.Stream that runs on a session connects again after such an error.
func (e *Error) Temporary() bool { return e.Retryable }

// Is reports whether target is the error's Kind or Name, or ErrReauthRequired when the kind means that
// the session is over.
func (e *Error) Is(target error) bool {
	if name, ok := target.(xrpc.ErrorName); ok {
		return name == e.Name && name != ""
	}
	return errors.Is(e.Kind, target)
}

// LogValue is the error as log/slog writes it: without Message, in which a server may repeat what
// it was sent.
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

// networkError wraps a failure to get an answer. Where the caller's context ended first, that stays
// visible to errors.Is. An address that must not be connected to will not do better the next time.
func networkError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	return &Error{Kind: ErrNetwork, Retryable: !errors.Is(err, safehttp.ErrBlocked), Err: err}
}

// resolutionError wraps a failed look-up of an account: the network's fault can pass, anything
// else cannot.
func resolutionError(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, identity.ErrUnreachable) {
		return networkError(ctx, err)
	}
	return &Error{Kind: ErrUnresolved, Err: err}
}

// storeError wraps a failure of the store that callers do not handle themselves.
func storeError(err error) error { return &Error{Kind: ErrStore, Retryable: true, Err: err} }

// sealError is for a record that cannot be sealed or opened.
func sealError(r *store.Record, err error) error {
	return &Error{Kind: ErrSealed, Err: fmt.Errorf("record %s %s: %w", r.Key.Kind, r.Key.DID, err)}
}

// configError names what is wrong with a setting or an argument, and the rule it breaks.
func configError(what, format string, args ...any) error {
	return &Error{Kind: ErrConfig, Err: fmt.Errorf(what+" "+format, args...)}
}

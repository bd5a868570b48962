package oauth

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
)

// A Kind says what went wrong, in the terms that a program makes decisions on. A Kind is an error
// itself, for errors.Is:
//
//	if errors.Is(err, oauth.ErrReauthRequired) { … send the user to the login page … }
type Kind string

// Error returns the kind as a short sentence.
func (k Kind) Error() string { return string(k) }

// Is reports whether target is ErrReauthRequired and k means the same: those kinds are marked
// "reauth" below.
func (k Kind) Is(target error) bool {
	return target == ErrReauthRequired && k.endsSession()
}

// The kinds of errors. errors.Is also finds those marked "reauth" as ErrReauthRequired, alone or in
// an *Error.
const (
	// ErrReauthRequired: the session has ended; only a new login helps.
	ErrReauthRequired Kind = "log in again"
	// ErrRevoked (reauth): the server ended the session.
	ErrRevoked Kind = "session was revoked by the server"
	// ErrSessionExpired (reauth): the tokens expired and there is no refresh token, or the session
	// reached its maximum age. For a public client that is two weeks. For a client with keys it is
	// three months without use, and two years in all.
	ErrSessionExpired Kind = "session expired"
	// ErrAmbiguousRefresh (reauth): an earlier refresh was sent, its answer was lost, and the
	// server has used up the refresh token.
	ErrAmbiguousRefresh Kind = "an earlier refresh was interrupted and its answer lost"
	// ErrLoggedOut (reauth): the session was logged out, here or in another process.
	ErrLoggedOut Kind = "session was logged out"
	// ErrRefused (reauth): the tokens expired and the server does not refresh them, but it does not
	// say, in the protocol's words, that the session has ended. Either the session has ended, and a
	// new login helps; or the server has a fault that will pass. So the session is kept and tried
	// once a minute, and OnEnd is not called. This is the only kind marked "reauth" after which a
	// session may go on.
	ErrRefused Kind = "the server does not renew the session"
	// ErrClientKeyGone (reauth): the client key of the session's login is no longer in
	// Config.ClientKeys.
	ErrClientKeyGone Kind = "the session's client key is gone"
	// ErrSessionUnknown (reauth): the store holds no session under this key.
	ErrSessionUnknown Kind = "no such session"

	// ErrConfig: the Config is wrong; the message names the field and the rule that it breaks.
	ErrConfig Kind = "invalid configuration"
	// ErrUnresolved: a handle, DID or server was not found.
	ErrUnresolved Kind = "account or server could not be resolved"
	// ErrInvalidMetadata: a discovery document breaks the atproto profile.
	ErrInvalidMetadata Kind = "invalid server metadata"
	// ErrIssuerMismatch: an answer names another authorization server than the one that was asked.
	ErrIssuerMismatch Kind = "issuer mismatch"
	// ErrIssuerChanged: the account is now served by another authorization server.
	ErrIssuerChanged Kind = "the account moved to another authorization server"
	// ErrAccountMismatch: the server logged in another account than the one that was asked for.
	ErrAccountMismatch Kind = "another account was logged in"
	// ErrStateUnknown: the callback's state is unknown, was used before, or has expired.
	ErrStateUnknown Kind = "unknown or used state"
	// ErrBinding: the callback came from another browser than the one that began the login.
	ErrBinding Kind = "login was begun in another browser"
	// ErrAccessDenied: the user refused the login.
	ErrAccessDenied Kind = "access denied by the user"
	// ErrAuthorization: the authorization server refused the request; Code says why.
	ErrAuthorization Kind = "authorization refused"
	// ErrInvalidCallback: a parameter of the callback is missing, repeated or not allowed.
	ErrInvalidCallback Kind = "invalid callback"
	// ErrToken: the token endpoint refused the request, or its answer breaks the atproto profile.
	ErrToken Kind = "token request failed"
	// ErrClientKey: a key of Config.ClientKeys could not sign.
	ErrClientKey Kind = "client key failed"
	// ErrDPoP: a proof could not be made, or a server asked for another nonce again and again.
	ErrDPoP Kind = "proof of possession failed"
	// ErrForm: a handler of Web refused a posted form: it came from another site, is too large, or
	// is not a form.
	ErrForm Kind = "form refused"
	// ErrBodyNotReplayable: the server asked for the request again, but its body can be read only
	// once. Use a body that can be opened again.
	ErrBodyNotReplayable Kind = "body cannot be sent again"
	// ErrOrigin: the URL is not on the session's PDS; no request was sent.
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

// endsSession reports whether k means that the user has to log in again.
func (k Kind) endsSession() bool {
	switch k {
	case ErrReauthRequired, ErrRevoked, ErrRefused, ErrSessionExpired, ErrAmbiguousRefresh, ErrLoggedOut, ErrClientKeyGone, ErrSessionUnknown:
		return true
	}
	return false
}

// An Error is the error of every function in this package. Test its Kind with errors.Is, and read
// the details with errors.AsType[*oauth.Error]. If the caller's context ended first, errors.Is also
// finds context.Canceled or context.DeadlineExceeded, and the Kind only says what the caller was
// waiting for: ErrStore or ErrNetwork. Some functions then return the error of the context alone.
type Error struct {
	Kind Kind // what went wrong

	// Code, Description and URI are the server's own words (RFC 6749 §5.2 and §4.1.2.1). They are
	// empty if the server sent none, and cut off after 2,000 bytes. They may contain anything, so
	// quote them wherever you write them.
	Code, Description, URI string

	Status     int           // HTTP status of the server's answer; 0 if there was none
	RetryAfter time.Duration // how long to wait before the next try, at most 24 hours; 0 if nothing says so
	Retryable  bool          // the same call may succeed later

	// ClockOffset is the difference between the clock of the server that refused and ours. It is
	// positive if the server's clock is ahead, negative if it is behind, and 0 if the difference is
	// less than five seconds. Servers often refuse because of a wrong clock, and do not say so.
	ClockOffset time.Duration

	AppState string // the value of WithAppState, in errors of Callback
	Err      error  // the cause; may be nil
}

// Error returns the kind, the server's words and the cause, in this order. The server's words are
// quoted and cut off.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("oauth: ")
	b.WriteString(string(e.Kind))
	if e.Code != "" {
		fmt.Fprintf(&b, ": %s", said.Word(e.Code))
	}
	if e.Description != "" {
		fmt.Fprintf(&b, ": %s", said.Quote(e.Description))
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d %s)", e.Status, http.StatusText(e.Status))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", said.Text(e.Err.Error()))
	}
	switch offset := e.ClockOffset.Round(time.Second); {
	case offset > 0:
		fmt.Fprintf(&b, " (our clock is %s behind the server's)", offset)
	case offset < 0:
		fmt.Fprintf(&b, " (our clock is %s ahead of the server's)", -offset)
	}
	return b.String()
}

// saidBy fills in the server's own words.
func (e *Error) saidBy(code, description, uri string) *Error {
	e.Code, e.Description, e.URI = said.Cut(code, said.MaxText), said.Cut(description, said.MaxText), said.Cut(uri, said.MaxText)
	return e
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary returns Retryable. It makes an xrpc.Stream on a session connect again after such an
// error.
func (e *Error) Temporary() bool { return e.Retryable }

// Is reports whether target is the error's Kind. It also reports true for ErrReauthRequired if the
// Kind means that the session has ended.
func (e *Error) Is(target error) bool { return errors.Is(e.Kind, target) }

// LogValue returns the error for log/slog. It leaves out Description, because a server may repeat
// there what it was sent.
func (e *Error) LogValue() slog.Value {
	attributes := []slog.Attr{slog.String("kind", string(e.Kind))}
	if e.Status != 0 {
		attributes = append(attributes, slog.Int("status", e.Status))
	}
	if e.Code != "" {
		attributes = append(attributes, slog.String("code", said.Word(e.Code)))
	}
	if e.ClockOffset != 0 {
		attributes = append(attributes, slog.Duration("clock_offset", e.ClockOffset))
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

// discoveryError wraps a failed fetch of a discovery document.
func discoveryError(ctx context.Context, err error) error {
	failed, _ := errors.AsType[*safehttp.Error](err)
	e := &Error{Kind: ErrInvalidMetadata, Err: err}
	if failed != nil {
		e.Status = failed.Status
	}
	switch {
	case ctx.Err() != nil:
		return networkError(ctx, err)
	case errors.Is(err, safehttp.ErrBlocked), errors.Is(err, safehttp.ErrRedirect),
		errors.Is(err, safehttp.ErrContentType), errors.Is(err, safehttp.ErrTooLarge):
	case errors.Is(err, safehttp.ErrStatus):
		if e.Retryable = e.Status == http.StatusTooManyRequests || e.Status >= 500; e.Retryable {
			e.Kind = ErrNetwork
		}
	default:
		return networkError(ctx, err)
	}
	return e
}

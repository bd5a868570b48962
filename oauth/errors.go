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

// A Kind says what went wrong in the terms a program decides on. Kinds are errors
// themselves, to be used with errors.Is:
//
//	if errors.Is(err, oauth.ErrReauthRequired) { … send the user to the login page … }
type Kind string

// Error returns the kind as a short sentence.
func (k Kind) Error() string { return string(k) }

// Is reports whether target is ErrReauthRequired and k one of the kinds that mean it: those
// marked "reauth" below.
func (k Kind) Is(target error) bool {
	return target == ErrReauthRequired && k.endsSession()
}

// The kinds of failure. Those marked "reauth" are also found as ErrReauthRequired,
// bare or in an *Error.
const (
	// ErrReauthRequired: the session is over; only a new login helps.
	ErrReauthRequired Kind = "log in again"
	// ErrRevoked (reauth): the server ended the session.
	ErrRevoked Kind = "session was revoked by the server"
	// ErrSessionExpired (reauth): the tokens ran out and there is no refresh token, or the
	// session is as old as its server lets it become: two weeks for a public client, three
	// months without use and two years altogether for one with keys.
	ErrSessionExpired Kind = "session expired"
	// ErrAmbiguousRefresh (reauth): an earlier refresh was sent but its answer was
	// lost, and the server has spent the refresh token.
	ErrAmbiguousRefresh Kind = "an earlier refresh was interrupted and its answer lost"
	// ErrLoggedOut (reauth): the session was logged out, here or in another process.
	ErrLoggedOut Kind = "session was logged out"
	// ErrRefused (reauth): the server does not renew the tokens, which have run out, and does not
	// say in the words of the protocol that the session is over. It may be, and a new login helps;
	// or the server has a fault that will pass. So the session is kept, and tried once a minute;
	// OnEnd is not told. It is the one kind marked "reauth" after which a session may go on.
	ErrRefused Kind = "the server does not renew the session"
	// ErrClientKeyGone (reauth): the client key that the session was begun with is no
	// longer in Config.ClientKeys.
	ErrClientKeyGone Kind = "the session's client key is gone"
	// ErrSessionUnknown (reauth): the store holds no session under this key.
	ErrSessionUnknown Kind = "no such session"

	// ErrConfig: the Config is wrong; the message names the field and the rule.
	ErrConfig Kind = "invalid configuration"
	// ErrUnresolved: a handle, DID or server could not be resolved.
	ErrUnresolved Kind = "account or server could not be resolved"
	// ErrInvalidMetadata: a discovery document breaks the atproto profile.
	ErrInvalidMetadata Kind = "invalid server metadata"
	// ErrIssuerMismatch: an answer names another authorization server than the one asked.
	ErrIssuerMismatch Kind = "issuer mismatch"
	// ErrIssuerChanged: the account is now served by another authorization server.
	ErrIssuerChanged Kind = "the account moved to another authorization server"
	// ErrAccountMismatch: the server logged in another account than the one asked for.
	ErrAccountMismatch Kind = "another account was logged in"
	// ErrStateUnknown: the callback's state is unknown, was used before, or expired.
	ErrStateUnknown Kind = "unknown or used state"
	// ErrBinding: the callback came from another browser than the one that began the login.
	ErrBinding Kind = "login was begun in another browser"
	// ErrAccessDenied: the user refused.
	ErrAccessDenied Kind = "access denied by the user"
	// ErrAuthorization: the authorization server refused the request; Code says why.
	ErrAuthorization Kind = "authorization refused"
	// ErrInvalidCallback: the callback's parameters are missing, repeated or not allowed.
	ErrInvalidCallback Kind = "invalid callback"
	// ErrToken: the token endpoint refused, or its answer breaks the profile.
	ErrToken Kind = "token request failed"
	// ErrClientKey: a key of Config.ClientKeys could not sign.
	ErrClientKey Kind = "client key failed"
	// ErrDPoP: a proof could not be made, or a server kept asking for another nonce.
	ErrDPoP Kind = "proof of possession failed"
	// ErrForm: a form that was posted to a handler of Web cannot be taken: it is from
	// another site, too large, or no form.
	ErrForm Kind = "form refused"
	// ErrBodyNotReplayable: the server asked for the request again, but its body
	// can be read only once. Use a body that can be opened twice.
	ErrBodyNotReplayable Kind = "body cannot be sent again"
	// ErrOrigin: the URL is not on the session's PDS; nothing was sent.
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
	case ErrReauthRequired, ErrRevoked, ErrRefused, ErrSessionExpired, ErrAmbiguousRefresh, ErrLoggedOut, ErrClientKeyGone, ErrSessionUnknown:
		return true
	}
	return false
}

// An Error is what every function of this package fails with, except where a
// context ended first. Test for a Kind with errors.Is, read the details with
// errors.AsType[*oauth.Error].
type Error struct {
	Kind Kind

	// Code, Description and URI are the server's own words (RFC 6749 §5.2 and
	// §4.1.2.1), empty when it said none, and cut short at 2,000 bytes. They may hold
	// anything: quote them wherever you write them.
	Code, Description, URI string

	Status     int           // HTTP status of the server's answer, 0 if there was none
	RetryAfter time.Duration // what the server asked to wait, 0 if it did not
	Retryable  bool          // trying again, unchanged, can help

	// ClockOffset is what a server that refused adds to our clock to get its own: positive
	// when the server's clock is ahead, negative when it is behind, 0 when the two are less
	// than five seconds apart. Clocks that are apart are a common reason to refuse, and
	// servers do not name it.
	ClockOffset time.Duration

	AppState string // what WithAppState carried, on errors of Callback
	Err      error  // the cause, may be nil
}

// Error returns kind, the server's words and the cause, in this order. What servers
// say is quoted and cut short.
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

// Temporary returns Retryable: an xrpc.Stream that runs on a session connects again after such an error.
func (e *Error) Temporary() bool { return e.Retryable }

// Is reports whether target is the error's Kind, or ErrReauthRequired when the
// kind means that the session is over.
func (e *Error) Is(target error) bool { return errors.Is(e.Kind, target) }

// LogValue is the error as log/slog writes it: without Description, in which a server may
// repeat what it was sent.
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

// networkError wraps a failure to get an answer. Where the caller's context ended
// first, that stays visible to errors.Is. An address that must not be connected to will
// not do better the next time.
func networkError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	return &Error{Kind: ErrNetwork, Retryable: !errors.Is(err, safehttp.ErrBlocked), Err: err}
}

// resolutionError wraps a failed look-up of an account: the network's fault can
// pass, anything else cannot.
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

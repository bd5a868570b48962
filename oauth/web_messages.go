package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// Explain returns one or two sentences that tell a user what to do about err, and the HTTP status
// that fits. It is for a page that the application shows. err may come from this package or from a
// call with a session. The text is plain English: use html/template to put it into HTML. The text
// of err itself is for the log.
//
// If err is nil, the status is 200 and the text is empty.
func Explain(err error) (status int, text string) {
	if err == nil {
		return http.StatusOK, ""
	}
	status, text = explainForm(err)
	if status == 0 {
		status, text = explainInput(err)
	}
	if status == 0 {
		status, text = explainKind(err)
	}
	if status == 0 {
		status, text = explainCall(err)
	}
	if wait := retryAfterOf(err); wait > 0 {
		text = strings.Replace(text, "try again later", "try again in "+inWords(wait), 1)
	}
	return status, text
}

// Explain is the function Explain for an error of a request to this application. In development, it
// shows an error of the Config in full, because the reader can correct it.
func (web *Web) Explain(r *http.Request, err error) (status int, text string) {
	status, text = Explain(err)
	if errors.Is(err, ErrConfig) && web.hostPrefix(r) == "" {
		text = err.Error()
	}
	return status, text
}

// explainForm is Explain for refused forms. The status is 0 for any other error.
func explainForm(err error) (status int, text string) {
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case errors.Is(err, errOtherSite):
		return http.StatusForbidden, "This form was sent from another site. Please use the form on this one."
	case errors.Is(err, errNoForm):
		return http.StatusUnsupportedMediaType, "This request is not a form. Please use the form on this page."
	case large:
		return http.StatusRequestEntityTooLarge, "This form is too large."
	}
	return 0, ""
}

// explainInput is Explain for what the user can correct, and for a user who did not wait: that is no
// fault of a database or a network, whose errors it may come with. The status is 0 for any other
// error.
func explainInput(err error) (status int, text string) {
	const longest = 300 // in bytes: a part may be what the user typed
	typed, _ := errors.AsType[*identity.InputError](err)
	invalid, _ := errors.AsType[*lex.ValidationError](err)
	if _, answer := errors.AsType[*xrpc.InvalidResponseError](err); answer {
		invalid = nil // the server's, which no user can correct
	}
	switch {
	case typed != nil:
		return http.StatusBadRequest, fmt.Sprintf("What you typed %s. Please %s.", said.Cut(typed.Reason, longest), said.Cut(typed.Advice, longest))
	case invalid != nil && len(invalid.Violations) > 0:
		return http.StatusBadRequest, fmt.Sprintf("That cannot be sent: %s. Please change it.", said.Cut(invalid.Violations[0].String(), longest))
	case errors.Is(err, context.Canceled) && !errors.Is(err, ErrReauthRequired):
		return http.StatusServiceUnavailable, "This was stopped before it was done. Please try again."
	}
	return 0, ""
}

// explainKind is Explain for the kinds of this package. The status is 0 for any other error. The
// more special kinds come before ErrReauthRequired, because they are that kind too.
func explainKind(err error) (status int, text string) {
	for _, known := range []struct {
		kind   Kind
		status int
		text   string
	}{
		{ErrRevoked, http.StatusUnauthorized, "Your account's server has ended this session. Please log in again."},
		{ErrSessionExpired, http.StatusUnauthorized, "Your session has reached the time limit of your account's server. Please log in again."},
		{ErrRefused, http.StatusUnauthorized, "Your account's server no longer accepts this session. Please log in again."},
		{ErrAmbiguousRefresh, http.StatusUnauthorized, "The connection to your account's server broke, and your session was lost. Please log in again."},
		{ErrLoggedOut, http.StatusUnauthorized, "You have logged out. Please log in again."},
		{ErrClientKeyGone, http.StatusUnauthorized, "This application has changed its keys. Please log in again."},
		{ErrSessionUnknown, http.StatusUnauthorized, "Please log in."},
		{ErrReauthRequired, http.StatusUnauthorized, "Please log in again."},

		{ErrForm, http.StatusBadRequest, "This form cannot be read. Please load the page again."},
		{ErrUnresolved, http.StatusBadRequest, "There is no such account or server. Please check what you typed."},
		{ErrAccessDenied, http.StatusForbidden, "You did not agree to log in. Nothing has changed."},
		{ErrStateUnknown, http.StatusBadRequest, "This login has expired, or has been used already. Please begin again."},
		{ErrBinding, http.StatusBadRequest, "This login was begun in another browser, or has expired. Please begin again in this one."},
		{ErrInvalidCallback, http.StatusBadRequest, "The answer of your account's server is not complete. Please begin again."},
		{ErrAccountMismatch, http.StatusForbidden, "You logged in with another account than the one you asked for. Please choose the right account at your account's server."},
		{ErrIssuerChanged, http.StatusForbidden, "Your account has moved to another server. Please log in again with your handle."},
		{ErrIssuerMismatch, http.StatusBadGateway, "The answer came from a server that is not your account's. Please stop there, and begin again from this page."},
		{ErrInvalidMetadata, http.StatusBadGateway, "Your account's server does not publish what is needed to log in there. Please ask its operator."},
		{ErrAuthorization, http.StatusBadGateway, "Your account's server did not let you log in here. Please try again later."},
		{ErrToken, http.StatusBadGateway, "Your account's server did not let you in. Please try again later."},
		{ErrDPoP, http.StatusBadGateway, "Your account's server did not accept the request of this application. Please try again later."},
		{ErrNetwork, http.StatusBadGateway, "Your account's server cannot be reached. Please try again later."},
		{ErrBusy, http.StatusServiceUnavailable, "Your session is being refreshed at the moment. Please try again later."},
		{ErrShutdown, http.StatusServiceUnavailable, "This application is being restarted. Please try again later."},
		{ErrStore, http.StatusServiceUnavailable, "This application cannot reach its database. Please try again later."},
		{ErrSealed, http.StatusInternalServerError, "This application can no longer read your session. Please log out, and log in again."},
		{ErrBodyNotReplayable, http.StatusServiceUnavailable, "Your account's server asked for the same request again. Please send it once more."},
		{ErrOrigin, http.StatusInternalServerError, "This application asked a server that is not your account's. Please tell its operator."},
		{ErrClientKey, http.StatusInternalServerError, "This application cannot sign with its keys. Please tell its operator."},
		{ErrConfig, http.StatusInternalServerError, "This application is not set up correctly. Please tell its operator."},
	} {
		if errors.Is(err, known.kind) {
			return known.status, known.text
		}
	}
	return 0, ""
}

// explainCall is Explain for calls and for everything else.
func explainCall(err error) (status int, text string) {
	refused, _ := errors.AsType[*xrpc.Error](err)
	send, _ := errors.AsType[*xrpc.SendError](err)
	switch {
	case errors.Is(err, xrpc.ErrScopeMissing):
		return http.StatusForbidden, "You have not allowed this application to do that. Log in again and allow it."
	case refused != nil && refused.Status == http.StatusTooManyRequests:
		return http.StatusTooManyRequests, "Your account's server got too many requests. Please try again later."
	case refused != nil && (refused.Status >= 500 || refused.Message == ""):
		return http.StatusBadGateway, "Your account's server could not do that. Please try again later."
	case refused != nil:
		return http.StatusBadGateway, fmt.Sprintf("Your account's server says: %.300q", refused.Message)
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "That took too long. Please try again later."
	case send != nil && send.Sent == xrpc.SentNo:
		return http.StatusBadGateway, "Your account's server cannot be reached. Please try again later."
	case send != nil:
		return http.StatusBadGateway, "Your account's server did not answer. Please check whether it was done before you try again."
	}
	return http.StatusInternalServerError, "Something went wrong here. Please try again later."
}

// retryAfterOf returns how long to wait before another try, or 0 if nobody said.
func retryAfterOf(err error) time.Duration {
	if refused, ok := errors.AsType[*xrpc.Error](err); ok {
		return refused.RetryAfter
	}
	return retryAfter(err)
}

// inWords returns a waiting time in words.
func inWords(d time.Duration) string {
	switch seconds := int64((d + time.Second - 1) / time.Second); {
	case seconds == 1:
		return "a second"
	case seconds < 120:
		return fmt.Sprintf("%d seconds", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%d minutes", (seconds+59)/60)
	default:
		return fmt.Sprintf("%d hours", (seconds+3599)/3600)
	}
}

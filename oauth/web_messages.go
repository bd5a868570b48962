package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
)

// Explain says in a sentence or two what a user can do about err, for a page that the
// application shows, and which HTTP status goes with it. err may come from this package or
// from a call through a session. The text is English and plain: put it into HTML by
// html/template. What err says itself is for the log.
//
// For err == nil the status is 200 and the text is empty.
func Explain(err error) (status int, text string) {
	if err == nil {
		return http.StatusOK, ""
	}
	status, text = explainForm(err)
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

// Explain is the function Explain for an error of a request to this application. In
// development, where the reader can do something about it, a wrong Config is told in full.
func (web *Web) Explain(r *http.Request, err error) (status int, text string) {
	status, text = Explain(err)
	if errors.Is(err, ErrConfig) && web.hostPrefix(r) == "" {
		text = err.Error()
	}
	return status, text
}

// explainForm is Explain for forms that were not taken; 0 for anything else.
func explainForm(err error) (status int, text string) {
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case errors.Is(err, errOtherSite):
		return http.StatusForbidden, "This form was sent from another site. Please use the form on this one."
	case errors.Is(err, errNoForm):
		return http.StatusUnsupportedMediaType, "This is not a form."
	case large:
		return http.StatusRequestEntityTooLarge, "This form is too large."
	}
	return 0, ""
}

// explainKind is Explain for the kinds of this package; 0 for anything else. The more special
// kinds come before ErrReauthRequired, which they are, too.
func explainKind(err error) (status int, text string) {
	for _, known := range []struct {
		kind   Kind
		status int
		text   string
	}{
		{ErrRevoked, http.StatusUnauthorized, "Your account's server has ended this session. Please log in again."},
		{ErrSessionExpired, http.StatusUnauthorized, "You were logged in for as long as your account's server allows. Please log in again."},
		{ErrRefused, http.StatusUnauthorized, "Your account's server does not renew this session. Please log in again."},
		{ErrAmbiguousRefresh, http.StatusUnauthorized, "The connection to your account's server broke at a bad moment, and your session with it. Please log in again."},
		{ErrLoggedOut, http.StatusUnauthorized, "You have logged out. Please log in again."},
		{ErrClientKeyGone, http.StatusUnauthorized, "This application has changed its keys. Please log in again."},
		{ErrSessionUnknown, http.StatusUnauthorized, "Please log in."},
		{ErrReauthRequired, http.StatusUnauthorized, "Please log in again."},

		{ErrForm, http.StatusBadRequest, "This form cannot be read. Please load the page again."},
		{ErrUnresolved, http.StatusBadRequest, "There is no such account or server. Please look at what you typed."},
		{ErrAccessDenied, http.StatusForbidden, "You did not agree to log in. Nothing has changed."},
		{ErrStateUnknown, http.StatusBadRequest, "This login has expired, or has been used already. Please begin again."},
		{ErrBinding, http.StatusBadRequest, "This login was begun in another browser, or has expired. Please begin again in this one."},
		{ErrInvalidCallback, http.StatusBadRequest, "The answer of your account's server is not complete. Please begin again."},
		{ErrAccountMismatch, http.StatusForbidden, "Another account was logged in than the one that was asked for. Please choose the right one at your account's server."},
		{ErrIssuerChanged, http.StatusForbidden, "Your account is at another server now. Please log in again with your handle."},
		{ErrIssuerMismatch, http.StatusBadGateway, "Another server has answered than the one of your account. Please do not go on, and begin again from this page."},
		{ErrInvalidMetadata, http.StatusBadGateway, "Your account's server does not say what is needed to log in there. Its operator can help."},
		{ErrAuthorization, http.StatusBadGateway, "Your account's server did not let you log in here. Please try again later."},
		{ErrToken, http.StatusBadGateway, "Your account's server did not let you in. Please try again later."},
		{ErrDPoP, http.StatusBadGateway, "Your account's server did not take what this application sent. Please try again later."},
		{ErrNetwork, http.StatusBadGateway, "Your account's server cannot be reached. Please try again later."},
		{ErrBusy, http.StatusServiceUnavailable, "Your session is being renewed at the moment. Please try again later."},
		{ErrShutdown, http.StatusServiceUnavailable, "This application is being restarted. Please try again later."},
		{ErrStore, http.StatusServiceUnavailable, "This application cannot reach its database. Please try again later."},
		{ErrSealed, http.StatusInternalServerError, "Your session cannot be read here any more. Please log out, and log in again."},
		{ErrBodyNotReplayable, http.StatusServiceUnavailable, "Your account's server wants to be sent that again. Please send it once more."},
		{ErrOrigin, http.StatusInternalServerError, "This application asked a server that is not your account's. Its operator can help."},
		{ErrClientKey, http.StatusInternalServerError, "This application cannot sign with its keys. Its operator can help."},
		{ErrConfig, http.StatusInternalServerError, "This application is not set up right. Its operator can help."},
	} {
		if errors.Is(err, known.kind) {
			return known.status, known.text
		}
	}
	return 0, ""
}

// explainCall is Explain for calls, and for all else.
func explainCall(err error) (status int, text string) {
	refused, _ := errors.AsType[*xrpc.Error](err)
	send, _ := errors.AsType[*xrpc.SendError](err)
	switch {
	case errors.Is(err, xrpc.ErrScopeMissing):
		return http.StatusForbidden, "You have not allowed this application to do that. Log in again and agree to it."
	case refused != nil && refused.Status == http.StatusTooManyRequests:
		return http.StatusTooManyRequests, "Your account's server was asked too often. Please try again later."
	case refused != nil && (refused.Status >= 500 || refused.Message == ""):
		return http.StatusBadGateway, "Your account's server could not do that. Please try again later."
	case refused != nil:
		return http.StatusBadGateway, fmt.Sprintf("Your account's server says: %.300q", refused.Message)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "That took too long. Please try again later."
	case send != nil && send.Sent == xrpc.SentNo:
		return http.StatusBadGateway, "Your account's server cannot be reached. Please try again later."
	case send != nil:
		return http.StatusBadGateway, "Your account's server did not answer. Please look whether it was done before you try again."
	}
	return http.StatusInternalServerError, "Something went wrong here. Please try again later."
}

// retryAfterOf is how long to wait before a repetition, 0 if nobody said.
func retryAfterOf(err error) time.Duration {
	if refused, ok := errors.AsType[*xrpc.Error](err); ok {
		return refused.RetryAfter
	}
	return retryAfter(err)
}

// inWords is a time to wait for people.
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

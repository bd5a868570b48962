package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// A Web is the browser's side of a Client: handlers for login, callback and logout, and
// the cookies that keep a login and a session with the browser that they belong to.
//
//	web := &oauth.Web{Client: client}
//	mux.Handle("POST /login", web.LoginHandler())
//	mux.Handle("GET /callback", web.CallbackHandler())
//	mux.Handle("POST /logout", web.LogoutHandler())
//	mux.Handle("GET /client-metadata.json", client.MetadataHandler())
//	mux.Handle("GET /jwks.json", client.KeySetHandler())
//
// Client is required, the rest may be left zero. Do not change a Web once it is in use;
// then it is safe for concurrent use.
type Web struct {
	Client *Client

	// Options returns the options of a login that r begins; nil: none. A WithAppState among
	// them takes the place of the path to go to afterwards, for LoggedIn to read.
	Options func(r *http.Request) []AuthorizeOption

	// LoggedIn answers the callback of a user who is logged in now; the session's cookie
	// is set, and result.AppState is the path to go to unless Options said otherwise. nil
	// redirects to AppState if that is a path on this site, else to AfterLogin.
	LoggedIn func(w http.ResponseWriter, r *http.Request, result *CallbackResult)

	// Failed answers what failed: a login, callback or logout, also with ErrForm. nil says
	// what Explain says, and logs.
	Failed func(w http.ResponseWriter, r *http.Request, err error)

	// Home is the path of the first page; "" is "/".
	Home string

	// AfterLogin and AfterLogout are the paths to go to after a login that names none, and
	// after a logout; "" is Home.
	AfterLogin, AfterLogout string

	// LoginPage is the path of the page with the login form, which Require sends users to. It
	// is given the path that they wanted as "return_to" in its query, for the form. "" is
	// Home.
	LoginPage string

	// IdentifierField and ReturnToField are the names of the form's fields; "" is
	// "identifier" and "return_to".
	IdentifierField, ReturnToField string

	// CookieName is what the session's cookie is called, "" is "atproto-session". On https
	// "__Host-" comes before it, so that no other host can set it.
	CookieName string
}

// LoginHandler begins logins. It takes a form by POST: "identifier" is what the user
// typed, as for Client.Authorize, and may be missing; "return_to" is the path on this site
// to go to afterwards. Forms on pages of other origins are refused.
//
// Each login has a cookie of its own, so that a user may begin several, in as many tabs. A
// browser keeps the eight that were begun last.
//
// It panics if Client is nil or CookieName cannot be the name of a cookie.
func (web *Web) LoginHandler() http.Handler {
	return web.posted(func(w http.ResponseWriter, r *http.Request) {
		identifier := r.PostForm.Get(cmp.Or(web.IdentifierField, "identifier"))
		web.sendToServer(w, r, identifier, web.returnTo(r))
	})
}

// sendToServer begins a login that r asks for, and sends the browser on. What opts say comes
// before what the application's Options say.
func (web *Web) sendToServer(w http.ResponseWriter, r *http.Request, identifier, returnTo string, opts ...AuthorizeOption) {
	login, err := web.begin(r.Context(), r, identifier, returnTo, opts...)
	if err != nil {
		web.failed(w, r, err)
		return
	}
	web.keepLogin(w, r, login)
	http.Redirect(w, r, login.URL, http.StatusSeeOther)
}

// begin begins a login that r asks for.
func (web *Web) begin(ctx context.Context, r *http.Request, identifier, returnTo string, opts ...AuthorizeOption) (*Login, error) {
	all := []AuthorizeOption{WithAppState(returnTo)}
	if web.Options != nil {
		all = append(all, web.Options(r)...)
	}
	login, err := web.Client.Authorize(ctx, identifier, append(all, opts...)...)
	if err != nil {
		return nil, err
	}
	if err := checkReturnHost(r.Host, login.redirectURI); err != nil {
		return nil, err
	}
	if login.identity && web.LoggedIn == nil {
		return nil, optionError("WithIdentityOnly", "needs Web.LoggedIn, which is told who it is")
	}
	return login, nil
}

// LogoutHandler logs the browser's session out, by POST, and goes to AfterLogout, also when
// only the server could not be told. Forms on pages of other origins are refused.
//
// It panics as LoginHandler does.
func (web *Web) LogoutHandler() http.Handler {
	return web.posted(func(w http.ResponseWriter, r *http.Request) {
		key, err := web.sessionKey(r)
		if err == nil {
			err = web.Client.Logout(r.Context(), key)
		}
		// The cookie goes whatever came of it (P76): nobody should be logged in who asked to be
		// logged out. A record that could not be deleted is of no use without it.
		web.setCookie(w, r, web.cookieName(), "", -1)
		if errors.Is(err, ErrStore) {
			web.failed(w, r, err)
			return
		}
		http.Redirect(w, r, cmp.Or(web.AfterLogout, web.home()), http.StatusSeeOther)
	})
}

// Session returns the session of the browser that sent r. It fails as Client.Resume does:
// with ErrReauthRequired, and ErrSessionUnknown, where there is none.
func (web *Web) Session(r *http.Request) (*Session, error) {
	if s, ok := r.Context().Value(requiredBy{web}).(*Session); ok && s.reason() == nil {
		return s, nil
	}
	key, err := web.sessionKey(r)
	if err != nil {
		return nil, err
	}
	return web.Client.Resume(r.Context(), key)
}

// sessionKey reads the key of the session that the browser which sent r has.
func (web *Web) sessionKey(r *http.Request) (SessionKey, error) {
	c, err := r.Cookie(web.hostPrefix(r) + web.cookieName())
	if err != nil {
		return SessionKey{}, &Error{Kind: ErrSessionUnknown, Err: err}
	}
	return web.Client.OpenSessionKey(r.Context(), c.Value)
}

// check fails loudly where cookies could not be set later on.
func (web *Web) check() {
	if web.Client == nil {
		panic("oauth: Web.Client is nil")
	}
	if err := (&http.Cookie{Name: web.cookieName(), Value: "x"}).Valid(); err != nil {
		panic(fmt.Sprintf("oauth: Web.CookieName %q: %v", web.CookieName, err))
	}
}

// private keeps an answer about one user out of caches and its URL out of other sites.
func private(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	// Not no-referrer, which makes the origin of forms on the page unknown.
	w.Header().Set("Referrer-Policy", "same-origin")
}

func (web *Web) failed(w http.ResponseWriter, r *http.Request, err error) {
	if web.Failed != nil {
		web.Failed(w, r, err)
		return
	}
	status, text := web.Explain(r, err)
	web.logFailure(r, status, err)
	setRetryAfter(w.Header(), err)
	http.Error(w, text, status)
}

// logFailure tells the operator of a request that failed.
func (web *Web) logFailure(r *http.Request, status int, err error) {
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelWarn
	}
	web.Client.log.Log(r.Context(), level, "oauth: request failed", "path", r.URL.Path, "error", err)
}

// setRetryAfter tells programs how long to wait, where that is known.
func setRetryAfter(h http.Header, err error) {
	if wait := retryAfterOf(err); wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
}

// notAllowed answers a request by another method than those that allow lists.
func notAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
}

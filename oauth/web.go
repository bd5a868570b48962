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

// A Web connects a Client to browsers. It has the handlers for login, callback and logout, and it
// sets the cookies that tie a login and a session to their browser.
//
//	web := &oauth.Web{Client: client}
//	mux.Handle("POST /login", web.LoginHandler())
//	mux.Handle("GET /callback", web.CallbackHandler())
//	mux.Handle("POST /logout", web.LogoutHandler())
//	mux.Handle("GET /client-metadata.json", client.MetadataHandler())
//	mux.Handle("GET /jwks.json", client.KeySetHandler())
//
// Only Client is required; all other fields are optional. Do not change a Web after its first use.
// It is then safe for concurrent use.
type Web struct {
	// Client makes the logins and keeps the sessions. It is required.
	Client *Client

	// Options returns the options for a login that r begins. If it is nil, there are none. A
	// WithAppState among the options replaces the path to go to afterwards; LoggedIn can then read
	// its value.
	Options func(r *http.Request) []AuthorizeOption

	// LoggedIn answers the callback after a successful login. The session's cookie is already set.
	// result.AppState is the path to go to, unless Options has set another value. If LoggedIn is
	// nil, the user is redirected to AppState if that is a path on this site, and else to
	// AfterLogin.
	LoggedIn func(w http.ResponseWriter, r *http.Request, result *CallbackResult)

	// Failed answers a login, callback or logout that failed, also a refused form (ErrForm). If it
	// is nil, the answer is the text of Explain, and the error goes to Config.Logger.
	Failed func(w http.ResponseWriter, r *http.Request, err error)

	// Home is the path of the first page. The default is "/".
	Home string

	// AfterLogin is the path to go to after a login that names none, and AfterLogout the path to go
	// to after a logout. The default of both is Home.
	AfterLogin, AfterLogout string

	// LoginPage is the path of the page with the login form. Require sends users there, with the
	// path that they wanted as "return_to" in the query, for the form to send back. The default is
	// Home.
	LoginPage string

	// IdentifierField and ReturnToField are the names of the form's fields. The defaults are
	// "identifier" and "return_to".
	IdentifierField, ReturnToField string

	// CookieName is the name of the session's cookie. The default is "atproto-session". On https
	// the name gets the prefix "__Host-", so that no other host can set the cookie. A Web finishes
	// only logins that were begun with the same CookieName.
	CookieName string

	// KeepReplaced keeps a session when that of another account takes its place in the browser. By
	// default it is logged out, because nobody has its key any more. Set it if users switch between
	// accounts: keep the Key of each account's session in LoggedIn, and switch by SetSession. A new
	// session of the same account logs the old one out in any case.
	KeepReplaced bool
}

// LoginHandler begins logins. It accepts a form by POST. The field "identifier" is what the user
// typed, as for Client.Authorize, and may be missing. The field "return_to" is the path on this
// site to go to after the login. Forms from pages of other origins are refused.
//
// Each login has its own cookie, so a user may begin several logins in several tabs. A browser
// keeps the cookies of the last eight.
//
// LoginHandler panics if Client is nil or if CookieName cannot be the name of a cookie.
func (web *Web) LoginHandler() http.Handler {
	return web.posted(func(w http.ResponseWriter, r *http.Request) {
		identifier := r.PostForm.Get(cmp.Or(web.IdentifierField, "identifier"))
		web.sendToServer(w, r, identifier, web.returnTo(r))
	})
}

// sendToServer begins a login for r, and sends the browser to the server. opts override the
// application's Options.
func (web *Web) sendToServer(w http.ResponseWriter, r *http.Request, identifier, returnTo string, opts ...AuthorizeOption) {
	login, err := web.begin(r.Context(), r, identifier, returnTo, opts...)
	if err != nil {
		web.failed(w, r, err)
		return
	}
	web.keepLogin(w, r, login)
	http.Redirect(w, r, login.URL, http.StatusSeeOther)
}

// begin begins a login for r.
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
		return nil, optionError("WithIdentityOnly", "needs Web.LoggedIn, which receives the result: set it")
	}
	return login, nil
}

// LogoutHandler logs the browser's session out. It accepts POST, and redirects to AfterLogout, even
// if the server could not be told. Forms from pages of other origins are refused.
//
// It panics in the same cases as LoginHandler.
func (web *Web) LogoutHandler() http.Handler {
	return web.posted(func(w http.ResponseWriter, r *http.Request) {
		key, err := web.sessionKey(r)
		if err == nil {
			err = web.Client.Logout(r.Context(), key)
		}
		// The cookie is deleted even after an error (P76): a user who asked to log out must not
		// stay logged in. If the record could not be deleted, it is useless without the cookie.
		web.setCookie(w, r, web.cookieName(), "", -1)
		if errors.Is(err, ErrStore) {
			web.failed(w, r, err)
			return
		}
		http.Redirect(w, r, cmp.Or(web.AfterLogout, web.home()), http.StatusSeeOther)
	})
}

// Session returns the session of the browser that sent r. It fails like Client.Resume. If the
// browser has no session, the error is ErrReauthRequired and ErrSessionUnknown.
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

// SetSession makes session the session of the browser that sent r, as a login does: it sets the
// cookie, and logs out the session that the browser had before, unless KeepReplaced keeps it. Use it
// for a session that does not come from CallbackHandler: from Client.Import, or from a
// Client.Callback of your own. Call it before w gets its status. Later requests of the browser have
// the session; r does not.
//
// Only call it for a browser whose user you know: whoever has the cookie acts as session.DID. If
// the key of a passphrase cannot be read, SetSession fails with ErrStore and changes nothing.
//
// It panics in the same cases as LoginHandler.
func (web *Web) SetSession(w http.ResponseWriter, r *http.Request, session *Session) error {
	web.check()
	sealed, err := web.Client.SealSessionKey(r.Context(), session.Key())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store") // a cache would give the cookie to others
	before, _ := web.Session(r)
	web.giveSession(w, r, sealed, session.Key(), before)
	return nil
}

// sessionKey reads the session key of the browser that sent r.
func (web *Web) sessionKey(r *http.Request) (SessionKey, error) {
	c, err := r.Cookie(web.hostPrefix(r) + web.cookieName())
	if err != nil {
		return SessionKey{}, &Error{Kind: ErrSessionUnknown, Err: err}
	}
	return web.Client.OpenSessionKey(r.Context(), c.Value)
}

// check panics if the cookies could not be set later.
func (web *Web) check() {
	if web.Client == nil {
		panic("oauth: Web.Client is nil")
	}
	if err := (&http.Cookie{Name: web.cookieName(), Value: "x"}).Valid(); err != nil {
		panic(fmt.Sprintf("oauth: Web.CookieName %q: %v", web.CookieName, err))
	}
}

// private keeps an answer for one user out of caches, and its URL away from other sites.
func private(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	// Not no-referrer: with that, browsers do not send the origin of forms on the page.
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

// logFailure tells the operator about a failed request.
func (web *Web) logFailure(r *http.Request, status int, err error) {
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelWarn
	}
	web.Client.log.Log(r.Context(), level, "oauth: request failed", "path", r.URL.Path, "error", err)
}

// setRetryAfter tells programs how long to wait, if that is known.
func setRetryAfter(h http.Header, err error) {
	if wait := retryAfterOf(err); wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
}

// notAllowed answers a request whose method is not in allow.
func notAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
}

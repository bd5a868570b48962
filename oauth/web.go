package oauth

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
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

	// Options returns the options of a login that r begins; nil: none.
	Options func(r *http.Request) []AuthorizeOption

	// LoggedIn answers the callback of a user who is logged in now; the session's cookie
	// is set. nil redirects to the path that the login form named as "return_to", or to
	// Home.
	LoggedIn func(w http.ResponseWriter, r *http.Request, result *CallbackResult)

	// Failed answers a login, callback or logout that failed, and cross-origin requests,
	// whose error is http's own. nil says in a sentence what the user can do.
	Failed func(w http.ResponseWriter, r *http.Request, err error)

	// Home is the path to go to after a login or a logout; "" is "/".
	Home string

	// CookieName is what the session's cookie is called, "" is "atproto-session". On https
	// "__Host-" comes before it, so that no other host can set it.
	CookieName string
}

// LoginHandler begins logins. It takes a form by POST: "identifier" is what the user
// typed, as for Client.Authorize, and may be missing; "return_to" is the path on this site
// to go to afterwards. Forms on pages of other origins are refused.
//
// Each login has a cookie of its own, so that a user may begin several, in as many tabs.
func (web *Web) LoginHandler() http.Handler {
	return web.posted(func(w http.ResponseWriter, r *http.Request) {
		returnTo := r.PostFormValue("return_to")
		if !isLocalPath(returnTo) {
			returnTo = ""
		}
		opts := []AuthorizeOption{WithAppState(returnTo)}
		if web.Options != nil {
			opts = append(opts, web.Options(r)...)
		}
		login, err := web.Client.Authorize(r.Context(), r.PostFormValue("identifier"), opts...)
		if err == nil {
			err = checkReturnHost(r.Host, login.redirectURI)
		}
		if err != nil {
			web.failed(w, r, err)
			return
		}
		http.SetCookie(w, web.cookie(loginCookie(login.state), login.Binding, stateLife))
		http.Redirect(w, r, login.URL, http.StatusSeeOther)
	})
}

// CallbackHandler ends logins: it belongs to the path of the redirect URI. The session
// that it makes takes the place of the one the browser had, which is logged out.
func (web *Web) CallbackHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		query := r.URL.Query()
		login := web.cookie(loginCookie(query.Get("state")), "", -1)
		binding := ""
		if c, err := r.Cookie(login.Name); err == nil {
			binding = c.Value
			http.SetCookie(w, login) // done with, whatever comes of it
		}
		result, err := web.Client.Callback(r.Context(), query, binding)
		if err != nil {
			web.failed(w, r, err)
			return
		}
		sealed, err := web.Client.SealKey(r.Context(), result.Session.Key())
		if err != nil {
			web.failed(w, r, err)
			return
		}
		before, err := web.Session(r)
		http.SetCookie(w, web.cookie(web.cookieName(), sealed, cookieLife))
		if err == nil && before.Key() != result.Session.Key() {
			before.Logout(r.Context()) // it logs what goes wrong, and the user need not care
		}
		if web.LoggedIn != nil {
			web.LoggedIn(w, r, result)
			return
		}
		target := web.home()
		if isLocalPath(result.AppState) {
			target = result.AppState
		}
		http.Redirect(w, r, target, http.StatusSeeOther)
	})
}

// LogoutHandler logs the browser's session out, by POST, and goes Home. Forms on pages of
// other origins are refused.
func (web *Web) LogoutHandler() http.Handler {
	return web.posted(func(w http.ResponseWriter, r *http.Request) {
		session, err := web.Session(r)
		switch {
		case err == nil:
			err = session.Logout(r.Context())
			if err != nil && !errors.Is(err, ErrStore) {
				err = nil // gone here; only the server could not be told
			}
		case errors.Is(err, ErrReauthRequired), errors.Is(err, ErrSealed):
			err = nil // there is nothing to log out
		}
		if err != nil {
			web.failed(w, r, err)
			return
		}
		http.SetCookie(w, web.cookie(web.cookieName(), "", -1))
		http.Redirect(w, r, web.home(), http.StatusSeeOther)
	})
}

// Session returns the session of the browser that sent r. It fails as Client.Resume does:
// with ErrReauthRequired, and ErrSessionUnknown, where there is none.
func (web *Web) Session(r *http.Request) (*Session, error) {
	c, err := r.Cookie(web.cookieName())
	if err != nil {
		return nil, &Error{Kind: ErrSessionUnknown, Stage: StageSession, Err: err}
	}
	key, err := web.Client.OpenKey(r.Context(), c.Value)
	if errors.Is(err, ErrSealed) {
		// Sealed by a key that is gone, or made up: nobody's session either way.
		return nil, &Error{Kind: ErrSessionUnknown, Stage: StageSession, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return web.Client.Resume(r.Context(), key)
}

// posted is a handler for forms that pages of this origin post.
func (web *Web) posted(h http.HandlerFunc) http.Handler {
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		if err := protection.Check(r); err != nil {
			web.failed(w, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxLoginForm)
		h(w, r)
	})
}

const (
	// maxLoginForm is more than a DID and a path can be long.
	maxLoginForm = 64 << 10
	// cookieLife is as long as browsers keep a cookie. Whether the session still lives is
	// for the store and the server to say.
	cookieLife = 400 * 24 * time.Hour
)

// private keeps an answer about one user out of caches and its URL out of other sites.
func private(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

func (web *Web) failed(w http.ResponseWriter, r *http.Request, err error) {
	if web.Failed != nil {
		web.Failed(w, r, err)
		return
	}
	web.Client.log.InfoContext(r.Context(), "oauth: request failed", "path", r.URL.Path, "error", err)
	status, text := http.StatusInternalServerError, "Something went wrong here. Please try again later."
	switch {
	case errors.Is(err, ErrUnresolved):
		status, text = http.StatusBadRequest, "There is no such account or server. Please look at what you typed."
	case errors.Is(err, ErrAccessDenied):
		status, text = http.StatusForbidden, "You did not agree to log in. Nothing has changed."
	case errors.Is(err, ErrStateUnknown), errors.Is(err, ErrBinding), errors.Is(err, ErrInvalidCallback):
		status, text = http.StatusBadRequest, "This login has expired or was begun elsewhere. Please begin again."
	case errors.Is(err, ErrNetwork), errors.Is(err, ErrInvalidMetadata), errors.Is(err, ErrAuthorization), errors.Is(err, ErrToken),
		errors.Is(err, ErrDPoP), errors.Is(err, ErrIssuerMismatch), errors.Is(err, ErrIssuerChanged), errors.Is(err, ErrAccountMismatch):
		status, text = http.StatusBadGateway, "The account's server did not let you log in. Please try again later."
	case errors.Is(err, ErrStore):
		status = http.StatusServiceUnavailable
	case errors.Is(err, ErrConfig) && web.hostPrefix() == "":
		text = err.Error() // in development, where the reader can do something about it
	case !isOurs(err):
		status, text = http.StatusForbidden, "This form was sent from another site."
	}
	http.Error(w, text, status)
}

// isOurs reports whether err comes from the Client and not from net/http.
func isOurs(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}

func (web *Web) home() string { return cmp.Or(web.Home, "/") }

func (web *Web) cookieName() string {
	return web.hostPrefix() + cmp.Or(web.CookieName, "atproto-session")
}

// loginCookie is the name of the cookie that binds a login to a browser.
func loginCookie(state string) string { return "atproto-login-" + hash(state)[:16] }

// cookie is a cookie for this host alone. A life below zero deletes it.
func (web *Web) cookie(name, value string, life time.Duration) *http.Cookie {
	if prefix := web.hostPrefix(); !strings.HasPrefix(name, prefix) {
		name = prefix + name
	}
	age := int(life / time.Second)
	if life < 0 {
		age = -1
	}
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: age,
		// Lax: the callback is a navigation from the authorization server's site.
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: web.hostPrefix() != "",
	}
}

// hostPrefix is what cookies of hosts with https are called by: browsers take such a
// cookie from the host itself only, not from others of the same domain.
func (web *Web) hostPrefix() string {
	if strings.HasPrefix(web.Client.config.RedirectURIs[0], "https:") {
		return "__Host-"
	}
	return ""
}

// isLocalPath reports whether a browser that is sent to path stays on this site.
func isLocalPath(path string) bool {
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(path, "/") &&
		!strings.HasPrefix(path, "//") && !strings.ContainsAny(path, "\\\t\r\n")
}

// checkReturnHost tells a developer who opened the application as localhost that its
// cookies will not be there when the browser comes back to 127.0.0.1.
func checkReturnHost(host, redirectURI string) error {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() || host == u.Host {
		return nil
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	if name == u.Hostname() {
		return nil // cookies do not mind the port
	}
	return optionError("RedirectURIs", "the login was begun at %s, but users come back to %s, where its cookie is not sent: open the application there", host, u.Host)
}

package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
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

	// Options returns the options of a login that r begins; nil: none. A WithAppState among
	// them takes the place of "return_to", for LoggedIn to read.
	Options func(r *http.Request) []AuthorizeOption

	// LoggedIn answers the callback of a user who is logged in now; the session's cookie
	// is set, and result.AppState is "return_to" unless Options said otherwise. nil redirects
	// to AppState if that is a path on this site, else to Home.
	LoggedIn func(w http.ResponseWriter, r *http.Request, result *CallbackResult)

	// Failed answers a login, callback or logout that failed, also with ErrForm. nil says in
	// a sentence what the user can do, and logs.
	Failed func(w http.ResponseWriter, r *http.Request, err error)

	// Home is the path to go to after a login or a logout; "" is "/".
	Home string

	// CookieName is what the session's cookie is called, "" is "atproto-session". On https
	// "__Host-" comes before it, so that no other host can set it.
	CookieName string
}

const (
	// maxLoginForm is more than a DID and a path can be long.
	maxLoginForm = 64 << 10
	// cookieLife is as long as browsers keep a cookie. Whether the session still lives is
	// for the store and the server to say.
	cookieLife = 400 * 24 * time.Hour
	// revokeLater is how long the server of a session that was replaced may take to hear of it.
	revokeLater = time.Minute
)

// LoginHandler begins logins. It takes a form by POST: "identifier" is what the user
// typed, as for Client.Authorize, and may be missing; "return_to" is the path on this site
// to go to afterwards. Forms on pages of other origins are refused.
//
// Each login has a cookie of its own, so that a user may begin several, in as many tabs.
//
// It panics if Client is nil or CookieName cannot be the name of a cookie.
func (web *Web) LoginHandler() http.Handler {
	return web.posted(func(w http.ResponseWriter, r *http.Request) {
		returnTo := r.PostForm.Get("return_to")
		if !isLocalPath(returnTo) {
			returnTo = ""
		}
		opts := []AuthorizeOption{WithAppState(returnTo)}
		if web.Options != nil {
			opts = append(opts, web.Options(r)...)
		}
		login, err := web.Client.Authorize(r.Context(), r.PostForm.Get("identifier"), opts...)
		if err == nil {
			err = checkReturnHost(r.Host, login.redirectURI)
		}
		if err != nil {
			web.failed(w, r, err)
			return
		}
		web.setCookie(w, r, loginCookie(login.state), login.Binding, stateLife)
		http.Redirect(w, r, login.URL, http.StatusSeeOther)
	})
}

// CallbackHandler ends logins: it belongs to the path of the redirect URI. The session
// that it makes takes the place of the one the browser had, which is logged out.
//
// It panics as LoginHandler does.
func (web *Web) CallbackHandler() http.Handler {
	web.check()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		query := r.URL.Query()
		name, binding := loginCookie(query.Get("state")), ""
		if c, err := r.Cookie(web.hostPrefix(r) + name); err == nil {
			binding = c.Value
			web.setCookie(w, r, name, "", -1) // done with, whatever comes of it
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
		if before, err := web.Session(r); err == nil && before.Key() != result.Session.Key() {
			replace(r.Context(), before)
		}
		web.setCookie(w, r, web.cookieName(), sealed, cookieLife)
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

// replace logs out a session that nobody has the key of any more. Its server is told in
// the background: the user has no reason to wait for it.
func replace(ctx context.Context, s *Session) {
	if first, err := s.discard(ctx); err != nil || !first {
		return // what is left in the store expires
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeLater)
		defer cancel()
		s.revoke(ctx) // it logs what goes wrong
	}()
}

// LogoutHandler logs the browser's session out, by POST, and goes Home, also when only
// the server could not be told. Forms on pages of other origins are refused.
//
// It panics as LoginHandler does.
func (web *Web) LogoutHandler() http.Handler {
	return web.posted(func(w http.ResponseWriter, r *http.Request) {
		session, err := web.Session(r)
		if err == nil {
			err = session.Logout(r.Context())
		}
		if errors.Is(err, ErrStore) {
			web.failed(w, r, err)
			return
		}
		web.setCookie(w, r, web.cookieName(), "", -1)
		http.Redirect(w, r, web.home(), http.StatusSeeOther)
	})
}

// Session returns the session of the browser that sent r. It fails as Client.Resume does:
// with ErrReauthRequired, and ErrSessionUnknown, where there is none.
func (web *Web) Session(r *http.Request) (*Session, error) {
	c, err := r.Cookie(web.hostPrefix(r) + web.cookieName())
	if err != nil {
		return nil, &Error{Kind: ErrSessionUnknown, Stage: StageSession, Err: err}
	}
	key, err := web.Client.OpenKey(r.Context(), c.Value)
	if err != nil {
		return nil, err
	}
	return web.Client.Resume(r.Context(), key)
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

// Why a form is not taken.
var (
	errOtherSite = errors.New("it was sent from another site")
	errNoForm    = errors.New("it is not an HTML form")
)

// posted is a handler for forms that pages of this origin post.
func (web *Web) posted(h http.HandlerFunc) http.Handler {
	web.check()
	protection := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxLoginForm)
		if err := readForm(r, protection); err != nil {
			web.failed(w, r, &Error{Kind: ErrForm, Stage: StageAuthorization, Err: err})
			return
		}
		h(w, r)
	})
}

// readForm reads the form of r, which may have none.
func readForm(r *http.Request, protection *http.CrossOriginProtection) error {
	if err := protection.Check(r); err != nil {
		return fmt.Errorf("%w: %w", errOtherSite, err)
	}
	if r.ContentLength != 0 {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != contentTypeForm {
			return fmt.Errorf("%w but %q", errNoForm, r.Header.Get("Content-Type"))
		}
	}
	return r.ParseForm()
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
	status, text := http.StatusInternalServerError, "Something went wrong here. Please try again later."
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case errors.Is(err, errOtherSite):
		status, text = http.StatusForbidden, "This form was sent from another site."
	case errors.Is(err, errNoForm):
		status, text = http.StatusUnsupportedMediaType, "This is not a form."
	case large:
		status, text = http.StatusRequestEntityTooLarge, "This form is too large."
	case errors.Is(err, ErrForm):
		status, text = http.StatusBadRequest, "This form cannot be read."
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
	case errors.Is(err, ErrConfig) && web.hostPrefix(r) == "":
		text = err.Error() // in development, where the reader can do something about it
	}
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelWarn
	}
	web.Client.log.Log(r.Context(), level, "oauth: request failed", "path", r.URL.Path, "error", err)
	http.Error(w, text, status)
}

func (web *Web) home() string { return cmp.Or(web.Home, "/") }

// cookieName is the name of the session's cookie, but for the prefix.
func (web *Web) cookieName() string { return cmp.Or(web.CookieName, "atproto-session") }

// loginCookie is the name of the cookie that binds a login to a browser, but for the
// prefix.
func loginCookie(state string) string { return "atproto-login-" + hash(state)[:16] }

// setCookie sets a cookie for this host alone. A life below zero deletes it.
func (web *Web) setCookie(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	prefix := web.hostPrefix(r)
	age := int(life / time.Second)
	if life < 0 {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: prefix + name, Value: value, Path: "/", MaxAge: age,
		// Lax: the callback is a navigation from the authorization server's site.
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: prefix != "",
	})
}

// hostPrefix is what the names of cookies begin with on https: browsers take such a
// cookie from the host itself only, not from others of the same domain. What browsers see
// is told by the redirect URIs: behind a proxy, r itself does not know. Only a redirect to
// the very host of r by http says that this is not https.
func (web *Web) hostPrefix(r *http.Request) string {
	prefix := ""
	for _, uri := range web.Client.config.RedirectURIs {
		u, err := url.Parse(uri)
		switch {
		case err != nil:
		case u.Scheme == "http" && u.Hostname() == hostname(r.Host):
			return ""
		case u.Scheme == "https":
			prefix = "__Host-"
		}
	}
	return prefix
}

// hostname is a host without its port, and without the brackets of an IPv6 address.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
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
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() || hostname(host) == u.Hostname() {
		return nil // cookies do not mind the port
	}
	return optionError("RedirectURIs", "the login was begun at %s, but users come back to %s, where its cookie is not sent: open the application there", host, u.Host)
}

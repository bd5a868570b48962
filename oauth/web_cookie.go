package oauth

import (
	"cmp"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/loopback"
)

// cookieLife is the longest time that browsers keep a cookie. The store and the server decide
// whether the session still lives.
const cookieLife = 400 * 24 * time.Hour

// cookieName is the name of the session's cookie, without the host prefix.
func (web *Web) cookieName() string { return cmp.Or(web.CookieName, "atproto-session") }

// loginPrefix is the prefix of the cookies that tie logins to a browser. A Web with a name of its own
// has cookies of its own: otherwise another Web of the application could finish its logins, and
// would put the session where it does not belong.
func (web *Web) loginPrefix() string {
	if web.CookieName == "" {
		return "atproto-login-"
	}
	return web.CookieName + "-login-"
}

// loginCookie is the name of such a cookie, without the host prefix.
func (web *Web) loginCookie(state string) string { return web.loginPrefix() + hash(state)[:16] }

// maxLogins is how many unfinished logins a browser may have. Browsers and servers limit the total
// size of cookies, and one cookie too many would lock the user out.
const maxLogins = 8

// keepLogin sets the cookie of a login, and deletes those above the limit: the oldest, or those
// that this package did not set.
func (web *Web) keepLogin(w http.ResponseWriter, r *http.Request, login *Login) {
	begun := func(c *http.Cookie) int64 {
		at, _, _ := strings.Cut(c.Value, ".")
		seconds, _ := strconv.ParseInt(at, 10, 64)
		return seconds
	}
	prefix := web.hostPrefix(r)
	logins := slices.DeleteFunc(r.Cookies(), func(c *http.Cookie) bool { return !strings.HasPrefix(c.Name, prefix+web.loginPrefix()) })
	slices.SortStableFunc(logins, func(a, b *http.Cookie) int { return cmp.Compare(begun(a), begun(b)) })
	for _, c := range logins[:max(0, len(logins)-maxLogins+1)] {
		web.setCookie(w, r, strings.TrimPrefix(c.Name, prefix), "", -1)
	}
	value := strconv.FormatInt(web.Client.now().Unix(), 10) + "." + login.Binding
	web.setCookie(w, r, web.loginCookie(login.state), value, stateLife)
}

// loginBinding returns the value that ties the login with state to the browser that sent r, or ""
// if there is none.
func (web *Web) loginBinding(r *http.Request, state string) string {
	c, err := r.Cookie(web.hostPrefix(r) + web.loginCookie(state))
	if err != nil {
		return ""
	}
	_, binding, _ := strings.Cut(c.Value, ".")
	return binding
}

// setCookie sets a cookie for this host only. A negative life deletes it.
func (web *Web) setCookie(w http.ResponseWriter, r *http.Request, name, value string, life time.Duration) {
	prefix := web.hostPrefix(r)
	age := int(life / time.Second)
	if life < 0 {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{
		Name: prefix + name, Value: value, Path: "/", MaxAge: age,
		// Lax, because the callback is a navigation from the authorization server's site.
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: prefix != "",
	})
}

// hostPrefix is the prefix of cookie names on https. Browsers accept such a cookie only from the
// host itself, not from other hosts of the same domain. Behind a proxy, r does not show which
// scheme the browser uses; the redirect URIs do. Only an http redirect URI on the host of r means
// that this is not https.
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

// hostname returns a host without its port, and without the brackets of an IPv6 address.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// checkReturnHost helps a developer who opened the application as localhost: the cookies will be
// missing when the browser comes back to 127.0.0.1.
func checkReturnHost(host, redirectURI string) error {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return err
	}
	if !loopback.IsHost(u.Hostname()) || hostname(host) == u.Hostname() {
		return nil // cookies ignore the port
	}
	return optionError("RedirectURIs", "the login began at %s, but users come back to %s, where browsers do not send its cookie: open the application at that host", host, u.Host)
}

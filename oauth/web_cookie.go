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

// cookieLife is as long as browsers keep a cookie. Whether the session still lives is for
// the store and the server to say.
const cookieLife = 400 * 24 * time.Hour

// cookieName is the name of the session's cookie, but for the prefix.
func (web *Web) cookieName() string { return cmp.Or(web.CookieName, "atproto-session") }

// loginPrefix is what the names of the cookies begin with that bind logins to a browser.
const loginPrefix = "atproto-login-"

// loginCookie is the name of such a cookie, but for the prefix of the host.
func loginCookie(state string) string { return loginPrefix + hash(state)[:16] }

// maxLogins is how many logins a browser may have begun and not ended. Browsers and servers
// bound what all cookies together take, and one too many would lock the user out.
const maxLogins = 8

// keepLogin gives the browser the cookie of a login, and takes those from it that are one too
// many: the oldest, or what is none of ours.
func (web *Web) keepLogin(w http.ResponseWriter, r *http.Request, login *Login) {
	begun := func(c *http.Cookie) int64 {
		at, _, _ := strings.Cut(c.Value, ".")
		seconds, _ := strconv.ParseInt(at, 10, 64)
		return seconds
	}
	prefix := web.hostPrefix(r)
	logins := slices.DeleteFunc(r.Cookies(), func(c *http.Cookie) bool { return !strings.HasPrefix(c.Name, prefix+loginPrefix) })
	slices.SortStableFunc(logins, func(a, b *http.Cookie) int { return cmp.Compare(begun(a), begun(b)) })
	for _, c := range logins[:max(0, len(logins)-maxLogins+1)] {
		web.setCookie(w, r, strings.TrimPrefix(c.Name, prefix), "", -1)
	}
	value := strconv.FormatInt(web.Client.now().Unix(), 10) + "." + login.Binding
	web.setCookie(w, r, loginCookie(login.state), value, stateLife)
}

// loginBinding is what binds the login with state to the browser that sent r, "" if nothing
// does.
func (web *Web) loginBinding(r *http.Request, state string) string {
	c, err := r.Cookie(web.hostPrefix(r) + loginCookie(state))
	if err != nil {
		return ""
	}
	_, binding, _ := strings.Cut(c.Value, ".")
	return binding
}

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

// checkReturnHost tells a developer who opened the application as localhost that its
// cookies will not be there when the browser comes back to 127.0.0.1.
func checkReturnHost(host, redirectURI string) error {
	u, err := url.Parse(redirectURI)
	if err != nil {
		return err
	}
	if !loopback.IsHost(u.Hostname()) || hostname(host) == u.Hostname() {
		return nil // cookies do not mind the port
	}
	return optionError("RedirectURIs", "the login was begun at %s, but users come back to %s, where its cookie is not sent: open the application there", host, u.Host)
}

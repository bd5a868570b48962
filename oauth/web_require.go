package oauth

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// requiredBy is the key of the session in the context of requests that Require lets pass.
type requiredBy struct{ web *Web }

// Require is next for browsers that are logged in; Session returns their session in it. Others
// are sent to LoginPage, from where they come back, as Fail says.
//
//	mux.Handle("GET /notes", web.Require(notes))
//
// It panics as LoginHandler does.
func (web *Web) Require(next http.Handler) http.Handler {
	web.check()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := web.Session(r)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requiredBy{web}, session)))
	})
}

// Fail answers a request that failed with err, of this package or of a call through the
// session of the request, before anything else was written.
//
// Where err means that the user has to log in (ErrReauthRequired) and r asks for a page by GET,
// the user is sent to LoginPage and comes back. A session that was lost, and that nobody is known
// to have ended, is first asked for anew without a page (prompt=none), which costs one redirect
// there and back: an answer was lost on its way (ErrAmbiguousRefresh), or the server does not
// renew it and says so in words of its own (ErrRefused). Servers do that for clients with keys.
// It is tried once in ten minutes for a browser, and only for the same account.
//
// All else is answered by Failed: forms, which are lost by a redirect, what scripts ask for, and
// a store that is down, which ends nobody's session.
func (web *Web) Fail(w http.ResponseWriter, r *http.Request, err error) {
	private(w)
	if errors.Is(err, ErrReauthRequired) && asksForPage(r) {
		if web.again(w, r, err) || web.toLoginPage(w, r, r.URL.RequestURI()) {
			return
		}
	}
	web.failed(w, r, err)
}

// toLoginPage sends the browser to the login page, from where it goes on to returnTo. It reports
// false where that is the page that the browser asks for.
func (web *Web) toLoginPage(w http.ResponseWriter, r *http.Request, returnTo string) bool {
	page, err := url.Parse(cmp.Or(web.LoginPage, web.home()))
	if err != nil || page.Path == r.URL.Path {
		return false
	}
	if isLocalPath(returnTo) && len(returnTo) <= maxReturnTo {
		query := page.Query()
		query.Set(cmp.Or(web.ReturnToField, "return_to"), returnTo)
		page.RawQuery = query.Encode()
	}
	http.Redirect(w, r, page.String(), http.StatusSeeOther)
	return true
}

// maxReturnTo is how long a path may be that is carried through a login.
const maxReturnTo = 2 << 10

// isNavigation reports whether a person goes to a page with r, by the word of the browser
// (Fetch Metadata Request Headers).
func isNavigation(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" &&
		!strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch")
}

// asksForPage reports whether a redirect to a page makes sense for r. Browsers that are older
// than Sec-Fetch-Mode are taken by what they accept.
func asksForPage(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Mode") != "" {
		return isNavigation(r)
	}
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

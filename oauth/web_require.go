package oauth

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// requiredBy is the context key of the session, for requests that Require lets pass.
type requiredBy struct{ web *Web }

// Require calls next for browsers that are logged in. In next, Session returns the browser's
// session. Other requests are answered by Fail: a browser that asks for a page is sent to
// LoginPage, and comes back after the login.
//
//	mux.Handle("GET /notes", web.Require(notes))
//
// It panics in the same cases as LoginHandler.
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

// Fail answers a request that failed with err. err comes from this package, or from a call with the
// session of the request. Nothing else may have been written before.
//
// If err means that the user has to log in (ErrReauthRequired), and r asks for a page by GET, the
// user is sent to LoginPage and comes back after the login.
//
// A session may have been lost although nobody ended it, as far as we know: an answer was lost
// (ErrAmbiguousRefresh), or the server does not refresh it and says so in words of its own
// (ErrRefused). In this case Fail first asks for the session again without a page (prompt=none).
// That costs one redirect to the server and back, and servers allow it for clients with keys. It is
// tried once in ten minutes for each browser, and only for the same account.
//
// Failed answers everything else: forms, because a redirect loses them; requests from scripts; and
// a store that is down, which ends no session.
func (web *Web) Fail(w http.ResponseWriter, r *http.Request, err error) {
	private(w)
	if errors.Is(err, ErrReauthRequired) && asksForPage(r) {
		if web.again(w, r, err) || web.toLoginPage(w, r, r.URL.RequestURI()) {
			return
		}
	}
	web.failed(w, r, err)
}

// toLoginPage sends the browser to the login page, which leads back to returnTo. It returns false
// if the browser is asking for the login page itself.
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

// maxReturnTo limits the length of a path that is carried through a login.
const maxReturnTo = 2 << 10

// isNavigation reports whether a person opens a page with r, as the browser says (Fetch Metadata
// Request Headers).
func isNavigation(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" &&
		!strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch")
}

// asksForPage reports whether a redirect to a page makes sense for r. For browsers older than
// Sec-Fetch-Mode, the Accept header decides.
func asksForPage(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Mode") != "" {
		return isNavigation(r)
	}
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

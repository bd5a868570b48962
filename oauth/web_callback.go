package oauth

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// CallbackHandler ends logins: it belongs to the path of the redirect URI. The session
// that it makes takes the place of the one the browser had, which is logged out. A browser
// that comes with a login that it has ended already, and is logged in, is sent Home. One that
// comes twice before it is answered gets the same answer twice, and a login goes on when its
// browser stops waiting. A HEAD request is answered and uses nothing up.
//
// It panics as LoginHandler does.
func (web *Web) CallbackHandler() http.Handler {
	web.check()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		switch r.Method {
		case http.MethodGet:
			web.callback(w, r)
		case http.MethodHead: // what looks at links, and does not follow them
		default:
			notAllowed(w, "GET, HEAD")
		}
	})
}

func (web *Web) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	binding := web.loginBinding(r, query.Get("state"))
	result, login, err := web.Client.sharedCallback(r.Context(), query, binding)
	if binding != "" && !errors.Is(err, ErrStore) {
		web.setCookie(w, r, loginCookie(query.Get("state")), "", -1) // done with, whatever came of it
	}
	if err != nil {
		web.callbackFailed(w, r, login, err)
		return
	}
	if result.Session == nil {
		web.LoggedIn(w, r, result) // that there is one was checked when the login was begun
		return
	}
	sealed, err := web.Client.SealSessionKey(r.Context(), result.Session.Key())
	if err != nil {
		replace(r.Context(), result.Session) // nobody could come back to it
		web.failed(w, r, err)
		return
	}
	before, beforeErr := web.Session(r)
	if login.Lost != "" && beforeErr == nil && before.Key() != (SessionKey{DID: login.Account, ID: login.Lost}) {
		// Another tab was faster, and its user may be somebody else.
		replace(r.Context(), result.Session)
		http.Redirect(w, r, web.after(result), http.StatusSeeOther)
		return
	}
	// The old session lives until its successor is stored and the browser is given its key.
	web.setCookie(w, r, web.cookieName(), sealed, cookieLife)
	if beforeErr == nil && before.Key() != result.Session.Key() {
		replace(r.Context(), before)
	}
	if web.LoggedIn != nil {
		web.LoggedIn(w, r, result)
		return
	}
	http.Redirect(w, r, web.after(result), http.StatusSeeOther)
}

// callbackFailed answers a callback that failed. login is nil where it is not known which
// login it was to end.
func (web *Web) callbackFailed(w http.ResponseWriter, r *http.Request, login *loginState, err error) {
	if errors.Is(err, ErrStateUnknown) {
		// A page that was loaded again, or the button that goes back.
		if _, none := web.Session(r); none == nil {
			http.Redirect(w, r, web.home(), http.StatusSeeOther)
			return
		}
	}
	if login != nil && login.Lost != "" && !errors.Is(err, ErrStore) {
		// Nobody has asked for this login, so nobody is told that it failed.
		web.Client.log.Info("oauth: a lost session was not given back", "error", err)
		if web.toLoginPage(w, r, login.AppState) {
			return
		}
	}
	web.failed(w, r, err)
}

// replace logs out a session that nobody has the key of any more. Its server is told in
// the background: the user has no reason to wait for it.
func replace(ctx context.Context, s *Session) {
	if first, err := s.discard(ctx); err != nil || !first {
		return // what is left in the store expires
	}
	s.client.keepers.Go(func() { // Shutdown waits for it
		ctx, cancel := context.WithTimeout(context.Background(), revokeLater)
		defer cancel()
		s.revoke(ctx) // it logs what goes wrong
	})
}

// revokeLater is how long the server of a session that was replaced may take to hear of it.
const revokeLater = time.Minute

package oauth

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// CallbackHandler completes logins. Mount it at the path of the redirect URI. The new session
// replaces the browser's old one, which is logged out unless KeepReplaced keeps it.
//
// A browser that comes back with a login that it has completed already, and that is logged in, is
// sent Home. If a browser sends the same callback twice before it is answered, both requests get
// the same answer. A login continues if its browser stops waiting. A HEAD request gets an answer
// and uses nothing up.
//
// It panics in the same cases as LoginHandler.
func (web *Web) CallbackHandler() http.Handler {
	web.check()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		private(w)
		switch r.Method {
		case http.MethodGet:
			web.callback(w, r)
		case http.MethodHead: // from programs that check links and do not follow them
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
		web.setCookie(w, r, web.loginCookie(query.Get("state")), "", -1) // no longer needed, whatever the result
	}
	if err != nil {
		web.callbackFailed(w, r, login, err)
		return
	}
	if result.Session == nil {
		web.LoggedIn(w, r, result) // begin has checked that LoggedIn is set
		return
	}
	sealed, err := web.Client.SealSessionKey(r.Context(), result.Session.Key())
	if err != nil {
		replace(r.Context(), result.Session) // nobody could come back to it
		web.failed(w, r, err)
		return
	}
	before, _ := web.Session(r)
	if login.Lost != "" && before != nil && before.Key() != (SessionKey{DID: login.Account, ID: login.Lost}) {
		// Another tab was faster, and its user may be another person.
		replace(r.Context(), result.Session)
		http.Redirect(w, r, web.after(result), http.StatusSeeOther)
		return
	}
	web.giveSession(w, r, sealed, result.Session.Key(), before)
	if web.LoggedIn != nil {
		web.LoggedIn(w, r, result)
		return
	}
	http.Redirect(w, r, web.after(result), http.StatusSeeOther)
}

// callbackFailed answers a failed callback. login is nil if it is not known which login the
// callback belongs to.
func (web *Web) callbackFailed(w http.ResponseWriter, r *http.Request, login *loginState, err error) {
	if errors.Is(err, ErrStateUnknown) {
		// The user loaded the page again, or pressed the back button.
		if _, none := web.Session(r); none == nil {
			http.Redirect(w, r, web.home(), http.StatusSeeOther)
			return
		}
	}
	if login != nil && login.Lost != "" && !errors.Is(err, ErrStore) {
		// The user did not ask for this login, so no error page is shown.
		web.Client.log.Info("oauth: the server did not give back a lost session", "error", err)
		if web.toLoginPage(w, r, login.AppState) {
			return
		}
	}
	web.failed(w, r, err)
}

// giveSession sets the cookie with a session's sealed key. Then it logs out the session that the
// browser had before, which is nil if there was none: the old one lives until the browser has the
// new one's key. With KeepReplaced it goes on if it is another account's: of the same account, as
// after an upgrade, nobody would come back to it.
func (web *Web) giveSession(w http.ResponseWriter, r *http.Request, sealed string, key SessionKey, before *Session) {
	web.setCookie(w, r, web.cookieName(), sealed, cookieLife)
	if before == nil || before.Key() == key || web.KeepReplaced && before.DID() != key.DID {
		return
	}
	replace(r.Context(), before)
}

// replace logs out a session whose key nobody has any more. It tells the server in the background,
// so that the user does not wait.
func replace(ctx context.Context, s *Session) {
	if first, err := s.discard(ctx); err != nil || !first {
		return // the record in the store expires
	}
	s.client.keepers.Go(func() { // Shutdown waits for it
		ctx, cancel := context.WithTimeout(context.Background(), revokeLater)
		defer cancel()
		s.revoke(ctx) // it logs its errors
	})
}

// revokeLater limits the time to tell the server about a replaced session.
const revokeLater = time.Minute

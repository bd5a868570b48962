// Package websessions keeps a login with its browser by the sessions of alexedwards/scs, for applications that have such
// sessions already.
package websessions

import (
	"net/http"

	"github.com/alexedwards/scs/v2"

	"github.com/gimucco/atproto-go/oauth"
)

// An App is the part of an application that logs users in.
type App struct {
	Client   *oauth.Client
	Sessions *scs.SessionManager
}

// Login begins a login. What belongs to it stays in the browser's session.
func (a *App) Login(w http.ResponseWriter, r *http.Request) {
	login, err := a.Client.Authorize(r.Context(), r.PostFormValue("identifier"))
	if err != nil {
		a.fail(w, err)
		return
	}
	a.Sessions.Put(r.Context(), "login", login.Binding)
	http.Redirect(w, r, login.URL, http.StatusSeeOther)
}

// Callback ends a login.
func (a *App) Callback(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	result, err := a.Client.Callback(ctx, r.URL.Query(), a.Sessions.PopString(ctx, "login"))
	if err != nil {
		a.fail(w, err)
		return
	}
	key, err := result.Session.Key().MarshalText()
	if err == nil {
		err = a.Sessions.RenewToken(ctx) // nobody who knew the session of before has this one
	}
	if err != nil {
		a.fail(w, err)
		return
	}
	a.Sessions.Put(ctx, "atproto", string(key))
	http.Redirect(w, r, "/notes", http.StatusSeeOther)
}

// Session returns the session of the browser, or oauth.ErrReauthRequired.
func (a *App) Session(r *http.Request) (*oauth.Session, error) {
	var key oauth.SessionKey
	if err := key.UnmarshalText([]byte(a.Sessions.GetString(r.Context(), "atproto"))); err != nil {
		return nil, err
	}
	return a.Client.Resume(r.Context(), key)
}

// Logout ends the session of the account, and that of the browser.
func (a *App) Logout(w http.ResponseWriter, r *http.Request) {
	if session, err := a.Session(r); err == nil {
		session.Logout(r.Context()) // where the server cannot be told, the session is gone here all the same
	}
	if err := a.Sessions.Destroy(r.Context()); err != nil {
		a.fail(w, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *App) fail(w http.ResponseWriter, err error) {
	status, text := oauth.Explain(err)
	http.Error(w, text, status)
}

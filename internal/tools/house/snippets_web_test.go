package house

import (
	"context"
	"net/http"

	"github.com/gimucco/atproto-go/oauth"
)

// What follows are the snippets of docs/web.md, in its order, so that the compiler reads them
// too. TestSnippetsOfGuidesCompile compares.

func severalAccounts(client *oauth.Client, remember func(http.ResponseWriter, *http.Request, oauth.SessionKey)) *oauth.Web {
	web := &oauth.Web{
		Client:       client,
		KeepReplaced: true, // a login with a second account does not end the session of the first
		LoggedIn: func(w http.ResponseWriter, r *http.Request, result *oauth.CallbackResult) {
			remember(w, r, result.Session.Key()) // for example in a table, under an ID in a cookie of yours
			http.Redirect(w, r, "/", http.StatusSeeOther)
		},
	}
	return web
}

func switchAccount(w http.ResponseWriter, r *http.Request, client *oauth.Client, web *oauth.Web, key oauth.SessionKey) error {
	session, err := client.Resume(r.Context(), key) // one of the keys that this browser has
	if err != nil {
		return err // if errors.Is(err, oauth.ErrReauthRequired), forget the key
	}
	return web.SetSession(w, r, session)
}

func moveBrowser(ctx context.Context, w http.ResponseWriter, r *http.Request, client *oauth.Client, web *oauth.Web, imported oauth.ImportedSession, oldCookie string) error {
	session, err := client.Import(ctx, imported) // what the old program kept for the user of the old cookie
	if err != nil {
		return err // if errors.Is(err, oauth.ErrReauthRequired), show the login page
	}
	if err := web.SetSession(w, r, session); err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: oldCookie, Path: "/", MaxAge: -1})
	http.Redirect(w, r, r.URL.RequestURI(), http.StatusSeeOther) // now with the new cookie
	return nil
}

var _ = []any{severalAccounts, switchAccount, moveBrowser}

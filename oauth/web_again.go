package oauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

const (
	// againLife is how long a browser is not sent again to ask for a lost session.
	againLife = 10 * time.Minute
	// againLimit limits the time to begin such a login, because the user is waiting for a page.
	againLimit = 5 * time.Second
)

// lostKinds are the reasons for an end that, as far as we know, nobody wanted.
func lostKinds() []Kind { return []Kind{ErrAmbiguousRefresh, ErrRefused} }

// isLost reports whether err says that a session was lost, and not ended on purpose.
func isLost(err error) bool {
	if errors.Is(err, ErrLoggedOut) || errors.Is(err, ErrRevoked) {
		return false
	}
	return slices.ContainsFunc(lostKinds(), func(k Kind) bool { return errors.Is(err, k) })
}

// lostSession reports whether the session under key, whose error was err, was lost, and which scope
// its login asked for. The note that was left at the session's end has priority over err. It fails
// if the store fails.
func (c *Client) lostSession(ctx context.Context, key SessionKey, err error) (asked string, lost bool, failed error) {
	note := new(endingNote)
	_, noteErr := c.load(ctx, key.endingRecord(), note)
	switch {
	case noteErr == nil:
		return note.Asked, isLost(note.Cause), nil
	case errors.Is(noteErr, ErrStore):
		return "", false, noteErr
	case !isLost(err):
		return "", false, nil
	}
	state, _, _, stateErr := c.loadSession(ctx, key)
	switch {
	case errors.Is(stateErr, ErrStore):
		return "", false, stateErr
	case stateErr != nil:
		return "", true, nil
	}
	return state.Asked, true, nil // refused, but kept
}

// again sends the browser to ask for a lost session once more, without a page. It reports whether
// it has answered.
func (web *Web) again(w http.ResponseWriter, r *http.Request, err error) bool {
	c := web.Client
	if len(c.keys) == 0 || !isNavigation(r) {
		return false
	}
	if _, none := r.Cookie(web.hostPrefix(r) + web.againCookie()); none == nil {
		return false
	}
	key, keyErr := web.sessionKey(r)
	if keyErr != nil {
		return false
	}
	asked, lost, failed := c.lostSession(r.Context(), key, err)
	switch {
	case failed != nil:
		web.failed(w, r, failed)
		return true
	case !lost:
		return false
	}
	returnTo := r.URL.RequestURI()
	if len(returnTo) > maxReturnTo || !isLocalPath(returnTo) {
		returnTo = ""
	}
	opts := []AuthorizeOption{insteadOf(key)}
	if asked = c.mayAsk(asked); asked != "" {
		opts = append(opts, WithScope(asked))
	}
	ctx, cancel := context.WithTimeout(r.Context(), againLimit)
	defer cancel()
	login, err := web.begin(ctx, r, string(key.DID), returnTo, opts...)
	if errors.Is(err, ErrStore) {
		web.failed(w, r, err)
		return true
	}
	web.setCookie(w, r, web.againCookie(), "1", againLife)
	if err != nil {
		c.log.Info("oauth: a lost session could not be asked for again", "did", key.DID, "error", err)
		return false
	}
	web.keepLogin(w, r, login)
	http.Redirect(w, r, login.URL, http.StatusSeeOther)
	return true
}

// againCookie is the name of the cookie that marks a browser which was sent to ask for a lost
// session.
func (web *Web) againCookie() string { return web.cookieName() + "-again" }

package oauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
)

// UpgradeHandler asks the user for more permissions than the browser's session has. The new login
// asks for the scope of the session's login, and for more in addition. The handler accepts a form
// by POST; its field "return_to" is the path to go to afterwards. Options and LoggedIn apply as for
// any login.
//
// The old session continues until the new one is stored and its cookie is set. So the user keeps it
// if the user refuses. If the user logs in with another account than the session's, that login is
// refused and its tokens are revoked.
//
// It panics in the same cases as LoginHandler, and if Config.Scope does not contain one of more.
func (web *Web) UpgradeHandler(more ...scope.Permission) http.Handler {
	handler := web.posted(func(w http.ResponseWriter, r *http.Request) {
		session, err := web.Session(r)
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		asked := strings.Fields(session.asked())
		for _, p := range more {
			if token := p.String(); !slices.Contains(asked, token) {
				asked = append(asked, token)
			}
		}
		web.sendToServer(w, r, string(session.DID()), web.returnTo(r), WithScope(strings.Join(asked, " ")))
	})
	for _, p := range more {
		if token := p.String(); web.Client.mayAsk(token) == "" {
			panic(fmt.Sprintf("oauth: Web.UpgradeHandler asks for %q, which Config.Scope does not contain", token))
		}
	}
	return handler
}

package oauth

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/oauth/scope"
)

// UpgradeHandler asks the user to allow more than the browser's session may do: what the session's
// login has asked for, and more with it. It takes a form by POST, in which "return_to" is the path to
// go to afterwards, and Options and LoggedIn have their say as for any login. Nothing is lost by asking:
// the session goes on until the one that takes its place is stored and its cookie is set, also
// when the user refuses. Another account than the session's is refused, and its tokens are revoked.
//
// It panics as LoginHandler does, and where Config.Scope lacks one of more.
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
			panic(fmt.Sprintf("oauth: Web.UpgradeHandler asks for %q, which Config.Scope lacks", token))
		}
	}
	return handler
}

package chirouter

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gimucco/atproto-go/examples/recipes/internal/visit"
	"github.com/gimucco/atproto-go/oauth"
)

func TestLogin(t *testing.T) {
	visit.Open(t, func(client *oauth.Client) http.Handler {
		web := &oauth.Web{Client: client}
		return New(client, func(http.ResponseWriter, *http.Request) {}, func(w http.ResponseWriter, r *http.Request) {
			session, err := web.Session(r)
			if err != nil {
				web.Fail(w, r, err)
				return
			}
			fmt.Fprintln(w, session.DID())
		})
	}).TryLogin()
}

// Package chirouter mounts a login on a router of go-chi/chi.
package chirouter

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/gimucco/atproto-go/oauth"
)

// New returns an application whose page /notes needs a login.
func New(client *oauth.Client, home, notes http.HandlerFunc) http.Handler {
	web := &oauth.Web{Client: client}
	r := chi.NewRouter()
	r.Get("/", home)
	r.Method("POST", "/login", web.LoginHandler())
	r.Method("GET", "/callback", web.CallbackHandler())
	r.Method("POST", "/logout", web.LogoutHandler())
	r.Group(func(r chi.Router) {
		r.Use(web.Require)
		r.Get("/notes", notes) // web.Session(r) is who is logged in
	})
	return http.NewCrossOriginProtection().Handler(r)
}

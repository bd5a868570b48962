// Package echorouter mounts a login on a router of labstack/echo.
package echorouter

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/gimucco/atproto-go/oauth"
)

// New returns an application whose page /notes needs a login.
func New(client *oauth.Client) http.Handler {
	web := &oauth.Web{Client: client}
	e := echo.New()
	e.GET("/", func(c echo.Context) error { return c.String(http.StatusOK, "log in") })
	e.POST("/login", echo.WrapHandler(web.LoginHandler()))
	e.GET("/callback", echo.WrapHandler(web.CallbackHandler()))
	e.POST("/logout", echo.WrapHandler(web.LogoutHandler()))
	notes := e.Group("/notes", echo.WrapMiddleware(web.Require))
	notes.GET("", func(c echo.Context) error {
		session, err := web.Session(c.Request())
		if err != nil {
			web.Fail(c.Response(), c.Request(), err)
			return nil
		}
		return c.String(http.StatusOK, string(session.DID()))
	})
	return http.NewCrossOriginProtection().Handler(e)
}

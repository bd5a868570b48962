package oauth

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
)

func (web *Web) home() string { return cmp.Or(web.Home, "/") }

// isLocalPath reports whether a browser that is sent to path stays on this site.
func isLocalPath(path string) bool {
	u, err := url.Parse(path)
	return err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(path, "/") &&
		!strings.HasPrefix(path, "//") && !strings.ContainsAny(path, "\\\t\r\n")
}

// returnTo returns the path in the form of r, or "" if it has none on this site.
func (web *Web) returnTo(r *http.Request) string {
	path := r.PostForm.Get(cmp.Or(web.ReturnToField, "return_to"))
	if !isLocalPath(path) {
		return ""
	}
	return path
}

// after returns the path to go to after a login.
func (web *Web) after(result *CallbackResult) string {
	if isLocalPath(result.AppState) {
		return result.AppState
	}
	return cmp.Or(web.AfterLogin, web.home())
}

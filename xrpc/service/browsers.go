package service

import (
	"net/http"

	"github.com/gimucco/atproto-go/xrpc"
)

// allowBrowsers sets the CORS headers, and reports whether it has answered: a browser sends a
// preflight request before the call (https://fetch.spec.whatwg.org/#cors-protocol).
func allowBrowsers(w http.ResponseWriter, r *http.Request, m xrpc.Method) bool {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "*")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", m.HTTPMethod())
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP, Atproto-Proxy, Atproto-Accept-Labelers")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
	return true
}

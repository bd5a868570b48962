package oauth

import (
	"net/http"
	"strconv"
)

// MetadataHandler serves Client.Metadata: mount it at the path of Config.ClientID.
func (c *Client) MetadataHandler() http.Handler { return documentHandler(c.Metadata) }

// KeySetHandler serves Client.KeySet: mount it at the path of Config.KeysURI.
func (c *Client) KeySetHandler() http.Handler { return documentHandler(c.KeySet) }

// documentHandler serves a JSON document as servers want it: status 200, that very
// content type, no redirect (O2). Pages of other origins may read it, for it is public.
func documentHandler(write func() []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		document := write() // anew, for keys come and go with time
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("X-Content-Type-Options", "nosniff")
		// Short, so that a new key is seen soon; servers keep documents for minutes.
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Content-Length", strconv.Itoa(len(document)))
		// Not http.ServeContent: ranges and conditions have answers other than 200.
		w.Write(document)
	})
}

package oauth_test

import (
	"crypto/elliptic"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
)

func TestDocumentHandlers(t *testing.T) { // O2, O3
	server := sandbox(t)
	client := confidential(t, server, []oauth.Key{{Signer: newKey(t, elliptic.P256())}})
	for name, tt := range map[string]struct {
		handler http.Handler
		want    []byte
	}{"metadata": {client.MetadataHandler(), client.Metadata()}, "key set": {client.KeySetHandler(), client.KeySet()}} {
		t.Run("O2 "+name, func(t *testing.T) {
			for _, header := range []string{"", "Range", "If-None-Match", "If-Modified-Since"} {
				req := httptest.NewRequest("GET", "/client-metadata.json", nil)
				switch header {
				case "Range":
					req.Header.Set(header, "bytes=0-3")
				case "If-None-Match":
					req.Header.Set(header, "*")
				case "If-Modified-Since":
					req.Header.Set(header, "Fri, 01 Jan 2100 00:00:00 GMT")
				}
				w := httptest.NewRecorder()
				tt.handler.ServeHTTP(w, req)
				if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != string(tt.want) {
					t.Errorf("%s: status %d, %v, %q", header, w.Code, w.Header(), w.Body)
				}
			}
			w := httptest.NewRecorder()
			tt.handler.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
				t.Errorf("POST: status %d", w.Code)
			}
		})
	}
}

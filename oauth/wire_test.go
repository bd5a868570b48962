package oauth_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
)

// A wire keeps the requests that a client sends.
type wire struct {
	mu   sync.Mutex
	sent []sentRequest
}

type sentRequest struct {
	method, host, path string
	header             http.Header
	form               url.Values
}

func (w *wire) tap() func(*oauth.Config) {
	return withHook(func(req *http.Request, next func() (*http.Response, error)) (*http.Response, error) {
		values, _ := url.ParseQuery(form(req))
		w.mu.Lock()
		w.sent = append(w.sent, sentRequest{req.Method, req.URL.Host, req.URL.Path, req.Header.Clone(), values})
		w.mu.Unlock()
		return next()
	})
}

// to returns the requests to a path, the latest one last.
func (w *wire) to(path string) []sentRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []sentRequest
	for _, r := range w.sent {
		if r.path == path {
			found = append(found, r)
		}
	}
	return found
}

// last returns the latest request to a path.
func (w *wire) last(tb testing.TB, path string) sentRequest {
	tb.Helper()
	found := w.to(path)
	if len(found) == 0 {
		tb.Fatalf("nothing was sent to %s", path)
	}
	return found[len(found)-1]
}

package service

import (
	"context"
	"encoding/json"
	"net/http"
)

// Health reports whether the service works, like the servers of the reference. Mount it at
// "/xrpc/_health". Everybody can read the version. If check returns an error, the answer is status
// 503 without details. check may be nil.
func Health(version string, check func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := struct {
			Version string `json:"version"`
			Error   string `json:"error,omitempty"`
		}{Version: version}
		status := http.StatusOK
		if check != nil && check(r.Context()) != nil {
			status, body.Error = http.StatusServiceUnavailable, "Service Unavailable"
		}
		text, _ := json.Marshal(body) // strings always marshal
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(text)
	})
}

package service

import (
	"context"
	"encoding/json"
	"net/http"
)

// Health answers whether the service is well, as servers of the reference do. Mount it at "/xrpc/_health". The version
// is told to everybody. check says what is wrong, if anything is, with status 503 and no details; it may be nil.
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

package oauthtest

import (
	"log/slog"
	"net/http"
	"time"
)

// answered remembers the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answered) WriteHeader(status int) {
	if a.status == 0 || a.status < http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// logRequest logs a request. If it got no answer, its status is 0.
func (s *Server) logRequest(r *http.Request, a *answered, began time.Time) {
	status := a.status
	failed := recover()
	if status == 0 && failed == nil {
		status = http.StatusOK
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("method", r.Method), slog.String("url", "https://"+hostOf(r)+r.URL.EscapedPath()),
		slog.Int("status", status), slog.Duration("took", time.Since(began)))
	if failed != nil {
		panic(failed) // net/http handles it
	}
}

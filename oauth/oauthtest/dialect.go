package oauthtest

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// By default a Server behaves like the reference server. Other servers that people run use
// dialects: they use other words, leave things out, or apply rules more literally. Each option here
// makes a Server use one such dialect. They can be combined.

// A dialect holds the differences of a Server from the reference.
type dialect struct {
	noNonces       bool
	deadSessions   *Answer
	missingScopes  func(scope string) Answer
	exactRedirects bool
	noRevocation   bool
	responseMode   bool
	lifetime       *string // JSON text of expires_in; "" for none
	downloads      struct {
		host   string
		status int
	}
}

// An Answer is the complete answer of a server.
type Answer struct {
	Status int         // HTTP status
	Header http.Header // the default Content-Type is application/json
	Body   string      // body of the answer
}

func (a *Answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", jsonType)
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	io.WriteString(w, a.Body)
}

// WithoutNonces makes a server that does not support DPoP nonces: it sends none and requires none.
func WithoutNonces() Option { return func(o *options) { o.noNonces = true } }

// WithDeadSessions sets the answer of the token endpoint to a refresh token that it does not
// accept, instead of status 400 and "invalid_grant".
func WithDeadSessions(a Answer) Option { return func(o *options) { o.deadSessions = &a } }

// WithMissingScopes sets the answer of the PDS to a call that the session's scope does not allow.
// answer receives the scope that would allow it. The reference answers with status 403 and
// "ScopeMissingError".
func WithMissingScopes(answer func(scope string) Answer) Option {
	return func(o *options) { o.missingScopes = answer }
}

// WithExactRedirectURIs makes a server that compares redirect URIs as strings, and only with the
// first one that a client declares. It does that for development clients too.
func WithExactRedirectURIs() Option { return func(o *options) { o.exactRedirects = true } }

// WithoutRevocation makes a server without a revocation endpoint.
func WithoutRevocation() Option { return func(o *options) { o.noRevocation = true } }

// WithRequiredResponseMode makes a server that refuses pushed requests without a response_mode.
func WithRequiredResponseMode() Option { return func(o *options) { o.responseMode = true } }

// WithExpiresIn sets the JSON text of expires_in in the answers to pushed requests and to token
// requests, such as `"3600"` or `3.6e3`. "" leaves it out. It does not change how long tokens live.
func WithExpiresIn(text string) Option { return func(o *options) { o.lifetime = &text } }

// WithDownloadsAt makes a PDS that redirects downloads of blobs, with this status such as 302, to
// another host. That host serves them to everybody.
func WithDownloadsAt(host string, status int) Option {
	return func(o *options) { o.downloads.host, o.downloads.status = host, status }
}

// Gateway is a Fault of a machine in front of the server: it answers with an HTML page of this
// status instead of the server. If you set Late, it does so after the server has acted.
func Gateway(status int) Fault {
	text := html.EscapeString(http.StatusText(status))
	return Fault{
		Status: status,
		Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		Body:   fmt.Sprintf("<!DOCTYPE html><html><head><title>%d</title></head><body><h1>%d %s</h1><p>Ray ID: 0</p></body></html>", status, status, text),
	}
}

// MoveTokenEndpoint moves the token endpoint to another path on the issuer's host. The metadata
// name the new path at once. Requests to the old path are answered with this status, such as 404.
func (s *Server) MoveTokenEndpoint(path string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left[s.tokenPath] = status
	delete(s.left, path)
	s.tokenPath = path
}

// tokenEndpoint returns the path of the token endpoint. left is the status for path if the endpoint
// was there before.
func (s *Server) tokenEndpoint(path string) (current string, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokenPath, s.left[path]
}

// expiresIn returns the JSON text of expires_in for a lifetime, or nil for none.
func (d *dialect) expiresIn(life time.Duration) json.RawMessage {
	switch {
	case d.lifetime == nil:
		text, _ := json.Marshal(int(life.Seconds())) // numbers always marshal
		return text
	case *d.lifetime == "":
		return nil
	}
	return json.RawMessage(*d.lifetime)
}

// dead returns the refusal of a refresh token in the server's words.
func (d *dialect) dead(refused *oauthError) *oauthError {
	if refused != nil && d.deadSessions != nil && refused.code == "invalid_grant" {
		refused.answer = d.deadSessions
	}
	return refused
}

// missing returns the refusal of a call for a missing scope, in the server's words.
func (d *dialect) missing(lacks string, reference *xrpcError) *xrpcError {
	if d.missingScopes != nil {
		answer := d.missingScopes(lacks)
		reference.answer = &answer
	}
	return reference
}

// downloadPath is the path of blobs on the host of WithDownloadsAt.
const downloadPath = "/blob/"

// redirectDownload redirects a request for a blob. It returns false if the PDS serves blobs itself.
func (s *Server) redirectDownload(c *call) bool {
	if s.downloads.host == "" {
		return false
	}
	q := c.r.URL.Query()
	target := url.URL{Scheme: "https", Host: s.downloads.host, Path: downloadPath + q.Get("did") + "/" + q.Get("cid")}
	http.Redirect(c.w, c.r, target.String(), s.downloads.status)
	return true
}

// serveDownload is the host of WithDownloadsAt. It serves the same blobs as the PDS.
func (s *Server) serveDownload(w http.ResponseWriter, r *http.Request) {
	did, cid, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, downloadPath), "/")
	if !ok || !strings.HasPrefix(r.URL.Path, downloadPath) {
		http.NotFound(w, r)
		return
	}
	r.URL.RawQuery = url.Values{"did": {did}, "cid": {cid}}.Encode()
	if _, failed := s.serveBlob(&call{w: w, r: r}); failed != nil {
		http.NotFound(w, r)
	}
}

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

// A Server speaks as the reference server does. Others that people run speak dialects of that: they say
// the same in other words, leave things out, or take things more literally. The options here
// make a Server speak one each, and they combine.

// A dialect is how a Server differs from the reference.
type dialect struct {
	noNonces       bool
	deadSessions   *Answer
	missingScopes  func(scope string) Answer
	exactRedirects bool
	noRevocation   bool
	responseMode   bool
	lifetime       *string // JSON text of expires_in, "" for none
	downloads      struct {
		host   string
		status int
	}
}

// An Answer is what a server says, word for word.
type Answer struct {
	Status int
	Header http.Header // Content-Type is application/json if it is not here
	Body   string
}

func (a *Answer) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", jsonType)
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	io.WriteString(w, a.Body)
}

// WithoutNonces makes a server that knows no DPoP nonces: it sends none, and does not miss them.
func WithoutNonces() Option { return func(o *options) { o.noNonces = true } }

// WithDeadSessions sets what the token endpoint answers to a refresh token that it does not take,
// instead of status 400 and "invalid_grant".
func WithDeadSessions(a Answer) Option { return func(o *options) { o.deadSessions = &a } }

// WithMissingScopes sets what the PDS answers to a call that the session's scope does not allow,
// given the scope that would. The reference answers with status 403 and "ScopeMissingError".
func WithMissingScopes(answer func(scope string) Answer) Option {
	return func(o *options) { o.missingScopes = answer }
}

// WithExactRedirectURIs makes a server that compares redirect URIs to the letter, with the first
// that a client declares and no other, for development clients, too.
func WithExactRedirectURIs() Option { return func(o *options) { o.exactRedirects = true } }

// WithoutRevocation makes a server that has no revocation endpoint.
func WithoutRevocation() Option { return func(o *options) { o.noRevocation = true } }

// WithRequiredResponseMode makes a server that refuses pushed requests without a response_mode.
func WithRequiredResponseMode() Option { return func(o *options) { o.responseMode = true } }

// WithExpiresIn sets the JSON text of expires_in in the answers to pushed requests and to token
// requests, such as `"3600"` or `3.6e3`; "" leaves it out. How long tokens live is not changed by it.
func WithExpiresIn(text string) Option { return func(o *options) { o.lifetime = &text } }

// WithDownloadsAt makes a PDS that answers downloads of blobs by a redirect of this status, such as
// 302, to another host, which serves them to anybody.
func WithDownloadsAt(host string, status int) Option {
	return func(o *options) { o.downloads.host, o.downloads.status = host, status }
}

// Gateway is a Fault of a machine in front of the server: it answers in the server's place with an
// HTML page of this status. With Late set, it does so after the server has acted.
func Gateway(status int) Fault {
	text := html.EscapeString(http.StatusText(status))
	return Fault{
		Status: status,
		Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}},
		Body:   fmt.Sprintf("<!DOCTYPE html><html><head><title>%d</title></head><body><h1>%d %s</h1><p>Ray ID: 0</p></body></html>", status, status, text),
	}
}

// MoveTokenEndpoint gives the token endpoint another path on the issuer's host. The metadata name it
// at once; where it was, requests are answered with this status, such as 404.
func (s *Server) MoveTokenEndpoint(path string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left[s.tokenPath] = status
	delete(s.left, path)
	s.tokenPath = path
}

// tokenEndpoint returns the path of the token endpoint, and the status of what was left there if an
// endpoint was at path before.
func (s *Server) tokenEndpoint(path string) (current string, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokenPath, s.left[path]
}

// expiresIn is the JSON text of expires_in for a lifetime, nil for none.
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

// dead puts a refusal of a refresh token into the server's words.
func (d *dialect) dead(refused *oauthError) *oauthError {
	if refused != nil && d.deadSessions != nil && refused.code == "invalid_grant" {
		refused.answer = d.deadSessions
	}
	return refused
}

// missing puts the refusal of a call for want of a scope into the server's words.
func (d *dialect) missing(lacks string, reference *xrpcError) *xrpcError {
	if d.missingScopes != nil {
		answer := d.missingScopes(lacks)
		reference.answer = &answer
	}
	return reference
}

// downloadPath is where blobs are on the host of WithDownloadsAt.
const downloadPath = "/blob/"

// redirectDownload sends whoever asks for a blob elsewhere. It reports false where blobs are served
// by the PDS itself.
func (s *Server) redirectDownload(c *call) bool {
	if s.downloads.host == "" {
		return false
	}
	q := c.r.URL.Query()
	target := url.URL{Scheme: "https", Host: s.downloads.host, Path: downloadPath + q.Get("did") + "/" + q.Get("cid")}
	http.Redirect(c.w, c.r, target.String(), s.downloads.status)
	return true
}

// serveDownload is the host of WithDownloadsAt. It serves what the PDS would serve.
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

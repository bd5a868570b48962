package oauth

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Servers that people run have many ways to say that they no longer know a refresh token: a code of
// their own, no code, an error of another protocol, another status (P56). A client that waits for
// "invalid_grant" keeps users logged in while every call fails. A client that ends the session at
// any refusal logs everybody out because of a fault of the server. So such a refusal counts only
// when the access token no longer works either. It then asks for a login, and does not end the
// session.

const (
	// refusedPause is how long a session rests after its server refused to refresh it.
	refusedPause = time.Minute
	// refusedAlike is how many sessions have to be refused in the same way, within refusedWindow,
	// before the client itself is the likely reason.
	refusedAlike  = 3
	refusedWindow = time.Minute
	// refusedTold is how long the operator is not told again.
	refusedTold = time.Hour
)

// aboutUs are error codes about the client or its request, not about the session.
var aboutUs = []string{
	"use_dpop_nonce", "invalid_dpop_proof", "invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type",
}

// passing are error codes for failures that pass.
var passing = []string{"server_error", "slow_down", "temporarily_unavailable"}

// refusesSession reports whether e, the answer of a token endpoint, may mean that the server no
// longer knows the refresh token, although it does not use the words of RFC 6749.
func (e *Error) refusesSession() bool {
	switch {
	case e.Kind != ErrToken || e.Status < 400 || e.Status > 499:
		return false
	case slices.Contains(aboutUs, e.Code), slices.Contains(passing, e.Code):
		return false
	case e.Status == http.StatusBadRequest && e.Code == "invalid_grant":
		return false // that is the protocol's own code, and the keeper decides what it means
	}
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, // not now
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone: // not here (P60)
		return false
	case http.StatusBadRequest, http.StatusUnauthorized:
		return true
	}
	return e.Code != "" // without a code of OAuth it may be anybody's page, for example a firewall's
}

// setRefused notes that a server refused an access token.
func (s *Session) setRefused(access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.useless = access
}

// isUseless reports whether an access token no longer works: it has expired, or was refused.
func (s *Session) isUseless(t *tokenSet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.Spent(s.client.now()) || s.useless == t.Access
}

// noteRefusal looks at a failed refresh of the held tokens before it is reported.
func (s *Session) noteRefusal(held *tokenSet, e *Error) {
	refused := e.refusesSession()
	if refused && s.isUseless(held) {
		e.RetryAfter = max(e.RetryAfter, refusedPause)
	}
	if refused || slices.Contains(aboutUs, e.Code) {
		s.client.noteRefusal(s.key, s.issuer, e)
	}
}

// asRefused turns e into ErrRefused if that is its meaning for the session now. Nobody else may
// hold e.
func (s *Session) asRefused(e *Error) {
	if e.refusesSession() && s.isUseless(&s.view().Tokens) {
		e.Kind, e.Retryable = ErrRefused, false
	}
}

// refusals counts sessions that were refused in the same way. The zero value is empty and ready to
// use. It is safe for concurrent use.
type refusals struct {
	mu    sync.Mutex
	alike map[string]*refusedGroup // by issuer, status and code
}

type refusedGroup struct {
	since    time.Time
	sessions map[SessionKey]bool
	told     time.Time
}

// note counts a session. It reports whether so many were refused in the same way that the operator
// has to be told.
func (r *refusals) note(key SessionKey, like string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.alike[like]
	if g == nil {
		if r.alike == nil || len(r.alike) >= maxServers {
			r.alike = make(map[string]*refusedGroup, 1)
		}
		g = new(refusedGroup)
		r.alike[like] = g
	}
	if now.Sub(g.since).Abs() >= refusedWindow {
		g.since, g.sessions = now, make(map[SessionKey]bool, refusedAlike)
	}
	if len(g.sessions) < refusedAlike {
		g.sessions[key] = true
	}
	if len(g.sessions) < refusedAlike || now.Sub(g.told).Abs() < refusedTold {
		return false
	}
	g.told = now
	return true
}

// noteRefusal tells the operator, once, if a server refuses many sessions in the same way.
func (c *Client) noteRefusal(key SessionKey, issuer string, e *Error) {
	if c.refusals.note(key, issuer+" "+strconv.Itoa(e.Status)+" "+e.Code, c.now()) {
		c.log.Error("oauth: the server refuses many sessions in the same way; check this client, its metadata and its keys",
			"issuer", issuer, "sessions", refusedAlike, "status", e.Status, "code", e.Code, "client_id", c.config.ClientID)
	}
}

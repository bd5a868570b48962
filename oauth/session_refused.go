package oauth

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Servers that people run say in many ways that they know a refresh token no more: with a code of
// their own, with none, as an error of another protocol, under another status (P56). Who waits for
// "invalid_grant" keeps the user logged in with every call failing; who ends the session at any refusal
// logs everybody out for a fault of the server. So such a refusal counts only once the access token
// is of no use either, and then it asks for a login, and does not end the session.

const (
	// refusedPause is how long a session that its server does not renew is left alone.
	refusedPause = time.Minute
	// refusedAlike is how many sessions are refused alike, within refusedWindow, when it is likely that the
	// client is what the server does not like.
	refusedAlike  = 3
	refusedWindow = time.Minute
	// refusedTold is how long the operator is not told again.
	refusedTold = time.Hour
)

// aboutUs are codes that tell of the client or of its request, not of the session.
var aboutUs = []string{
	"use_dpop_nonce", "invalid_dpop_proof", "invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type",
}

// passing are codes of what will pass.
var passing = []string{"server_error", "slow_down", "temporarily_unavailable"}

// refusesSession reports whether e is the answer of a token endpoint that may mean that it knows the
// refresh token no more, in words other than those of RFC 6749.
func (e *Error) refusesSession() bool {
	switch {
	case e.Kind != ErrToken || e.Status < 400 || e.Status > 499:
		return false
	case slices.Contains(aboutUs, e.Code), slices.Contains(passing, e.Code):
		return false
	case e.Status == http.StatusBadRequest && e.Code == "invalid_grant":
		return false // that is what the protocol says, and the keeper decides what it means
	}
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, // not now
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone: // not here (P60)
		return false
	case http.StatusBadRequest, http.StatusUnauthorized:
		return true
	}
	return e.Code != "" // without a word of OAuth's it may be anybody's page, such as a firewall's
}

// setRefused notes that a server has refused an access token.
func (s *Session) setRefused(access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.useless = access
}

// isUseless reports whether an access token is of no use: it has run out, or was refused.
func (s *Session) isUseless(t *tokenSet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.Spent(s.client.now()) || s.useless == t.Access
}

// noteRefusal looks at a failed refresh of the tokens that are held, before it is told.
func (s *Session) noteRefusal(held *tokenSet, e *Error) {
	refused := e.refusesSession()
	if refused && s.isUseless(held) {
		e.RetryAfter = max(e.RetryAfter, refusedPause)
	}
	if refused || slices.Contains(aboutUs, e.Code) {
		s.client.noteRefusal(s.key, s.issuer, e)
	}
}

// asRefused turns e, which nobody else has, into ErrRefused where that is what it means for the session, now.
func (s *Session) asRefused(e *Error) {
	if e.refusesSession() && s.isUseless(&s.view().Tokens) {
		e.Kind, e.Retryable = ErrRefused, false
	}
}

// refusals counts sessions that are refused alike. The zero value is empty and ready to use; it is
// safe for concurrent use.
type refusals struct {
	mu    sync.Mutex
	alike map[string]*refusedGroup // by issuer, status and code
}

type refusedGroup struct {
	since    time.Time
	sessions map[SessionKey]bool
	told     time.Time
}

// note counts a session. It reports whether so many were refused alike that the operator has to be told.
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

// noteRefusal tells the operator, once, when a server refuses many sessions alike.
func (c *Client) noteRefusal(key SessionKey, issuer string, e *Error) {
	if c.refusals.note(key, issuer+" "+strconv.Itoa(e.Status)+" "+e.Code, c.now()) {
		c.log.Error("oauth: the server refuses many sessions alike; the reason may be this client, its metadata or its keys",
			"issuer", issuer, "sessions", refusedAlike, "status", e.Status, "code", e.Code, "client_id", c.config.ClientID)
	}
}

package oauthtest

import (
	"maps"
	"slices"
	"time"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// How long sessions live, and how long they may be unused (O117).
const (
	publicLife       = 14 * 24 * time.Hour
	confidentialLife = 2 * 365 * 24 * time.Hour
	confidentialIdle = 90 * 24 * time.Hour
)

// grants are the requests, codes and sessions of the authorization server.
type grants struct {
	lifetime time.Duration // of access tokens

	requests map[string]*request // by request_uri
	codes    map[string]*request // by unused code
	used     map[string]*session // by used code
	access   map[string]*session // by current access token
	refresh  map[string]*session // by refresh token, including replaced ones
	verified map[string]bool     // used code challenges
}

func newGrants() grants {
	return grants{
		lifetime: time.Hour,
		requests: make(map[string]*request),
		codes:    make(map[string]*request),
		used:     make(map[string]*session),
		access:   make(map[string]*session),
		refresh:  make(map[string]*session),
		verified: make(map[string]bool),
	}
}

// A session is the result of exchanging a code.
type session struct {
	did      syntax.DID
	clientID string
	auth     clientAuth
	key      string    // thumbprint of the DPoP key
	asked    string    // the part of the requested scope that the user agreed to
	scope    scope.Set // the scope of the current access token
	full     bool      // made with the account's own password, which may manage app passwords

	created time.Time
	updated time.Time
	access  string
	refresh string // empty if the client must not refresh
	expires time.Time
}

// confidential reports whether a client with a key made the session.
func (t *session) confidential() bool { return t.auth != (clientAuth{}) }

// ends returns when the session reaches its maximum age.
func (t *session) ends() time.Time {
	if t.confidential() {
		return t.created.Add(confidentialLife)
	}
	return t.created.Add(publicLife)
}

// idleUntil returns when the session ends if it is not refreshed.
func (t *session) idleUntil() time.Time {
	if t.confidential() {
		return t.updated.Add(confidentialIdle)
	}
	return t.updated.Add(publicLife)
}

// issue gives a session its first or its next tokens. Its earlier access token becomes invalid at
// once.
func (g *grants) issue(t *session, now time.Time, refreshable bool) {
	delete(g.access, t.access)
	t.updated = now
	t.expires = now.Add(g.lifetime)
	if end := t.ends(); end.Before(t.expires) {
		t.expires = end
	}
	t.access = randomToken("at-")
	g.access[t.access] = t
	if refreshable {
		t.refresh = randomToken("ref-")
		g.refresh[t.refresh] = t
	}
}

// kill ends a session with all its tokens.
func (g *grants) kill(t *session) {
	same := func(_ string, other *session) bool { return other == t }
	maps.DeleteFunc(g.access, same)
	maps.DeleteFunc(g.refresh, same)
	maps.DeleteFunc(g.used, same)
}

// revokeAll ends the sessions of an account.
func (g *grants) revokeAll(did syntax.DID) int {
	n := 0
	for _, t := range slices.Collect(maps.Values(g.access)) {
		if t.did == did {
			g.kill(t)
			n++
		}
	}
	return n
}

// forget removes a request and its code.
func (g *grants) forget(r *request) {
	delete(g.requests, r.uri)
	delete(g.codes, r.code)
}

package oauth

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Authorization servers move their endpoints, and sessions live for years (P60). So before a
// refresh the endpoints are read again if the known ones are old, and at once if there is nothing
// at the known place.

// endpointsFresh is how long a refresh trusts the endpoints that an issuer named.
const endpointsFresh = 10 * time.Minute

// A serverCache holds what issuers said about themselves lately; thousands of sessions share one.
// The zero value is empty and ready to use. It is safe for concurrent use.
type serverCache struct {
	mu    sync.Mutex
	known map[string]knownServer // by issuer
}

type knownServer struct {
	*serverMetadata
	at time.Time
}

func (c *serverCache) get(issuer string, now time.Time) (knownServer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.known[issuer]
	return known, ok && isFresh(known.at, now)
}

func (c *serverCache) put(issuer string, known knownServer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxServers {
		c.known = make(map[string]knownServer, 1) // all are asked again
	}
	c.known[issuer] = known
}

func isFresh(at, now time.Time) bool {
	age := now.Sub(at)
	return age >= 0 && age < endpointsFresh
}

// withEndpoints returns state with the current endpoints of its issuer. It reads them if they were
// not read lately. If reading fails, the known endpoints are used: a missing document is no reason
// to stop.
func (s *Session) withEndpoints(ctx context.Context, state *sessionState) *sessionState {
	c := s.client
	if isFresh(state.EndpointsAt, c.now()) {
		return state
	}
	if known, ok := c.servers.get(state.Issuer, c.now()); ok {
		return state.servedBy(known)
	}
	next, err := c.readEndpoints(ctx, state)
	if err != nil {
		s.log(c.log.Warn, "oauth: the server's endpoints could not be read again", "error", err)
		return state
	}
	return next
}

// readEndpoints returns state with the current endpoints of its issuer.
func (c *Client) readEndpoints(ctx context.Context, state *sessionState) (*sessionState, error) {
	server, err := c.serverOf(ctx, state.Issuer)
	if err != nil {
		return nil, err
	}
	known := knownServer{server, c.now()}
	c.servers.put(state.Issuer, known)
	return state.servedBy(known), nil
}

// servedBy returns the state with the endpoints of a server.
func (s *sessionState) servedBy(known knownServer) *sessionState {
	next := *s
	next.TokenEndpoint, next.RevocationEndpoint, next.EndpointsAt = known.TokenEndpoint, known.RevocationEndpoint, known.at
	return &next
}

// isNowhere reports whether an answer says that there is no endpoint at the URL of the request.
func isNowhere(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return true
	}
	return false
}

// requestMovedTokens sends r again after the answer that nothing is there. It sends it to the token
// endpoint that the issuer of state names now. If that is the same URL, it returns nothing.
func (s *Session) requestMovedTokens(ctx context.Context, r *asRequest, state *sessionState) (moved *sessionState, answer *tokenAnswer, err error) {
	c := s.client
	moved, err = c.readEndpoints(ctx, state)
	if err != nil || moved.TokenEndpoint == r.endpoint {
		return nil, nil, nil // the first answer says more
	}
	s.log(c.log.Info, "oauth: the server's token endpoint has moved", "endpoint", moved.TokenEndpoint)
	r.endpoint = moved.TokenEndpoint
	answer, err = c.requestTokens(ctx, r)
	return moved, answer, err
}

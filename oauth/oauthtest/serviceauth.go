package oauthtest

import (
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// getServiceAuth returns a token that identifies the account to another service. It uses the real
// time, because verifiers do. Unlike real servers, it requires the method.
func (s *Server) getServiceAuth(c *call) (any, *xrpcError) {
	q := c.r.URL.Query()
	method, err := syntax.ParseNSID(q.Get("lxm"))
	if err != nil {
		return nil, fail("InvalidRequest", "lxm must be a valid nsid")
	}
	audience := q.Get("aud")
	did, _, _ := strings.Cut(audience, "#")
	if _, err := syntax.ParseDID(did); err != nil {
		return nil, fail("InvalidRequest", "aud must be a valid did")
	}
	claims := serviceauth.Claims{Issuer: c.auth.did, Audience: audience, Method: method}
	if text := q.Get("exp"); text != "" {
		seconds, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fail("InvalidRequest", "exp must be an integer")
		}
		claims.Expires = time.Unix(seconds, 0)
		switch left := time.Until(claims.Expires); {
		case left < 0:
			return nil, fail("BadExpiration", "expiration is in past")
		case left > time.Hour:
			return nil, fail("BadExpiration", "cannot request a token with an expiration more than an hour in the future")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if failed := s.requires(c.auth, scope.RPC(audience, method)); failed != nil {
		return nil, failed
	}
	token, err := serviceauth.Sign(s.mustAccount(c.auth.did).key, claims)
	if err != nil {
		return nil, fail("InvalidRequest", "%v", err)
	}
	return map[string]string{"token": token}, nil
}

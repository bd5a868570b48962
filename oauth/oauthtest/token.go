package oauthtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A tokenAnswer is a token response (RFC 6749 §5.1, with sub by the atproto profile).
type tokenAnswer struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	RefreshToken string          `json:"refresh_token,omitempty"`
	Scope        string          `json:"scope"`
	ExpiresIn    json.RawMessage `json:"expires_in,omitempty"`
	Subject      syntax.DID      `json:"sub"`
}

func (s *Server) granted(t *session, now time.Time) *tokenAnswer {
	return &tokenAnswer{
		AccessToken:  t.access,
		TokenType:    "DPoP",
		RefreshToken: t.refresh,
		Scope:        t.scope.String(),
		ExpiresIn:    s.expiresIn(t.expires.Sub(now)),
		Subject:      t.did,
	}
}

// token exchanges codes and refresh tokens (O73–O78, O103).
func (s *Server) token(form url.Values, p *proof) (any, *oauthError) {
	c, auth, refused := s.authenticateWithProof(form, p)
	if refused != nil {
		return nil, refused
	}
	grant := form.Get("grant_type")
	if grant != "authorization_code" && grant != "refresh_token" {
		return nil, refuse("invalid_grant", "Grant type %q is not supported by the server", grant)
	}
	if !slices.Contains(c.GrantTypes, grant) {
		return nil, refuse("invalid_grant", "%q grant type is not allowed for this client", grant)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if grant == "refresh_token" {
		answer, refused := s.refresh(c, auth, form, p)
		return answer, s.dead(refused)
	}
	return s.exchange(c, auth, form, p)
}

// authenticateWithProof is authenticate for requests that need a proof. A missing proof is checked
// first: a client that does not prove its key must not use up its assertion.
func (s *Server) authenticateWithProof(form url.Values, p *proof) (*client, clientAuth, *oauthError) {
	if p == nil {
		return nil, clientAuth{}, invalidProof("DPoP proof required")
	}
	return s.authenticate(form, p)
}

// exchange accepts a code, once. After any error the code is gone. A code that comes a second time
// ends its session (O83). s.mu is held.
func (s *Server) exchange(c *client, auth clientAuth, form url.Values, p *proof) (any, *oauthError) {
	code := form.Get("code")
	r, ok := s.grants.codes[code]
	if !ok {
		if t, replayed := s.grants.used[code]; replayed {
			s.grants.kill(t)
		}
		return nil, refuse("invalid_grant", "Invalid code")
	}
	s.grants.forget(r)
	now := s.Now()
	if now.After(r.expires) {
		return nil, refuse("invalid_grant", "This code has expired")
	}
	if refused := sameClient(c, auth, p, r.client.ID, r.auth, r.key); refused != nil {
		return nil, refused
	}
	if form.Get("redirect_uri") != r.params.Get("redirect_uri") {
		return nil, refuse("invalid_grant", "The redirect_uri parameter must match the one used in the authorization request")
	}
	challenge := r.params.Get("code_challenge")
	verifier := form.Get("code_verifier")
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case verifier == "":
		return nil, refuse("invalid_grant", "code_verifier is required")
	case len(verifier) < 43:
		return nil, refuse("invalid_grant", "code_verifier too short")
	case base64.RawURLEncoding.EncodeToString(sum[:]) != challenge:
		return nil, refuse("invalid_grant", "Invalid code_verifier")
	case s.grants.verified[challenge]:
		return nil, refuse("invalid_grant", "Code challenge already used")
	}
	s.grants.verified[challenge] = true
	t := &session{
		did:      r.account.DID,
		clientID: c.ID,
		auth:     auth,
		key:      p.key,
		asked:    strings.Join(r.agreed, " "),
		created:  now,
	}
	t.scope = s.grantedFor(t.asked)
	s.grants.used[code] = t
	s.grants.issue(t, now, slices.Contains(c.GrantTypes, "refresh_token"))
	return s.granted(t, now), nil
}

// refresh accepts a refresh token once, and replaces it. A token that comes a second time ends the
// session at once. So does a token from another client, DPoP key or client key. s.mu is held.
func (s *Server) refresh(c *client, auth clientAuth, form url.Values, p *proof) (any, *oauthError) {
	token := form.Get("refresh_token")
	t, ok := s.grants.refresh[token]
	if !ok {
		return nil, refuse("invalid_grant", "Invalid refresh token")
	}
	if t.refresh != token {
		s.grants.kill(t)
		return nil, refuse("invalid_grant", "Refresh token replayed")
	}
	if refused := sameClient(c, auth, p, t.clientID, t.auth, t.key); refused != nil {
		s.grants.kill(t)
		return nil, refused
	}
	now := s.Now()
	switch {
	case now.After(t.ends()):
		s.grants.kill(t)
		return nil, refuse("invalid_grant", "Session expired")
	case now.After(t.idleUntil()):
		s.grants.kill(t)
		return nil, refuse("invalid_grant", "Refresh token expired")
	}
	t.scope = s.grantedFor(t.asked)
	s.grants.issue(t, now, true)
	return s.granted(t, now), nil
}

// revoke ends the session of a token. It always answers 200 (RFC 7009 §2.2), also if the proof is
// missing, or if client or key are others.
func (s *Server) revoke(form url.Values, p *proof) (any, *oauthError) {
	if !form.Has("token") {
		return nil, refuse("invalid_request", "Invalid request payload: token is required")
	}
	c, auth, refused := s.authenticateWithProof(form, p)
	if refused == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		t := s.grants.refresh[form.Get("token")]
		if t == nil {
			t = s.grants.access[form.Get("token")]
		}
		if t != nil && sameClient(c, auth, p, t.clientID, t.auth, t.key) == nil {
			s.grants.kill(t)
		}
	}
	return struct{}{}, nil
}

// sameClient checks that a code or token is used by the client that got it, with the same client
// key (O68) and the same DPoP key, which is empty if the request had none.
func sameClient(c *client, auth clientAuth, p *proof, clientID string, first clientAuth, key string) *oauthError {
	switch {
	case c.ID != clientID:
		return refuse("invalid_grant", "Token was not issued to this client")
	case key != "" && p.key != key:
		return refuse("invalid_grant", "DPoP proof does not match the expected JKT")
	case first != (clientAuth{}) && auth != first:
		return refuse("invalid_grant", "The session was initiated with a different key than the client assertion currently used")
	}
	return nil
}

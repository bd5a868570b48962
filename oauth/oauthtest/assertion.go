package oauthtest

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"
)

// assertionMaxAge is the maximum age of a client assertion. Like the reference server, the sandbox
// accepts none from the future (O71).
const assertionMaxAge = time.Minute

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// A clientAuth says how a client authenticated. The zero value is a public client.
type clientAuth struct {
	keyID, algorithm, key string // for private_key_jwt; key is a thumbprint
}

// authenticate verifies the client that sends a request to the authorization server (RFC 7523 §3,
// O65–O68). p is the request's proof, or nil if it has none.
func (s *Server) authenticate(form url.Values, p *proof) (*client, clientAuth, *oauthError) {
	c, refused := s.client(form.Get("client_id"))
	if refused != nil {
		return nil, clientAuth{}, refused
	}
	if !c.confidential() {
		if form.Get("client_assertion") != "" { // some clients send an empty one, and the reference takes that
			return nil, clientAuth{}, refuse("invalid_client", "A client with token_endpoint_auth_method none sends no client_assertion")
		}
		return c, clientAuth{}, nil
	}
	if form.Get("client_assertion") == "" {
		return nil, clientAuth{}, refuse("invalid_request", "client authentication method private_key_jwt requires a client_assertion")
	}
	if form.Get("client_assertion_type") != assertionType {
		return nil, clientAuth{}, refuse("invalid_client", "Unsupported client_assertion_type %q", form.Get("client_assertion_type"))
	}
	auth, refused := s.checkAssertion(c, form.Get("client_assertion"))
	if refused != nil {
		return nil, clientAuth{}, refused
	}
	if p != nil && p.key == auth.key {
		return nil, clientAuth{}, refuse("invalid_request", "The DPoP proof must be signed with a different key than the client assertion")
	}
	return c, auth, nil
}

func (s *Server) checkAssertion(c *client, raw string) (clientAuth, *oauthError) {
	fail := func(format string, args ...any) (clientAuth, *oauthError) {
		return clientAuth{}, refuse("invalid_client", "Validation of client_assertion failed: "+format, args...)
	}
	token, err := parseJWT(raw)
	if err != nil {
		return fail("%v", err)
	}
	if token.header.KeyID == "" {
		return fail("kid required")
	}
	if token.header.Alg != c.AuthAlgorithm {
		return fail("alg is not token_endpoint_auth_signing_alg")
	}
	key := c.keys[token.header.KeyID]
	if key == nil {
		return fail("the client has no key %q", token.header.KeyID)
	}
	if err := token.verify(key); err != nil {
		return fail("%v", err)
	}
	var claims struct {
		Issuer    string   `json:"iss"`
		Subject   string   `json:"sub"`
		Audience  audience `json:"aud"`
		ID        string   `json:"jti"`
		At        *float64 `json:"iat"`
		Expires   *float64 `json:"exp"`
		NotBefore *float64 `json:"nbf"`
	}
	if err := json.Unmarshal(token.payload, &claims); err != nil {
		return fail("%v", err)
	}
	now := float64(s.Now().Unix())
	switch {
	case claims.Issuer != c.ID || claims.Subject != c.ID:
		return fail("iss and sub must be the client_id")
	case !slices.Contains(claims.Audience, "https://"+s.issuer):
		return fail("aud must be the issuer")
	case claims.ID == "":
		return fail("jti required")
	case claims.At == nil:
		return fail("iat required")
	case *claims.At > now:
		return fail("iat is in the future")
	case now-*claims.At > assertionMaxAge.Seconds():
		return fail("iat is too far in the past")
	case claims.Expires != nil && *claims.Expires <= now:
		return fail("expired")
	case claims.NotBefore != nil && *claims.NotBefore > now:
		return fail("not yet valid")
	}
	id, err := thumbprint(key)
	if err != nil {
		return fail("%v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.once("assertion "+c.ID, claims.ID, s.Now().Add(2*assertionMaxAge)) {
		return clientAuth{}, refuse("invalid_grant", "private_key_jwt jti reused")
	}
	return clientAuth{keyID: token.header.KeyID, algorithm: token.header.Alg, key: id}, nil
}

// An audience is one string or several (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

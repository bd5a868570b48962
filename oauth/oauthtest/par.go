package oauthtest

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// How long a request may wait for its user, and after that for the next step.
const (
	requestLife = 5 * time.Minute
	codeLife    = 5 * time.Minute
)

const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// A request is a pushed authorization request and its state.
type request struct {
	uri     string
	client  *client
	auth    clientAuth
	params  url.Values
	key     string // thumbprint of the DPoP key; empty if the request had no proof
	expires time.Time

	account *account // who agreed
	agreed  []string // to which part of the scope; nil: to all of it
	code    string
}

// push handles a pushed authorization request (RFC 9126, O45–O56).
func (s *Server) push(form url.Values, p *proof) (any, *oauthError) {
	c, auth, refused := s.authenticate(form, p)
	if refused != nil {
		return nil, refused
	}
	if refused := s.checkParams(c, form); refused != nil {
		return nil, refused
	}
	if refused := s.checkIncludes(form.Get("scope")); refused != nil {
		return nil, refused
	}
	key := form.Get("dpop_jkt")
	if p != nil {
		if key != "" && key != p.key {
			return nil, invalidProof("dpop_jkt is not the key of the proof")
		}
		key = p.key
	}
	r := &request{
		uri:     requestURIPrefix + randomToken("req-"),
		client:  c,
		auth:    auth,
		params:  form,
		key:     key,
		expires: s.Now().Add(requestLife),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants.requests[r.uri] = r
	answer := map[string]any{"request_uri": r.uri}
	if life := s.expiresIn(requestLife); life != nil {
		answer["expires_in"] = life
	}
	return answer, nil
}

// checkParams checks an authorization request by the rules of its client and of the atproto
// profile.
func (s *Server) checkParams(c *client, form url.Values) *oauthError {
	for _, name := range []string{"claims", "id_token_hint", "nonce", "request", "request_uri"} {
		if form.Has(name) {
			return refuse("invalid_request", "Unsupported %q parameter", name)
		}
	}
	if form.Get("response_type") != "code" {
		return refuse("unsupported_response_type", "Unsupported response_type %q", form.Get("response_type"))
	}
	if form.Get("redirect_uri") == "" {
		return refuse("invalid_request", "redirect_uri is required")
	}
	if uri := form.Get("redirect_uri"); s.exactRedirects && uri != c.RedirectURIs[0] || !c.redirectsTo(uri) {
		return refuse("invalid_request", "Invalid redirect_uri %s", form.Get("redirect_uri"))
	}
	if refused := checkScope(c, form.Get("scope")); refused != nil {
		return refused
	}
	if !form.Has("code_challenge") {
		return refuse("invalid_request", "Use of PKCE is required")
	}
	if form.Get("code_challenge_method") != "S256" {
		return refuse("invalid_request", "atproto requires use of S256 code_challenge_method")
	}
	if sum, err := base64.RawURLEncoding.DecodeString(form.Get("code_challenge")); err != nil || len(sum) != 32 {
		return refuse("invalid_request", "code_challenge is not the base64url of a SHA-256 digest")
	}
	switch form.Get("response_mode") {
	case "query", "fragment":
	case "":
		if s.responseMode {
			return refuse("invalid_request", "response_mode is required")
		}
	default:
		return refuse("invalid_request", "Unsupported response_mode %q", form.Get("response_mode"))
	}
	if form.Get("prompt") == "none" && !c.confidential() {
		return refuse("consent_required", "Public clients are not allowed to use silent-sign-on")
	}
	if hint := strings.ToLower(form.Get("login_hint")); hint != "" {
		if _, err := syntax.ParseAtIdentifier(hint); err != nil {
			return refuse("invalid_request", "Invalid login_hint %q", hint)
		}
	}
	return nil
}

// checkScope compares scopes one by one with those in the metadata (O6, O47).
func checkScope(c *client, scope string) *oauthError {
	tokens, declared := strings.Split(scope, " "), strings.Split(c.Scope, " ")
	for _, token := range tokens {
		if scope != "" && !slices.Contains(declared, token) {
			return refuse("invalid_scope", "Scope %q is not declared in the client metadata", token)
		}
	}
	if !slices.Contains(tokens, "atproto") {
		return refuse("invalid_scope", "The atproto scope is required")
	}
	if slices.Contains(tokens, "openid") {
		return refuse("invalid_scope", "OpenID Connect is not compatible with atproto")
	}
	return nil
}

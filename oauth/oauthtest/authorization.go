package oauthtest

import (
	"io"
	"mime"
	"net/http"
	"net/url"
)

// authorizePath is the path of the sign-in page on the issuer's host.
const authorizePath = "/oauth/authorize"

// maxForm limits what the authorization server reads.
const maxForm = 256 << 10

// serveAuthorization is the authorization server. It returns false for paths of other services,
// because a PDS may be on the same host.
func (s *Server) serveAuthorization(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case "/.well-known/oauth-authorization-server":
		if allowed(w, r, http.MethodGet) {
			writeJSON(w, http.StatusOK, s.metadata())
		}
	case "/oauth/jwks":
		if allowed(w, r, http.MethodGet) {
			writeJSON(w, http.StatusOK, map[string]any{"keys": []any{}}) // tokens are opaque, so there are no signing keys
		}
	case authorizePath:
		s.SignInPage().ServeHTTP(w, r)
	case "/oauth/par":
		s.endpoint(w, r, http.StatusCreated, s.push)
	case "/oauth/revoke":
		if s.noRevocation {
			return false
		}
		s.endpoint(w, r, http.StatusOK, s.revoke)
	default:
		current, left := s.tokenEndpoint(r.URL.Path)
		switch {
		case r.URL.Path == current:
			s.endpoint(w, r, http.StatusOK, s.token)
		case left != 0:
			http.Error(w, http.StatusText(left), left)
		default:
			return false
		}
	}
	return true
}

// metadata describes the authorization server (RFC 8414, O40).
func (s *Server) metadata() map[string]any {
	issuer := "https://" + s.issuer
	var resources []string
	for _, host := range s.pds {
		resources = append(resources, "https://"+host)
	}
	token, _ := s.tokenEndpoint("")
	m := map[string]any{
		"issuer":                                           issuer,
		"authorization_endpoint":                           s.signIn,
		"token_endpoint":                                   issuer + token,
		"pushed_authorization_request_endpoint":            issuer + "/oauth/par",
		"revocation_endpoint":                              issuer + "/oauth/revoke",
		"jwks_uri":                                         issuer + "/oauth/jwks",
		"protected_resources":                              resources,
		"scopes_supported":                                 []string{"atproto", "transition:email", "transition:generic", "transition:chat.bsky"},
		"subject_types_supported":                          []string{"public"},
		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{"query", "fragment"},
		"grant_types_supported":                            []string{"authorization_code", "refresh_token"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"ui_locales_supported":                             []string{"en-US"},
		"prompt_values_supported":                          []string{"none", "login", "consent", "select_account", "create"},
		"dpop_signing_alg_values_supported":                signatureAlgorithms,
		"token_endpoint_auth_methods_supported":            []string{"none", "private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": signatureAlgorithms,
		"authorization_response_iss_parameter_supported":   true,
		"require_pushed_authorization_requests":            true,
		"require_request_uri_registration":                 true,
		"request_uri_parameter_supported":                  true,
		"client_id_metadata_document_supported":            true,
	}
	if s.noRevocation {
		delete(m, "revocation_endpoint")
	}
	return m
}

// allowed refuses other methods.
func allowed(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method || r.Method == http.MethodHead && method == http.MethodGet {
		return true
	}
	w.Header().Set("Allow", method)
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	return false
}

// endpoint does what the three endpoints for clients share: a form, a proof, and a JSON answer that
// must not be cached.
func (s *Server) endpoint(w http.ResponseWriter, r *http.Request, status int, handle func(url.Values, *proof) (any, *oauthError)) {
	if !allowed(w, r, http.MethodPost) {
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	form, refused := readForm(w, r)
	if refused != nil {
		refused.write(w)
		return
	}
	if token, _ := s.tokenEndpoint(""); r.URL.Path == token {
		s.mu.Lock()
		s.stats.Grants[form.Get("grant_type")]++
		s.mu.Unlock()
	}
	p, refused := s.checkProof(w, r, "")
	if refused != nil {
		refused.write(w)
		return
	}
	answer, refused := handle(form, p)
	if refused != nil {
		refused.write(w)
		return
	}
	writeJSON(w, status, answer)
}

// readForm reads a form, and refuses one with a repeated parameter (RFC 6749 §3.2).
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *oauthError) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, &oauthError{status: http.StatusUnsupportedMediaType, code: "invalid_request", description: "Unsupported content-type"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return nil, refuse("invalid_request", "Invalid body")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, refuse("invalid_request", "Invalid form: %v", err)
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, refuse("invalid_request", "Parameter %q is given %d times", name, len(values))
		}
	}
	if form.Get("client_id") == "" {
		return nil, refuse("invalid_request", "client_id is required")
	}
	return form, nil
}

package oauthtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// A client is the metadata of an OAuth client
// (https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/,
// https://atproto.com/specs/oauth#client-id-metadata-document).
type client struct {
	ID                 string          `json:"client_id"`
	Name               string          `json:"client_name"`
	URI                string          `json:"client_uri"`
	ApplicationType    string          `json:"application_type"`
	GrantTypes         []string        `json:"grant_types"`
	ResponseTypes      []string        `json:"response_types"`
	Scope              string          `json:"scope"`
	RedirectURIs       []string        `json:"redirect_uris"`
	DPoPBound          bool            `json:"dpop_bound_access_tokens"`
	AuthMethod         string          `json:"token_endpoint_auth_method"`
	AuthAlgorithm      string          `json:"token_endpoint_auth_signing_alg"`
	KeySet             json.RawMessage `json:"jwks"`
	KeySetURI          string          `json:"jwks_uri"`
	SubjectType        string          `json:"subject_type"`
	CertificateBound   bool            `json:"tls_client_certificate_bound_access_tokens"`
	EncryptedResponses string          `json:"authorization_encrypted_response_enc"`

	keys map[string]jwk.Key // by kid; for private_key_jwt
}

func (c *client) confidential() bool { return c.AuthMethod == "private_key_jwt" }

// client finds the metadata of a client_id.
func (s *Server) client(id string) (*client, *oauthError) {
	if strings.HasPrefix(id, "http://") {
		c, err := localhostClient(id)
		if err != nil {
			return nil, refuse("invalid_client_metadata", "Invalid loopback client ID: %v", err)
		}
		return c, nil
	}
	if err := checkClientID(id); err != nil {
		return nil, refuse("invalid_client_id", "%v", err)
	}
	body, ok := s.document(id)
	if !ok {
		return nil, refuse("invalid_client_metadata", "Unable to obtain client metadata for %q", id)
	}
	c := &client{ApplicationType: "web", ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code"}}
	if err := json.Unmarshal(body, c); err != nil {
		return nil, refuse("invalid_client_metadata", "Invalid client metadata document: %v", err)
	}
	if c.ID != id {
		return nil, refuse("invalid_client_metadata", "client_id does not match")
	}
	if err := s.checkClient(c); err != nil {
		return nil, refuse("invalid_client_metadata", "%v", err)
	}
	for _, uri := range c.RedirectURIs {
		if err := checkRedirect(c, uri); err != nil {
			return nil, refuse("invalid_redirect_uri", "Redirect URI %q %v", uri, err)
		}
	}
	return c, nil
}

func (s *Server) document(documentURL string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.documents[documentURL]
	return d.body, ok && d.contentType == jsonType
}

// checkClientID enforces O1: the URL of a document on a public host, in its canonical form.
func checkClientID(id string) error {
	u, err := url.Parse(id)
	if err != nil {
		return fmt.Errorf("client ID is not a URL")
	}
	host := u.Hostname()
	labels := strings.Split(host, ".")
	switch {
	case u.Scheme != "https":
		return errors.New("client ID must be an https URL")
	case u.User != nil || u.Fragment != "" || u.Port() != "":
		return errors.New("client ID must not have credentials, a fragment or a port")
	case net.ParseIP(host) != nil || len(labels) < 2:
		return errors.New("client ID must name a public host")
	case slices.Contains([]string{"test", "local", "localhost", "invalid", "example"}, labels[len(labels)-1]):
		return errors.New("client ID TLD must not be a local hostname")
	case u.Path == "" || strings.HasSuffix(u.Path, "/") || u.JoinPath().String() != id:
		return errors.New("client ID must have a canonical path that does not end in a slash")
	}
	return nil
}

// checkClient enforces O4–O8 and O12–O18 on a document.
func (s *Server) checkClient(c *client) error {
	scopes := strings.Split(c.Scope, " ")
	id, _ := url.Parse(c.ID)
	switch {
	case c.ApplicationType != "web" && c.ApplicationType != "native":
		return errors.New("application_type must be web or native")
	case !slices.Contains(c.GrantTypes, "authorization_code"):
		return errors.New("grant_types must include authorization_code")
	case duplicate(c.GrantTypes) != "":
		return fmt.Errorf("duplicate grant type %q", duplicate(c.GrantTypes))
	case !slices.Contains(c.ResponseTypes, "code"):
		return errors.New("response_types must include code")
	case c.Scope == "":
		return errors.New("missing scope property")
	case !slices.Contains(scopes, "atproto"):
		return errors.New("missing atproto scope")
	case duplicate(scopes) != "":
		return fmt.Errorf("duplicate scope %q", duplicate(scopes))
	case len(c.RedirectURIs) == 0:
		return errors.New("at least one redirect_uri is required")
	case !c.DPoPBound:
		return errors.New("dpop_bound_access_tokens must be true")
	case c.SubjectType != "" && c.SubjectType != "public":
		return errors.New("only public subject_type is supported")
	case c.CertificateBound:
		return errors.New("mutual-TLS bound access tokens are not supported")
	case c.EncryptedResponses != "":
		return errors.New("encrypted authorization responses are not supported")
	case c.KeySet != nil && c.KeySetURI != "":
		return errors.New("jwks_uri and jwks are mutually exclusive")
	}
	for _, grant := range c.GrantTypes {
		if grant != "authorization_code" && grant != "refresh_token" {
			return fmt.Errorf("grant type %q is not supported", grant)
		}
	}
	if c.URI != "" {
		u, err := url.Parse(c.URI)
		if err != nil || u.Scheme != id.Scheme || u.Host != id.Host {
			return errors.New("client_uri must have the same origin as the client_id")
		}
	}
	switch c.AuthMethod {
	case "none":
		if c.AuthAlgorithm != "" {
			return errors.New("token_endpoint_auth_method none must not have token_endpoint_auth_signing_alg")
		}
		return nil
	case "private_key_jwt":
		return s.loadKeys(c)
	default:
		return fmt.Errorf("unsupported token_endpoint_auth_method %q", c.AuthMethod)
	}
}

// loadKeys reads the keys of a confidential client.
func (s *Server) loadKeys(c *client) error {
	data := []byte(c.KeySet)
	if c.KeySetURI != "" {
		var ok bool
		if data, ok = s.document(c.KeySetURI); !ok || !strings.HasPrefix(c.KeySetURI, "https://") {
			return fmt.Errorf("unable to obtain jwks from %q", c.KeySetURI)
		}
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	switch {
	case data == nil:
		return errors.New("private_key_jwt auth method requires jwks or jwks_uri")
	case c.AuthAlgorithm == "":
		return errors.New("missing token_endpoint_auth_signing_alg client metadata")
	case !slices.Contains(signatureAlgorithms, c.AuthAlgorithm):
		return fmt.Errorf("unsupported token_endpoint_auth_signing_alg %q", c.AuthAlgorithm)
	case c.ApplicationType == "native":
		return errors.New("native clients must authenticate using none method")
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return fmt.Errorf("jwks: %w", err)
	}
	c.keys = make(map[string]jwk.Key)
	for _, raw := range set.Keys {
		key, err := parsePublicKey(raw)
		if err != nil {
			return fmt.Errorf("jwks: %w", err)
		}
		if key.KeyID() == "" || c.keys[key.KeyID()] != nil {
			return errors.New("jwks: keys need a kid each, and different ones")
		}
		c.keys[key.KeyID()] = key
	}
	if len(c.keys) == 0 {
		return errors.New("private_key_jwt auth method requires at least one key in jwks")
	}
	return nil
}

// checkRedirect enforces O9–O11 on one redirect_uri of a document.
func checkRedirect(c *client, uri string) error {
	u, err := url.Parse(uri)
	if err != nil {
		return errors.New("is not a URL")
	}
	host := u.Hostname()
	switch {
	case u.User != nil:
		return errors.New("must not contain credentials")
	case u.Scheme == "http":
		if host != "127.0.0.1" && host != "::1" || c.ApplicationType != "native" {
			return errors.New("may use http only on a loopback address and for a native client")
		}
	case u.Scheme == "https":
		if u.Port() == "443" || !strings.Contains(host, ".") || net.ParseIP(host) != nil || strings.HasSuffix(host, ".local") {
			return errors.New("must name a public host and no default port")
		}
	default:
		id, _ := url.Parse(c.ID)
		labels := strings.Split(id.Hostname(), ".")
		slices.Reverse(labels)
		if c.ApplicationType != "native" || u.Scheme != strings.Join(labels, ".") || u.Host != "" ||
			!strings.HasPrefix(u.Path, "/") || strings.HasPrefix(uri, u.Scheme+"://") {
			return errors.New("must use https, or the reversed host of the client as its scheme and one slash, for a native client")
		}
	}
	return nil
}

// localhostClient returns the metadata of an http://localhost client_id (O20–O23).
func localhostClient(id string) (*client, error) {
	u, err := url.Parse(id)
	if err != nil {
		return nil, err
	}
	if u.Host != "localhost" || u.User != nil || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return nil, errors.New("it must be http://localhost without credentials, port, path and fragment")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, err
	}
	for name := range query {
		if name != "redirect_uri" && name != "scope" {
			return nil, fmt.Errorf("unexpected query parameter %q", name)
		}
	}
	c := &client{
		ID:              id,
		Name:            "Loopback client",
		ApplicationType: "native",
		GrantTypes:      []string{"authorization_code", "refresh_token"},
		ResponseTypes:   []string{"code"},
		Scope:           "atproto",
		RedirectURIs:    []string{"http://127.0.0.1/", "http://[::1]/"},
		DPoPBound:       true,
		AuthMethod:      "none",
	}
	if scopes, ok := query["scope"]; ok {
		if len(scopes) != 1 || !slices.Contains(strings.Split(scopes[0], " "), "atproto") {
			return nil, errors.New("scope must be given once and contain atproto")
		}
		c.Scope = scopes[0]
	}
	if uris, ok := query["redirect_uri"]; ok {
		c.RedirectURIs = uris
		for _, uri := range uris {
			r, err := url.Parse(uri)
			if err != nil || r.Scheme != "http" || r.Hostname() != "127.0.0.1" && r.Hostname() != "::1" {
				return nil, fmt.Errorf("redirect_uri %q must be http on 127.0.0.1 or [::1]", uri)
			}
		}
	}
	return c, nil
}

// redirectsTo reports whether uri is one of the client's redirect URIs. It must be the same string.
// For a loopback address, a port that was not declared may differ (RFC 8252 §7.3, O22).
func (c *client) redirectsTo(uri string) bool {
	return slices.ContainsFunc(c.RedirectURIs, func(declared string) bool {
		if declared == uri {
			return true
		}
		d, err := url.Parse(declared)
		if err != nil || d.Scheme != "http" || d.Port() != "" {
			return false
		}
		u, err := url.Parse(uri)
		if err != nil {
			return false
		}
		path := func(u *url.URL) string { return "/" + strings.TrimPrefix(u.EscapedPath(), "/") }
		return u.Scheme == d.Scheme && u.Hostname() == d.Hostname() && path(u) == path(d) &&
			u.RawQuery == d.RawQuery && u.Fragment == d.Fragment && u.User == nil
	})
}

func duplicate(values []string) string {
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			return v
		}
	}
	return ""
}

package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/gimucco/atproto-go/internal/safehttp"
)

// The paths of the documents.
const (
	resourceDocument = "/.well-known/oauth-protected-resource"
	serverDocument   = "/.well-known/oauth-authorization-server"
)

// resourceMetadata is what a PDS publishes about itself (RFC 9728).
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
}

// serverMetadata is what an authorization server publishes (RFC 8414): the fields for which the
// atproto profile has a rule.
type serverMetadata struct {
	Issuer                             string   `json:"issuer"`
	AuthorizationEndpoint              string   `json:"authorization_endpoint"`
	TokenEndpoint                      string   `json:"token_endpoint"`
	PAREndpoint                        string   `json:"pushed_authorization_request_endpoint"`
	RevocationEndpoint                 string   `json:"revocation_endpoint"`
	RequirePAR                         bool     `json:"require_pushed_authorization_requests"`
	ResponseTypes                      []string `json:"response_types_supported"`
	GrantTypes                         []string `json:"grant_types_supported"`
	CodeChallengeMethods               []string `json:"code_challenge_methods_supported"`
	TokenEndpointAuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAuthSigningAlgorithms []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	Scopes                             []string `json:"scopes_supported"`
	ResponseModes                      []string `json:"response_modes_supported"`
	DPoPAlgorithms                     []string `json:"dpop_signing_alg_values_supported"`
	IssParameter                       bool     `json:"authorization_response_iss_parameter_supported"`
	RequireRequestURIRegistration      *bool    `json:"require_request_uri_registration"`
	ClientIDMetadataDocument           bool     `json:"client_id_metadata_document_supported"`
	ProtectedResources                 []string `json:"protected_resources"`
	Prompts                            []string `json:"prompt_values_supported"`

	// Not checked here. Users can log in whatever a server says in this field.
	AccountPage json.RawMessage `json:"account_management_uri"`
}

// metadataError says what is wrong in a discovery document.
func metadataError(document, format string, args ...any) error {
	return &Error{Kind: ErrInvalidMetadata,
		Err: fmt.Errorf(document+": "+format, args...)}
}

// issuerOfPDS asks a PDS which authorization server speaks for it (O35, O36).
func (c *Client) issuerOfPDS(ctx context.Context, pds string) (string, error) {
	document := pds + resourceDocument
	var m resourceMetadata
	if err := c.discover(ctx, document, &m); err != nil {
		return "", err
	}
	if m.Resource != pds {
		return "", metadataError(document, "resource is %q, not %q", m.Resource, pds)
	}
	if len(m.AuthorizationServers) != 1 {
		return "", metadataError(document, "authorization_servers has %d entries, not one", len(m.AuthorizationServers))
	}
	issuer := m.AuthorizationServers[0]
	if err := c.checkOrigin(issuer); err != nil {
		return "", metadataError(document, "authorization_servers: %w", err)
	}
	return issuer, nil
}

// serverOf fetches and checks the metadata of an issuer (O38–O40).
func (c *Client) serverOf(ctx context.Context, issuer string) (*serverMetadata, error) {
	document := issuer + serverDocument
	m := new(serverMetadata)
	if err := c.discover(ctx, document, m); err != nil {
		return nil, err
	}
	if err := m.check(c, issuer); err != nil {
		return nil, metadataError(document, "%w", err)
	}
	return m, nil
}

// check applies the rules of the atproto profile to the metadata of issuer.
func (m *serverMetadata) check(c *Client, issuer string) error {
	if m.Issuer != issuer {
		return fmt.Errorf("issuer is %q, not %q", m.Issuer, issuer)
	}
	for _, endpoint := range []struct{ field, url string }{
		{"authorization_endpoint", m.AuthorizationEndpoint},
		{"token_endpoint", m.TokenEndpoint},
		{"pushed_authorization_request_endpoint", m.PAREndpoint},
		{"revocation_endpoint", m.RevocationEndpoint},
	} {
		if endpoint.url == "" && endpoint.field == "revocation_endpoint" {
			continue // the only optional endpoint
		}
		if err := c.checkEndpoint(endpoint.url); err != nil {
			return fmt.Errorf("%s: %w", endpoint.field, err)
		}
	}
	for _, list := range []struct {
		field  string
		values []string
		want   []string
	}{
		{"response_types_supported", m.ResponseTypes, []string{"code"}},
		{"grant_types_supported", m.GrantTypes, []string{"authorization_code", "refresh_token"}},
		{"code_challenge_methods_supported", m.CodeChallengeMethods, []string{"S256"}},
		{"token_endpoint_auth_methods_supported", m.TokenEndpointAuthMethods, []string{"none", "private_key_jwt"}},
		{"token_endpoint_auth_signing_alg_values_supported", m.TokenEndpointAuthSigningAlgorithms, []string{"ES256"}},
		{"scopes_supported", m.Scopes, []string{"atproto"}},
		{"dpop_signing_alg_values_supported", m.DPoPAlgorithms, []string{"ES256"}},
	} {
		for _, want := range list.want {
			if !slices.Contains(list.values, want) {
				return fmt.Errorf("%s lacks %q", list.field, want)
			}
		}
	}
	if slices.Contains(m.TokenEndpointAuthSigningAlgorithms, "none") {
		return errors.New(`token_endpoint_auth_signing_alg_values_supported allows "none"`)
	}
	for _, flag := range []struct {
		field string
		set   bool
	}{
		{"require_pushed_authorization_requests", m.RequirePAR},
		{"authorization_response_iss_parameter_supported", m.IssParameter},
		{"client_id_metadata_document_supported", m.ClientIDMetadataDocument},
	} {
		if !flag.set {
			return fmt.Errorf("%s is not true", flag.field)
		}
	}
	if m.RequireRequestURIRegistration != nil && !*m.RequireRequestURIRegistration {
		return errors.New("require_request_uri_registration is false")
	}
	return nil
}

// checkEndpoint accepts absolute URLs that are safe for requests and browsers.
func (c *Client) checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return errors.New("is missing")
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return err
	}
	if u.Host == "" || u.User != nil || u.Fragment != "" || !c.secure(u) {
		return fmt.Errorf("%q is not an https URL without credentials and fragment%s", endpoint, c.http.Remedy(u))
	}
	return nil
}

// checkOrigin accepts an issuer or PDS in the only form that the specification allows: scheme and
// host, a port only if it is not the default, and nothing else.
func (c *Client) checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil {
		return err
	}
	if u.Host == "" || !c.secure(u) || originOf(u) != origin {
		return fmt.Errorf("%q is not an https origin without path, default port and credentials%s", origin, c.http.Remedy(u))
	}
	return nil
}

// secure reports whether u is https, or http where the Config allows it.
func (c *Client) secure(u *url.URL) bool { return c.http.AllowsScheme(u) }

// discover fetches a JSON object under the rules for discovery documents: status 200,
// application/json, no redirect, at most 512 KiB (O35).
func (c *Client) discover(ctx context.Context, document string, into any) error {
	started := c.now()
	answer, err := c.http.Fetch(ctx, document, safehttp.Rules{Accept: []string{"application/json"}})
	if err != nil {
		return discoveryError(ctx, err)
	}
	if u, err := url.Parse(document); err == nil {
		c.learnTime(originOf(u), answer.Header, started)
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return metadataError(document, "%w", err)
	}
	return nil
}

package oauth

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
)

// A ClientInfo is what users are told about a client, on the page where they agree. All
// of it may be left out.
type ClientInfo struct {
	Name      string // shown for clients that the server trusts
	URI       string // the client's home page, on the host of ClientID
	LogoURI   string // https
	TermsURI  string // https
	PolicyURI string // https
}

// clientMetadata is the client's metadata document, in the order in which it is written
// (https://atproto.com/specs/oauth#client-id-metadata-document).
type clientMetadata struct {
	ClientID        string          `json:"client_id"`
	Name            string          `json:"client_name,omitempty"`
	ApplicationType string          `json:"application_type"`
	GrantTypes      []string        `json:"grant_types"`
	ResponseTypes   []string        `json:"response_types"`
	RedirectURIs    []string        `json:"redirect_uris"`
	Scope           string          `json:"scope"`
	DPoPBound       bool            `json:"dpop_bound_access_tokens"`
	AuthMethod      string          `json:"token_endpoint_auth_method"`
	AuthAlgorithm   string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	KeysURI         string          `json:"jwks_uri,omitempty"`
	Keys            json.RawMessage `json:"jwks,omitempty"`
	URI             string          `json:"client_uri,omitempty"`
	LogoURI         string          `json:"logo_uri,omitempty"`
	TermsURI        string          `json:"tos_uri,omitempty"`
	PolicyURI       string          `json:"policy_uri,omitempty"`
}

// Metadata returns the document to publish under Config.ClientID: JSON, with status 200
// and the content type application/json, and no redirect. A development client has none
// to publish; for it, this is what servers make of its ClientID.
func (c *Client) Metadata() []byte {
	m := clientMetadata{
		ClientID:        c.config.ClientID,
		Name:            c.config.Info.Name,
		ApplicationType: c.config.applicationType(),
		GrantTypes:      []string{"authorization_code", "refresh_token"},
		ResponseTypes:   []string{"code"},
		RedirectURIs:    c.config.RedirectURIs,
		Scope:           c.config.Scope,
		DPoPBound:       true,
		AuthMethod:      "none",
		URI:             c.config.Info.URI,
		LogoURI:         c.config.Info.LogoURI,
		TermsURI:        c.config.Info.TermsURI,
		PolicyURI:       c.config.Info.PolicyURI,
	}
	if len(c.keys) > 0 {
		m.AuthMethod, m.AuthAlgorithm = "private_key_jwt", "ES256"
		if m.KeysURI = c.config.KeysURI; m.KeysURI == "" {
			m.Keys = keySet(c.keys, c.now())
		}
	}
	return indented(m)
}

// KeySet returns the public keys as a JWK set (RFC 7517): the document to publish under
// Config.KeysURI. Keys that are revoked or expired are not in it, so it changes with time
// where Config.Keys say so. A public client has no keys, and an empty set.
func (c *Client) KeySet() []byte { return indented(keySet(c.keys, c.now())) }

func indented(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	e.Encode(v) // strings always encode
	return b.Bytes()
}

// applicationType is "native" for a client that users are sent back to in ways that only
// a program on their device can take (O4).
func (cfg *Config) applicationType() string {
	native := slices.ContainsFunc(cfg.RedirectURIs, func(uri string) bool {
		u, err := url.Parse(uri)
		return err == nil && u.Scheme != "https"
	})
	if native {
		return "native"
	}
	return "web"
}

// checkPublished enforces what the metadata document has to keep to (O11, O15–O17).
func (cfg *Config) checkPublished(id *url.URL) error {
	native := cfg.applicationType() == "native"
	switch {
	case len(cfg.Keys) > 0 && id.Scheme == "http":
		return configError("Keys", "are for clients whose metadata is published; the development client is a public one")
	case len(cfg.Keys) > 0 && native:
		return configError("Keys", "are for web clients: servers let native ones authenticate by no key")
	case cfg.KeysURI != "" && len(cfg.Keys) == 0:
		return configError("KeysURI", "is set without Keys")
	}
	for i, uri := range cfg.RedirectURIs {
		u, err := url.Parse(uri)
		if native && id.Scheme == "https" && (err != nil || u.Scheme == "https" && originOf(u) != originOf(id)) {
			return configError(fmt.Sprintf("RedirectURIs[%d]", i), "%q: a native client's https redirects are on the host of ClientID", uri)
		}
	}
	for _, link := range []struct{ field, uri string }{
		{"KeysURI", cfg.KeysURI},
		{"Info.URI", cfg.Info.URI},
		{"Info.LogoURI", cfg.Info.LogoURI},
		{"Info.TermsURI", cfg.Info.TermsURI},
		{"Info.PolicyURI", cfg.Info.PolicyURI},
	} {
		if link.uri == "" {
			continue
		}
		u, err := url.Parse(link.uri)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return configError(link.field, "%q is not an https URL", link.uri)
		}
		if link.field == "Info.URI" && originOf(u) != originOf(id) {
			return configError(link.field, "%q is not on the host of ClientID", link.uri)
		}
	}
	return nil
}

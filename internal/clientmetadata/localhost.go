package clientmetadata

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// localhostOrigin is the client_id that servers accept without a published document. Its parameters
// contain everything that can differ
// (https://atproto.com/specs/oauth#localhost-client-development).
const localhostOrigin = "http://localhost"

// IsLocalhost reports whether id can only be that of a development client: it is http.
func IsLocalhost(id string) bool { return strings.HasPrefix(id, "http://") }

// LocalhostClientID returns the client_id of a development client.
func LocalhostClientID(redirectURIs []string, scope string) string {
	return localhostOrigin + "?" + url.Values{"redirect_uri": redirectURIs, "scope": {scope}}.Encode()
}

// ParseLocalhost returns the document that servers derive from a development client's id: a native,
// public client. Check tells whether its redirect URIs and its scope are allowed.
func ParseLocalhost(id string) (*Document, error) {
	rest, ok := strings.CutPrefix(id, localhostOrigin)
	rest = strings.TrimPrefix(rest, "/")
	if !ok || rest != "" && rest[0] != '?' || strings.Contains(rest, "#") {
		return nil, fmt.Errorf("%q: the development client is http://localhost without port, path, credentials and fragment", id)
	}
	query, err := url.ParseQuery(strings.TrimPrefix(rest, "?"))
	if err != nil {
		return nil, fmt.Errorf("%q has parameters that cannot be read: %w", id, err)
	}
	for name := range query {
		if name != "redirect_uri" && name != "scope" {
			return nil, fmt.Errorf("has the parameter %q; only redirect_uri and scope are allowed", name)
		}
	}
	d := New(id)
	d.ApplicationType = Native
	d.RedirectURIs = []string{"http://127.0.0.1/", "http://[::1]/"}
	d.Scope = "atproto"
	if declared := query["redirect_uri"]; len(declared) > 0 {
		d.RedirectURIs = declared
	}
	switch declared := query["scope"]; {
	case len(declared) > 1:
		return nil, fmt.Errorf("has the parameter scope %d times", len(declared))
	case len(declared) == 1:
		d.Scope = declared[0]
	}
	return d, nil
}

// AllowsRedirect reports whether a login of the client may end at uri, which must be exactly one of
// the document's redirect URIs. If that is http on a loopback address and has no port, uri may have
// any port (RFC 8252 §7.3).
func (d *Document) AllowsRedirect(uri string) bool {
	return slices.ContainsFunc(d.RedirectURIs, func(declared string) bool {
		return declared == uri || sameLoopback(declared, uri)
	})
}

func sameLoopback(declared, uri string) bool {
	d, err := url.Parse(declared)
	if err != nil || CheckLoopbackRedirect(declared) != nil {
		return false
	}
	u, err := url.Parse(uri)
	if err != nil || CheckLoopbackRedirect(uri) != nil {
		return false
	}
	path := func(u *url.URL) string { return "/" + strings.TrimPrefix(u.EscapedPath(), "/") }
	return d.Hostname() == u.Hostname() && path(d) == path(u) && d.RawQuery == u.RawQuery &&
		(d.Port() == "" || d.Port() == u.Port())
}

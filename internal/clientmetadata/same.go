package clientmetadata

import (
	"net/url"
	"slices"
	"strings"
)

// SameClient reports whether two client_ids name the same client: they are equal, or they belong to
// development clients and differ only in the ports and the order of their redirect URIs.
func SameClient(a, b string) bool { return a == b || Canonical(a) == Canonical(b) }

// Canonical returns one client_id for all that name the same client. For a published client it is
// its own; for a development client it has no ports. Use it for comparing only, not for servers.
func Canonical(id string) string {
	d, err := ParseLocalhost(id)
	if err != nil {
		return id
	}
	uris := make([]string, len(d.RedirectURIs))
	for i, uri := range d.RedirectURIs {
		uris[i] = WithoutPort(uri)
	}
	slices.Sort(uris)
	return LocalhostClientID(slices.Compact(uris), d.Scope)
}

// WithoutPort returns a loopback redirect URI without its port. It does not change any other URI.
func WithoutPort(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Port() == "" || CheckLoopbackRedirect(uri) != nil {
		return uri
	}
	u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	return u.String()
}

package clientmetadata

import (
	"net/url"
	"slices"
	"strings"
)

// SameClient reports whether two client_ids name one client: they are the same, or they are those of
// development clients that differ in nothing but the ports of redirect URIs and their order.
func SameClient(a, b string) bool { return a == b || Canonical(a) == Canonical(b) }

// Canonical returns the one client_id that stands for all that are the same client: of a published
// client its own, of a development client one without ports. It is for comparing, not for servers.
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

// WithoutPort returns a loopback redirect URI without its port. Any other stays as it is.
func WithoutPort(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Port() == "" || CheckLoopbackRedirect(uri) != nil {
		return uri
	}
	u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	return u.String()
}

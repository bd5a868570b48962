package clientmetadata

import (
	"fmt"
	"net/url"
	"strings"
)

// parseLink reads the https URL of a page or a document.
func parseLink(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || checkCharacters(uri) != nil || !strings.HasPrefix(uri, "https://") || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("%q is not an https URL without credentials", uri)
	}
	return u, nil
}

// checkHomePage checks client_uri: on the host of client_id, as the specification says,
// and at or above it, as the reference server demands.
func (d *Document) checkHomePage(p *problems, development bool) {
	const field = "client_uri"
	if d.URI == "" {
		return
	}
	if development {
		p.add(field, "is not for development clients")
		return
	}
	u, err := parseLink(d.URI)
	if err != nil {
		p.check(field, err)
		return
	}
	id, err := url.Parse(d.ClientID)
	if err != nil {
		return // that is client_id's problem
	}
	if !strings.EqualFold(u.Hostname(), id.Hostname()) || u.Port() != "" && u.Port() != "443" {
		p.add(field, "%q is not on the host of client_id", d.URI)
		return
	}
	path := u.EscapedPath()
	if path != id.EscapedPath() && !strings.HasPrefix(id.EscapedPath(), strings.TrimSuffix(path, "/")+"/") {
		p.add(field, "%q is not a folder that client_id is in", d.URI)
	}
}

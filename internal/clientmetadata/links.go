package clientmetadata

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// parseLink parses the https URL of a page or a document on the public Internet.
func parseLink(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || checkCharacters(uri) != nil || !strings.HasPrefix(uri, "https://") || u.Hostname() == "" || u.User != nil {
		return nil, fmt.Errorf("%q is not an https URL without credentials", uri)
	}
	if !publicHost(u.Hostname()) {
		return nil, fmt.Errorf("%q does not name a public host", uri)
	}
	if err := checkPort(u); err != nil {
		return nil, fmt.Errorf("%q %w", uri, err)
	}
	return u, nil
}

// checkPort refuses a port that URL parsers refuse; package url accepts any number.
func checkPort(u *url.URL) error {
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Port() != "" {
		return errors.New("has a port that cannot exist")
	}
	return nil
}

// pathOf returns the path of an https URL, as it is written.
func pathOf(uri string) string {
	rest := strings.TrimPrefix(uri, "https://")
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	_, path, _ := strings.Cut(rest, "/")
	return "/" + path
}

// checkHomePage checks client_uri. It must be on the host of client_id, as the specification says,
// and at or above client_id, as the reference server demands.
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
		return // this is a problem of client_id
	}
	if !strings.EqualFold(u.Hostname(), id.Hostname()) || u.Port() != "" && u.Port() != "443" {
		p.add(field, "%q is not on the host of client_id", d.URI)
		return
	}
	path, document := pathOf(d.URI), pathOf(d.ClientID)
	if path != document && !strings.HasPrefix(document, strings.TrimSuffix(path, "/")+"/") {
		p.add(field, "%q is not a folder that client_id is in", d.URI)
	}
}

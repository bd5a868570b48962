package clientmetadata

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkRedirects checks each redirect URI by the rules for the document's kind of client.
func (d *Document) checkRedirects(p *problems, development bool) {
	if len(d.RedirectURIs) == 0 {
		p.add("redirect_uris", "is empty: name at least one")
	}
	for i, uri := range d.RedirectURIs {
		field := fmt.Sprintf("redirect_uris[%d]", i)
		check := d.checkRedirect
		if development {
			check = CheckLoopbackRedirect
		}
		if err := check(uri); err != nil {
			p.add(field, "%q %v", uri, err)
		} else if slices.Contains(d.RedirectURIs[:i], uri) {
			p.add(field, "%q is listed twice", uri)
		}
	}
}

// checkRedirect checks a redirect URI of a published client. It must be https. For a native client
// it may also have the reversed host of its client_id as its scheme, or be http on a loopback
// address.
func (d *Document) checkRedirect(uri string) error {
	u, err := parseRedirect(uri)
	if err != nil {
		return err
	}
	if strings.HasPrefix(uri, "https://") {
		return d.checkHTTPSRedirect(u)
	}
	scheme := "com.example"
	if d.host() != "" {
		labels := strings.Split(d.host(), ".")
		slices.Reverse(labels)
		scheme = strings.Join(labels, ".")
	}
	path, ok := strings.CutPrefix(uri, scheme+":/")
	switch {
	case u.Scheme == "http" && d.ApplicationType != Native:
		return errors.New("must be https: http is for native clients, on 127.0.0.1 or [::1]")
	case u.Scheme == "http":
		return CheckLoopbackRedirect(uri) // a program that listens on the user's own device (RFC 8252 §7.3)
	case !ok || strings.HasPrefix(path, "/"):
		return fmt.Errorf("must be https, or %s:/path for a native client", scheme)
	case d.ApplicationType != Native:
		return errors.New("has a scheme for native clients, and application_type is not native")
	}
	return nil
}

func (d *Document) checkHTTPSRedirect(u *url.URL) error {
	port, _ := strconv.ParseUint(u.Port(), 10, 16)
	err := checkPort(u)
	switch {
	case !publicHost(u.Hostname()):
		return errors.New("does not name a public host")
	case strings.HasSuffix(u.Host, ":"), port == 443:
		return errors.New("names the default port: leave it out")
	case err != nil:
		return err
	case d.ApplicationType == Native && (u.Port() != "" || !strings.EqualFold(u.Hostname(), d.host())):
		return errors.New("is not on the host of client_id, as https redirects of native clients are")
	}
	return nil
}

// CheckLoopbackRedirect checks a redirect URI on the user's own device. All redirect URIs of a
// development client are there.
func CheckLoopbackRedirect(uri string) error {
	u, err := parseRedirect(uri)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(uri, "http://") || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" {
		return errors.New("must be http on 127.0.0.1 or [::1]; the name localhost is not allowed here")
	}
	return checkPort(u)
}

// parseRedirect parses a redirect URI, and refuses what no redirect URI may have.
func parseRedirect(uri string) (*url.URL, error) {
	if err := checkCharacters(uri); err != nil {
		return nil, err
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return nil, errors.New("is not a URL")
	case u.User != nil:
		return nil, errors.New("has credentials")
	case strings.Contains(uri, "#"):
		return nil, errors.New("has a fragment")
	}
	return u, nil
}

// host returns the host of a valid client_id, or "".
func (d *Document) host() string {
	if CheckClientID(d.ClientID) != nil {
		return ""
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(d.ClientID, "https://"), "/")
	return host
}

package identity

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A ServiceRef identifies a service by the DID of its operator and its id in that DID's document:
// "did:web:api.bsky.app#bsky_appview". Calls through a PDS and tokens for services use it
// (https://atproto.com/specs/xrpc#service-proxying).
type ServiceRef struct {
	DID syntax.DID // the DID of the operator
	ID  string     // without the number sign: "bsky_appview"
}

// ParseServiceRef parses the form with a number sign. It fails with ErrInvalidService.
func ParseServiceRef(text string) (ServiceRef, error) {
	did, id, _ := strings.Cut(text, "#")
	if err := syntax.DID(did).Validate(); err != nil {
		return ServiceRef{}, &Error{Subject: shorten(text), Kind: ErrInvalidService, Err: err}
	}
	if !isServiceID(id) {
		return ServiceRef{}, failure(shorten(text), ErrInvalidService, "names no service after the DID, as in did:web:api.example.com#service")
	}
	return ServiceRef{DID: syntax.DID(did), ID: id}, nil
}

// isServiceID allows fewer characters than a fragment may have (RFC 3986 §3.5), so that a reference
// can be a header field and can be compared exactly.
func isServiceID(id string) bool {
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
		default:
			return false
		}
	}
	return id != ""
}

// String returns the DID and the id with a number sign between them.
func (r ServiceRef) String() string { return string(r.DID) + "#" + r.ID }

// An Endpoint is a service in a DID document with a valid URL.
type Endpoint struct {
	Ref  ServiceRef // the reference of the service
	Type string     // "AtprotoLabeler"
	// URL is https or http, with a host in lower case and without a default port, credentials and
	// fragment. The caller decides whether http is acceptable, and which hosts are: strangers write
	// documents.
	URL *url.URL
}

// Endpoint returns the first service with this id and type. Write the id without the number sign,
// "atproto_labeler". The type "" matches any type, as for a PDS that forwards calls. It fails with
// ErrNoService if there is none. If the URL of the first match is not valid, it fails too and does
// not look for another.
func (d *Document) Endpoint(id, serviceType string) (*Endpoint, error) {
	s, ok := d.Service(id, serviceType)
	if !ok {
		return nil, failure(string(d.ID), ErrNoService, "no service has the id %.80q and the type %.80q", "#"+id, serviceType)
	}
	u, err := parseEndpoint(s.Endpoint)
	if err != nil {
		return nil, failure(string(d.ID), ErrNoService, "%.80q: endpoint %.80q: %w", s.ID, s.Endpoint, err)
	}
	return &Endpoint{Ref: ServiceRef{DID: d.ID, ID: id}, Type: s.Type, URL: u}, nil
}

// Origin returns scheme, host and port of the URL. XRPC methods are called there. It fails with
// ErrNoService if the URL is more than an origin, because a service with XRPC methods has no path.
func (e *Endpoint) Origin() (string, error) {
	origin, err := originOf(e.URL)
	if err != nil {
		return "", failure(e.Ref.String(), ErrNoService, "endpoint %.80q: %w", e.URL, err)
	}
	return origin, nil
}

// LookupService finds a service in the document of its operator's DID. It fails with ErrNoService
// if the document has no service with this id and type, and otherwise with the error of r.
func LookupService(ctx context.Context, r Resolver, ref ServiceRef, serviceType string) (*Endpoint, error) {
	doc, err := resolveDocument(ctx, r, ref.DID)
	if err != nil {
		return nil, err
	}
	return doc.Endpoint(ref.ID, serviceType)
}

// parseEndpoint reads the URL of a service.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return nil, errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("not an https URL")
	case u.User != nil:
		return nil, errors.New("has credentials")
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	case strings.Contains(endpoint, "#"):
		return nil, errors.New("has a fragment")
	}
	u.Host = strings.ToLower(u.Host)
	switch port := u.Port(); {
	case port == "":
		u.Host = strings.TrimSuffix(u.Host, ":")
	case u.Scheme == "https" && port == "443", u.Scheme == "http" && port == "80":
		u.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	return u, nil
}

func parseOrigin(endpoint string) (string, error) {
	u, err := parseEndpoint(endpoint)
	if err != nil {
		return "", err
	}
	return originOf(u)
}

func originOf(u *url.URL) (string, error) {
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("has more than scheme, host and port")
	}
	return u.Scheme + "://" + u.Host, nil
}

package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Document is the part of a DID document that atproto uses
// (https://www.w3.org/TR/did-core/, https://atproto.com/specs/did#did-documents).
type Document struct {
	ID                  syntax.DID
	AlsoKnownAs         []string
	VerificationMethods []VerificationMethod
	Services            []Service
}

// A VerificationMethod is a public key of the account.
type VerificationMethod struct {
	ID                 string // "#atproto", or with the DID before it
	Type               string // "Multikey"; older documents have others
	Controller         string
	PublicKeyMultibase string
}

// A Service is an endpoint of the account.
type Service struct {
	ID       string // "#atproto_pds", or with the DID before it
	Type     string // "" if it is not a string
	Endpoint string // "" if it is not a string
}

// ParseDocument reads the JSON of a DID document and makes sure that it is the one
// of did. Members that atproto does not know are ignored. It fails with
// ErrInvalidDocument.
func ParseDocument(data []byte, did syntax.DID) (*Document, error) {
	doc, err := parseDocument(data)
	if err != nil {
		return nil, &Error{Subject: string(did), Kind: ErrInvalidDocument, Err: err}
	}
	if doc.ID != did {
		return nil, failure(string(did), ErrInvalidDocument, "its id is %.80q", doc.ID)
	}
	return doc, nil
}

// A member of an object; encoding/json matches names of maps exactly, unlike those
// of structs.
type object map[string]json.RawMessage

func parseDocument(data []byte) (*Document, error) {
	var top object
	if err := json.Unmarshal(data, &top); err != nil {
		return nil, err
	}
	doc := new(Document)
	if err := top.read("id", &doc.ID); err != nil {
		return nil, err
	}
	if err := top.read("alsoKnownAs", &doc.AlsoKnownAs); err != nil {
		return nil, err
	}
	var methods, services []object
	if err := top.read("verificationMethod", &methods); err != nil {
		return nil, err
	}
	if err := top.read("service", &services); err != nil {
		return nil, err
	}
	for _, m := range methods {
		doc.VerificationMethods = append(doc.VerificationMethods, VerificationMethod{
			ID: m.text("id"), Type: m.text("type"), Controller: m.text("controller"),
			PublicKeyMultibase: m.text("publicKeyMultibase"),
		})
	}
	for _, s := range services {
		doc.Services = append(doc.Services, Service{
			ID: s.text("id"), Type: s.text("type"), Endpoint: s.text("serviceEndpoint"),
		})
	}
	return doc, nil
}

// read decodes a member that may be absent.
func (o object) read(name string, into any) error {
	raw, ok := o[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// text returns a member if it is a string. DID core allows lists and objects in
// places where atproto wants one string; such an entry is simply not for us.
func (o object) text(name string) string {
	var s string
	if json.Unmarshal(o[name], &s) != nil {
		return ""
	}
	return s
}

// Handle returns the handle the account claims: the first entry of AlsoKnownAs that
// is "at://" and a valid handle. The claim proves nothing until the handle resolves
// to the account, see Lookup.
func (d *Document) Handle() (h syntax.Handle, ok bool) {
	for _, alias := range d.AlsoKnownAs {
		if name, found := strings.CutPrefix(alias, "at://"); found {
			if h, err := syntax.ParseHandle(name); err == nil {
				return h, true
			}
		}
	}
	return "", false
}

// Service returns the first service with the given id and type. The id is given
// without the number sign, "atproto_pds"; documents may write it as "#atproto_pds"
// or with the DID in front.
func (d *Document) Service(id, serviceType string) (s Service, ok bool) {
	for _, s := range d.Services {
		if s.Type == serviceType && d.isID(s.ID, id) {
			return s, true
		}
	}
	return Service{}, false
}

// SigningKey returns the key that signs the account's repository.
func (d *Document) SigningKey() (m VerificationMethod, ok bool) {
	for _, m := range d.VerificationMethods {
		if d.isID(m.ID, "atproto") && m.Controller == string(d.ID) {
			return m, true
		}
	}
	return VerificationMethod{}, false
}

func (d *Document) isID(written, id string) bool {
	relative := strings.TrimPrefix(written, string(d.ID))
	return len(relative) == len(id)+1 && relative[0] == '#' && relative[1:] == id
}

// PDS returns the origin of the account's server: scheme, host in lower case, and
// the port unless it is the default; no trailing slash. It fails with ErrNoPDS if
// there is none, or its endpoint is more than an origin. Whether http is acceptable
// is for the caller to say.
func (d *Document) PDS() (origin string, err error) {
	s, ok := d.Service("atproto_pds", "AtprotoPersonalDataServer")
	if !ok {
		return "", &Error{Subject: string(d.ID), Kind: ErrNoPDS}
	}
	origin, err = parseOrigin(s.Endpoint)
	if err != nil {
		return "", failure(string(d.ID), ErrNoPDS, "endpoint %.80q: %w", s.Endpoint, err)
	}
	return origin, nil
}

func parseOrigin(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return "", errors.New("not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("not an https URL")
	case u.User != nil:
		return "", errors.New("has credentials")
	case u.Hostname() == "":
		return "", errors.New("has no host")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.ForceQuery, strings.Contains(endpoint, "#"):
		return "", errors.New("has more than scheme, host and port")
	}
	host := strings.ToLower(u.Host)
	switch port := u.Port(); {
	case port == "":
		host = strings.TrimSuffix(host, ":")
	case u.Scheme == "https" && port == "443", u.Scheme == "http" && port == "80":
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host, nil
}

package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Document is the part of a DID document that atproto uses
// (https://www.w3.org/TR/did-core/, https://atproto.com/specs/did#did-documents).
type Document struct {
	ID                  syntax.DID
	AlsoKnownAs         []string
	VerificationMethods []VerificationMethod // as they are written: see PublicKey
	Services            []Service            // as they are written: see Endpoint

	// Raw is the JSON of the whole document as it was fetched, with what atproto does not
	// know; nil in a document that was not parsed. It must not be changed.
	Raw json.RawMessage
}

// A VerificationMethod is a public key of the account, as the document writes it.
type VerificationMethod struct {
	ID                 string // "#atproto", or with the DID before it
	Type               string // "Multikey"; older documents have others
	Controller         string
	PublicKeyMultibase string
}

// A Service is an endpoint of the account, as the document writes it.
type Service struct {
	ID       string // "#atproto_pds", or with the DID before it
	Type     string // "" if it is not a string
	Endpoint string // "" if it is not a string
}

// The service that hosts an account.
const (
	pdsID   = "atproto_pds"
	pdsType = "AtprotoPersonalDataServer"
)

// ParseDocument reads the JSON of a DID document and makes sure that it is the one
// of did. Members that atproto does not know are only in Raw. It fails with
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
	doc := &Document{Raw: bytes.Clone(data)}
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

// Service returns the first service with the given id and type, as it is written. The id is
// given without the number sign, "atproto_pds"; documents may write it as "#atproto_pds" or
// with the DID in front. Both are compared to the letter. "" stands for any type.
func (d *Document) Service(id, serviceType string) (s Service, ok bool) {
	for _, s := range d.Services {
		if (serviceType == "" || s.Type == serviceType) && d.isID(s.ID, id) {
			return s, true
		}
	}
	return Service{}, false
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
	s, ok := d.Service(pdsID, pdsType)
	if !ok {
		return "", &Error{Subject: string(d.ID), Kind: ErrNoPDS}
	}
	origin, err = parseOrigin(s.Endpoint)
	if err != nil {
		return "", failure(string(d.ID), ErrNoPDS, "endpoint %.80q: %w", s.Endpoint, err)
	}
	return origin, nil
}

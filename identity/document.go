package identity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Document holds the parts of a DID document that atproto uses (https://www.w3.org/TR/did-core/,
// https://atproto.com/specs/did#did-documents).
type Document struct {
	ID                  syntax.DID           // the DID of the document
	AlsoKnownAs         []string             // other names of the account, such as "at://alice.example.com"
	VerificationMethods []VerificationMethod // as in the document: see PublicKey
	Services            []Service            // as in the document: see Endpoint

	// Raw is the JSON of the whole document as it was fetched, with the parts that atproto does not
	// use. It is nil in a document that was not parsed. It must not be changed.
	Raw json.RawMessage
}

// A VerificationMethod is a public key of the account, as the document contains it.
type VerificationMethod struct {
	ID                 string // "#atproto", or with the DID in front
	Type               string // "Multikey"; older documents have other types
	Controller         string // the DID that controls the key
	PublicKeyMultibase string // the key in multibase
}

// A Service is an endpoint of the account, as the document contains it.
type Service struct {
	ID       string // "#atproto_pds", or with the DID in front
	Type     string // "" if it is not a string
	Endpoint string // "" if it is not a string
}

// The id and type of the service that hosts an account.
const (
	pdsID   = "atproto_pds"
	pdsType = "AtprotoPersonalDataServer"
)

// ParseDocument reads the JSON of a DID document, and checks that it is the document of did.
// Members that atproto does not use are only in Raw. It fails with ErrInvalidDocument.
func ParseDocument(data []byte, did syntax.DID) (*Document, error) {
	doc, err := parseDocument(data)
	if err != nil {
		return nil, &Error{Subject: string(did), Kind: ErrInvalidDocument, Err: err}
	}
	if doc.ID != did {
		return nil, failure(string(did), ErrInvalidDocument, "its id is %.80q, which is another DID", doc.ID)
	}
	return doc, nil
}

// A map matches member names exactly; for structs, encoding/json ignores letter case.
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

// read decodes a member that may be missing.
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

// text returns a member if it is a string. DID core allows lists and objects where atproto wants a
// single string; atproto does not use such an entry.
func (o object) text(name string) string {
	var s string
	if json.Unmarshal(o[name], &s) != nil {
		return ""
	}
	return s
}

// Handle returns the handle that the account claims: the first entry of AlsoKnownAs that is "at://"
// and a valid handle. This proves nothing until the handle resolves to the account; see Lookup.
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

// Service returns the first service with this id and type, as the document contains it. Write the
// id without the number sign, "atproto_pds"; documents may write "#atproto_pds", or the DID in
// front of that. Both are compared exactly. The type "" matches any type.
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

// PDS returns the origin of the account's server: scheme, host in lower case, and the port unless
// it is the default, without a trailing slash. It fails with ErrNoPDS if there is no PDS, or if its
// endpoint is more than an origin. The caller decides whether http is acceptable.
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

package clientmetadata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A Document is a client's metadata. Its JSON has the fields in this order
// (https://atproto.com/specs/oauth#client-id-metadata-document).
type Document struct {
	ClientID        string          `json:"client_id"`
	Name            string          `json:"client_name,omitempty"`
	ApplicationType string          `json:"application_type"`
	GrantTypes      []string        `json:"grant_types"`
	ResponseTypes   []string        `json:"response_types"`
	RedirectURIs    []string        `json:"redirect_uris"`
	Scope           string          `json:"scope"`
	DPoPBound       bool            `json:"dpop_bound_access_tokens"`
	AuthMethod      string          `json:"token_endpoint_auth_method"`
	AuthAlgorithm   string          `json:"token_endpoint_auth_signing_alg,omitempty"`
	KeySetURI       string          `json:"jwks_uri,omitempty"`
	KeySet          json.RawMessage `json:"jwks,omitempty"`
	URI             string          `json:"client_uri,omitempty"`
	LogoURI         string          `json:"logo_uri,omitempty"`
	TermsURI        string          `json:"tos_uri,omitempty"`
	PolicyURI       string          `json:"policy_uri,omitempty"`

	// other are the fields of a parsed document that are not above.
	other map[string]json.RawMessage
	// malformed says for fields of a parsed document what is wrong with their values.
	malformed map[string]error
	// secrets are the private keys in a parsed document.
	secrets []Problem
}

// Values of fields.
const (
	Web           = "web"             // application_type
	Native        = "native"          // application_type
	AuthNone      = "none"            // token_endpoint_auth_method of public clients
	AuthKey       = "private_key_jwt" // token_endpoint_auth_method of confidential clients
	AuthAlgorithm = "ES256"           // token_endpoint_auth_signing_alg that every server supports
)

// New returns the beginning of a document: a public web client, with the values that all clients of
// the atproto profile share.
func New(clientID string) *Document {
	return &Document{
		ClientID:        clientID,
		ApplicationType: Web,
		GrantTypes:      []string{"authorization_code", "refresh_token"},
		ResponseTypes:   []string{"code"},
		DPoPBound:       true,
		AuthMethod:      AuthNone,
	}
}

// Parse parses a document. It fails if data is not a JSON object. Check finds errors in the fields.
func Parse(data []byte) (*Document, error) {
	d := &Document{other: make(map[string]json.RawMessage), malformed: make(map[string]error)}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		return nil, errors.New("is not a JSON object")
	}
	if err := json.Unmarshal(data, &d.other); err != nil {
		return nil, fmt.Errorf("is not a JSON object: %w", err)
	}
	d.secrets = PrivateKeys(data)
	read(d, "client_id", &d.ClientID, "a string")
	read(d, "client_name", &d.Name, "a string")
	readFilled(d, "application_type", &d.ApplicationType)
	read(d, "grant_types", &d.GrantTypes, "a list of strings")
	read(d, "response_types", &d.ResponseTypes, "a list of strings")
	read(d, "redirect_uris", &d.RedirectURIs, "a list of strings")
	read(d, "scope", &d.Scope, "a string, with spaces between the scopes")
	read(d, "dpop_bound_access_tokens", &d.DPoPBound, "true")
	read(d, "token_endpoint_auth_method", &d.AuthMethod, "a string")
	read(d, "token_endpoint_auth_signing_alg", &d.AuthAlgorithm, "a string")
	readFilled(d, "jwks_uri", &d.KeySetURI)
	read(d, "jwks", &d.KeySet, "an object with a list of keys")
	readFilled(d, "client_uri", &d.URI)
	readFilled(d, "logo_uri", &d.LogoURI)
	readFilled(d, "tos_uri", &d.TermsURI)
	readFilled(d, "policy_uri", &d.PolicyURI)
	return d, nil
}

// read takes a field out of those that nobody has read yet.
func read[T any](d *Document, name string, into *T, what string) {
	raw, ok := d.other[name]
	if !ok {
		return
	}
	delete(d.other, name)
	if isNull(raw) {
		d.malformed[name] = errNull
	} else if err := json.Unmarshal(raw, into); err != nil {
		d.malformed[name] = fmt.Errorf("is not %s", what)
	}
}

var errNull = errors.New("is null: leave it out instead")

// readFilled takes out a string that may be missing, but not empty.
func readFilled(d *Document, name string, into *string) {
	raw := d.other[name]
	read(d, name, into, "a string")
	if string(raw) == `""` {
		d.malformed[name] = errors.New("is empty: leave it out instead")
	}
}

// Confidential reports whether the client authenticates with a key.
func (d *Document) Confidential() bool { return d.AuthMethod == AuthKey }

// Check returns every rule that the document breaks: first published private keys, and then the
// others in the document's order. For keys that are published elsewhere, at KeySetURI, use
// CheckKeySet.
func (d *Document) Check() []Problem {
	var p problems
	if d.other != nil {
		p = append(p, d.secrets...)
	} else if d.KeySet != nil {
		p = append(p, below("jwks", privateKeys(d.KeySet, true))...)
	}
	field := func(name string, check func()) {
		if err, ok := d.malformed[name]; ok {
			p.check(name, err)
			return
		}
		check()
	}
	development := IsLocalhost(d.ClientID)
	field("client_id", func() {
		if development {
			_, err := ParseLocalhost(d.ClientID)
			p.check("client_id", err)
		} else {
			p.check("client_id", CheckClientID(d.ClientID))
		}
	})
	field("client_name", func() {})
	field("application_type", func() {
		switch {
		case development && d.ApplicationType != Native:
			p.add("application_type", "is %q; a development client is native", d.ApplicationType)
		case d.ApplicationType != "" && d.ApplicationType != Web && d.ApplicationType != Native:
			p.add("application_type", "is %q: write web or native", d.ApplicationType)
		}
	})
	field("grant_types", func() { d.checkGrantTypes(&p) })
	field("response_types", func() { d.checkResponseTypes(&p) })
	field("redirect_uris", func() { d.checkRedirects(&p, development) })
	field("scope", func() { p.check("scope", CheckScope(d.Scope)) })
	field("dpop_bound_access_tokens", func() {
		if !d.DPoPBound {
			p.add("dpop_bound_access_tokens", "is not true: tokens of atproto are always bound to a key")
		}
	})
	field("token_endpoint_auth_method", func() { d.checkAuthMethod(&p, development) })
	field("token_endpoint_auth_signing_alg", func() { d.checkAuthAlgorithm(&p) })
	field("jwks_uri", func() { d.checkKeySetURI(&p) })
	field("jwks", func() { d.checkKeySet(&p) })
	field("client_uri", func() { d.checkHomePage(&p, development) })
	for _, link := range []struct{ name, uri string }{
		{"logo_uri", d.LogoURI}, {"tos_uri", d.TermsURI}, {"policy_uri", d.PolicyURI},
	} {
		field(link.name, func() {
			if link.uri != "" {
				_, err := parseLink(link.uri)
				p.check(link.name, err)
			}
		})
	}
	d.checkOther(&p)
	return concealed(p)
}

func (d *Document) checkGrantTypes(p *problems) {
	if !slices.Contains(d.GrantTypes, "authorization_code") {
		p.add("grant_types", `lacks "authorization_code"`)
	}
	for i, grant := range d.GrantTypes {
		field := fmt.Sprintf("grant_types[%d]", i)
		switch {
		case grant != "authorization_code" && grant != "refresh_token":
			p.add(field, "is %q: there are only authorization_code and refresh_token", grant)
		case slices.Contains(d.GrantTypes[:i], grant):
			p.add(field, "is %q a second time: remove it", grant)
		}
	}
}

// responseTypes are those of RFC 6749 and of OpenID's multiple response types. Clients of atproto
// need only code, but servers accept the others.
var responseTypes = []string{
	"code", "token", "none", "code id_token token", "code id_token", "code token", "id_token token", "id_token",
}

func (d *Document) checkResponseTypes(p *problems) {
	if !slices.Contains(d.ResponseTypes, "code") {
		p.add("response_types", `lacks "code"`)
	}
	for i, t := range d.ResponseTypes {
		if !slices.Contains(responseTypes, t) {
			p.add(fmt.Sprintf("response_types[%d]", i), "is %q, which is not a response type", t)
		}
	}
}

func (d *Document) checkAuthMethod(p *problems, development bool) {
	const field = "token_endpoint_auth_method"
	switch {
	case d.AuthMethod == "":
		p.add(field, `is missing: servers then take it for client_secret_basic, which they refuse. Public clients write "none"`)
	case d.AuthMethod != AuthNone && d.AuthMethod != AuthKey:
		p.add(field, "is %q: there are only none, for public clients, and private_key_jwt", d.AuthMethod)
	case d.AuthMethod == AuthKey && development:
		p.add(field, "is private_key_jwt; a development client is a public one")
	case d.AuthMethod == AuthKey && d.ApplicationType == Native:
		p.add(field, "is private_key_jwt, which is for web clients: servers let native ones authenticate by no key")
	}
}

func (d *Document) checkAuthAlgorithm(p *problems) {
	const field = "token_endpoint_auth_signing_alg"
	switch {
	case d.AuthMethod == AuthNone && d.AuthAlgorithm != "":
		p.add(field, "is %q, but token_endpoint_auth_method is none, so nothing is signed: remove it", d.AuthAlgorithm)
	case d.Confidential() && d.AuthAlgorithm == "":
		p.add(field, "is missing: private_key_jwt needs it")
	case d.Confidential() && d.AuthAlgorithm != AuthAlgorithm:
		p.add(field, "is %q: ES256 is the one that every server and every client supports", d.AuthAlgorithm)
	}
}

// unsupported are fields of OpenID Connect and other specifications that servers refuse, each with
// the only value that they accept.
var unsupported = []struct{ name, pass string }{
	{"default_max_age", ""},
	{"userinfo_signed_response_alg", ""},
	{"userinfo_encrypted_response_alg", ""},
	{"id_token_signed_response_alg", ""},
	{"authorization_encrypted_response_enc", ""},
	{"tls_client_certificate_bound_access_tokens", "false"},
	{"subject_type", `"public"`},
	{"authorization_details_types", "[]"},
}

// unused are fields that have no meaning for servers of atproto, but that they still read.
var unused = []struct {
	name string
	kind kind
}{
	{"request_object_signing_alg", text},
	{"authorization_signed_response_alg", text},
	{"authorization_encrypted_response_alg", text},
	{"require_auth_time", trueFalse},
	{"contacts", addresses},
}

func (d *Document) checkOther(p *problems) {
	for _, field := range unsupported {
		if raw, ok := d.other[field.name]; ok && (field.pass == "" || !same(raw, field.pass)) {
			p.add(field.name, "is not supported by servers of atproto: leave it out")
		}
	}
	for _, field := range unused {
		switch raw, ok := d.other[field.name]; {
		case !ok:
		case isNull(raw):
			p.check(field.name, errNull)
		case !field.kind.is(raw):
			p.add(field.name, "is not %s", field.kind.what)
		}
	}
}

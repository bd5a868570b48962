package clientmetadata

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	clientID = "https://app.example.com/oauth/client-metadata.json"
	// Of RFC 7515 §A.3.
	key = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","kid":"one"}`
	// The generator of P-256.
	otherKey = `{"kty":"EC","crv":"P-256","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU","kid":"two","use":"sig","alg":"ES256"}`
)

// fields are the fields of a document as JSON; "" takes one away.
type fields map[string]string

// web is the document of a public web client, changed.
func web(changes ...fields) fields {
	f := fields{
		"client_id": `"` + clientID + `"`, "grant_types": `["authorization_code","refresh_token"]`, "response_types": `["code"]`,
		"redirect_uris": `["https://app.example.com/callback"]`, "scope": `"atproto"`, "dpop_bound_access_tokens": `true`,
		"token_endpoint_auth_method": `"none"`,
	}
	for _, c := range changes {
		for name, value := range c {
			f[name] = value
		}
	}
	return f
}

func confidential(changes ...fields) fields {
	return web(append([]fields{{
		"token_endpoint_auth_method": `"private_key_jwt"`, "token_endpoint_auth_signing_alg": `"ES256"`, "jwks": `{"keys":[` + key + `]}`,
	}}, changes...)...)
}

func native(changes ...fields) fields {
	return web(append([]fields{{"application_type": `"native"`, "redirect_uris": `["com.example.app:/callback"]`}}, changes...)...)
}

func (f fields) parse(tb testing.TB) *Document {
	tb.Helper()
	raw := make(map[string]json.RawMessage)
	for name, value := range f {
		if value != "" {
			raw[name] = json.RawMessage(value)
		}
	}
	data, err := json.Marshal(raw)
	if err != nil {
		tb.Fatal(err)
	}
	d, err := Parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestCheck(t *testing.T) {
	redirects := func(uris ...string) fields {
		data, _ := json.Marshal(append([]string{}, uris...))
		return fields{"redirect_uris": string(data)}
	}
	keys := func(keys ...string) fields { return fields{"jwks": `{"keys":[` + strings.Join(keys, ",") + `]}`} }
	with := func(key, members string) string { return strings.TrimSuffix(key, "}") + "," + members + "}" }
	for _, tt := range []struct {
		name string
		doc  fields
		want string // field and part of the rule, of the one problem; "": none
	}{
		{"a public web client", web(), ""},
		{"a confidential client", confidential(keys(key, otherKey)), ""},
		{"a native client", native(), ""},

		{"O1 a client_id that is none", web(fields{"client_id": `"https://app.example.com/"`}), "client_id: path of a document"},
		{"O1 no client_id", web(fields{"client_id": ""}), "client_id: missing"},

		{"O4 the default is web", web(fields{"application_type": ""}), ""},
		{"O4 written out", web(fields{"application_type": `"web"`}), ""},
		{"O4 another type", web(fields{"application_type": `"service"`}), "application_type: write web or native"},
		{"O4 empty", web(fields{"application_type": `""`}), "application_type: is empty"},
		{"O4 not a string", web(fields{"application_type": `7`}), "application_type: not a string"},

		{"O5 no refresh", web(fields{"grant_types": `["authorization_code"]`}), ""},
		{"O5 no code", web(fields{"grant_types": `["refresh_token"]`}), `grant_types: lacks "authorization_code"`},
		{"O5 missing", web(fields{"grant_types": ""}), `grant_types: lacks "authorization_code"`},
		{"O5 implicit", web(fields{"grant_types": `["authorization_code","implicit"]`}), "grant_types[1]: only authorization_code"},
		{"O5 twice", web(fields{"grant_types": `["authorization_code","authorization_code"]`}), "grant_types[1]: a second time"},
		{"O5 not a list", web(fields{"grant_types": `"authorization_code"`}), "grant_types: not a list of strings"},

		{"O6 several", web(fields{"scope": `"atproto transition:generic blob:*/*"`}), ""},
		{"O6 missing", web(fields{"scope": ""}), "scope: empty"},
		{"O6 without atproto", web(fields{"scope": `"transition:generic"`}), `scope: lacks "atproto"`},
		{"O6 only the word in it", web(fields{"scope": `"notatproto"`}), `scope: lacks "atproto"`},
		{"O6 twice", web(fields{"scope": `"atproto blob:*/* blob:*/*"`}), `scope: "blob:*/*" twice`},
		{"O6 two spaces", web(fields{"scope": `"atproto  blob:*/*"`}), "scope: empty token"},
		{"O6 a character", web(fields{"scope": `"atproto \"a\""`}), "scope: character"},
		{"O6 openid", web(fields{"scope": `"atproto openid"`}), `scope: "openid"`},
		{"O6 a list", web(fields{"scope": `["atproto"]`}), "scope: not a string"},
		{"O6 null", web(fields{"scope": `null`}), "scope: is null"},

		{"O7 missing", web(fields{"response_types": ""}), `response_types: lacks "code"`},
		{"O7 another", web(fields{"response_types": `["token"]`}), `response_types: lacks "code"`},
		{"O7 one more", web(fields{"response_types": `["code","code id_token"]`}), ""},
		{"O7 one that there is not", web(fields{"response_types": `["code","bogus"]`}), "response_types[1]: not a response type"},
		{"O7 null among them", web(fields{"response_types": `["code",null]`}), "response_types[1]: not a response type"},

		{"O8 missing", web(fields{"redirect_uris": ""}), "redirect_uris: empty"},
		{"O8 none", web(redirects()), "redirect_uris: empty"},
		{"O8 a string", web(fields{"redirect_uris": `"https://app.example.com/cb"`}), "redirect_uris: not a list"},
		{"O8 twice", web(redirects("https://app.example.com/a", "https://app.example.com/a")), "redirect_uris[1]: twice"},

		{"O9 elsewhere, with a port and a query", web(redirects("https://Login.example.net:8443/cb?a=b")), ""},
		{"O9 http", web(redirects("http://app.example.com/cb")), "redirect_uris[0]: must be https"},
		{"O9 the second", web(redirects("https://app.example.com/cb", "http://app.example.com/cb")), "redirect_uris[1]: must be https"},
		{"O9 a look-alike of localhost", web(redirects("http://localhost.example.net/cb")), "redirect_uris[0]: must be https"},
		{"O9 loopback", web(redirects("http://127.0.0.1/cb")), "redirect_uris[0]: must be https"},
		{"O9 loopback by https", web(redirects("https://127.0.0.1/cb")), "redirect_uris[0]: public host"},
		{"O9 the default port", web(redirects("https://app.example.com:443/cb")), "redirect_uris[0]: default port"},
		{"O9 the default port with a zero", web(redirects("https://app.example.com:0443/cb")), "redirect_uris[0]: default port"},
		{"O9 an empty port", web(redirects("https://app.example.com:/cb")), "redirect_uris[0]: default port"},
		{"O9 no port", web(redirects("https://app.example.com:65536/cb")), "redirect_uris[0]: port that cannot exist"},
		{"O9 credentials", web(redirects("https://u:p@app.example.com/cb")), "redirect_uris[0]: credentials"},
		{"O9 a fragment", web(redirects("https://app.example.com/cb#")), "redirect_uris[0]: fragment"},
		{"O9 a local name", web(redirects("https://app.local/cb")), "redirect_uris[0]: public host"},
		{"O9 one label", web(redirects("https://intranet/cb")), "redirect_uris[0]: public host"},
		{"O9 capital letters in the scheme", web(redirects("HTTPS://app.example.com/cb")), "redirect_uris[0]: must be https"},
		{"O9 a space", web(redirects("https://app.example.com/c b")), "redirect_uris[0]: has the character"},
		{"O9 a path", web(redirects("/cb")), "redirect_uris[0]: not a URL"},

		{"O10 another name reversed", native(redirects("com.example.net:/cb")), "redirect_uris[0]: com.example.app:/path"},
		{"O10 a short scheme", native(redirects("myapp:/cb")), "redirect_uris[0]: com.example.app:/path"},
		{"O10 two slashes", native(redirects("com.example.app://cb")), "redirect_uris[0]: com.example.app:/path"},
		{"O10 no slash", native(redirects("com.example.app:cb")), "redirect_uris[0]: com.example.app:/path"},
		{"O10 of a web client", web(redirects("com.example.app:/cb")), "redirect_uris[0]: native clients"},
		{"O10 loopback of a native client", native(redirects("http://127.0.0.1/cb", "http://[::1]:8080/cb")), ""},
		{"O9 loopback of a web client", web(redirects("http://127.0.0.1/cb")), "redirect_uris[0]: http is for native clients"},
		{"O10 the name localhost of a native client", native(redirects("http://localhost/cb")), "redirect_uris[0]: the name localhost is not allowed"},
		{"O10 another host by http of a native client", native(redirects("http://app.example.com/cb")), "redirect_uris[0]: must be http on 127.0.0.1"},

		{"O10 loopback on a port that there is not", native(redirects("http://127.0.0.1:99999/cb")), "redirect_uris[0]: port that cannot exist"},
		{"O10 loopback on the last port", native(redirects("http://[::1]:65535/cb")), ""},

		{"O11 https on the client's host", native(redirects("https://APP.example.com/cb")), ""},
		{"O11 https elsewhere", native(redirects("https://example.com/cb")), "redirect_uris[0]: host of client_id"},
		{"O11 https on another port", native(redirects("https://app.example.com:8443/cb")), "redirect_uris[0]: host of client_id"},

		{"O12 missing", web(fields{"token_endpoint_auth_method": ""}), "token_endpoint_auth_method: client_secret_basic"},
		{"O12 a secret", web(fields{"token_endpoint_auth_method": `"client_secret_post"`}), "token_endpoint_auth_method: only none"},

		{"O13 missing", confidential(fields{"token_endpoint_auth_signing_alg": ""}), "token_endpoint_auth_signing_alg: missing"},
		{"O13 none", confidential(fields{"token_endpoint_auth_signing_alg": `"none"`}), "token_endpoint_auth_signing_alg: ES256"},
		{"O13 of a public client", web(fields{"token_endpoint_auth_signing_alg": `"ES256"`}), "token_endpoint_auth_signing_alg: so nothing is signed"},

		{"O14 missing", web(fields{"dpop_bound_access_tokens": ""}), "dpop_bound_access_tokens: not true"},
		{"O14 false", web(fields{"dpop_bound_access_tokens": "false"}), "dpop_bound_access_tokens: not true"},
		{"O14 a string", web(fields{"dpop_bound_access_tokens": `"true"`}), "dpop_bound_access_tokens: not true"},

		{"O15 elsewhere", confidential(fields{"jwks": "", "jwks_uri": `"https://keys.example.net/jwks.json"`}), ""},
		{"O15 by http", confidential(fields{"jwks": "", "jwks_uri": `"http://keys.example.net/jwks.json"`}), "jwks_uri: not an https URL"},
		{"O15 on a local host", confidential(fields{"jwks": "", "jwks_uri": `"https://keys.local/jwks.json"`}), "jwks_uri: public host"},
		{"O15 on a port that there is not", confidential(fields{"jwks": "", "jwks_uri": `"https://keys.example.net:65536/jwks.json"`}), "jwks_uri: port that cannot exist"},
		{"O15 nowhere", web(fields{"jwks_uri": `""`}), "jwks_uri: is empty"},
		{"O15 keys by another name", confidential(fields{"jwks": `{"KEYS":[` + key + `]}`}), "jwks: list of keys"},
		{"O15 keys by both names", confidential(fields{"jwks": `{"keys":[` + key + `],"Keys":[]}`}), ""},
		{"O15 none", confidential(fields{"jwks": ""}), "jwks: both missing"},
		{"O15 both", confidential(fields{"jwks_uri": `"https://keys.example.net/jwks.json"`}), "jwks: both there"},
		{"O15 no keys", confidential(keys()), "jwks.keys: no key"},
		{"O15 no list", confidential(fields{"jwks": `{}`}), "jwks: list of keys"},
		{"O15 a list", confidential(fields{"jwks": `[` + key + `]`}), "jwks: list of keys"},
		{"O15 only a key for encryption", confidential(keys(with(key, `"use":"enc"`))), "jwks.keys: no key"},
		{"O15 a key for encryption beside", confidential(keys(key, `{"kty":"RSA","use":"enc"}`)), ""},
		{"O15 no kid", confidential(keys(key, with(strings.Replace(otherKey, "kid", "name", 1), `"kid":""`))), "jwks.keys[1].kid: missing"},
		{"O15 one kid twice", confidential(keys(key, strings.Replace(otherKey, "two", "one", 1))), `jwks.keys[1].kid: "one", as of another`},
		{"O15 a private key", confidential(keys(with(key, `"d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"`))), "jwks.keys[0].d: PRIVATE"},
		{"O15 another curve", confidential(keys(strings.Replace(key, "P-256", "P-384", 1))), "jwks.keys[0]: P-256"},
		{"O15 not on the curve", confidential(keys(strings.Replace(key, "f83O", "f83P", 1))), "jwks.keys[0]: not a point"},
		{"O15 half a key", confidential(keys(strings.Replace(key, `"y"`, `"z"`, 1))), "jwks.keys[0]: not a point"},
		{"O15 another algorithm", confidential(keys(with(key, `"alg":"ES384"`))), "jwks.keys[0].alg: not ES256"},
		{"O15 a key to sign by", confidential(keys(with(key, `"key_ops":["sign"]`))), "jwks.keys[0].key_ops: verify"},
		{"O15 a key to verify by", confidential(keys(with(key, `"key_ops": [ "verify" ]`))), ""},
		{"O15 an empty use", confidential(keys(with(key, `"use":""`))), "jwks.keys[0].use: not a string, or is empty"},
		{"O15 an algorithm that is null", confidential(keys(with(key, `"alg":null`))), "jwks.keys[0].alg: not a string"},
		{"O15 members of the right kinds", confidential(keys(with(key, `"x5c":["a"],"x5t":"a","x5t#S256":"a","x5u":"https://a.example.net/x","ext":true,"iat":1e3,"exp":1,"nbf":-1,"revoked":{"revoked_at":1}`))), ""},
		{"O15 one certificate", confidential(keys(with(key, `"x5c":"a"`))), "jwks.keys[0].x5c: not a list of strings"},
		{"O15 an empty thumbprint", confidential(keys(with(key, `"x5t":""`))), "jwks.keys[0].x5t: or is empty"},
		{"O15 an empty SHA-256 thumbprint", confidential(keys(with(key, `"x5t#S256":""`))), "jwks.keys[0].x5t#S256: or is empty"},
		{"O15 a certificate nowhere", confidential(keys(with(key, `"x5u":"x"`))), "jwks.keys[0].x5u: not an https URL"},
		{"O15 extractable in words", confidential(keys(with(key, `"ext":"yes"`))), "jwks.keys[0].ext: not true or false"},
		{"O15 half a second", confidential(keys(with(key, `"iat":1.5`))), "jwks.keys[0].iat: not a whole number"},
		{"O15 an end in words", confidential(keys(with(key, `"exp":"2030"`))), "jwks.keys[0].exp: not a whole number"},
		{"O15 a beginning beyond numbers", confidential(keys(with(key, `"nbf":1e999`))), "jwks.keys[0].nbf: not a whole number"},
		{"O15 revoked without a time", confidential(keys(with(key, `"revoked":{}`))), "jwks.keys[0].revoked: revoked_at"},
		{"O15 revoked without a reason in words", confidential(keys(with(key, `"revoked":{"revoked_at":1,"reason":1}`))), "jwks.keys[0].revoked: revoked_at"},

		{"O16 a home page", web(fields{"client_uri": `"https://app.example.com"`}), ""},
		{"O16 a folder above", web(fields{"client_uri": `"https://app.example.com/oauth"`}), ""},
		{"O16 a folder above, with a slash", web(fields{"client_uri": `"https://APP.example.com:443/oauth/"`}), ""},
		{"O16 the document", web(fields{"client_uri": `"` + clientID + `"`}), ""},
		{"O16 a folder beside", web(fields{"client_uri": `"https://app.example.com/about"`}), "client_uri: not a folder"},
		{"O16 half a folder", web(fields{"client_uri": `"https://app.example.com/oa"`}), "client_uri: not a folder"},
		{"O16 elsewhere", web(fields{"client_uri": `"https://example.com/"`}), "client_uri: host of client_id"},
		{"O16 another port", web(fields{"client_uri": `"https://app.example.com:8443/"`}), "client_uri: host of client_id"},
		{"O16 by http", web(fields{"client_uri": `"http://app.example.com/"`}), "client_uri: not an https URL"},
		{"O16 a folder that is only escaped alike", web(fields{"client_id": `"https://app.example.com/a|b/m.json"`, "client_uri": `"https://app.example.com/a%7Cb/"`}), "client_uri: not a folder"},
		{"O16 a query", web(fields{"client_uri": `"https://app.example.com/oauth?a=/b"`}), ""},
		{"O16 no home page", web(fields{"client_uri": `""`}), "client_uri: is empty"},
		{"O16 other pages elsewhere", web(fields{"logo_uri": `"https://a.net/l.png"`, "tos_uri": `"https://b.net/t"`, "policy_uri": `"https://c.net/p"`}), ""},
		{"O16 a logo by http", web(fields{"logo_uri": `"http://app.example.com/l.png"`}), "logo_uri: not an https URL"},
		{"O16 a logo inside", web(fields{"logo_uri": `"data:image/png;base64,AAAA"`}), "logo_uri: not an https URL"},
		{"O16 a logo on localhost", web(fields{"logo_uri": `"https://localhost/l.png"`}), "logo_uri: public host"},
		{"O16 a logo on one label", web(fields{"logo_uri": `"https://intranet/l.png"`}), "logo_uri: public host"},
		{"O16 terms on a local name", web(fields{"tos_uri": `"https://printer.local/t"`}), "tos_uri: public host"},
		{"O16 a policy on an address", web(fields{"policy_uri": `"https://10.0.0.1/p"`}), "policy_uri: public host"},
		{"O16 a policy on the loopback address", web(fields{"policy_uri": `"https://[::1]/p"`}), "policy_uri: public host"},
		{"O16 a logo on a port that there is not", web(fields{"logo_uri": `"https://app.example.com:99999/l.png"`}), "logo_uri: port that cannot exist"},
		{"O16 a logo on another port", web(fields{"logo_uri": `"https://app.example.com:8443/l.png"`}), ""},
		{"O16 no policy", web(fields{"policy_uri": `""`}), "policy_uri: is empty"},
		{"O16 terms by http", web(fields{"tos_uri": `"http://app.example.com/t"`}), "tos_uri: not an https URL"},
		{"O16 a policy with credentials", web(fields{"policy_uri": `"https://u@app.example.com/p"`}), "policy_uri: not an https URL"},

		{"O17 a native client with a key", native(fields{
			"token_endpoint_auth_method": `"private_key_jwt"`, "token_endpoint_auth_signing_alg": `"ES256"`, "jwks": `{"keys":[` + key + `]}`,
		}), "token_endpoint_auth_method: web clients"},

		{"O18 default_max_age", web(fields{"default_max_age": "60"}), "default_max_age: not supported"},
		{"O18 userinfo_signed_response_alg", web(fields{"userinfo_signed_response_alg": `"ES256"`}), "userinfo_signed_response_alg: not supported"},
		{"O18 userinfo_encrypted_response_alg", web(fields{"userinfo_encrypted_response_alg": `"A"`}), "userinfo_encrypted_response_alg: not supported"},
		{"O18 id_token_signed_response_alg", web(fields{"id_token_signed_response_alg": `"ES256"`}), "id_token_signed_response_alg: not supported"},
		{"O18 authorization_encrypted_response_enc", web(fields{"authorization_encrypted_response_enc": `"A"`}), "authorization_encrypted_response_enc: not supported"},
		{"O18 certificates", web(fields{"tls_client_certificate_bound_access_tokens": "true"}), "tls_client_certificate_bound_access_tokens: not supported"},
		{"O18 pairwise subjects", web(fields{"subject_type": `"pairwise"`}), "subject_type: not supported"},
		{"O18 details", web(fields{"authorization_details_types": `["x"]`}), "authorization_details_types: not supported"},
		{"O18 defaults, and what nobody knows", web(fields{
			"subject_type": `"public"`, "tls_client_certificate_bound_access_tokens": "false", "authorization_details_types": "[ ]", "x": "1",
		}), ""},

		{"what servers read and do not use", web(fields{
			"request_object_signing_alg": `"none"`, "authorization_signed_response_alg": `"ES256"`, "authorization_encrypted_response_alg": `""`,
			"require_auth_time": "false", "contacts": `["me@example.com","o'hara+a@a-b.example.net"]`,
		}), ""},
		{"null where servers read", web(fields{"request_object_signing_alg": "null"}), "request_object_signing_alg: is null"},
		{"a number where servers read a string", web(fields{"authorization_signed_response_alg": "1"}), "authorization_signed_response_alg: not a string"},
		{"a list where servers read a string", web(fields{"authorization_encrypted_response_alg": "[]"}), "authorization_encrypted_response_alg: not a string"},
		{"a word where servers read a truth value", web(fields{"require_auth_time": `"yes"`}), "require_auth_time: not true or false"},
		{"one contact", web(fields{"contacts": `"me@example.com"`}), "contacts: mail addresses"},
		{"a contact that is no address", web(fields{"contacts": `["me"]`}), "contacts: mail addresses"},
		{"a contact at a name with one label", web(fields{"contacts": `["me@example"]`}), "contacts: mail addresses"},
		{"a contact with two dots", web(fields{"contacts": `["m..e@example.com"]`}), "contacts: mail addresses"},
		{"a contact with a dot in front", web(fields{"contacts": `[".me@example.com"]`}), "contacts: mail addresses"},
		{"no contact among contacts", web(fields{"contacts": `["me@example.com",null]`}), "contacts: mail addresses"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := tt.doc.parse(t).Check()
			if tt.want == "" {
				if len(problems) != 0 {
					t.Errorf("got %v", problems)
				}
				return
			}
			field, rule, _ := strings.Cut(tt.want, ": ")
			if len(problems) != 1 || problems[0].Field != field || !strings.Contains(problems[0].Rule, rule) && !containsAll(problems[0].Rule, rule) {
				t.Errorf("got %v, want %s", problems, tt.want)
			}
			if secret := strings.Contains(tt.name, "private key"); len(problems) == 1 && problems[0].Secret != secret {
				t.Errorf("Secret is %v", problems[0].Secret)
			}
		})
	}
}

// containsAll reports whether text holds every word.
func containsAll(text, words string) bool {
	for word := range strings.FieldsSeq(words) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

func TestCheckReportsEverythingPrivateKeysFirst(t *testing.T) {
	d := fields{
		"client_id": `"https://app.example.com"`, "client_name": "1", "application_type": `"x"`, "redirect_uris": `["http://a.net/","myapp:/cb"]`,
		"scope": `"a"`, "token_endpoint_auth_method": `"private_key_jwt"`, "jwks_uri": `"x"`, "jwks": `{"keys":[{"d":""}]}`,
		"client_uri": `"x"`, "logo_uri": `"x"`, "tos_uri": `"x"`, "policy_uri": `"x"`, "default_max_age": "1",
	}.parse(t)
	var got []string
	for _, p := range d.Check() {
		got = append(got, p.Field)
	}
	want := []string{
		"jwks.keys[0].d", "client_id", "client_name", "application_type", "grant_types", "response_types", "redirect_uris[0]", "redirect_uris[1]", "scope",
		"dpop_bound_access_tokens", "token_endpoint_auth_signing_alg", "jwks_uri", "jwks",
		"jwks.keys[0].kid", "jwks.keys[0]", "client_uri", "logo_uri", "tos_uri", "policy_uri", "default_max_age",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutAClientIDTheRestIsStillChecked(t *testing.T) {
	d := web(fields{"client_id": `"::"`, "client_uri": `"https://app.example.com/"`, "redirect_uris": `["myapp:/cb"]`}).parse(t)
	var got []string
	for _, p := range d.Check() {
		got = append(got, p.String())
	}
	want := []string{`client_id "::" is not an https URL`, `redirect_uris[0] "myapp:/cb" must be https, or com.example:/path for a native client`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefusesWhatIsNoObject(t *testing.T) {
	for _, data := range []string{"", "null", "[]", `"x"`, "{", `{"client_id":}`, "{} {}"} {
		if d, err := Parse([]byte(data)); err == nil {
			t.Errorf("%q: got %+v", data, d)
		}
	}
}

func TestNewBeginsADocumentThatTheRestCompletes(t *testing.T) {
	d := New(clientID)
	d.RedirectURIs, d.Scope = []string{"https://app.example.com/cb"}, "atproto"
	if problems := d.Check(); len(problems) != 0 {
		t.Error(problems)
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	parsed.other, parsed.malformed = nil, nil
	if diff := cmp.Diff(d, parsed, cmp.AllowUnexported(Document{})); diff != "" {
		t.Error(diff)
	}
}

// FuzzParse: whatever a client publishes, it is read or refused, and Check ends.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"client_id":"https://a.b/c","redirect_uris":["a:/"],"jwks":{"keys":[{}]}}`))
	f.Add([]byte(`{"client_id":"http://localhost?redirect_uri=%5B"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			return
		}
		if problems := d.Check(); len(problems) == 0 && !IsLocalhost(d.ClientID) && CheckClientID(d.ClientID) != nil {
			t.Errorf("%q has no problem", data)
		}
		d.AllowsRedirect(d.ClientID)
	})
}

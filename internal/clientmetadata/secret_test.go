package clientmetadata

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	privateKey = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","d":"SECRET"}`
	pem        = `-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----`
)

func TestPrivateKeysAreFoundInAnyShape(t *testing.T) {
	quoted := `"` + strings.ReplaceAll(privateKey, `"`, `\"`) + `"`
	for _, tt := range []struct {
		name, data string
		in, inASet []string // the fields, in a document or anything, and in what should be a set of keys
	}{
		{"a key", privateKey, []string{"d"}, []string{"d"}},
		{"a set", `{"keys":[` + key + `,` + privateKey + `]}`, []string{"keys[1].d"}, []string{"keys[1].d"}},
		{"a list", `[` + key + `,` + privateKey + `]`, []string{"[1].d"}, []string{"[1].d"}},
		{"deep inside", `{"a":[[],{"b":{"c":[1,"x",null,` + privateKey + `]}}]}`, []string{"a[1].b.c[3].d"}, []string{"a[1].b.c[3].d"}},
		{"a set by another name", `{"KEYS":[` + privateKey + `]}`, []string{"KEYS[0].d"}, []string{"KEYS[0].d"}},
		{"the first of two members of one name", `{"jwks":` + privateKey + `,"jwks":{}}`, []string{"jwks.d"}, []string{"jwks.d"}},
		{"several", `{"a":` + privateKey + `,"b":` + privateKey + `}`, []string{"a.d", "b.d"}, []string{"a.d", "b.d"}},
		{"a shared key", `{"k":"SECRET","kty":"oct"}`, []string{"k"}, []string{"k"}},
		{"an RSA key", `{"kty":"RSA","dp":"","q":"","p":""}`, []string{"p"}, []string{"p"}},
		{"in a string", `{"jwks":` + quoted + `}`, []string{"jwks"}, []string{"jwks"}},
		{"in a string of a list", `[` + quoted + `]`, []string{"[0]"}, []string{"[0]"}},
		{"PEM in a string", `{"a":{"b":"` + pem + `"}}`, []string{"a.b"}, []string{"a.b"}},
		{"PEM", strings.ReplaceAll(pem, `\n`, "\n"), []string{""}, []string{""}},
		{"PEM of the older form", "-----BEGIN EC PRIVATE KEY-----", []string{""}, []string{""}},
		{"a key that is cut off", privateKey[:len(privateKey)-3], []string{"d"}, []string{"d"}},
		{"a set that is cut off", `{"keys":[` + privateKey, []string{"keys[0].d"}, []string{"keys[0].d"}},
		{"behind a first document", `{} ` + privateKey, []string{"d"}, []string{"d"}},
		{"without kty among keys", `{"keys":[{"d":"SECRET"}]}`, nil, []string{"keys[0].d"}},
		{"without kty in jwks", `{"jwks":{"keys":[{"d":"SECRET"}]}}`, []string{"jwks.keys[0].d"}, []string{"jwks.keys[0].d"}},
		{"without kty in jwks, which is a string", `{"jwks":"{\"d\":\"SECRET\"}"}`, []string{"jwks"}, []string{"jwks"}},

		{"a public key", key, nil, nil},
		{"a public key in PEM", `"-----BEGIN PUBLIC KEY-----"`, nil, nil},
		{"a field that is only called so", `{"d":1,"x":{"k":""},"jwks":{}}`, nil, []string{"x.k", "d"}},
		{"capital letters", `{"kty":"EC","D":"x"}`, nil, nil},
		{"nothing", ``, nil, nil},
		{"no JSON", `]`, nil, nil},
		{"many levels", strings.Repeat("[", 200_000), nil, nil},
	} {
		t.Run("O15 "+tt.name, func(t *testing.T) {
			fieldsOf := func(problems []Problem) (fields []string) {
				for _, p := range problems {
					if !p.Secret || strings.Contains(p.String(), "SECRET") {
						t.Errorf("got %+v", p)
					}
					fields = append(fields, p.Field)
				}
				return fields
			}
			if diff := cmp.Diff(tt.in, fieldsOf(PrivateKeys([]byte(tt.data)))); diff != "" {
				t.Errorf("anywhere: %s", diff)
			}
			if diff := cmp.Diff(tt.inASet, fieldsOf(privateKeys([]byte(tt.data), true))); diff != "" {
				t.Errorf("among keys: %s", diff)
			}
		})
	}
}

func TestCheckKeySetSaysThatAKeyIsPrivateWhateverTheShape(t *testing.T) {
	for name, data := range map[string]string{
		"a key": privateKey, "a list": `[` + privateKey + `]`, "another name": `{"KEYS":[` + privateKey + `]}`, "PEM": strings.ReplaceAll(pem, `\n`, "\n"),
	} {
		t.Run("O15 "+name, func(t *testing.T) {
			problems := CheckKeySet([]byte(data))
			if len(problems) != 2 || !problems[0].Secret || problems[1] != (Problem{Rule: "is not an object with a list of keys"}) {
				t.Errorf("got %+v", problems)
			}
		})
	}
}

func TestNoRuleRepeatsAPrivateKey(t *testing.T) {
	quoted := `"{\"kty\":\"EC\",\"d\":\"SECRET\"}"`
	for name, d := range map[string]fields{
		"a link":         web(fields{"logo_uri": quoted}),
		"a redirect":     web(fields{"redirect_uris": `["https://app.example.com/cb",` + quoted + `]`}),
		"PEM":            web(fields{"client_uri": `"` + pem + `"`}),
		"the id of keys": confidential(fields{"jwks": `{"keys":[` + strings.Replace(key, `"one"`, quoted, 1) + `,` + strings.Replace(key, `"one"`, quoted, 1) + `]}`}),
	} {
		t.Run("O15 "+name, func(t *testing.T) {
			problems := d.parse(t).Check()
			if len(problems) == 0 || !problems[0].Secret {
				t.Errorf("got %v", problems)
			}
			for _, p := range problems {
				if strings.Contains(p.String(), "SECRET") {
					t.Error(p)
				}
			}
		})
	}
}

func TestAPrivateKeyInADocumentThatWasNotParsed(t *testing.T) {
	t.Run("O15 is found too", func(t *testing.T) {
		d := New(clientID)
		d.RedirectURIs, d.Scope, d.KeySet = []string{"https://app.example.com/cb"}, "atproto", []byte(`[`+privateKey+`]`)
		problems := d.Check()
		if len(problems) != 2 || !problems[0].Secret || problems[0].Field != "jwks[0].d" || problems[1].Field != "jwks" {
			t.Errorf("got %v", problems)
		}
	})
}

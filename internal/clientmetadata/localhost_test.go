package clientmetadata

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"testing/quick"

	"github.com/google/go-cmp/cmp"
)

func TestParseLocalhost(t *testing.T) {
	for _, tt := range []struct {
		name, id string
		want     string // part of the error; "": accepted
	}{
		{"O20 bare", "http://localhost", ""},
		{"O20 a slash", "http://localhost/", ""},
		{"O20 parameters", "http://localhost?scope=atproto&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb&redirect_uri=http%3A%2F%2F%5B%3A%3A1%5D%2Fcb", ""},
		{"O20 a slash and parameters", "http://localhost/?scope=atproto", ""},
		{"O20 a question mark", "http://localhost?", ""},
		{"O20 a port", "http://localhost:3000", "without port"},
		{"O20 an empty port", "http://localhost:", "without port"},
		{"O20 a look-alike", "http://localhost.example.net", "without port"},
		{"O20 an address", "http://127.0.0.1", "without port"},
		{"O20 https", "https://localhost", "without port"},
		{"O20 a path", "http://localhost/a", "without port"},
		{"O20 two slashes", "http://localhost//", "without port"},
		{"O20 credentials", "http://u@localhost", "without port"},
		{"O20 a host behind", "http://localhost@example.net", "without port"},
		{"O20 a fragment", "http://localhost#a", "fragment"},
		{"O20 a fragment behind the parameters", "http://localhost?scope=atproto#a", "fragment"},
		{"O20 another parameter", "http://localhost?client_name=x", `parameter "client_name"`},
		{"O20 the scope twice", "http://localhost?scope=atproto&scope=atproto", "2 times"},
		{"O20 a broken escape", "http://localhost?scope=%zz", "cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := ParseLocalhost(tt.id)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if problems := d.Check(); len(problems) != 0 {
				t.Errorf("got %v", problems)
			}
		})
	}
}

func TestLocalhostDocument(t *testing.T) {
	t.Run("O21 O23 the document that stands for it", func(t *testing.T) {
		d, err := ParseLocalhost("http://localhost")
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(d, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		const want = `{
  "client_id": "http://localhost",
  "application_type": "native",
  "grant_types": [
    "authorization_code",
    "refresh_token"
  ],
  "response_types": [
    "code"
  ],
  "redirect_uris": [
    "http://127.0.0.1/",
    "http://[::1]/"
  ],
  "scope": "atproto",
  "dpop_bound_access_tokens": true,
  "token_endpoint_auth_method": "none"
}`
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("O21 what is declared comes back", func(t *testing.T) {
		err := quick.Check(func(paths []string, scope string) bool {
			uris := []string{"http://127.0.0.1/"}
			for _, path := range paths {
				uris = append(uris, "http://[::1]/"+path)
			}
			d, err := ParseLocalhost(LocalhostClientID(uris, scope))
			return err == nil && cmp.Equal(d.RedirectURIs, uris) && d.Scope == scope
		}, nil)
		if err != nil {
			t.Error(err)
		}
	})
	for name, tt := range map[string]struct{ query, want string }{
		"O21 a scope without atproto":  {"scope=transition%3Ageneric", `scope "transition:generic" lacks "atproto"`},
		"O21 an empty scope":           {"scope=", `scope is empty`},
		"O22 the name localhost":       {"redirect_uri=http%3A%2F%2Flocalhost%2Fcb", `redirect_uris[0] "http://localhost/cb" must be http on 127.0.0.1`},
		"O22 https":                    {"redirect_uri=https%3A%2F%2F127.0.0.1%2Fcb", `redirect_uris[0] "https://127.0.0.1/cb" must be http`},
		"O22 a host on the Internet":   {"redirect_uri=http%3A%2F%2Fapp.example.com%2Fcb", "redirect_uris[0]"},
		"O22 a scheme":                 {"redirect_uri=com.example.app%3A%2Fcb", "redirect_uris[0]"},
		"O22 another loopback address": {"redirect_uri=http%3A%2F%2F127.0.0.2%2Fcb", "redirect_uris[0]"},
		"O22 a port that there is not": {"redirect_uri=http%3A%2F%2F127.0.0.1%3A99999%2Fcb", "port that cannot exist"},
		"O22 a fragment":               {"redirect_uri=http%3A%2F%2F127.0.0.1%2Fcb%23a", "has a fragment"},
		"O22 credentials":              {"redirect_uri=http%3A%2F%2Fu%40127.0.0.1%2Fcb", "has credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := ParseLocalhost("http://localhost?" + tt.query)
			if err != nil {
				t.Fatal(err)
			}
			problems := d.Check()
			if len(problems) != 1 || !strings.Contains(problems[0].String(), tt.want) {
				t.Errorf("got %v, want %q", problems, tt.want)
			}
		})
	}
	for name, change := range map[string]func(*Document){
		"application_type": func(d *Document) { d.ApplicationType = Web },
		"token_endpoint_auth_method": func(d *Document) {
			d.AuthMethod, d.AuthAlgorithm, d.KeySetURI = AuthKey, AuthAlgorithm, "https://a.net/k"
		},
		"client_uri": func(d *Document) { d.URI = "http://localhost/" },
		"client_id":  func(d *Document) { d.ClientID = "http://localhost:1" },
	} {
		t.Run("O23 a document that says otherwise in "+name, func(t *testing.T) {
			d, err := ParseLocalhost("http://localhost")
			if err != nil {
				t.Fatal(err)
			}
			change(d)
			problems := d.Check()
			if len(problems) != 1 || problems[0].Field != name {
				t.Errorf("got %v", problems)
			}
		})
	}
}

func TestAllowsRedirect(t *testing.T) {
	for _, tt := range []struct {
		name, declared, uri string
		want                bool
	}{
		{"O22 any port", "http://127.0.0.1/cb", "http://127.0.0.1:8080/cb", true},
		{"O22 no port", "http://127.0.0.1/cb", "http://127.0.0.1/cb", true},
		{"O22 the declared port", "http://127.0.0.1:80/cb", "http://127.0.0.1:80/cb", true},
		{"O22 another port than the declared", "http://127.0.0.1:81/cb", "http://127.0.0.1:82/cb", false},
		{"O22 the declared port is there", "http://127.0.0.1:81/cb", "http://127.0.0.1/cb", false},
		{"O22 no path for the root", "http://[::1]/", "http://[::1]:9", true},
		{"O22 another path", "http://127.0.0.1/cb", "http://127.0.0.1/other", false},
		{"O22 a longer path", "http://127.0.0.1/cb", "http://127.0.0.1/cb/x", false},
		{"O22 another family", "http://127.0.0.1/cb", "http://[::1]/cb", false},
		{"O22 another query", "http://127.0.0.1/cb?a=b", "http://127.0.0.1:1/cb?a=c", false},
		{"O22 the same query", "http://127.0.0.1/cb?a=b", "http://127.0.0.1:1/cb?a=b", true},
		{"O22 the name localhost", "http://127.0.0.1/cb", "http://localhost/cb", false},
		{"O22 the name localhost, declared", "http://localhost/cb", "http://localhost:1/cb", false},
		{"O22 a fragment", "http://127.0.0.1/cb", "http://127.0.0.1/cb#a", false},
		{"an https URL to the letter", "https://app.example.com/cb", "https://app.example.com/cb", true},
		{"an https URL on another port", "https://app.example.com/cb", "https://app.example.com:1/cb", false},
		{"what is no URL", "http://127.0.0.1/cb", ":", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &Document{RedirectURIs: []string{"http://127.0.0.1/first", tt.declared}}
			if got := d.AllowsRedirect(tt.uri); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
	t.Run("O21 what a development client declares is valid as a URL", func(t *testing.T) {
		u, err := url.Parse(LocalhostClientID([]string{"http://127.0.0.1/a b?c=d&e"}, "atproto blob:*/*"))
		if err != nil || u.Fragment != "" || u.Query().Get("scope") != "atproto blob:*/*" {
			t.Errorf("got %v, %v", u, err)
		}
	})
}

package oauth

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

func TestNewClientNamesFieldAndRule(t *testing.T) {
	web := func(change func(*Config)) Config {
		cfg := Config{
			ClientID:     "https://app.example.com/client-metadata.json",
			RedirectURIs: []string{"https://app.example.com/callback"},
			Scope:        "atproto",
		}
		change(&cfg)
		return cfg
	}
	local := func(change func(*Config)) Config {
		cfg := Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
		change(&cfg)
		return cfg
	}
	for _, tt := range []struct {
		name string
		cfg  Config
		want string // part of the message; empty: valid
	}{
		{"web client", web(func(*Config) {}), ""},
		{"native client with a custom scheme", web(func(c *Config) { c.RedirectURIs = []string{"com.example.app:/callback"} }), ""},
		{"development client", local(func(*Config) {}), ""},
		{"development client on IPv6", Localhost("http://[::1]:9000/callback", ""), ""},
		{"development client without parameters", Config{ClientID: "http://localhost", RedirectURIs: []string{"http://127.0.0.1:9/"}, Scope: "atproto"}, ""},

		{"O1 no client_id", web(func(c *Config) { c.ClientID = "" }), "ClientID is empty"},
		{"O1 http", web(func(c *Config) { c.ClientID = "http://app.example.com/m.json" }), "ClientID"},
		{"O1 port", web(func(c *Config) { c.ClientID = "https://app.example.com:8443/m.json" }), "port"},
		{"O1 credentials", web(func(c *Config) { c.ClientID = "https://u:p@app.example.com/m.json" }), "credentials"},
		{"O1 fragment", web(func(c *Config) { c.ClientID = "https://app.example.com/m.json#a" }), "fragment"},
		{"O1 IP address", web(func(c *Config) { c.ClientID = "https://192.0.2.1/m.json" }), "public host"},
		{"O1 one label", web(func(c *Config) { c.ClientID = "https://intranet/m.json" }), "public host"},
		{"O1 no path", web(func(c *Config) { c.ClientID = "https://app.example.com/" }), "path"},
		{"O1 path with dots", web(func(c *Config) { c.ClientID = "https://app.example.com/a/../m.json" }), "path"},
		{"O6 scope without atproto", web(func(c *Config) { c.Scope = "transition:generic" }), "Scope"},
		{"O6 scope twice", web(func(c *Config) { c.Scope = "atproto atproto" }), "twice"},
		{"O6 scope that only contains the word", web(func(c *Config) { c.Scope = "notatproto" }), "lacks"},
		{"O6 two spaces", web(func(c *Config) { c.Scope = "atproto  blob:*/*" }), "empty token"},
		{"O121 openid", web(func(c *Config) { c.Scope = "atproto openid" }), `Config.Scope token "openid"`},
		{"O122 chat without generic", web(func(c *Config) { c.Scope = "atproto transition:chat.bsky" }), "transition:generic"},
		{"O123 a part of a collection's name", web(func(c *Config) { c.Scope = "atproto repo:com.example.*" }), `token "repo:com.example.*" at byte 8: collection`},
		{"O124 an audience without a service", web(func(c *Config) { c.Scope = "atproto rpc:com.example.get?aud=did:web:api.example.com" }), "names a DID but no service"},
		{"O129 an unknown parameter", web(func(c *Config) { c.Scope = "atproto repo:com.example.post?actions=create" }), `unknown parameter "actions"`},
		{"O129 a character that scopes may not have", web(func(c *Config) { c.Scope = "atproto repo:qu\u00e9bec" }), "may not have"},
		{"O129 a resource of a newer grammar", web(func(c *Config) { c.Scope = "atproto future:com.example.thing?how=later" }), ""},
		{"O123 O128 all kinds of scopes", web(func(c *Config) {
			c.Scope = "atproto transition:generic transition:chat.bsky repo:*?action=delete rpc:*?aud=did:web:a.example%23svc blob:*/* account:email identity:* include:com.example.auth"
		}), ""},
		{"O8 no redirect", web(func(c *Config) { c.RedirectURIs = nil }), "RedirectURIs is empty"},
		{"O9 http redirect", web(func(c *Config) { c.RedirectURIs = []string{"http://app.example.com/cb"} }), "RedirectURIs[0]"},
		{"O9 look-alike of localhost", web(func(c *Config) { c.RedirectURIs = []string{"http://localhost.evil.com/cb"} }), "RedirectURIs[0]"},
		{"O9 default port", web(func(c *Config) { c.RedirectURIs = []string{"https://app.example.com:443/cb"} }), "default port"},
		{"O10 foreign scheme", web(func(c *Config) { c.RedirectURIs = []string{"myapp:/cb"} }), "com.example.app:/path"},
		{"O10 two slashes", web(func(c *Config) { c.RedirectURIs = []string{"com.example.app://cb"} }), "com.example.app:/path"},
		{"same redirect twice", web(func(c *Config) { c.RedirectURIs = append(c.RedirectURIs, c.RedirectURIs[0]) }), "twice"},
		{"O20 port", local(func(c *Config) { c.ClientID = "http://localhost:3000" }), "without port"},
		{"O20 look-alike", local(func(c *Config) { c.ClientID = "http://localhost.evil.com" }), "without port"},
		{"O20 unknown parameter", local(func(c *Config) { c.ClientID += "&logo=x" }), "logo"},
		{"O21 undeclared scope", local(func(c *Config) { c.Scope = "atproto account:email" }), "account:email"},
		{"O19 O1 an escaped parent folder", web(func(c *Config) { c.ClientID = "https://app.example.com/a/%2e%2e/m.json" }), "Config.ClientID"},
		{"O19 O6 openid", web(func(c *Config) { c.Scope = "atproto openid" }), "Config.Scope"},
		{"O19 O9 a port that there is not", web(func(c *Config) { c.RedirectURIs = append(c.RedirectURIs, "https://app.example.com:99999/") }), "Config.RedirectURIs[1]"},
		{"O19 O16 a home page beside the document", web(func(c *Config) { c.Info.URI = "https://app.example.com/about" }), "Config.Info.URI"},
		{"O19 O16 terms by http", web(func(c *Config) { c.Info.TermsURI = "http://app.example.com/" }), "Config.Info.TermsURI"},
		{"O19 O21 what ClientID declares", local(func(c *Config) { c.ClientID += "+openid" }), "Config.ClientID declares"},
		{"O21 a scope without atproto", local(func(c *Config) { c.Scope = "transition:generic" }), "lacks"},
		{"O22 one redirect twice", local(func(c *Config) { c.RedirectURIs = append(c.RedirectURIs, c.RedirectURIs[0]) }), "twice"},
		{"O22 the name localhost", Localhost("http://localhost:8080/callback", ""), "127.0.0.1"},
		{"O22 another path", local(func(c *Config) { c.RedirectURIs = []string{"http://127.0.0.1:8080/other"} }), "not declared"},
		{"a store without a seal", web(func(c *Config) { c.Store = new(store.Memory) }), "Seal is nil"},
		{"a short seal key", web(func(c *Config) { c.Store, c.Seal = new(store.Memory), seal.Keys([]byte("short")) }), "at least 32"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewClient(tt.cfg)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, ErrConfig) {
				t.Fatalf("got %v, want ErrConfig", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("message %q does not say %q", err, tt.want)
			}
		})
	}
}

func TestMetadataOfADevelopmentClientIsWhatServersMakeOfItsID(t *testing.T) {
	t.Run("O23 native, public, with the redirect URIs that are declared", func(t *testing.T) {
		cfg := Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
		cfg.Scope, cfg.Info.Name = "atproto", "nobody sees it"
		client, err := NewClient(cfg)
		if err != nil {
			t.Fatal(err)
		}
		want := `{
  "client_id": "http://localhost?redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fcallback&redirect_uri=http%3A%2F%2F127.0.0.1%2Fcallback&scope=atproto+transition%3Ageneric",
  "application_type": "native",
  "grant_types": [
    "authorization_code",
    "refresh_token"
  ],
  "response_types": [
    "code"
  ],
  "redirect_uris": [
    "http://127.0.0.1:8080/callback",
    "http://127.0.0.1/callback"
  ],
  "scope": "atproto transition:generic",
  "dpop_bound_access_tokens": true,
  "token_endpoint_auth_method": "none"
}
`
		if diff := cmp.Diff(want, string(client.Metadata())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestLocalhostDeclaresTheRedirectWithAndWithoutItsPort(t *testing.T) { // P55
	cfg := Localhost("http://127.0.0.1:8080/callback", "atproto transition:generic")
	id, err := url.Parse(cfg.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"redirect_uri": {"http://127.0.0.1:8080/callback", "http://127.0.0.1/callback"}, "scope": {"atproto transition:generic"}}
	if diff := cmp.Diff(want, id.Query()); diff != "" {
		t.Errorf("client_id parameters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"http://127.0.0.1:8080/callback"}, cfg.RedirectURIs); diff != "" {
		t.Errorf("redirect URIs (-want +got):\n%s", diff)
	}
}

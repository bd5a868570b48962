package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/oauth"
)

// publishedKID is the kid under which package oauth publishes the one key in data.
func publishedKID(tb testing.TB, data string) string {
	tb.Helper()
	keys, err := oauth.ParseClientKeys([]byte(data))
	if err != nil {
		tb.Fatal(err)
	}
	client, err := oauth.NewClient(oauth.Config{
		ClientID: "https://app.example.com/m.json", RedirectURIs: []string{"https://app.example.com/cb"}, Scope: "atproto", ClientKeys: keys,
	})
	if err != nil {
		tb.Fatal(err)
	}
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(client.KeySet(), &set); err != nil || len(set.Keys) != 1 {
		tb.Fatalf("got %+v, %v", set, err)
	}
	return set.Keys[0].ID
}

func TestKeygen(t *testing.T) {
	t.Run("by the flag of before, and to the standard output by a name", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "key")
		atproto(t, "keygen", "--out", name).want(t, 0)
		publishedKID(t, readFile(t, name))
		publishedKID(t, atproto(t, "keygen", "--output", "-").stdout)
	})
	for format, mark := range map[string]string{"pem": "-----BEGIN PRIVATE KEY-----", "jwk": `"kid"`} {
		t.Run(format+" to the standard output, its kid to standard error", func(t *testing.T) {
			r := atproto(t, "keygen", "--format", format)
			r.want(t, 0, mark)
			if want := "kid: " + publishedKID(t, r.stdout) + "\n"; r.stderr != want {
				t.Errorf("standard error %q, want %q", r.stderr, want)
			}
			if again := atproto(t, "keygen", "--format", format); again.stdout == r.stdout {
				t.Error("the same key twice")
			}
		})
		t.Run(format+" to a file of its owner alone", func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "key")
			r := atproto(t, "keygen", "--format="+format, "--output="+name)
			r.want(t, 0)
			if r.stdout != "" {
				t.Errorf("standard output %q", r.stdout)
			}
			if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
				t.Errorf("got %v, %v", info.Mode(), err)
			}
			if want := "kid: " + publishedKID(t, readFile(t, name)) + "\n"; r.stderr != want {
				t.Errorf("standard error %q, want %q", r.stderr, want)
			}
		})
	}
	t.Run("pem is the default", func(t *testing.T) {
		if r := atproto(t, "keygen"); !strings.HasPrefix(r.stdout, "-----BEGIN PRIVATE KEY-----") {
			t.Error(r.stdout)
		}
	})
	t.Run("a JWK names its key and its algorithm", func(t *testing.T) {
		r := atproto(t, "keygen", "--format", "jwk")
		var key map[string]string
		if err := json.Unmarshal([]byte(r.stdout), &key); err != nil {
			t.Fatal(err)
		}
		if key["kid"] == "" || key["alg"] != "ES256" || key["crv"] != "P-256" || key["d"] == "" {
			t.Errorf("got %v", key)
		}
	})
	t.Run("a file is never overwritten", func(t *testing.T) {
		name := writeFile(t, filepath.Join(t.TempDir(), "key"), "the only one")
		atproto(t, "keygen", "--out", name).want(t, 1, "exists already")
		if got := readFile(t, name); got != "the only one" {
			t.Errorf("it holds %q", got)
		}
	})
	t.Run("no such folder", func(t *testing.T) {
		atproto(t, "keygen", "--out", filepath.Join(t.TempDir(), "none", "key")).want(t, 1, "no such file")
	})
	t.Run("no such format", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "key")
		atproto(t, "keygen", "--format", "der", "--out", name).want(t, 2, `"der" is neither pem nor jwk`)
		if _, err := os.Stat(name); err == nil {
			t.Error("a file was made")
		}
	})
}

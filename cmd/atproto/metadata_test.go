package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
)

// files are the names of the files in a folder.
func files(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestMetadataWritesWhatIsPublished(t *testing.T) {
	for folder, want := range map[string][]string{
		"confidential":   {"client-metadata.json", "jwks.json"},
		"published-keys": {"client-metadata.json", "jwks.json"},
		"public":         {"client-metadata.json"},
	} {
		t.Run(folder, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "a", "b")
			r := atproto(t, "metadata", "--config", "testdata/"+folder+"/config.json", "--output="+out)
			r.want(t, 0)
			if diff := cmp.Diff(want, files(t, out)); diff != "" {
				t.Fatal(diff)
			}
			var wrote strings.Builder
			for _, name := range want {
				golden(t, filepath.Join("testdata", folder, name), []byte(readFile(t, filepath.Join(out, name))))
				if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Mode() != 0o644 {
					t.Errorf("%s: %v, %v", name, info.Mode(), err)
				}
				wrote.WriteString("Wrote: " + filepath.Join(out, name) + "\n")
			}
			if r.stdout != wrote.String() || r.stderr != "" {
				t.Errorf("got %q and %q, want %q", r.stdout, r.stderr, wrote.String())
			}
			if info, err := os.Stat(out); err != nil || info.Mode().Perm()&^0o755 != 0 { // less the umask
				t.Errorf("the folder: %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestMetadataEqualsWhatTheClientServes(t *testing.T) {
	out := t.TempDir()
	atproto(t, "metadata", "--config=testdata/published-keys/config.json", "--output", out).want(t, 0)
	var keys []oauth.ClientKey
	for _, name := range []string{"testdata/key.pem", "testdata/old.json"} {
		parsed, err := oauth.ParseClientKeys([]byte(readFile(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, parsed...)
	}
	client, err := oauth.NewClient(oauth.Config{
		ClientID:      "https://app.example.com/client-metadata.json",
		RedirectURIs:  []string{"https://app.example.com/callback", "https://app.example.com/link"},
		Scope:         "atproto",
		ClientKeys:    keys,
		ClientKeysURI: "https://app.example.com/jwks.json",
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(client.Metadata()), readFile(t, filepath.Join(out, "client-metadata.json"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(string(client.KeySet()), readFile(t, filepath.Join(out, "jwks.json"))); diff != "" {
		t.Error(diff)
	}
}

func TestMetadataDefaults(t *testing.T) {
	config, err := os.ReadFile("testdata/public/config.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	atproto(t, "metadata").want(t, 1, "config.json")
	writeFile(t, "config.json", string(config))
	atproto(t, "metadata").want(t, 0, "Wrote: public/client-metadata.json")
}

func TestMetadataReplacesFilesAsAWhole(t *testing.T) {
	out := t.TempDir()
	name := writeFile(t, filepath.Join(out, "client-metadata.json"), "old")
	old, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	atproto(t, "metadata", "--config", "testdata/public/config.json", "--output", out).want(t, 0)
	// Who had the old file open still reads all of it: it was not written over.
	before := make([]byte, 10)
	if n, _ := old.Read(before); string(before[:n]) != "old" {
		t.Errorf("the old file holds %q", before[:n])
	}
	if diff := cmp.Diff([]string{"client-metadata.json"}, files(t, out)); diff != "" {
		t.Error(diff)
	}
}

func TestMetadataCheck(t *testing.T) {
	out := t.TempDir()
	args := []string{"metadata", "--config", "testdata/confidential/config.json", "--output", out}
	check := append(args, "--check")
	document, keys := filepath.Join(out, "client-metadata.json"), filepath.Join(out, "jwks.json")

	atproto(t, check...).want(t, 1, "Missing: "+document, "Missing: "+keys)
	if len(files(t, out)) != 0 {
		t.Error("--check wrote files")
	}
	atproto(t, args...).want(t, 0)
	atproto(t, check...).want(t, 0, "Up to date: "+document, "Up to date: "+keys)

	changed := strings.Replace(readFile(t, keys), "ES256", "ES384", 1)
	writeFile(t, keys, changed)
	r := atproto(t, check...)
	r.want(t, 1, "Up to date: "+document, "Differs: "+keys)
	if r.stderr != "" || readFile(t, keys) != changed {
		t.Errorf("--check changed something, or says %q", r.stderr)
	}
	atproto(t, "metadata", "--config", "testdata/public/config.json", "--output", filepath.Join(out, "none"), "--check").want(t, 1, "Missing:")
	if _, err := os.Stat(filepath.Join(out, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("--check made a folder")
	}
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(keys, 0o755); err != nil {
		t.Fatal(err)
	}
	atproto(t, check...).want(t, 1, "is a directory")
}

func TestMetadataSaysWhatIsWrongWithTheConfig(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "key.pem"), readFile(t, "testdata/key.pem"))
	writeFile(t, filepath.Join(dir, "bad.pem"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	writeFile(t, filepath.Join(dir, "text"), "no key")
	const id, redirect, scope = `"client_id":"https://app.example.com/m.json"`, `"redirect_uri":"https://app.example.com/cb"`, `"scope":"atproto"`
	for _, tt := range []struct{ name, config, want string }{
		{"PHP-W36 not JSON", "<?php return [];", "is not a JSON object"},
		{"a list", "[]", "is not a JSON object"},
		{"an unknown key", `{` + id + `,` + redirect + `,` + scope + `,"privat_key_path":"key.pem"}`, "privat_key_path: is not a key of this file"},
		{"a key in capital letters", `{` + id + `,` + redirect + `,"Scope":"atproto"}`, "Scope: is not a key of this file"},
		{"no client_id", `{` + redirect + `,` + scope + `}`, "client_id: is missing"},
		{"an empty client_id", `{"client_id":"",` + redirect + `,` + scope + `}`, "client_id: is not a string, or empty"},
		{"no redirect_uri", `{` + id + `,` + scope + `}`, "redirect_uri: is missing"},
		{"an empty list of redirects", `{` + id + `,"redirect_uris":[],` + scope + `}`, "redirect_uris: is not a list of strings, or empty"},
		{"a redirect of another type", `{` + id + `,"redirect_uri":7,` + scope + `}`, "redirect_uri: is neither a string nor a list"},
		{"both redirects", `{` + id + `,` + redirect + `,"redirect_uris":["https://app.example.com/cb"],` + scope + `}`, "redirect_uri and redirect_uris are both there"},
		{"no scope", `{` + id + `,` + redirect + `}`, "scope: is missing"},
		{"a list of scopes", `{` + id + `,` + redirect + `,"scope":["atproto"]}`, "scope: is not a string"},
		{"a name of another type", `{` + id + `,` + redirect + `,` + scope + `,"client_name":null}`, "client_name: is not a string"},
		{"both key paths", `{` + id + `,` + redirect + `,` + scope + `,"private_key_path":"key.pem","private_key_paths":["key.pem"]}`, "private_key_path and private_key_paths are both there"},
		{"a missing key file", `{` + id + `,` + redirect + `,` + scope + `,"private_key_path":"none.pem"}`, "none.pem"},
		{"PHP-W36 a bad PEM", `{` + id + `,` + redirect + `,` + scope + `,"private_key_path":"bad.pem"}`, "bad.pem: client keys: PEM block 1"},
		{"a file that holds no key", `{` + id + `,` + redirect + `,` + scope + `,"private_key_paths":["key.pem","text"]}`, "text: client keys: neither a PEM block"},
		{"a key twice", `{` + id + `,` + redirect + `,` + scope + `,"private_key_paths":["key.pem","key.pem"]}`, "private_key_paths[1] has the ID"},
		{"O9 a bad redirect", `{` + id + `,"redirect_uri":"http://localhost/cb",` + scope + `}`, `redirect_uris[0] "http://localhost/cb" must be http on 127.0.0.1`},
		{"O1 a bad client_id", `{"client_id":"https://app.example.com/",` + redirect + `,` + scope + `}`, `client_id "https://app.example.com/" needs the path`},
		{"O6 a bad scope", `{` + id + `,` + redirect + `,"scope":"transition:generic"}`, `scope "transition:generic" lacks "atproto"`},
		{"O16 a bad link", `{` + id + `,` + redirect + `,` + scope + `,"logo_uri":"http://app.example.com/l.png"}`, `logo_uri "http://app.example.com/l.png" is not an https URL`},
		{"a place for keys without keys", `{` + id + `,` + redirect + `,` + scope + `,"jwks_uri":"https://app.example.com/jwks.json"}`, "jwks_uri: is there without private_key_path"},
		{"O17 a native client with a key", `{` + id + `,"redirect_uri":"com.example.app:/cb",` + scope + `,"private_key_path":"key.pem"}`, "private_key_paths are for web clients"},
		{"a development client", `{"client_id":"http://localhost",` + redirect + `,` + scope + `}`, "publishes nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := writeFile(t, filepath.Join(dir, "config.json"), tt.config)
			out := filepath.Join(dir, "out")
			r := atproto(t, "metadata", "--config", config, "--output", out)
			r.want(t, 1, tt.want, config)
			if _, err := os.Stat(out); err == nil {
				t.Error("something was written")
			}
			if strings.Contains(r.stderr, "goroutine") || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("not one line: %s", r.stderr)
			}
		})
	}
}

func TestMetadataNamesKeysThatAreLeftOver(t *testing.T) {
	out := t.TempDir()
	document, keys := filepath.Join(out, "client-metadata.json"), filepath.Join(out, "jwks.json")
	atproto(t, "metadata", "--config", "testdata/published-keys/config.json", "--output", out).want(t, 0)
	before := readFile(t, keys)

	public := []string{"metadata", "--config", "testdata/public/config.json", "--output", out}
	r := atproto(t, public...)
	r.want(t, 0)
	if r.stdout != "Wrote: "+document+"\n" || !strings.Contains(r.stderr, keys+" is left over") {
		t.Errorf("got %q and %q", r.stdout, r.stderr)
	}
	r = atproto(t, append(public, "--check")...)
	r.want(t, 1)
	if r.stdout != "Up to date: "+document+"\nLeft over: "+keys+"\n" || readFile(t, keys) != before {
		t.Errorf("got %q", r.stdout)
	}
	if err := os.Remove(keys); err != nil {
		t.Fatal(err)
	}
	atproto(t, append(public, "--check")...).want(t, 0)
	if r := atproto(t, public...); r.status != 0 || r.stderr != "" {
		t.Errorf("status %d, %q", r.status, r.stderr)
	}
}

func TestMetadataThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	config := writeFile(t, filepath.Join(dir, "config.json"), readFile(t, "testdata/public/config.json"))
	t.Run("a file where the folder would be", func(t *testing.T) {
		atproto(t, "metadata", "--config", config, "--output", filepath.Join(config, "public")).want(t, 1, "not a directory")
	})
	t.Run("a folder where the file would be", func(t *testing.T) {
		out := filepath.Join(dir, "out")
		if err := os.MkdirAll(filepath.Join(out, "client-metadata.json", "x"), 0o755); err != nil {
			t.Fatal(err)
		}
		atproto(t, "metadata", "--config", config, "--output", out).want(t, 1, "client-metadata.json")
		if diff := cmp.Diff([]string{"client-metadata.json"}, files(t, out)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a folder that is gone", func(t *testing.T) {
		if err := replaceFile(filepath.Join(dir, "none", "x"), nil, 0o644); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("empty flags", func(t *testing.T) {
		atproto(t, "metadata", "--config=").want(t, 2, "--config is empty")
		atproto(t, "metadata", "--output=").want(t, 2, "--output is empty")
	})
}

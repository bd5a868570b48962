package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/install"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/google/go-cmp/cmp"
)

// What install does with a network is in lexgen/internal/install.
func TestInstallByCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "mine/a.json", document("org.mine.a", object(`"b": {"type": "ref", "ref": "org.mine.b"}`)))
	writeFile(t, "mine/b.json", document("org.mine.b", `"main": {"type": "object", "properties": {}}`))
	t.Run("L58 a folder", func(t *testing.T) {
		status, stdout, stderr := lexgen(t, "install", "./mine")
		if status != 0 || stdout != "new      org.mine.a  ./mine\nnew      org.mine.b  ./mine\n2 lexicons are installed\n" {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
	})
	t.Run("L58 --ci agrees, writes nothing, and says what does not agree", func(t *testing.T) {
		if status, stdout, stderr := lexgen(t, "install", "--ci"); status != 0 || stdout != "" {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
		if err := os.Remove("lexicons/org/mine/b.json"); err != nil {
			t.Fatal(err)
		}
		before := readTree(t, ".")
		status, stdout, stderr := lexgen(t, "install", "--ci")
		if want := filepath.FromSlash("lexicons/org/mine/b.json") + " is missing\n"; status != 1 || stdout != want || !strings.Contains(stderr, "run lexgen install") {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
		if diff := cmp.Diff(before, readTree(t, ".")); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("L58 other names", func(t *testing.T) {
		status, _, stderr := lexgen(t, "install", "--lexicons", "schemas", "--manifest", "config/schemas.json", "./mine")
		if _, ok := readTree(t, ".")["schemas/org/mine/a.json"]; !ok || status != 0 {
			t.Errorf("status %d: %s", status, stderr)
		}
		if text := readTree(t, ".")["config/schemas.sources.json"]; !strings.Contains(text, `"../mine"`) {
			t.Errorf("sources: %s", text)
		}
		if status, _, stderr := lexgen(t, "install", "--lexicons", "schemas", "--manifest", "config/schemas.json", "--update"); status != 0 {
			t.Error(stderr)
		}
	})
	t.Run("L58 what is installed can be generated from", func(t *testing.T) {
		writeFile(t, "lexgen.json", `{"inputs": ["lexicons"], "generate": ["org.mine.*"], "packages": [{"prefixes": ["org.mine"], "name": "orgmine", "path": "x.test/orgmine", "dir": "orgmine"}]}`)
		lexgen(t, "install")
		if status, _, stderr := lexgen(t, "generate"); status != 0 || stderr != "" {
			t.Errorf("status %d: %s", status, stderr)
		}
	})
	for _, tc := range []struct {
		args   string
		status int
		want   string
	}{
		{"install --ci --update", 2, "--ci writes nothing"},
		{"install --manifest none.json --lexicons none", 1, "there is nothing to install"},
		{"install com.example", 1, "neither an NSID"},
		{"install --help", 0, "domains above and below"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			status, stdout, stderr := lexgen(t, strings.Fields(tc.args)...)
			if status != tc.status || !strings.Contains(stdout+stderr, tc.want) {
				t.Errorf("status %d: %s%s", status, stdout, stderr)
			}
		})
	}
}

func TestLintByCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "warned/a.json", document("com.example.a", object("")))
	writeFile(t, "wrong/a.json", document("com.example.a", object(`"x": {"type": "ref", "ref": "org.other.x"}`)))
	writeFile(t, "other/x.json", document("org.other.x", object("")))
	writeFile(t, "fine/defs.json", document("com.example.defs", `"a": {"type": "token"}`))
	const warning = "warned/a.json:1: com.example.a: defs.main: warning: "
	for _, tc := range []struct {
		args   string
		status int
		stdout string // its beginning
		stderr string // a part of it
	}{
		{"fine", 0, "", ""},
		{"fine --json", 0, "[]\n", ""},
		{"warned", 0, warning, ""},
		{"warned --strict", 1, warning, "0 errors and 1 warnings in 1 lexicons"},
		{"warned --strict --off main-data", 0, "", ""},
		{"wrong", 1, "wrong/a.json:1: ", "1 errors and 1 warnings"},
		{"wrong --with other", 0, "wrong/a.json:1: ", ""},
		{"wrong --off missing-ref,main-data", 0, "", ""},
		{"warned --json", 0, "[\n  {\n    \"severity\": \"warning\",\n    \"rule\": \"main-data\",\n    \"file\": \"warned/a.json\",\n    \"line\": 1,\n    \"nsid\": \"com.example.a\",\n    \"path\": \"defs.main\",\n", ""},
		{"fine --off nothing", 2, "", `there is no rule "nothing"`},
		{"none", 1, "", "none"},
		{"", 2, "", "say what to look at: give folders of lexicons"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			status, stdout, stderr := lexgen(t, append([]string{"lint"}, strings.Fields(tc.args)...)...)
			if status != tc.status || !strings.HasPrefix(stdout, tc.stdout) || (tc.stdout == "") != (stdout == "") || !strings.Contains(stderr, tc.stderr) {
				t.Errorf("status %d: %s%s", status, stdout, stderr)
			}
		})
	}
	if status, stdout, _ := lexgen(t, "lint", "--help"); status != 0 || !strings.Contains(stdout, "  closed-enum ") {
		t.Errorf("status %d: %s", status, stdout)
	}
}

// The sandbox has repositories as real servers have them.
func TestInstallFromAServer(t *testing.T) {
	server := oauthtest.NewServer()
	defer server.Close()
	session, err := server.Login(t.Context(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	publish := func(nsid, defs string) {
		t.Helper()
		record := json.RawMessage(`{"$type": "com.atproto.lexicon.schema", ` + strings.TrimPrefix(document(nsid, defs), "{"))
		resp, err := session.AuthenticatedRequest(t.Context(), "POST", "/xrpc/com.atproto.repo.putRecord", map[string]any{
			"repo": session.DID(), "collection": "com.atproto.lexicon.schema", "rkey": nsid, "record": record, "validate": false,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 {
			t.Fatalf("%s: %s", resp.Status, body)
		}
	}
	publish("com.example.shop.item", object(`"maker": {"type": "ref", "ref": "com.example.defs#maker"}`))
	publish("com.example.shop.order", object(`"item": {"type": "ref", "ref": "com.example.shop.item"}`))
	publish("com.example.defs", `"maker": {"type": "object", "properties": {"name": {"type": "string"}}}`)
	env := server.Environment()
	network := install.Network{
		Directories: []string{env.PLC}, AllowLoopback: true, Transport: env.Transport(),
		LookupTXT: func(_ context.Context, name string) ([]string, error) {
			if name == "_lexicon.shop.example.com" || name == "_lexicon.example.com" {
				return []string{"did=" + string(session.DID())}, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		},
	}
	command := func(args ...string) (status int, stdout, stderr string) {
		var out, err bytes.Buffer
		status = run(t.Context(), append([]string{"install"}, args...), &out, &err, network)
		return status, out.String(), err.String()
	}
	t.Chdir(t.TempDir())
	t.Run("L55 L56 L58 all lexicons of an authority, and what they need", func(t *testing.T) {
		status, stdout, stderr := command("com.example.shop.*")
		if status != 0 || !strings.HasSuffix(stdout, "3 lexicons are installed\n") || stderr != "" {
			t.Fatalf("status %d: %s%s", status, stdout, stderr)
		}
		if status, stdout, stderr := command("--ci", "com.example.shop.item"); status != 0 {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
		writeFile(t, "lexgen.json", `{"inputs": ["lexicons"], "generate": ["com.example.*"], "packages": [{"prefixes": ["com.example"], "name": "comexample", "path": "x.test/comexample", "dir": "comexample"}]}`)
		if status, _, stderr := lexgen(t, "generate"); status != 0 || stderr != "" {
			t.Errorf("status %d: %s", status, stderr)
		}
	})
	t.Run("L58 an update, and what the change breaks", func(t *testing.T) {
		if err := os.CopyFS("old", os.DirFS("lexicons")); err != nil {
			t.Fatal(err)
		}
		publish("com.example.defs", `"maker": {"type": "object", "properties": {"name": {"type": "integer"}}}`)
		if _, stdout, stderr := command(); stdout != "3 lexicons are installed\n" {
			t.Errorf("without --update: %s%s", stdout, stderr)
		}
		if status, stdout, stderr := command("--update"); status != 0 || !strings.HasPrefix(stdout, "changed  com.example.defs  at://") {
			t.Errorf("status %d: %s%s", status, stdout, stderr)
		}
		if status, stdout, _ := lexgen(t, "diff", "old", "lexicons"); status != 1 || !strings.Contains(stdout, "defs.maker.properties.name") {
			t.Errorf("status %d: %s", status, stdout)
		}
	})
	t.Run("L55 a lexicon that is not there", func(t *testing.T) {
		before := readTree(t, ".")
		for arg, want := range map[string]string{"com.example.none": "no such record", "org.example.none": "_lexicon.example.org"} {
			if status, _, stderr := command(arg); status != 1 || !strings.Contains(stderr, want) {
				t.Errorf("status %d: %s", status, stderr)
			}
		}
		if diff := cmp.Diff(before, readTree(t, ".")); diff != "" {
			t.Error(diff)
		}
	})
}

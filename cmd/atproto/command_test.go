package main

import (
	"bytes"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth/oauthtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file, or writes it.
func golden(tb testing.TB, name string, got []byte) {
	tb.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			tb.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		tb.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// A result is what a command did.
type result struct {
	status         int
	stdout, stderr string
}

// want fails the test unless the command ended so. Each text has to be in its output.
func (r result) want(tb testing.TB, status int, texts ...string) {
	tb.Helper()
	if r.status != status {
		tb.Errorf("status %d, want %d\n%s%s", r.status, status, r.stdout, r.stderr)
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			tb.Errorf("it does not say %q:\n%s%s", text, r.stdout, r.stderr)
		}
	}
}

// atproto runs the command as it is.
func atproto(tb testing.TB, args ...string) result {
	tb.Helper()
	var out, err bytes.Buffer
	status := run(tb.Context(), args, &out, &err)
	return result{status, out.String(), err.String()}
}

// in runs the command in a sandbox.
func in(tb testing.TB, server *oauthtest.Server, args ...string) result {
	tb.Helper()
	env := server.Environment()
	var out, err bytes.Buffer
	p := &program{stdout: &out, stderr: &err, roundTripper: env.Transport(), resolver: env.Resolver(), allowLoopback: true}
	status := p.run(tb.Context(), args)
	return result{status, out.String(), err.String()}
}

// A site answers requests by URL, without a network.
type site map[string]http.HandlerFunc

func (s site) RoundTrip(req *http.Request) (*http.Response, error) {
	handler, ok := s[req.URL.String()]
	if !ok {
		return nil, errors.New("nobody is there")
	}
	w := httptest.NewRecorder()
	handler(w, req)
	return w.Result(), nil
}

// on runs the command with the Internet replaced by a site.
func on(tb testing.TB, s site, args ...string) result {
	tb.Helper()
	return over(tb, s, args...)
}

// over runs the command with the Internet replaced by what answers all requests.
func over(tb testing.TB, t http.RoundTripper, args ...string) result {
	tb.Helper()
	var out, err bytes.Buffer
	p := &program{stdout: &out, stderr: &err, roundTripper: t}
	status := p.run(tb.Context(), args)
	return result{status, out.String(), err.String()}
}

// A failing transport answers every request with an error.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestNothingThatATerminalActsOnIsPrinted(t *testing.T) {
	// A host can write into errors too: by the names in its certificate, for one.
	hostile := failing{errors.New("x\x1b]0;title\x07\x1b[2J\u009b31m\u202e\xff\rfine\nnext line")}
	for name, args := range map[string][]string{
		"an error":               {"resolve", "https://pds.example.com"},
		"a finding":              {"check", checkedURL},
		"a finding as JSON":      {"check", "--json", checkedURL},
		"a wrong command line":   {"check", "\x1b[31mred"},
		"a URL of one's own":     {"check", "--allow-host", "a", "https://a/\u009b31m"},
		"an unknown command":     {"\x1b[31m"},
		"the id of a developer":  {"check", "http://localhost?scope=\u009b31m"},
		"the same as JSON":       {"check", "--json", "http://localhost?scope=\u009b31m"},
		"a config file's name":   {"metadata", "--config", "\x1b[31m"},
		"a flag that is unknown": {"check", "--\x1b[31m"},
	} {
		t.Run(name, func(t *testing.T) {
			r := over(t, hostile, args...)
			if r.status == 0 || r.stdout+r.stderr == "" {
				t.Fatalf("status %d", r.status)
			}
			for _, c := range r.stdout + r.stderr {
				if c != '\n' && !unicode.IsPrint(c) {
					t.Fatalf("%q is printed:\n%q", c, r.stdout+r.stderr)
				}
			}
		})
	}
	t.Run("lines stay lines", func(t *testing.T) {
		r := atproto(t, "check")
		r.want(t, 2, "Usage:\n  atproto check URL [flags]\n")
		help := atproto(t, "metadata", "--help")
		if strings.ContainsRune(r.stderr+help.stdout, unicode.ReplacementChar) {
			t.Errorf("%s%s", r.stderr, help.stdout)
		}
	})
}

func writeFile(tb testing.TB, name, content string) string {
	tb.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

func readFile(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func TestExitStatusAndHelp(t *testing.T) {
	for _, tt := range []struct {
		args   string
		status int
		want   string
	}{
		{"", 2, "say what to do"},
		{"--help", 0, "the command line is wrong"},
		{"foo", 2, "Run atproto --help to see what there is"},
		{"foo", 2, `unknown command "foo"`},
		{"keygen foo", 2, "is too much: atproto "},
		{"keygen --foo", 2, "unknown flag: --foo"},
		{"keygen --help", 0, "never overwritten"},
		{"metadata --help", 0, "private_key_paths"},
		{"metadata foo", 2, "is too much: atproto "},
		{"check", 2, "say which client: give the URL of its metadata"},
		{"check --help", 0, "--allow-host"},
		{"check app.example.com", 2, "not an https URL"},
		{"check --timeout soon https://app.example.com/m.json", 2, `--timeout: "soon" is not a time in which to get an answer: write it as 30s or 5m`},
		{"check --allow-host http://127.0.0.1 https://app.example.com/m.json", 2, "without scheme and port"},
		{"check --allow-host 127.0.0.1:8080 https://app.example.com/m.json", 2, "without scheme and port"},
		{"check --allow-host= https://app.example.com/m.json", 2, "without scheme and port"},
		{"resolve", 2, "say which account: give a handle or a DID"},
		{"resolve a b", 2, "is too much: atproto resolve takes one argument"},
		{"resolve --help", 0, "both ways"},
		{"resolv alice.test", 2, `did you mean resolve?`},
		{"kegen", 2, `did you mean keygen?`},
		{"version foo", 2, "is too much: atproto "},
		{"version --help", 0, "which Go built it"},
		{"completion", 2, "say for which shell: bash"},
		{"completion sh", 2, "bash, zsh, fish or powershell"},
		{"completion --help", 0, "Tab key"},
		{"help", 0, "Build clients:"},
		{"help keygen", 0, "never overwritten"},
		{"help foo", 2, `there is no command "foo"`},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := atproto(t, strings.Fields(tt.args)...)
			r.want(t, tt.status, tt.want)
			if tt.status == 0 && r.stderr != "" || tt.status != 0 && r.stdout != "" {
				t.Errorf("help goes to the standard output, errors to standard error; got\n%s\nand\n%s", r.stdout, r.stderr)
			}
		})
	}
}

func TestATimeLimitOfNothingIsRefused(t *testing.T) {
	u := newUser(t).in("alice")
	record := writeFile(t, t.TempDir()+"/post.json", rawPost)
	for _, args := range []string{
		"resolve alice.test", "call com.atproto.server.getSession", "whoami", "logout", "check https://app.example.com/m.json",
		"record get app.bsky.feed.post/x", "record list", "record create app.bsky.feed.post --input " + record,
		"record put app.bsky.feed.post/x --input " + record, "record delete app.bsky.feed.post/x",
	} {
		for _, limit := range []string{"0", "0s", "-1s"} {
			r := u.do(append(strings.Fields(args), "--timeout", limit)...)
			r.want(t, 2, `--timeout: "`+limit+`" is not a time in which to get an answer: write it as 30s or 5m`)
		}
	}
	u.do("whoami", "--timeout", "1m").want(t, 0)
}

func TestGoldenFilesAreAllUsed(t *testing.T) {
	// A golden file that no test compares says nothing.
	for _, pattern := range []string{"testdata/check/*", "testdata/resolve/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		var source strings.Builder
		for _, name := range []string{"check_test.go", "resolve_test.go"} {
			source.WriteString(readFile(t, name))
		}
		for _, file := range files {
			if !strings.Contains(source.String(), filepath.ToSlash(file)) {
				t.Errorf("no test compares %s", file)
			}
		}
	}
}

package apppassword_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// plain stores sessions as they are.
func plain(cfg *apppassword.Config) { cfg.Seal = seal.Plaintext() }

// waysOut are all the ways in which a value ends in a text that people read.
func waysOut(v any) map[string]string {
	texts := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p"} {
		texts[verb] = fmt.Sprintf(verb, v)
	}
	var jsonLog, textLog bytes.Buffer
	slog.New(slog.NewJSONHandler(&jsonLog, nil)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&textLog, nil)).Info("x", "v", v)
	texts["a JSON log"], texts["a text log"] = jsonLog.String(), textLog.String()
	if encoded, err := json.Marshal(v); err == nil {
		texts["JSON"] = string(encoded)
	}
	return texts
}

func TestNoTypeTellsASecret(t *testing.T) {
	const wrongPassword, code, proxyPassword = "correct-horse-battery", "CODE1-CODE2", "hunter2-of-the-proxy"
	server, kept := sandbox(t), new(store.Memory)
	alice := server.Environment().Account("alice")
	server.SetAuthFactor(alice.DID, "ABCDE-12345")
	secrets := map[string]string{
		botPassword: "app password", alice.Password: "password", wrongPassword: "password", code: "code", proxyPassword: "password of a proxy",
	}
	var log logBuffer
	var configured apppassword.Config
	client := newClient(t, server, withStore(kept), plain, log.configure, func(cfg *apppassword.Config) { configured = *cfg })
	configured.Proxy = &url.URL{Scheme: "http", Host: "proxy.test", User: url.UserPassword("me", proxyPassword)}
	configured.Seal = seal.Passphrase(wrongPassword)
	s := login(t, client)
	note := func() {
		access, refresh := apppassword.Tokens(s)
		secrets[access], secrets[refresh] = "access token", "refresh token"
	}
	note()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	note()

	// What goes wrong, at servers that repeat what they were sent.
	repeating := func(text string) oauthtest.Fault {
		return oauthtest.Fault{Status: 400, Header: http.Header{"Content-Type": {"application/json"}},
			Body: `{"error":"Invalid` + text + `","message":"I do not like ` + text + `"}`}
	}
	access, refresh := apppassword.Tokens(s)
	var failures []error
	fail := func(f oauthtest.Fault, path string, do func() error) {
		if f.Status != 0 {
			server.Fault(path, f)
		}
		err := do()
		if err == nil {
			t.Fatal("nothing failed")
		}
		failures = append(failures, err)
	}
	tryLogin := func(password string, opts ...apppassword.LoginOption) func() error {
		return func() error { _, err := client.Login(t.Context(), "alice.test", password, opts...); return err }
	}
	fail(oauthtest.Fault{}, "", tryLogin(wrongPassword))
	fail(oauthtest.Fault{}, "", tryLogin(alice.Password))
	fail(oauthtest.Fault{}, "", tryLogin(alice.Password, apppassword.WithAuthFactor(code)))
	fail(repeating(wrongPassword), createPath, tryLogin(wrongPassword))
	fail(repeating(code), createPath, tryLogin(alice.Password, apppassword.WithAuthFactor(code)))
	fail(repeating(refresh), refreshPath, func() error { return s.Refresh(t.Context()) })
	fail(repeating(refresh), deletePath, func() error { return s.Logout(t.Context()) })
	apppassword.Settle(s)
	if access == "" || len(secrets) != 9 || len(failures) != 7 {
		t.Fatalf("%d secrets, %d failures", len(secrets), len(failures))
	}
	tells := func(t *testing.T, where, text string) {
		t.Helper()
		for secret, what := range secrets {
			if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s tells a %s: %.200s", where, what, text)
			}
		}
	}

	t.Run("P78 O120 no type tells one", func(t *testing.T) {
		values := map[string]any{
			"Client": client, "Session": s, "Config": configured, "*Config": &configured, "SessionKey": s.Key(),
			"in a struct": struct{ C any }{configured}, "in a slice": []any{s, client, configured}, "in a map": map[string]any{"x": s},
		}
		for i, err := range failures {
			e, ok := errors.AsType[*apppassword.Error](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			values[fmt.Sprint("error ", i)], values[fmt.Sprint("*Error ", i)] = err, *e
		}
		for name, v := range values {
			for way, text := range waysOut(v) {
				tells(t, name+" by "+way, text)
			}
		}
	})
	t.Run("P78 and no other type is exported", func(t *testing.T) {
		files, err := filepath.Glob("*.go")
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, decl := range file.Decls {
				if general, ok := decl.(*ast.GenDecl); ok {
					for _, spec := range general.Specs {
						if typed, ok := spec.(*ast.TypeSpec); ok && typed.Name.IsExported() {
							found = append(found, typed.Name.Name)
						}
					}
				}
			}
		}
		slices.Sort(found)
		// Kind is a text of ours, a LoginOption a function, and Stats are numbers.
		if diff := cmp.Diff([]string{"Client", "Config", "Error", "Kind", "LoginOption", "Session", "SessionKey", "Stats"}, found); diff != "" {
			t.Errorf("say above whether it can hold a secret:\n%s", diff)
		}
	})
	t.Run("P78 O120 no log does", func(t *testing.T) {
		for _, line := range []string{"logged in", "tokens refreshed", "session ended", "server refused"} {
			if !strings.Contains(log.String(), line) {
				t.Errorf("nothing of %q in\n%s", line, log.String())
			}
		}
		tells(t, "the log", log.String())
	})
	t.Run("O120 no record does that is sealed, and none has the password", func(t *testing.T) {
		for name, tt := range map[string]struct {
			change func(*apppassword.Config)
			tokens bool
		}{"sealed": {func(*apppassword.Config) {}, false}, "plain": {plain, true}} {
			kept := new(store.Memory)
			s := login(t, newClient(t, server, withStore(kept), tt.change))
			r, err := kept.Get(t.Context(), store.RecordKey{Kind: store.RecordAppPassword, DID: s.DID(), ID: s.Key().ID})
			if err != nil {
				t.Fatal(err)
			}
			access, refresh := apppassword.Tokens(s)
			if strings.Contains(string(r.Data), access) != tt.tokens || strings.Contains(string(r.Data), refresh) != tt.tokens {
				t.Errorf("%s: tokens can be read: %t", name, !tt.tokens)
			}
			tells(t, name, string(r.Data)+r.Key.ID)
		}
	})
}

func TestWordsOfServersAreBounded(t *testing.T) {
	t.Run("P80 they are quoted, and cut short", func(t *testing.T) {
		server := sandbox(t)
		body, err := json.Marshal(map[string]string{"error": "Bad\x1b[31m", "message": strings.Repeat("long ", 2000) + "\nlevel=ERROR"})
		if err != nil {
			t.Fatal(err)
		}
		server.Fault(createPath, oauthtest.Fault{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: string(body)})
		_, err = newClient(t, server).Login(t.Context(), "alice.test", botPassword)
		e := wantKind(t, err, apppassword.ErrServer)
		if text := e.Error(); strings.ContainsAny(text, "\x1b\n") || len(text) > 1000 || len(e.Message) > 2100 {
			t.Errorf("%d bytes: %.300q", len(text), text)
		}
	})
	t.Run("P80 an answer that is too large is cut off", func(t *testing.T) {
		server := sandbox(t)
		server.Fault(createPath, oauthtest.Fault{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"did":"` + strings.Repeat("x", 1<<20) + `"}`})
		_, err := newClient(t, server).Login(t.Context(), "alice.test", botPassword)
		if e := wantKind(t, err, apppassword.ErrServer); !strings.Contains(e.Error(), "too large") {
			t.Errorf("got %v", e)
		}
	})
}

package filestore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/filestore"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/oauth/storetest"
)

func TestContract(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, storetest.Backend{
		Open:     func(context.Context) (oauth.Store, error) { return filestore.Open(dir) },
		Location: dir,
		OpenAt:   func(_ context.Context, dir string) (oauth.Store, error) { return filestore.Open(dir) },
	})
}

func open(t *testing.T) (*filestore.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sessions")
	s, err := filestore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestOthersCannotReadTheFiles(t *testing.T) {
	s, dir := open(t)
	if err := s.Put(t.Context(), &oauth.Record{Key: oauth.RecordKey{Kind: oauth.RecordSession, ID: "1"}, Revision: 1, Data: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		}
		if !d.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, %v", files, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := filestore.Open(dir); err == nil || !strings.Contains(err.Error(), "0755") {
		t.Errorf("a directory that others may enter: %v", err)
	}
}

// records returns the files of a store.
func records(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "records", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestDamagedFilesAreErrorsAndNotAbsent(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"cut off in the data":   func(b []byte) []byte { return b[:len(b)-1] },
		"cut off in the header": func(b []byte) []byte { return b[:10] },
		"empty":                 func([]byte) []byte { return nil },
		"longer":                func(b []byte) []byte { return append(b, 'x') },
		"of another format":     func(b []byte) []byte { return bytes.Replace(b, []byte(`"format":1`), []byte(`"format":9`), 1) },
		"of another key":        func(b []byte) []byte { return bytes.Replace(b, []byte(`"id":"1"`), []byte(`"id":"2"`), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := open(t)
			r := &oauth.Record{Key: oauth.RecordKey{Kind: oauth.RecordSession, DID: "did:plc:a", ID: "1"}, Revision: 1, Data: []byte("data")}
			if err := s.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			file := records(t, dir)[0]
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := s.Get(t.Context(), r.Key)
			if err == nil || err == oauth.ErrNotFound {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestPurgeRemovesWhatCrashesLeft(t *testing.T) {
	s, dir := open(t)
	old, fresh := filepath.Join(dir, "records", ".new-old"), filepath.Join(dir, "records", ".new-fresh")
	for _, file := range []string{old, fresh} {
		if err := os.WriteFile(file, []byte("half a rec"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Purge(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error("one that may be in use was removed")
	}
}

// Not only is every secret of a session sealed: nothing of it is in the files, wherever
// a login and a refresh have put it.
func TestFilesHoldNoSecrets(t *testing.T) {
	server := oauthtest.NewServer()
	defer server.Close()
	s, dir := open(t)
	secrets := make(map[string]bool)
	cfg := oauth.Localhost("http://127.0.0.1:8765/callback", "atproto")
	server.Environment().Configure(&cfg)
	cfg.RoundTripper = listener{cfg.RoundTripper, secrets}
	cfg.Store, cfg.Seal = s, oauth.SealKeys(bytes.Repeat([]byte{1}, 32))
	client, err := oauth.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, want int) {
		t.Helper()
		files := records(t, dir)
		if len(files) != want {
			t.Errorf("%s: %d files, want %d", when, len(files), want)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for secret := range secrets {
				if bytes.Contains(content, []byte(secret)) {
					t.Errorf("%s: %s holds %q", when, file, secret)
				}
			}
			for _, word := range []string{"verifier", "access", "refresh", "dpop_key", `"d":`} {
				if bytes.Contains(content, []byte(word)) {
					t.Errorf("%s: %s is readable: %q", when, file, word)
				}
			}
		}
	}
	login, err := client.Authorize(t.Context(), "alice.test")
	if err != nil {
		t.Fatal(err)
	}
	check("during a login", 1)
	callback, err := server.Approve(t.Context(), login.URL, server.Environment().Account("alice"))
	if err != nil {
		t.Fatal(err)
	}
	secrets[callback.Query().Get("state")] = true
	result, err := client.Callback(t.Context(), callback.Query(), login.Binding)
	if err != nil {
		t.Fatal(err)
	}
	check("after the login", 1)
	if err := result.Session.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(secrets) != 5 {
		t.Errorf("%d secrets were seen, want a state and two pairs of tokens", len(secrets))
	}
	check("after a refresh", 1)
	if err := result.Session.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after the logout", 0)
}

// A listener writes down the tokens that pass by.
type listener struct {
	rt      http.RoundTripper
	secrets map[string]bool
}

func (l listener) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.rt.RoundTrip(req)
	if err != nil || req.URL.Path != "/oauth/token" {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if json.Unmarshal(body, &tokens) == nil && tokens.Access != "" {
		l.secrets[tokens.Access], l.secrets[tokens.Refresh] = true, true
	}
	return resp, err
}

func TestListSaysThatItFailed(t *testing.T) {
	s, dir := open(t)
	if err := os.RemoveAll(filepath.Join(dir, "records")); err != nil {
		t.Fatal(err)
	}
	failed := false
	for _, err := range s.List(t.Context(), oauth.RecordSession, "") {
		failed = err != nil
	}
	if !failed {
		t.Error("a directory that is gone listed as empty")
	}
	if _, err := s.Purge(t.Context(), time.Now()); err == nil {
		t.Error("purged a directory that is gone")
	}
}

package loopback_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
)

func TestOpen(t *testing.T) {
	server, dir := sandbox(t), t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir) // which os.UserConfigDir reads on some systems
	asked := 0
	open := func(t *testing.T, program string, opts ...loopback.Option) (*oauth.Session, error) {
		t.Helper()
		return loopback.Open(t.Context(), program, "alice.test", append(opts, loopback.WithConfig(server.Environment().Configure),
			loopback.WithOutput(io.Discard), loopback.WithBrowser(func(page string) error {
				asked++
				return newPerson(server, "alice").open(page)
			}))...)
	}
	mine := loopback.WithDir(filepath.Join(dir, "mine"))

	t.Run("the person logs in once, and the session is resumed", func(t *testing.T) {
		for range 2 {
			session, err := open(t, "", mine)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := comatproto.NewClient(session).Server.GetSession(t.Context()); err != nil || asked != 1 {
				t.Errorf("%v, asked %d times", err, asked)
			}
			if got := strings.Fields(session.Scope()); len(got) != 2 {
				t.Errorf("scope %q", got)
			}
		}
	})
	t.Run("nobody else may read what is kept", func(t *testing.T) {
		err := filepath.WalkDir(filepath.Join(dir, "mine"), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("a session that the server has ended is told by the first call, and the next start logs in", func(t *testing.T) {
		session, err := open(t, "", mine)
		if err != nil {
			t.Fatal(err)
		}
		server.RevokeSessions(session.DID())
		if _, err := comatproto.NewClient(session).Server.GetSession(t.Context()); !errors.Is(err, oauth.ErrReauthRequired) {
			t.Fatalf("got %v", err)
		}
		again, err := open(t, "", mine)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := comatproto.NewClient(again).Server.GetSession(t.Context()); err != nil || asked != 2 {
			t.Errorf("%v, asked %d times", err, asked)
		}
	})
	t.Run("without a folder it is the program's in the user's", func(t *testing.T) {
		if _, err := open(t, "my-bot", loopback.WithScope("atproto")); err != nil {
			t.Fatal(err)
		}
		folder, err := os.UserConfigDir()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(folder, "my-bot", "seal.key")); err != nil && strings.HasPrefix(folder, dir) {
			t.Error(err)
		}
	})
	for _, name := range []string{"", ".", "..", "a/b", "../x", "/etc"} {
		t.Run("no folder is named "+name, func(t *testing.T) {
			if _, err := open(t, name); err == nil || !strings.Contains(err.Error(), "cannot name a folder") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("a folder that cannot be written is named", func(t *testing.T) {
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, "", loopback.WithDir(file)); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v", err)
		}
	})
}

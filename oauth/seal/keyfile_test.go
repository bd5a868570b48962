package seal_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/oauth/seal"
)

func TestKeyFile(t *testing.T) {
	t.Run("the key of the first start is that of all others", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "below", "seal.key")
		first, err := seal.KeyFile(path)
		if err != nil || len(first) != 32 {
			t.Fatalf("%d bytes, %v", len(first), err)
		}
		again, err := seal.KeyFile(path)
		if err != nil || !bytes.Equal(first, again) {
			t.Errorf("another key, %v", err)
		}
		if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(entries) != 1 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
		if other, err := seal.KeyFile(path + "2"); err != nil || bytes.Equal(first, other) {
			t.Errorf("the same key for another file, %v", err)
		}
	})
	t.Run("no path", func(t *testing.T) {
		if _, err := seal.KeyFile(""); err == nil || !strings.Contains(err.Error(), "needs the path of a file") {
			t.Error(err)
		}
	})
	t.Run("programs that start at once have one key", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "seal.key")
		var mu sync.Mutex
		keys := make(map[string]bool)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				key, err := seal.KeyFile(path)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				keys[string(key)] = true
				mu.Unlock()
			})
		}
		all.Wait()
		if len(keys) != 1 {
			t.Errorf("%d keys", len(keys))
		}
	})
	good := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		says string // "": it is read
	}{
		"a key of one's own":           {good, 0o600, ""},
		"one with an end of line":      {good + "\r\n", 0o400, ""},
		"one that is longer":           {good + good[:40], 0o600, ""},
		"one that is too short":        {good[:30], 0o600, "holds no key"},
		"an empty file":                {"", 0o600, "holds no key"},
		"what is not base64url":        {strings.Repeat("+/", 32), 0o600, "holds no key"},
		"a file that others may read":  {good, 0o644, "chmod 600"},
		"a file that the group writes": {good, 0o620, "chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" && tt.says == "chmod 600" {
				return // there are no such modes
			}
			path := filepath.Join(t.TempDir(), "seal.key")
			if err := os.WriteFile(path, []byte(tt.text), tt.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			key, err := seal.KeyFile(path)
			switch {
			case tt.says == "" && (err != nil || len(key) < 32):
				t.Errorf("%d bytes, %v", len(key), err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path)):
				t.Errorf("got %v", err)
			case err != nil && tt.text != "" && strings.Contains(err.Error(), tt.text):
				t.Errorf("the error tells the key: %v", err)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != tt.text {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
	t.Run("a folder is no file", func(t *testing.T) {
		if _, err := seal.KeyFile(t.TempDir()); err == nil {
			t.Error("it was read")
		}
	})
}

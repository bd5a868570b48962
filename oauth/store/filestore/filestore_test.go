package filestore_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
	"github.com/gimucco/atproto-go/oauth/store/storetest"
)

func TestContract(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, storetest.Backend{
		Open:     func(context.Context) (store.Store, error) { return filestore.Open(dir) },
		Location: dir,
		Block:    func(t *testing.T, _ store.RecordKey) func() { return block(t, dir) },
		OpenAt:   func(_ context.Context, dir string) (store.Store, error) { return filestore.Open(dir) },
	})
}

// block takes every lock of a store, as another process does.
func block(t *testing.T, dir string) (release func()) {
	var held []*flock.Flock
	for shard := range 64 {
		lock := flock.New(filepath.Join(dir, "locks", fmt.Sprintf("%02d", shard)), flock.SetPermissions(0o600))
		if err := lock.Lock(); err != nil {
			t.Fatal(err)
		}
		held = append(held, lock)
	}
	return func() {
		for _, lock := range held {
			lock.Close()
		}
	}
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
	if err := s.Put(t.Context(), &store.Record{Key: store.RecordKey{Kind: store.RecordSession, ID: "1"}, Revision: 1, Data: []byte("x")}); err != nil {
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
	if _, err := filestore.Open(""); err == nil || !strings.Contains(err.Error(), "needs the path of a folder") {
		t.Errorf("no directory: %v", err)
	}
}

// records returns the files of a store.
func records(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "records", "*", "*", "*", "*"))
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
			r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: "1"}, Revision: 1, Data: []byte("data")}
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
			if err == nil || err == store.ErrNotFound {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestPurgeRemovesWhatCrashesLeft(t *testing.T) {
	s, dir := open(t)
	if err := s.Put(t.Context(), &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: "1"}, Revision: 1}); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(records(t, dir)[0])
	old, fresh := filepath.Join(folder, ".new-old"), filepath.Join(folder, ".new-fresh")
	for _, file := range []string{old, fresh} {
		if err := os.WriteFile(file, []byte("half a rec"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Error("one that may be in use was removed")
	}
}

func TestTimeIsTheWallClock(t *testing.T) {
	t.Run("P67 a record ends while the machine sleeps", func(t *testing.T) {
		now := time.Now()
		s, err := filestore.Open(filepath.Join(t.TempDir(), "sessions"), filestore.WithClock(func() time.Time { return now }))
		if err != nil {
			t.Fatal(err)
		}
		r := &store.Record{Key: store.RecordKey{Kind: store.RecordState, ID: "1"}, Revision: 1, Keep: time.Hour}
		if err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			asleep time.Duration
			purged int
		}{{time.Hour - 1, 0}, {1, 1}} {
			now = now.Round(0).Add(step.asleep)
			if n, err := s.Purge(t.Context()); n != step.purged || err != nil {
				t.Errorf("after %v more: purged %d, %v", step.asleep, n, err)
			}
		}
	})
}

// Not only is every secret of a session sealed: nothing of it is in the files, wherever
// a login and a refresh have put it.
func TestFilesHoldNoSecrets(t *testing.T) {
	s, dir := open(t)
	scenario.StoreSecrets(t, s, func() []byte {
		var all bytes.Buffer
		for _, file := range records(t, dir) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(content)
		}
		return all.Bytes()
	})
}

func TestListSaysThatItFailed(t *testing.T) {
	s, dir := open(t)
	if err := os.RemoveAll(filepath.Join(dir, "records")); err != nil {
		t.Fatal(err)
	}
	failed := false
	for _, err := range s.List(t.Context(), store.RecordSession, "") {
		failed = err != nil
	}
	if !failed {
		t.Error("a directory that is gone listed as empty")
	}
	if _, err := s.Purge(t.Context()); err == nil {
		t.Error("purged a directory that is gone")
	}
}

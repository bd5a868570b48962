package filestore

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"

	"github.com/gimucco/atproto-go/oauth/store"
)

func opened(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "sessions"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func session(id string, revision uint64) *store.Record {
	return &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: id}, Revision: revision, Data: []byte("x")}
}

// A recorder is a disk that remembers what a crash of the machine would undo.
type recorder struct {
	synced  map[string]bool // temporary files whose content is on disk
	unsafe  []string        // files that took a name before
	pending map[string]bool // folders whose names may not be on disk
}

// watch puts a recorder before the disk of s.
func watch(s *Store) *recorder {
	r := &recorder{synced: make(map[string]bool), pending: make(map[string]bool)}
	real := s.disk
	s.disk.sync = func(f *os.File) error { r.synced[f.Name()] = true; return real.sync(f) }
	s.disk.syncDir = func(dir string) error { delete(r.pending, dir); return real.syncDir(dir) }
	s.disk.rename = func(from, to string) error {
		if !r.synced[from] {
			r.unsafe = append(r.unsafe, to)
		}
		r.pending[filepath.Dir(to)] = true
		return real.rename(from, to)
	}
	s.disk.remove = func(name string) error { r.pending[filepath.Dir(name)] = true; return real.remove(name) }
	return r
}

func (r *recorder) check(t *testing.T, what string) {
	t.Helper()
	if len(r.unsafe) > 0 {
		t.Errorf("%s: a crash could leave these empty: %q", what, r.unsafe)
	}
	if len(r.pending) > 0 {
		t.Errorf("%s: a crash could undo what was done in %q", what, slices.Sorted(maps.Keys(r.pending)))
	}
}

// A tokens' write that a crash undoes is a session lost: the server has revoked the old ones.
func TestWhatIsWrittenIsOnDisk(t *testing.T) {
	s := opened(t)
	r := watch(s)
	for revision := uint64(1); revision <= 2; revision++ {
		if revision == 1 {
			// Folders are made for the first record; nobody has synced what holds them.
			for dir := filepath.Dir(s.path(session("1", 1).Key).file); dir != s.dir; dir = filepath.Dir(dir) {
				r.pending[dir] = true
			}
		}
		if err := s.Put(t.Context(), session("1", revision)); err != nil {
			t.Fatal(err)
		}
		r.check(t, fmt.Sprint("Put of revision ", revision))
	}
	if err := s.Delete(t.Context(), session("1", 0).Key, 2); err != nil {
		t.Fatal(err)
	}
	r.check(t, "Delete")
}

func TestADiskThatFailsIsAnErrorAndLeavesTheOldRecord(t *testing.T) {
	broken := errors.New("input/output error")
	for name, spoil := range map[string]func(*disk){
		"content cannot be synced": func(d *disk) { d.sync = func(*os.File) error { return broken } },
		"no name can be changed":   func(d *disk) { d.rename = func(string, string) error { return broken } },
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t)
			if err := s.Put(t.Context(), session("1", 1)); err != nil {
				t.Fatal(err)
			}
			spoil(&s.disk)
			if err := s.Put(t.Context(), session("1", 2)); !errors.Is(err, broken) {
				t.Errorf("Put: %v", err)
			}
			if got, err := s.Get(t.Context(), session("1", 0).Key); err != nil || got.Revision != 1 {
				t.Errorf("after that: %+v, %v", got, err)
			}
			entries, err := os.ReadDir(filepath.Dir(s.path(session("1", 0).Key).file))
			if err != nil || len(entries) != 1 {
				t.Errorf("%d files are left, %v", len(entries), err)
			}
		})
	}
}

var errInUse = errors.New("the process cannot access the file because it is being used by another process")

// likeWindows makes a disk that forbids the first tries of everything.
func likeWindows(d *disk, tries int) (calls map[string]int) {
	calls = make(map[string]int)
	real := *d
	busy := func(what string) bool { calls[what]++; return calls[what]%(tries+1) != 0 }
	d.inUse = func(err error) bool { return errors.Is(err, errInUse) }
	d.open = func(name string) (*os.File, error) {
		if busy("open") {
			return nil, errInUse
		}
		return real.open(name)
	}
	d.rename = func(from, to string) error {
		if busy("rename") {
			return errInUse
		}
		return real.rename(from, to)
	}
	d.remove = func(name string) error {
		if busy("remove") {
			return errInUse
		}
		return real.remove(name)
	}
	return calls
}

// A file that others read can be neither replaced nor removed on Windows, and not read while
// it is replaced.
func TestFilesThatOthersHaveOpenAreWaitedFor(t *testing.T) {
	t.Run("P126 until they close them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := opened(t)
			calls := likeWindows(&s.disk, 3)
			for revision := uint64(1); revision <= 2; revision++ {
				if err := s.Put(t.Context(), session("1", revision)); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := s.Get(t.Context(), session("1", 0).Key); err != nil || got.Revision != 2 {
				t.Errorf("Get: %+v, %v", got, err)
			}
			if err := s.Delete(t.Context(), session("1", 0).Key, 2); err != nil {
				t.Errorf("Delete: %v", err)
			}
			if calls["rename"] != 8 || calls["remove"] != 4 {
				t.Errorf("calls: %v", calls)
			}
		})
	})
	t.Run("P126 not for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := opened(t)
			likeWindows(&s.disk, 1_000_000)
			begun := time.Now()
			if _, err := s.Get(t.Context(), session("1", 0).Key); !errors.Is(err, errInUse) {
				t.Errorf("Get: %v", err)
			}
			if waited := time.Since(begun); waited != 2*time.Second {
				t.Errorf("it waited for %v", waited)
			}
		})
	})
}

// Names are good where letter case does not count and some words are devices.
func TestNamesAreGoodOnEveryFileSystem(t *testing.T) {
	s := opened(t)
	names := make(map[string]bool)
	for _, part := range []string{"a", "A", "CON", "nul", "a.", "a ", "a:b", "a/b", `a\b`, "\x00", "*?<>|", strings.Repeat("x", 2000), ""} {
		for _, key := range []store.RecordKey{{Kind: store.RecordKind(part), DID: "d", ID: "1"}, {Kind: "k", DID: "d", ID: part}, {Kind: "k", ID: part}} {
			file, err := filepath.Rel(s.dir, s.path(key).file)
			if err != nil {
				t.Fatal(err)
			}
			if len(file) > 127 || strings.Trim(file, "0123456789abcdefors."+string(filepath.Separator)) != "" {
				t.Errorf("P126 %q is at %s", key, file)
			}
			names[strings.ToLower(file)] = true
		}
	}
	if len(names) != 3*13 {
		t.Errorf("P126 %d names that differ by more than letter case", len(names))
	}
	t.Chdir(t.TempDir())
	other, err := Open("sessions")
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(other.dir) {
		t.Errorf("P126 the store moves with the directory of the process: %s", other.dir)
	}
}

// A process that was stopped while it held a lock must not stop all others for ever.
func TestNoWaitForALockIsWithoutEnd(t *testing.T) {
	for name, hold := range map[string]func(*testing.T, *Store, int){
		"of another process": func(t *testing.T, s *Store, shard int) {
			lock := flock.New(filepath.Join(s.locks(), fmt.Sprintf("%02d", shard)))
			if err := lock.Lock(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { lock.Close() })
		},
		"of another goroutine": func(_ *testing.T, s *Store, shard int) { s.turns[shard] <- struct{}{} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := opened(t)
				r := session("1", 1)
				hold(t, s, s.path(r.Key).shard)
				begun := time.Now()
				err := s.Put(t.Context(), r)
				if waited := time.Since(begun); err == nil || waited < 10*time.Second || waited > 11*time.Second {
					t.Errorf("after %v: %v", waited, err)
				}
				if err == nil || !strings.Contains(err.Error(), "another process") {
					t.Errorf("it does not say why: %v", err)
				}
			})
		})
	}
}

// A list of one account reads one folder, whatever else there is.
func TestAnAccountsListReadsOneFolder(t *testing.T) {
	t.Run("P109", func(t *testing.T) {
		s := opened(t)
		for i := range 50 {
			r := session("1", 1)
			if i > 1 {
				r.Key.DID = "did:plc:other"
			}
			r.Key.ID = fmt.Sprint(i)
			if err := s.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		reads := 0
		real := s.disk.open
		s.disk.open = func(name string) (*os.File, error) { reads++; return real(name) }
		listed := 0
		for _, err := range s.List(t.Context(), store.RecordSession, "did:plc:a") {
			if err != nil {
				t.Fatal(err)
			}
			listed++
		}
		if listed != 2 || reads != 2 {
			t.Errorf("%d listed of 2, with %d files read", listed, reads)
		}
	})
}

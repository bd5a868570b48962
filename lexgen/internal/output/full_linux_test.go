package output

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
	"github.com/google/go-cmp/cmp"
)

// TestAFullDisk writes into a small file system. Where none may be mounted, TestAFailureAtAnyChangeLosesNothing has to do.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Logf("no tmpfs can be mounted here (%v): a double says that the disk is full, in another test", err)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	t.Run("P93 a full disk changes nothing", func(t *testing.T) {
		put(t, filepath.Join(dir, "p/a.go"), generated("old"))
		put(t, filepath.Join(dir, "p/mine.go"), "package p\n")
		have := tree(t, dir)
		large := []byte(generated(strings.Repeat("new", 10_000)))
		_, err := Write(t.Context(), []Folder{
			{Dir: filepath.Join(dir, "p"), Files: []emit.File{{Name: "a.go", Code: large}}},
			{Dir: filepath.Join(dir, "q"), Files: []emit.File{{Name: "a.go", Code: large}}},
		})
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(have, tree(t, dir)); diff != "" {
			t.Error(diff)
		}
		if _, err := os.Stat(filepath.Join(dir, "q")); err == nil {
			t.Error("a folder was left")
		}
	})
}

package filestore

import (
	"context"
	"os"
	"runtime"
	"time"
)

// A disk is what is done to files where a crash or another process may come between. Tests
// have disks that fail or look on.
type disk struct {
	open    func(name string) (*os.File, error)
	sync    func(*os.File) error
	syncDir func(dir string) error
	rename  func(from, to string) error
	remove  func(name string) error
	inUse   func(error) bool // whether an error says that another process has the file open
}

var system = disk{open: os.Open, sync: (*os.File).Sync, syncDir: syncDir, rename: os.Rename, remove: os.Remove, inUse: inUse}

// syncDir makes renames and removals in a directory last.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there, and need not: NTFS has a journal of names
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

const (
	usePause = time.Millisecond
	useLimit = 2 * time.Second
)

// patiently does something to a file, and again while others have the file open in a way
// that forbids it, as happens on Windows: there a file that somebody reads cannot be replaced
// or removed, and one that is being replaced cannot be read. Our own readers are done in a
// moment; scanners for viruses take longer. It ends with ctx, and after useLimit.
func (s *Store) patiently(ctx context.Context, do func() error) error {
	err := do()
	if err == nil || !s.disk.inUse(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, useLimit)
	defer cancel()
	tick := time.NewTicker(usePause)
	defer tick.Stop()
	for err != nil && s.disk.inUse(err) {
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
			err = do()
		}
	}
	return err
}

package filestore

import (
	"context"
	"os"
	"runtime"
	"time"
)

// A disk holds the file operations that a crash or another process can interrupt. Tests use disks
// that fail or observe.
type disk struct {
	open    func(name string) (*os.File, error)
	sync    func(*os.File) error
	syncDir func(dir string) error
	rename  func(from, to string) error
	remove  func(name string) error
	inUse   func(error) bool // reports whether an error means that another process has the file open
}

var system = disk{open: os.Open, sync: (*os.File).Sync, syncDir: syncDir, rename: os.Rename, remove: os.Remove, inUse: inUse}

// syncDir makes renames and removals in a directory durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced on Windows, and need not be: NTFS has a journal of names
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

// patiently runs a file operation, and repeats it while another process has the file open in a way
// that forbids it. This happens on Windows: a file that is being read cannot be replaced or
// removed, and a file that is being replaced cannot be read. Readers of this package take a moment;
// virus scanners take longer. It stops when ctx ends, and after useLimit.
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

package output

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// files is what a writer needs of the file system. Tests stop it, fill it up, or take rights away.
type files interface {
	// Look returns what is at a name itself, not what a link points at.
	Look(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	ReadFile(name string) ([]byte, error)
	// ReadHead returns up to n bytes from a file's beginning.
	ReadHead(name string, n int) ([]byte, error)

	MakeFolder(name string) error
	// Create writes a file that is not there yet.
	Create(name string, data []byte, perm fs.FileMode) error
	// Link gives a file a second name. Unlike Rename it replaces nothing.
	Link(from, to string) error
	Rename(from, to string) error
	Remove(name string) error
}

// disk is the real one.
type disk struct{}

func (disk) Look(name string) (fs.FileInfo, error)      { return os.Lstat(name) }
func (disk) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (disk) ReadFile(name string) ([]byte, error)       { return os.ReadFile(name) }
func (disk) MakeFolder(name string) error               { return os.Mkdir(name, 0o755) }
func (disk) Link(from, to string) error                 { return os.Link(from, to) }
func (disk) Rename(from, to string) error               { return os.Rename(from, to) }
func (disk) Remove(name string) error                   { return os.Remove(name) }

func (disk) ReadHead(name string, n int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, n)
	read, err := io.ReadFull(f, head)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:read], err
}

func (disk) Create(name string, data []byte, perm fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	keySize = 32
	// maxKeyFile is larger than any key file.
	maxKeyFile = 4096
)

// KeyFile returns the key in a file, for use with Keys. If the file does not exist, KeyFile makes a
// new key and writes it there with mode 0600. So a program has a key from its first start:
//
//	key, err := seal.KeyFile(filepath.Join(dir, "seal.key"))
//	config.Seal = seal.Keys(key)
//
// If several programs start for the first time at once, one makes the key and all use it. The file
// holds the key as one line of base64url. KeyFile refuses a file that other users may read.
//
// If the key is stored beside the sessions, it protects against somebody who gets a copy of the
// sessions only, such as a backup of a database. Somebody who can read the user's files can read
// both. If the key is lost, all sessions are lost.
func KeyFile(path string) ([]byte, error) {
	if path == "" {
		return nil, errors.New("seal: KeyFile needs the path of a file")
	}
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := makeKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return readKey(path)
}

func readKey(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() {
		return nil, fmt.Errorf("seal: %s is not a regular file", path)
	} else if runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("seal: %s has mode %04o: others may read the key; chmod 600", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	key, err := base64.RawURLEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) < keySize {
		return nil, fmt.Errorf("seal: %s holds no key: write %d bytes or more into it, in base64url without padding", path, keySize)
	}
	return key, nil
}

// makeKey writes a new key to path, unless the file exists. The file is complete before it gets its
// name, because another program may read it at once.
func makeKey(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key := make([]byte, keySize)
	rand.Read(key)
	file, err := os.CreateTemp(dir, ".seal-*") // nobody else may read it
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(base64.RawURLEncoding.EncodeToString(key) + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil {
		return err
	}
	// The name must survive a crash too, because from now on sessions are sealed with this key.
	if folder, err := os.Open(dir); err == nil {
		folder.Sync() // not every system can do this
		folder.Close()
	}
	return nil
}

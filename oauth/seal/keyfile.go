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
	// maxKeyFile is more than a file with a key has.
	maxKeyFile = 4096
)

// KeyFile returns the key in a file, for Keys. Where there is no file, it makes a key and writes it there, for the
// owner alone (mode 0600), so that a program has one from its first start on:
//
//	key, err := seal.KeyFile(filepath.Join(dir, "seal.key"))
//	config.Seal = seal.Keys(key)
//
// Of programs that start at once for the first time, one makes the key and all use it. The file has the key as one line
// of base64url; one that others may read is refused.
//
// A key beside the sessions that it seals keeps them from whoever gets a copy of the sessions alone, such as a backup of
// a database. Who can read the user's files reads both. A key that is lost costs all sessions.
func KeyFile(path string) ([]byte, error) {
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
		return nil, fmt.Errorf("seal: %s is no file", path)
	} else if runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("seal: %s has mode %04o: others may read the key; chmod 600", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	key, err := base64.RawURLEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) < keySize {
		return nil, fmt.Errorf("seal: %s holds no key: it has to be %d bytes or more in base64url, without padding", path, keySize)
	}
	return key, nil
}

// makeKey writes a new key to path, unless something is there. The file is whole before it has its name: another program
// may read it at once.
func makeKey(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key := make([]byte, keySize)
	rand.Read(key)
	file, err := os.CreateTemp(dir, ".seal-*") // which nobody else may read
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
	// The name has to outlive a crash as well: sessions are sealed by the key from now on.
	if folder, err := os.Open(dir); err == nil {
		folder.Sync() // which not every system can
		folder.Close()
	}
	return nil
}

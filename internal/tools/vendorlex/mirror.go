package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// tree is a folder of the source module and its target in ours. Both use forward slashes.
type tree struct {
	from, to string
	beside   []string // more files of the source, copied into to
}

var copies = []tree{
	// The lexicons come with their own licence; ours does not cover them.
	{from: "lexicons", to: "lexicons", beside: []string{"LICENSE-DUAL", "LICENSE-MIT", "LICENSE-APACHE"}},
	{from: "atproto/syntax/testdata", to: "internal/interop/testdata/syntax"},
	{from: "atproto/atdata/testdata", to: "internal/interop/testdata/data-model"},
	{from: "atproto/lexicon/testdata", to: "internal/interop/testdata/lexicon"},
	{from: "atproto/atcrypto/testdata", to: "internal/interop/testdata/crypto"},
	{from: "atproto/repo/mst/testdata", to: "internal/interop/testdata/mst"},
	{from: "atproto/repo/testdata", to: "internal/interop/testdata/firehose"},
	{from: "testing/testdata", to: "internal/interop/testdata/repo"},
}

// digest is a copied file: its path below our root and the SHA-256 of its bytes.
type digest struct {
	Path   string
	SHA256 string
}

// mirror copies the tree, and removes other files from its target. It does not write files that are
// right already, so their times stay.
func (t tree) mirror(src fs.FS, root string) ([]digest, error) {
	want := make(map[string][]byte)
	err := fs.WalkDir(src, t.from, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(src, name)
		if err != nil {
			return err
		}
		want[path.Join(t.to, name[len(t.from):])] = b
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range t.beside {
		b, err := fs.ReadFile(src, name)
		if err != nil {
			return nil, err
		}
		want[path.Join(t.to, path.Base(name))] = b
	}
	if err := t.prune(root, want); err != nil {
		return nil, err
	}
	var out []digest
	for name, b := range want {
		if err := put(filepath.Join(root, filepath.FromSlash(name)), b); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		out = append(out, digest{Path: name, SHA256: hex.EncodeToString(sum[:])})
	}
	return out, nil
}

// prune removes the files of the target that the source no longer has, and folders that become
// empty.
func (t tree) prune(root string, want map[string][]byte) error {
	var dirs []string
	err := filepath.WalkDir(filepath.Join(root, filepath.FromSlash(t.to)), func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			dirs = append(dirs, name)
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if _, ok := want[rel]; ok || rel == lockPath {
			return nil
		}
		return os.Remove(name)
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) == 0 {
			if err := os.Remove(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func put(name string, b []byte) error {
	if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, b) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o644)
}

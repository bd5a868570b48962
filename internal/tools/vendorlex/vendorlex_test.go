package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestCopiesMatchTheLock(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	lock, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(lockPath)))
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for line := range strings.Lines(string(lock)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("lock line %q", line)
		}
		want[name] = sum
	}
	got := make(map[string]string)
	for _, c := range copies {
		err := filepath.WalkDir(filepath.Join(root, filepath.FromSlash(c.to)), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			if rel = filepath.ToSlash(rel); rel == lockPath {
				return nil
			}
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(b)
			got[rel] = hex.EncodeToString(sum[:])
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files differ from the lock; run go generate ./... (-lock +tree):\n%s", diff)
	}
	var lexicons int
	for name := range got {
		if strings.HasPrefix(name, "lexicons/") && strings.HasSuffix(name, ".json") {
			lexicons++
		}
	}
	if lexicons != 377 {
		t.Errorf("%d lexicons, want 377", lexicons)
	}
}

func TestMirror(t *testing.T) {
	root := t.TempDir()
	c := tree{from: "in", to: "out", beside: []string{"LICENSE"}}
	write := func(name, text string) {
		t.Helper()
		if err := put(filepath.Join(root, filepath.FromSlash(name)), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write("out/stale/old.json", "{}")
	write("out/a.json", "changed by hand")
	write("elsewhere/kept.json", "{}")
	src := fstest.MapFS{
		"in/a.json":       {Data: []byte("1")},
		"in/sub/b.json":   {Data: []byte("2")},
		"LICENSE":         {Data: []byte("licence")},
		"unrelated/c.txt": {Data: []byte("3")},
	}
	files, err := c.mirror(src, root)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	l := lockfile{Module: "m", Version: "v1", Files: files}
	again, err := c.mirror(src, root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(l.encode()), string(lockfile{Module: "m", Version: "v1", Files: again}.encode())); diff != "" {
		t.Errorf("second run differs:\n%s", diff)
	}
	got := make(map[string]string)
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		if d.IsDir() {
			if d.Name() == "stale" {
				t.Errorf("empty folder %s left behind", rel)
			}
			return nil
		}
		b, err := os.ReadFile(name)
		got[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"out/a.json": "1", "out/sub/b.json": "2", "out/LICENSE": "licence", "elsewhere/kept.json": "{}"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tree (-want +got) after copying %v:\n%s", paths, diff)
	}
}

// Package output puts generated files where they belong.
package output

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
)

// A Folder is what a package's folder is to contain.
type Folder struct {
	Dir   string
	Files []emit.File
}

// Write replaces the generated files of all folders, or, after an error before the
// first replacement, of none. A folder is written beside the old one and takes its
// place by renaming; one that is right already is left alone. Files that lexgen did
// not write move along.
func Write(folders []Folder) (err error) {
	var staged []replacement
	defer func() {
		for _, r := range staged {
			err = errors.Join(err, os.RemoveAll(r.fresh))
		}
	}()
	for _, f := range folders {
		r, err := f.stage()
		if err != nil {
			return fmt.Errorf("write %s: %w", f.Dir, err)
		}
		if r.fresh != "" {
			staged = append(staged, r)
		}
	}
	for _, r := range staged {
		if err := r.swap(); err != nil {
			return fmt.Errorf("write %s: %w", r.dir, err)
		}
	}
	return nil
}

// A replacement is a folder that is ready to take the place of dir.
type replacement struct{ dir, fresh string }

// stage writes the folder beside its place. It returns a zero fresh if nothing has to
// change.
func (f Folder) stage() (replacement, error) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return replacement{}, err
	}
	var kept []string
	same := 0
	stale := false
	for _, entry := range entries {
		name := filepath.Join(f.Dir, entry.Name())
		i := slices.IndexFunc(f.Files, func(file emit.File) bool { return file.Name == entry.Name() })
		if entry.IsDir() {
			if i >= 0 {
				return replacement{}, fmt.Errorf("%s is a folder, and would be a file", entry.Name())
			}
			kept = append(kept, entry.Name())
			continue
		}
		have, err := os.ReadFile(name)
		if err != nil {
			return replacement{}, err
		}
		ours := bytes.HasPrefix(have, []byte(emit.Header))
		switch {
		case i < 0 && ours:
			stale = true
		case i < 0:
			kept = append(kept, entry.Name())
		case !ours:
			return replacement{}, fmt.Errorf("%s exists and was not written by lexgen", entry.Name())
		case bytes.Equal(have, f.Files[i].Code):
			same++
		}
	}
	if same == len(f.Files) && !stale {
		return replacement{}, nil
	}
	parent := filepath.Dir(f.Dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return replacement{}, err
	}
	fresh, err := os.MkdirTemp(parent, ".lexgen-*")
	if err != nil {
		return replacement{}, err
	}
	r := replacement{dir: f.Dir, fresh: fresh}
	if err := f.fill(fresh, kept); err != nil {
		return replacement{}, errors.Join(err, os.RemoveAll(fresh))
	}
	return r, nil
}

// fill writes the files, and copies those that are kept.
func (f Folder) fill(fresh string, kept []string) error {
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	for _, file := range f.Files {
		if err := os.WriteFile(filepath.Join(fresh, file.Name), file.Code, 0o644); err != nil {
			return err
		}
	}
	for _, name := range kept {
		from, to := filepath.Join(f.Dir, name), filepath.Join(fresh, name)
		info, err := os.Stat(from)
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = os.CopyFS(to, os.DirFS(from))
		} else {
			var data []byte
			if data, err = os.ReadFile(from); err == nil {
				err = os.WriteFile(to, data, info.Mode().Perm())
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// swap puts the fresh folder in place. If that fails, the old one is put back.
func (r replacement) swap() error {
	old := r.fresh + "-old"
	err := os.Rename(r.dir, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	had := err == nil
	if err := os.Rename(r.fresh, r.dir); err != nil {
		if had {
			err = errors.Join(err, os.Rename(old, r.dir))
		}
		return err
	}
	if !had {
		return nil
	}
	return os.RemoveAll(old)
}

// Outdated names the files that are not what they should be.
func (f Folder) Outdated() ([]string, error) {
	entries, err := os.ReadDir(f.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, entry := range entries {
		if entry.IsDir() || slices.ContainsFunc(f.Files, func(file emit.File) bool { return file.Name == entry.Name() }) {
			continue
		}
		name := filepath.Join(f.Dir, entry.Name())
		have, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(have, []byte(emit.Header)) {
			out = append(out, name+" is stale")
		}
	}
	for _, file := range f.Files {
		name := filepath.Join(f.Dir, file.Name)
		have, err := os.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			out = append(out, name+" is missing")
		case err != nil:
			return nil, err
		case !bytes.Equal(have, file.Code):
			out = append(out, name+" is different")
		}
	}
	return out, nil
}

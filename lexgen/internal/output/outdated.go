package output

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
)

// Outdated names the files that are not what they should be, and what an interrupted run left. It changes nothing.
func (f Folder) Outdated() ([]string, error) {
	w := writer{disk{}}
	entries, err := w.files.ReadDir(f.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, entry := range entries {
		name := filepath.Join(f.Dir, entry.Name())
		switch {
		case entry.Name() == unfinished:
			out = append(out, name+" says that a run was interrupted")
		case isTemporary(entry.Name()):
			out = append(out, name+" was left by an interrupted run")
		case entry.Type().IsRegular() && isGenerated(entry.Name()) &&
			!slices.ContainsFunc(f.Files, func(file emit.File) bool { return file.Name == entry.Name() }):
			ours, err := w.ours(name)
			if err != nil {
				return nil, err
			}
			if ours {
				out = append(out, name+" is stale")
			}
		}
	}
	for _, file := range f.Files {
		name := filepath.Join(f.Dir, file.Name)
		have, err := w.files.ReadFile(name)
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

package output

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A place is a folder as it really is: links are followed, and folders that were missing are made.
type place struct {
	Folder
	path string
	made []string // folders that were made for it, from the outside in
}

// locate finds the places of folders, sorted by path. Two folders that are one are refused.
func (w writer) locate(folders []Folder) ([]*place, error) {
	var places []*place
	for _, f := range folders {
		p := &place{Folder: f}
		places = append(places, p)
		err := w.find(p)
		for range 10 { // a run that failed may take away what it made
			if errors.Is(err, fs.ErrNotExist) {
				err = w.find(p)
			}
		}
		if err != nil {
			return places, fmt.Errorf("write %s: %w", f.Dir, err)
		}
	}
	slices.SortFunc(places, func(a, b *place) int { return cmp.Compare(a.path, b.path) })
	for i := 1; i < len(places); i++ {
		if a, b := places[i-1], places[i]; a.path == b.path {
			return places, fmt.Errorf("write: %s and %s are one folder; give each package its own", min(a.Dir, b.Dir), max(a.Dir, b.Dir))
		}
	}
	return places, nil
}

// find makes a folder, where it is missing, and finds its path without links.
func (w writer) find(p *place) error {
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return err
	}
	var missing []string
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err == nil {
			if !info.IsDir() {
				return fmt.Errorf("%s is a file, and would be a folder", at)
			}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if info, err := w.files.Look(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s is a link to nothing", at)
		}
		missing = append(missing, at)
	}
	for _, at := range slices.Backward(missing) {
		err := w.files.MakeFolder(at)
		if err != nil && !errors.Is(err, fs.ErrExist) { // another run may make it, too
			return err
		}
		if err == nil {
			p.made = append(p.made, at)
		}
	}
	p.path, err = filepath.EvalSymlinks(dir)
	return err
}

// unmake takes away the folders that were made, unless something is in them by now.
func (w writer) unmake(places []*place) {
	for _, p := range slices.Backward(places) {
		for _, dir := range slices.Backward(p.made) {
			_ = w.files.Remove(dir) // it fails where another run or somebody else put something
		}
	}
}

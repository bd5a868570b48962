package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Replacement is what becomes of one file that does not say by a header whose it is, such as a lexicon: whoever replaces
// it says what it is to hold now.
type Replacement struct {
	Name string
	Old  []byte // what it holds; nil: it is not there
	New  []byte // what it is to hold; nil: it is taken away
}

// Lock waits until no other run works in a folder, and keeps others away until release.
func Lock(ctx context.Context, dir string) (release func() error, err error) { return lock(ctx, dir) }

// Replace makes all of the changes, in their order, or none: all files are written beside their places before the first
// takes its own, and an error after that takes back what has been done. What others have changed meanwhile is an error.
// The caller holds a Lock. A run that is killed may leave the last of the changes undone.
func Replace(changes []Replacement) error { return writer{disk{}}.replaceAll(changes) }

// Clear removes what runs that were killed have left at or below a folder of replaced JSON files. The caller holds a Lock.
func Clear(dir string) error {
	return filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case entry.Type().IsRegular() && isTemporary(entry.Name()) && strings.HasSuffix(entry.Name(), ".json.tmp"):
			return os.Remove(name)
		}
		return nil
	})
}

func (w writer) replaceAll(changes []Replacement) (err error) {
	made, err := w.prepare(changes)
	defer func() {
		if err == nil {
			return
		}
		for _, r := range changes {
			if r.New != nil {
				_ = w.files.Remove(staged(r.Name)) // what is not there need not go
			}
		}
		for _, dir := range slices.Backward(made) {
			_ = w.files.Remove(dir) // it fails where somebody put something
		}
	}()
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	for i, r := range changes {
		if err := w.apply(r); err != nil {
			done := changes[:i]
			if have, readErr := w.files.ReadFile(r.Name); readErr == nil && r.Old == nil && bytes.Equal(have, r.New) && !errors.Is(err, errAppeared) {
				done = changes[:i+1] // it has its name, and has its temporary one, too
			}
			if back := w.takeBack(done); back != nil {
				return fmt.Errorf("%w; some files are changed already, and cannot be changed back: %w", err, back)
			}
			return fmt.Errorf("%w; nothing was changed", err)
		}
	}
	return nil
}

// staged is where a file is before it takes its place.
func staged(name string) string {
	return filepath.Join(filepath.Dir(name), temporary(filepath.Base(name)))
}

// prepare writes the new files beside their places, and makes the folders that they need.
func (w writer) prepare(changes []Replacement) (made []string, err error) {
	for _, r := range changes {
		if _, err := w.unchanged(r); err != nil {
			return made, err
		}
	}
	for _, r := range changes {
		if r.New == nil {
			continue
		}
		p := &place{Folder: Folder{Dir: filepath.Dir(r.Name)}}
		err := w.find(p)
		made = append(made, p.made...)
		if err != nil {
			return made, err
		}
		if err := w.files.Remove(staged(r.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) { // a run that was killed left it
			return made, err
		}
		perm, err := w.unchanged(r)
		if err != nil {
			return made, err
		}
		if err := w.files.Create(staged(r.Name), r.New, perm); err != nil {
			return made, err
		}
	}
	return made, nil
}

// unchanged makes sure that a file is what it was, and returns what rights its successor gets.
func (w writer) unchanged(r Replacement) (fs.FileMode, error) {
	info, err := w.files.Look(r.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.Old == nil:
		return 0o644, nil
	case errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("%s was taken away meanwhile by somebody else", r.Name)
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is a folder, a link or a device, and would be a file", r.Name)
	case r.Old == nil:
		return 0, fmt.Errorf("%s appeared meanwhile", r.Name)
	}
	have, err := w.files.ReadFile(r.Name)
	if err != nil {
		return 0, err
	}
	if !bytes.Equal(have, r.Old) {
		return 0, fmt.Errorf("%s was saved meanwhile by somebody else", r.Name)
	}
	return info.Mode().Perm(), nil
}

func (w writer) apply(r Replacement) error {
	if r.Old == nil {
		return w.put(staged(r.Name), r.Name)
	}
	if _, err := w.unchanged(r); err != nil {
		return err
	}
	if r.New == nil {
		return w.files.Remove(r.Name)
	}
	return w.files.Rename(staged(r.Name), r.Name)
}

// takeBack undoes changes, the last one first.
func (w writer) takeBack(done []Replacement) error {
	for _, r := range slices.Backward(done) {
		back := Replacement{Name: r.Name, Old: r.New, New: r.Old}
		if back.New != nil {
			if _, err := w.prepare([]Replacement{back}); err != nil {
				return err
			}
		}
		if err := w.apply(back); err != nil {
			return err
		}
	}
	return nil
}

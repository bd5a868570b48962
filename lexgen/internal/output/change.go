package output

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
)

// unfinished is the file that a folder has while names change in it.
const unfinished = ".lexgen-unfinished"

const unfinishedText = emit.Header + "\n// A run of lexgen changes this folder, or was interrupted in that: lexgen generate finishes it.\n"

// temporary is the name of a file before it takes its place.
func temporary(name string) string { return ".lexgen-" + name + ".tmp" }

func isTemporary(name string) bool {
	return strings.HasPrefix(name, ".lexgen-") && strings.HasSuffix(name, ".tmp")
}

// isGenerated reports whether lexgen writes files of such names.
func isGenerated(name string) bool { return filepath.Ext(name) == ".go" || name == emit.ManifestFile }

// A change is what a folder needs to be right.
type change struct {
	*place
	write       []target
	stale       []string // generated files that are generated no longer
	left        []string // files that an interrupted run left
	interrupted bool     // while it replaced files
	staged      []string
}

// A target is a file that is to be written.
type target struct {
	emit.File
	there bool
	perm  fs.FileMode
}

// ours reports whether a file begins as generated ones do.
func (w writer) ours(path string) (bool, error) {
	head, err := w.files.ReadHead(path, len(emit.Header))
	return string(head) == emit.Header, err
}

// compare looks at a folder and changes nothing. A file that is in the way is an error.
func (w writer) compare(p *place) (*change, error) {
	c := &change{place: p}
	entries, err := w.files.ReadDir(p.path)
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool)
	for _, f := range p.Files {
		wanted[f.Name] = true
	}
	for _, entry := range entries {
		name := entry.Name()
		path := filepath.Join(p.path, name)
		switch {
		case name == unfinished || isTemporary(name):
			// It may have been interrupted within the first line.
			head, err := w.files.ReadHead(path, len(emit.Header))
			if err != nil {
				return nil, err
			}
			if !entry.Type().IsRegular() || !strings.HasPrefix(emit.Header, string(head)) {
				return nil, fmt.Errorf("%s is in the way, and was not written by lexgen: move it away", name)
			}
			c.left = append(c.left, name)
			c.interrupted = c.interrupted || name == unfinished
		case !wanted[name] && entry.Type().IsRegular() && isGenerated(name):
			ours, err := w.ours(path)
			if err != nil {
				return nil, err
			}
			if ours {
				c.stale = append(c.stale, name)
			}
		}
	}
	for _, f := range p.Files {
		t, same, err := w.look(p, f)
		if err != nil {
			return nil, err
		}
		if !same {
			c.write = append(c.write, t)
		}
	}
	return c, nil
}

// look compares a file with what it should be.
func (w writer) look(p *place, f emit.File) (t target, same bool, err error) {
	path := filepath.Join(p.path, f.Name)
	info, err := w.files.Look(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return target{File: f, perm: 0o644}, false, nil
	case err != nil:
		return target{}, false, err
	case info.IsDir():
		return target{}, false, fmt.Errorf("%s is a folder, and would be a file", f.Name)
	case !info.Mode().IsRegular():
		return target{}, false, fmt.Errorf("%s is a link or a device, and was not written by lexgen", f.Name)
	}
	have, err := w.files.ReadFile(path)
	if err != nil {
		return target{}, false, err
	}
	if !bytes.HasPrefix(have, []byte(emit.Header)) {
		return target{}, false, fmt.Errorf("%s exists and was not written by lexgen", f.Name)
	}
	return target{File: f, there: true, perm: info.Mode().Perm()}, bytes.Equal(have, f.Code), nil
}

// clear takes away the temporary files of an interrupted run, and says that there was one. The mark stays until the folder
// is right.
func (w writer) clear(c *change) (warning string, err error) {
	removed := 0
	for _, name := range c.left {
		if name == unfinished {
			continue
		}
		if err := w.files.Remove(filepath.Join(c.path, name)); err != nil {
			return "", err
		}
		removed++
	}
	switch {
	case c.interrupted:
		return c.Dir + ": a run was interrupted while it replaced files here; this run finishes it", nil
	case removed > 0:
		return fmt.Sprintf("%s: a run was interrupted here before it replaced a file; %d temporary files that it left were removed", c.Dir, removed), nil
	}
	return "", nil
}

// stage writes the files beside their places.
func (w writer) stage(c *change) error {
	for _, t := range c.write {
		name := filepath.Join(c.path, temporary(t.Name))
		err := w.files.Create(name, t.Code, t.perm)
		if !errors.Is(err, fs.ErrExist) { // what is there is somebody else's; half a file is ours
			c.staged = append(c.staged, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unstage takes away what stage wrote and replace did not use.
func (w writer) unstage(c *change) {
	for _, name := range c.staged {
		_ = w.files.Remove(name) // what cannot be removed the next run removes
	}
}

func (w writer) mark(c *change) error {
	if len(c.write) == 0 && len(c.stale) == 0 || c.interrupted {
		return nil
	}
	return w.files.Create(filepath.Join(c.path, unfinished), []byte(unfinishedText), 0o644)
}

func (w writer) unmark(c *change) error {
	if len(c.write) == 0 && len(c.stale) == 0 && !c.interrupted {
		return nil
	}
	return w.files.Remove(filepath.Join(c.path, unfinished))
}

// replace puts the files in their places. Somebody may save a file meanwhile: what has appeared is not replaced, and what
// is replaced is looked at once more.
func (w writer) replace(c *change) error {
	for _, t := range c.write {
		from, to := filepath.Join(c.path, temporary(t.Name)), filepath.Join(c.path, t.Name)
		if t.there {
			ours, err := w.ours(to)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				return err
			case !ours:
				return fmt.Errorf("%s was saved meanwhile by somebody else", t.Name)
			}
			if err := w.files.Rename(from, to); err != nil {
				return err
			}
			continue
		}
		if err := w.put(from, to); err != nil {
			return err
		}
	}
	return nil
}

// errAppeared is why a new file does not take its place.
var errAppeared = errors.New("appeared meanwhile, and was not written by this run")

// put gives a file a name that nothing has.
func (w writer) put(from, to string) error {
	err := w.files.Link(from, to)
	switch {
	case err == nil:
		return w.files.Remove(from)
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s %w", filepath.Base(to), errAppeared)
	}
	// Some file systems have no second names.
	if _, lookErr := w.files.Look(to); !errors.Is(lookErr, fs.ErrNotExist) {
		return err
	}
	return w.files.Rename(from, to)
}

// removeStale comes last, so that no type is missing that a file still needs.
func (w writer) removeStale(c *change) error {
	for _, name := range c.stale {
		path := filepath.Join(c.path, name)
		ours, err := w.ours(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !ours {
			continue // somebody has made it theirs
		}
		if err != nil {
			return err
		}
		if err := w.files.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

package output

import (
	"context"
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
)

// A Folder is what a package's folder is to contain.
type Folder struct {
	Dir   string // may be relative to the current folder, or a link
	Files []emit.File
}

// Write brings the generated files of all folders up to date. A folder that is right already is left alone. After an
// error before the first file took its place nothing has changed; after a later one the error says so, and the next run
// goes on from there. Warnings tell what an interrupted run had left. Other runs in the same folders are waited for.
func Write(ctx context.Context, folders []Folder) (warnings []string, err error) {
	return writer{disk{}}.write(ctx, folders)
}

type writer struct{ files files }

func (w writer) write(ctx context.Context, folders []Folder) (warnings []string, err error) {
	places, err := w.locate(folders)
	var locks []func() error
	defer func() {
		if err != nil {
			w.unmake(places)
		}
		for _, release := range locks {
			err = errors.Join(err, release())
		}
	}()
	if err != nil {
		return nil, err
	}
	for _, p := range places { // in the order of their paths, as every run does
		release, err := lock(ctx, p.path)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", p.Dir, err)
		}
		locks = append(locks, release)
	}
	var work []*change
	for _, p := range places {
		c, err := w.compare(p)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", p.Dir, err)
		}
		work = append(work, c)
	}
	// Only now something may change: what every folder holds has been seen.
	for _, c := range work {
		warning, err := w.clear(c)
		if err != nil {
			return warnings, fmt.Errorf("write %s: %w", c.Dir, err)
		}
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	for _, c := range work {
		if err := w.stage(c); err != nil {
			for _, c := range work {
				w.unstage(c)
			}
			return warnings, fmt.Errorf("write %s: %w; nothing was changed", c.Dir, err)
		}
	}
	for _, step := range []func(*change) error{w.mark, w.replace, w.removeStale, w.unmark} {
		for _, c := range work {
			if err := step(c); err != nil {
				for _, c := range work {
					w.unstage(c)
				}
				return warnings, fmt.Errorf("write %s: %w; packages may be half old and half new: run lexgen generate again", c.Dir, err)
			}
		}
	}
	return warnings, nil
}

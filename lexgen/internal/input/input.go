// Package input reads the lexicons that a command is given: folders, files, and folders of Go modules.
package input

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// inModule begins an input that is a folder of a Go module: of the version that the
// current module uses.
const inModule = "module:"

// Read reads all .json files of the inputs. Errors and the plan name files
// relative to root, with forward slashes, and files of modules by the module's path, so
// that they are the same everywhere.
func Read(ctx context.Context, root string, inputs []string) ([]*schema.Document, error) {
	var docs []*schema.Document
	var errs []error
	for _, input := range inputs {
		dir, base, shown := filepath.Join(root, filepath.FromSlash(input)), root, ""
		if path, ok := strings.CutPrefix(input, inModule); ok {
			var err error
			if dir, err = gocommand.Folder(ctx, root, path); err != nil {
				return nil, fmt.Errorf("inputs: %s: %w", input, err)
			}
			base, shown = dir, path+"/"
		}
		err := Walk(dir, func(name string, data []byte) error {
			if rel, err := filepath.Rel(base, name); err == nil {
				name = shown + filepath.ToSlash(rel)
			}
			doc, err := schema.Parse(name, data)
			if err != nil {
				errs = append(errs, err)
				return nil
			}
			docs = append(docs, doc)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return docs, errors.Join(errs...)
}

// maxLexicon is the largest file that is read, in bytes. Lexicons are much smaller.
const maxLexicon = 4 << 20

// Walk reads all .json files at or below root.
func Walk(root string, read func(name string, data []byte) error) error {
	return filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".json" {
			return err
		}
		if info, err := os.Stat(name); err != nil || info.Size() > maxLexicon {
			return cmp.Or(err, fmt.Errorf("%s: larger than %d bytes", name, maxLexicon))
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return read(name, data)
	})
}

// Package input finds lexicons in what a command is given: folders, files, and folders of Go modules. It looks at the head
// of each file, and parses those that are asked for.
package input

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Library is the lexicons among some inputs.
type Library struct {
	Warnings []string // files that are no lexicons, and lexicons that are there twice
	Broken   []error  // files that say that they are lexicons, and not which
	files    map[syntax.NSID]*file
}

// A file is a lexicon.
type file struct {
	name string
	data []byte
	doc  *schema.Document // of a library of documents, else nil
}

// Of is a library of lexicons that have been parsed.
func Of(docs ...*schema.Document) *Library {
	l := &Library{files: make(map[syntax.NSID]*file)}
	for _, doc := range docs {
		l.files[doc.ID] = &file{name: doc.File, doc: doc}
	}
	return l
}

// NSIDs are the lexicons that are there, sorted.
func (l *Library) NSIDs() []syntax.NSID { return slices.Sorted(maps.Keys(l.files)) }

// Has reports whether a lexicon is there, however broken.
func (l *Library) Has(nsid syntax.NSID) bool { return l.files[nsid] != nil }

// Document parses a lexicon that is there: each time anew, so that it may be changed.
func (l *Library) Document(nsid syntax.NSID) (*schema.Document, error) {
	f := l.files[nsid]
	if f == nil {
		return nil, fmt.Errorf("no lexicon %s is among the inputs", nsid)
	}
	if f.doc != nil {
		return f.doc, nil
	}
	return schema.Parse(f.name, f.data)
}

// Text returns the name and the text of a lexicon that was read.
func (l *Library) Text(nsid syntax.NSID) (name string, text []byte) {
	f := l.files[nsid]
	return f.name, f.data
}

// All parses all lexicons. What cannot be read of them is among the warnings.
func (l *Library) All() (docs []*schema.Document, warnings []string) {
	warnings = slices.Clone(l.Warnings)
	for _, err := range l.Broken {
		warnings = append(warnings, err.Error()+"; it is left out")
	}
	for _, nsid := range l.NSIDs() {
		doc, err := l.Document(nsid)
		if err != nil {
			warnings = append(warnings, err.Error()+"; "+string(nsid)+" is left out")
			continue
		}
		for _, w := range doc.Warnings {
			warnings = append(warnings, w.Error())
		}
		for _, f := range doc.Faults {
			warnings = append(warnings, f.Err.Error()+"; "+string(nsid)+"#"+f.Name+" is left out")
		}
		docs = append(docs, doc)
	}
	return docs, warnings
}

// inModule begins an input that is a folder of a Go module: of the version that the
// current module uses.
const inModule = "module:"

// Read finds the lexicons of the inputs, which are relative to root or absolute: all .json files at or below them. Errors
// and the plan name files relative to root, with forward slashes, and files of modules by the module's path, so that they
// are the same everywhere. Of a lexicon that is there twice the first is used.
func Read(ctx context.Context, root string, inputs []string) (*Library, error) {
	l := &Library{files: make(map[syntax.NSID]*file)}
	for _, input := range inputs {
		dir, base, shown := filepath.FromSlash(input), root, ""
		if path, ok := strings.CutPrefix(input, inModule); ok {
			var err error
			if dir, err = gocommand.Folder(ctx, root, path); err != nil {
				return nil, fmt.Errorf("inputs: %s: %w", input, err)
			}
			base, shown = dir, path+"/"
		} else if !filepath.IsAbs(dir) {
			dir = filepath.Join(root, dir)
		}
		name := func(path string) string {
			if rel, err := filepath.Rel(base, path); err == nil && filepath.IsLocal(rel) {
				return shown + filepath.ToSlash(rel)
			}
			return filepath.ToSlash(path)
		}
		w := walker{visit: func(path string) error { return l.add(name(path), path) }, dangling: func(path string) {
			l.Warnings = append(l.Warnings, name(path)+": a link to nothing; it is passed over")
		}}
		before := len(l.files) + len(l.Broken)
		if err := w.walk(dir); err != nil {
			return nil, fmt.Errorf("inputs: %s: %w", input, err)
		}
		if len(l.files)+len(l.Broken) == before && !w.found {
			return nil, fmt.Errorf("inputs: %s: no .json file is there", input)
		}
	}
	return l, nil
}

// maxLexicon is the largest file that is read, in bytes. Lexicons are much smaller.
const maxLexicon = 4 << 20

// add looks at the head of a file.
func (l *Library) add(name, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxLexicon {
		l.Warnings = append(l.Warnings, fmt.Sprintf("%s: larger than %d bytes, which no lexicon is; it is passed over", name, maxLexicon))
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, headErr := schema.HeadOf(data)
	nsid, idErr := syntax.ParseNSID(head.ID)
	switch {
	case headErr == nil && !head.Lexicon:
		l.Warnings = append(l.Warnings, name+": no lexicon, which is a JSON object with a key \"lexicon\"; it is passed over")
	case idErr != nil: // nothing can refer to it: what is wrong is told at once
		_, err := schema.Parse(name, data)
		l.Broken = append(l.Broken, cmp.Or(err, fmt.Errorf("%s: id: %w", name, idErr)))
	case l.files[nsid] != nil:
		first := l.files[nsid]
		if !same(first.data, data) {
			l.Warnings = append(l.Warnings, fmt.Sprintf("%s: %s is in %s already, and differs from it; the one in %[3]s is used", name, nsid, first.name))
		}
	default:
		l.files[nsid] = &file{name: name, data: data}
	}
	return nil
}

// same reports whether two files say the same, in whatever order and layout.
func same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var values [2]any
	for i, data := range [][]byte{a, b} {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		if dec.Decode(&values[i]) != nil {
			return false
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}

// A walker visits .json files. It follows links, and goes into no folder twice.
type walker struct {
	visit    func(path string) error
	dangling func(path string)
	seen     map[string]bool
	found    bool
}

func (w *walker) walk(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, linkErr := os.Lstat(path); linkErr == nil {
			w.dangling(path)
			return nil
		}
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() || filepath.Ext(path) != ".json" {
			return nil
		}
		w.found = true
		return w.visit(path)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if w.seen == nil {
		w.seen = make(map[string]bool)
	}
	if w.seen[real] {
		return nil
	}
	w.seen[real] = true
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() && entry.Type()&fs.ModeSymlink == 0 && filepath.Ext(entry.Name()) != ".json" {
			continue
		}
		if err := w.walk(filepath.Join(path, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

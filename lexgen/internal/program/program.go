// Package program takes a config all the way to the code that it asks for. It writes nothing; package output does.
package program

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/output"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Config is the config file.
type Config struct {
	Inputs []string `json:"inputs"` // folders or files of lexicons
	plan.Config
}

// ReadConfig reads a config file.
func ReadConfig(name string) (*Config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var c Config
	if err := dec.Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: something follows the config", name)
	}
	if len(c.Inputs) == 0 {
		return nil, fmt.Errorf("%s: inputs: names nothing", name)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &c, nil
}

// Read makes the code that a config file asks for.
func Read(ctx context.Context, configFile string, strict bool) (*Program, error) {
	cfg, err := ReadConfig(configFile)
	if err != nil {
		return nil, err
	}
	lib, err := input.Read(ctx, filepath.Dir(configFile), cfg.Inputs)
	if err != nil {
		return nil, err
	}
	found, warnings, err := manifests(ctx, filepath.Dir(configFile), cfg.Packages)
	if err != nil {
		return nil, err
	}
	cfg.Manifests = found
	lib.Warnings = append(lib.Warnings, warnings...)
	return Compile(lib, &cfg.Config, strict)
}

// A Program is all code of a run.
type Program struct {
	*plan.Program
	Set   *resolve.Set
	Files [][]emit.File // of each package
	names map[string]string
}

// Compile makes the code that a config asks for of a library. What cannot be used of it, and what needs that, is left out
// with a warning; with strict it is an error. Lexicons that nothing asks for are not parsed. The warnings are also there
// with an error.
func Compile(lib *input.Library, cfg *plan.Config, strict bool) (*Program, error) {
	prog, err := planOf(lib, cfg, strict)
	if err != nil {
		return nil, err
	}
	return prog, prog.Render()
}

// planOf is Compile, without the code.
func planOf(lib *input.Library, cfg *plan.Config, strict bool) (*Program, error) {
	roots, err := cfg.Roots(lib.NSIDs())
	if err != nil {
		return nil, err
	}
	docs, broken := load(lib, roots)
	warnings := slices.Clone(lib.Warnings)
	for _, doc := range docs {
		for _, w := range doc.Warnings {
			warnings = append(warnings, w.Error())
		}
	}
	if cfg.AllowMissing {
		warnings = append(warnings, resolve.AllowMissing(docs, lib.Has)...)
	}
	set, err := resolve.New(docs, broken)
	if err != nil {
		return nil, err
	}
	closure, err := set.Closure(roots)
	if err != nil {
		return nil, withWarnings(err, warnings)
	}
	leftOut := slices.Concat(lib.Broken, closure.LeftOut)
	if strict && len(leftOut) > 0 {
		return nil, withWarnings(errors.Join(leftOut...), warnings)
	}
	for _, err := range leftOut {
		warnings = append(warnings, err.Error())
	}
	warnings = append(warnings, closure.Warnings...)
	planned, err := plan.Build(set, cfg, closure.IDs)
	if err != nil {
		return nil, withWarnings(err, warnings)
	}
	planned.Warnings = append(warnings, planned.Warnings...)
	names := make(map[string]string)
	for _, pc := range cfg.Packages {
		names[pc.Path] = pc.Name
	}
	return &Program{Program: planned, Set: set, names: names}, nil
}

// Render makes the code of what has been planned.
func (p *Program) Render() error {
	p.Files = nil
	for _, pkg := range p.Packages {
		files, err := emit.Package(pkg, p.names)
		if err != nil {
			return err
		}
		p.Files = append(p.Files, files)
	}
	return nil
}

// load parses lexicons and those that they refer to. broken are those that cannot be read.
func load(lib *input.Library, todo []syntax.NSID) (docs []*schema.Document, broken map[syntax.NSID]error) {
	broken = make(map[syntax.NSID]error)
	seen := make(map[syntax.NSID]bool)
	todo = slices.Clone(todo)
	for len(todo) > 0 {
		nsid := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[nsid] || !lib.Has(nsid) {
			continue
		}
		seen[nsid] = true
		doc, err := lib.Document(nsid)
		if err != nil {
			broken[nsid] = err
			continue
		}
		docs = append(docs, doc)
		for _, def := range doc.Defs {
			for ref := range schema.References(def.Type) {
				target, _, _ := strings.Cut(ref, "#")
				todo = append(todo, syntax.NSID(target))
			}
		}
	}
	slices.SortFunc(docs, func(a, b *schema.Document) int { return cmp.Compare(a.ID, b.ID) })
	return docs, broken
}

// An Error is why there is no program, and what was to be warned of until then.
type Error struct {
	Warnings []string
	Err      error
}

// Error is that of Err.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

func withWarnings(err error, warnings []string) error { return &Error{warnings, err} }

// Folders are the packages' folders below root.
func (p *Program) Folders(root string) []output.Folder {
	var out []output.Folder
	for i, pkg := range p.Packages {
		dir := filepath.FromSlash(pkg.Dir)
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(root, dir)
		}
		out = append(out, output.Folder{Dir: dir, Files: p.Files[i]})
	}
	return out
}

// Package program takes a config all the way to the code that it asks for. It writes nothing; package output does.
package program

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gimucco/atproto-go/lexgen/internal/emit"
	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/output"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/lexgen/internal/resolve"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
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
	return &c, nil
}

// Read makes the code that a config file asks for.
func Read(ctx context.Context, configFile string) (*Program, error) {
	cfg, err := ReadConfig(configFile)
	if err != nil {
		return nil, err
	}
	docs, err := input.Read(ctx, filepath.Dir(configFile), cfg.Inputs)
	if err != nil {
		return nil, err
	}
	return Compile(docs, &cfg.Config)
}

// A Program is all code of a run.
type Program struct {
	*plan.Program
	Set   *resolve.Set
	Files [][]emit.File // of each package
}

// Compile makes the code of docs.
func Compile(docs []*schema.Document, cfg *plan.Config) (*Program, error) {
	var missing []string
	if cfg.AllowMissing {
		missing = resolve.AllowMissing(docs)
	}
	set, err := resolve.New(docs)
	if err != nil {
		return nil, err
	}
	planned, err := plan.Build(set, cfg)
	if err != nil {
		return nil, err
	}
	planned.Warnings = append(missing, planned.Warnings...)
	names := make(map[string]string)
	for _, pc := range cfg.Packages {
		names[pc.Path] = pc.Name
	}
	prog := &Program{Program: planned, Set: set}
	for _, p := range planned.Packages {
		files, err := emit.Package(p, names)
		if err != nil {
			return nil, err
		}
		prog.Files = append(prog.Files, files)
	}
	return prog, nil
}

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

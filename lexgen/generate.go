package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gimucco/atproto-go/lexgen/emit"
	"github.com/gimucco/atproto-go/lexgen/plan"
	"github.com/gimucco/atproto-go/lexgen/resolve"
	"github.com/gimucco/atproto-go/lexgen/schema"
)

// config is the config file.
type config struct {
	Inputs []string `json:"inputs"` // folders or files of lexicons
	plan.Config
}

func readConfig(name string) (*config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var c config
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

// generate does everything: it reads the config, and writes the packages if all went
// well.
func generate(ctx context.Context, configFile string) (warnings []string, err error) {
	prog, err := compileConfig(ctx, configFile)
	if err != nil {
		return nil, err
	}
	return prog.Warnings, write(prog.folders(filepath.Dir(configFile)))
}

// compileConfig makes the code that a config asks for.
func compileConfig(ctx context.Context, configFile string) (*program, error) {
	cfg, err := readConfig(configFile)
	if err != nil {
		return nil, err
	}
	docs, err := readLexicons(ctx, filepath.Dir(configFile), cfg.Inputs)
	if err != nil {
		return nil, err
	}
	return compile(docs, &cfg.Config)
}

// program is all code of a run.
type program struct {
	*plan.Program
	set   *resolve.Set
	files [][]emit.File // of each package
}

// compile makes the code of docs. It writes nothing.
func compile(docs []*schema.Document, cfg *plan.Config) (*program, error) {
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
	prog := &program{Program: planned, set: set}
	for _, p := range planned.Packages {
		files, err := emit.Package(p, names)
		if err != nil {
			return nil, err
		}
		prog.files = append(prog.files, files)
	}
	return prog, nil
}

// folders are the packages' folders below root.
func (p *program) folders(root string) []folder {
	var out []folder
	for i, pkg := range p.Packages {
		out = append(out, folder{dir: filepath.Join(root, filepath.FromSlash(pkg.Dir)), files: p.files[i]})
	}
	return out
}

// inModule begins an input that is a folder of a Go module: of the version that the
// current module uses.
const inModule = "module:"

// readLexicons reads all .json files of the inputs. Errors and the plan name files
// relative to root, with forward slashes, and files of modules by the module's path, so
// that they are the same everywhere.
func readLexicons(ctx context.Context, root string, inputs []string) ([]*schema.Document, error) {
	var docs []*schema.Document
	var errs []error
	for _, input := range inputs {
		dir, base, shown := filepath.Join(root, filepath.FromSlash(input)), root, ""
		if path, ok := strings.CutPrefix(input, inModule); ok {
			var err error
			if dir, err = moduleFolder(ctx, root, path); err != nil {
				return nil, fmt.Errorf("inputs: %s: %w", input, err)
			}
			base, shown = dir, path+"/"
		}
		err := walkJSON(dir, func(name string, data []byte) error {
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

// walkJSON reads all .json files at or below root.
func walkJSON(root string, read func(name string, data []byte) error) error {
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

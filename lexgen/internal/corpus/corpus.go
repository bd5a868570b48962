// Package corpus tries a folder of lexicons that nobody has written a config for.
package corpus

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/output"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
	"github.com/gimucco/atproto-go/lexgen/internal/schema"
)

// A Corpus generates from every lexicon below dir in a module of its own, vets and
// compiles it, and takes every type through package roundtrip.
type Corpus struct {
	Library string    // folder of this module; "": found by the go command
	Keep    string    // folder to work in; "": a temporary one
	With    []string  // more folders, that those in it refer to
	Missing bool      // references to lexicons that are not there are allowed
	Out     io.Writer // the counts
	Log     io.Writer // progress
}

const corpusModule = "corpus.test"

// Run does it, and prints counts.
func (c *Corpus) Run(ctx context.Context, dir string) error {
	step := c.progress()
	library, err := c.findLibrary(ctx)
	if err != nil {
		return err
	}
	lib, docs, err := c.read(ctx, dir)
	if err != nil {
		return err
	}
	work := c.Keep
	if work == "" {
		if work, err = os.MkdirTemp("", "lexgen-corpus-"); err != nil {
			return err
		}
		defer os.RemoveAll(work)
	} else if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	step("read %d lexicons", len(docs))
	prog, renames, err := program.Guess(lib, program.Packages(corpusModule, docs), c.Missing)
	if err != nil {
		return err
	}
	if err := prog.Render(); err != nil {
		return err
	}
	if _, err := output.Write(ctx, prog.Folders(work)); err != nil {
		return err
	}
	generation := step("generated %d packages", len(prog.Packages))

	types, documents, err := WriteRoundtrip(prog, work, "corpus")
	if err != nil {
		return err
	}
	if err := gocommand.WriteModule(work, corpusModule, library); err != nil {
		return err
	}
	step("made %d documents of %d types", documents, types)
	if out, err := gocommand.InModule(ctx, work, "build", "./..."); err != nil {
		return fmt.Errorf("what was generated does not compile: %w\n%s", err, out)
	}
	compilation := step("compiled")
	if out, err := gocommand.InModule(ctx, work, "vet", "./..."); err != nil {
		return fmt.Errorf("go vet: %w\n%s", err, out)
	}
	step("vetted")
	out, err := gocommand.InModule(ctx, work, "test", "-v", "-count=1", ".")
	if err != nil {
		return fmt.Errorf("a document does not come back as it was: %w\n%s", err, out)
	}
	if !bytes.Contains(out, fmt.Appendf(nil, "%d documents of %d types", documents, types)) {
		return fmt.Errorf("not all documents were read:\n%s", out)
	}
	step("round trips")

	for _, w := range prog.Warnings {
		fmt.Fprintln(c.Out, "warning:", w)
	}
	for _, key := range slices.Sorted(maps.Keys(renames)) {
		fmt.Fprintf(c.Out, "renamed: %s is %s; a config says this under rename\n", key, renames[key])
	}
	s := prog.Stats()
	fmt.Fprintf(c.Out, "%d lexicons: %s\n", len(docs), kindsOf(docs))
	if bad := len(lib.Broken) + len(lib.NSIDs()) - len(docs); bad > 0 {
		fmt.Fprintf(c.Out, "%d files could not be read as lexicons: see the warnings\n", bad)
	}
	fmt.Fprintf(c.Out, "%d packages, %d files, %d lines, %d types, %d methods; generated in %s, compiled in %s\n",
		len(prog.Packages), s.Files, s.Lines, s.Types, s.Methods, generation.Round(time.Millisecond), compilation.Round(100*time.Millisecond))
	fmt.Fprintf(c.Out, "%d documents of %d types read and written without loss, as JSON and as DAG-CBOR\n", documents, types)
	return nil
}

// progress says what has been done and how long it took.
func (c *Corpus) progress() func(format string, args ...any) time.Duration {
	last := time.Now()
	return func(format string, args ...any) time.Duration {
		took := time.Since(last)
		last = time.Now()
		fmt.Fprintf(c.Log, "lexgen: %s (%s)\n", fmt.Sprintf(format, args...), took.Round(time.Millisecond))
		return took
	}
}

// findLibrary finds the folder of this module, as the current module sees it.
func (c *Corpus) findLibrary(ctx context.Context) (string, error) {
	if c.Library != "" {
		return filepath.Abs(c.Library)
	}
	out, err := gocommand.Run(ctx, ".", []string{"list", "-m", "-f", "{{.Dir}}", gocommand.Library})
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		return "", fmt.Errorf("the module %s is not among the current module's dependencies: run this inside of one that has it, or say -library: %w\n%s", gocommand.Library, cmp.Or(err, errors.New("no folder")), out)
	}
	return dir, nil
}

// read finds the lexicons below dir and those in c.With. What cannot be read of them is left out.
func (c *Corpus) read(ctx context.Context, dir string) (lib *input.Library, docs []*schema.Document, err error) {
	lib, err = input.Read(ctx, "", append([]string{dir}, c.With...))
	if err != nil {
		return nil, nil, err
	}
	docs, _ = lib.All() // the program warns
	if len(docs) == 0 {
		return nil, nil, fmt.Errorf("%s: no lexicon is there", dir)
	}
	return lib, docs, nil
}

// kindsOf counts the main definitions by kind.
func kindsOf(docs []*schema.Document) string {
	counts := make(map[string]int)
	for _, doc := range docs {
		kind := "other"
		if def := doc.Def("main"); def != nil {
			switch t := def.Type.(type) {
			case *schema.Method:
				kind = "query"
				if t.Procedure {
					kind = "procedure"
				}
			case *schema.Subscription:
				kind = "subscription"
			case *schema.Record:
				kind = "record"
			case *schema.PermissionSet:
				kind = "permission-set"
			}
		}
		counts[kind]++
	}
	var parts []string
	for _, kind := range []string{"query", "procedure", "subscription", "record", "permission-set", "other"} {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
		}
	}
	return strings.Join(parts, ", ")
}

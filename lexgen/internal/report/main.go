// Command report prints what a config amounts to, as a page of Markdown: lexicons in, types, methods and lines out, how
// long generation takes, and how long a cold compile of each package takes, in a build cache of its own. `make
// generated-report` runs it; it is no part of the command lexgen.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
)

func main() {
	config := flag.String("config", "lexgen.json", "the config `file`")
	flag.Parse()
	if err := report(context.Background(), *config, os.Stdout, time.Now); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// report prints what a config amounts to.
func report(ctx context.Context, configFile string, out io.Writer, now func() time.Time) error {
	started := now()
	prog, err := program.Read(ctx, configFile, true)
	if err != nil {
		return err
	}
	generation := now().Sub(started)
	root := filepath.Dir(configFile)

	var page bytes.Buffer
	all := prog.Stats()
	fmt.Fprintf(&page, "# Generated code\n\n")
	fmt.Fprintf(&page, "Written by `lexgen generate` from the lexicons in `lexicons/`; this page by `make generated-report`. `feed_post.go` has the types and calls of\n"+
		"`app.bsky.feed.post`, `feed_post_codec.go` how they are read, written and checked.\n\n")
	fmt.Fprintf(&page, "| package | lexicons | types | methods | records | lines | cold compile |\n|---|---|---|---|---|---|---|\n")

	cache, err := os.MkdirTemp("", "lexgen-report-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(cache)
	build := func(path string) (time.Duration, error) {
		started := now()
		text, err := gocommand.Run(ctx, root, []string{"build", path}, "GOCACHE="+cache)
		if err != nil {
			return 0, fmt.Errorf("go build %s: %w\n%s", path, err, text)
		}
		return now().Sub(started), nil
	}
	for _, runtime := range []string{"/xrpc", "/xrpc/paging"} { // and what they import; other packages below xrpc import generated ones
		if _, err := build(gocommand.Library + runtime); err != nil {
			return err
		}
	}
	var total time.Duration
	documents := 0
	// A package is compiled after those it refers to, so that each pays for itself.
	built := make(map[string]time.Duration)
	for pending := len(prog.Packages); pending > 0; {
		before := pending
		for i, p := range prog.Packages {
			if _, ok := built[p.Path]; ok || !ready(prog, i, built) {
				continue
			}
			took, err := build(p.Path)
			if err != nil {
				return err
			}
			built[p.Path] = took
			total += took
			pending--
		}
		if pending == before {
			return fmt.Errorf("packages import each other")
		}
	}
	for i, p := range prog.Packages {
		s := prog.PackageStats(i)
		documents += len(p.Files)
		fmt.Fprintf(&page, "| %s | %d | %d | %d | %d | %d | %.1f s |\n", p.Name, len(p.Files), s.Types, s.Methods, len(p.Records), s.Lines, built[p.Path].Seconds())
	}
	fmt.Fprintf(&page, "| all | %d | %d | %d | | %d | %.1f s |\n\n", documents, all.Types, all.Methods, all.Lines, total.Seconds())
	fmt.Fprintf(&page, "Generation, with reading the lexicons: %.2f s. Compiled in an empty build cache that has `xrpc` and the standard library. %s on %s/%s, %d cores.\n",
		generation.Seconds(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if len(prog.Warnings) > 0 {
		fmt.Fprintf(&page, "\nWarnings:\n\n- %s\n", strings.Join(prog.Warnings, "\n- "))
	}
	_, err = out.Write(page.Bytes())
	return err
}

// ready says whether all packages that a package refers to have been built.
func ready(p *program.Program, i int, built map[string]time.Duration) bool {
	for j, other := range p.Packages {
		if _, ok := built[other.Path]; ok || i == j {
			continue
		}
		for _, f := range p.Files[i] {
			if bytes.Contains(f.Code, []byte(`"`+other.Path+`"`)) {
				return false
			}
		}
	}
	return true
}

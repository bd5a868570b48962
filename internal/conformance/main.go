// Conformance runs the tests and writes which demand of the specifications each of them
// shows to be met.
//
//	go run ./internal/conformance              # writes oauth/CONFORMANCE.md
//	go run ./internal/conformance -out FILE
//
// The demands are the items in this folder's .txt files, one a line:
//
//	## Callback
//	O59  MUST  a login's state works once, also when two callbacks come at once
//	O116  MUST  … | does not apply: reason
//
// An item is shown by subtests whose names begin with it, as in
//
//	t.Run("O59 P27 state is taken once", …)
//
// if there is one that passed and none that failed. It is open otherwise, and the exit
// status is 1. It is 1, too, when a test fails, when a test or a mutant names an item that the
// lists do not have, and when a line of parity.txt names a test that did not pass.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/gimucco/atproto-go/internal/gotest"
	"github.com/gimucco/atproto-go/internal/mutants/mutant"
)

const (
	lists       = "internal/conformance" // folder of the lists
	parityFile  = "parity.txt"           // the one among them that is about behaviour, not about items
	mutantLists = "internal/mutants"
)

// packages are those whose tests show something, as far as they exist.
var packages = []string{
	"./oauth/...", "./identity/...", "./internal/safehttp", "./internal/scenario", "./xrpc/...",
	"./internal/dpop", "./internal/clientmetadata/...", "./cmd/...",
}

func main() {
	out := flag.String("out", "oauth/CONFORMANCE.md", "file to write")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".", *out, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// run runs the tests of the module in root and writes the document, whose path is relative
// to root unless it is absolute.
func run(ctx context.Context, root, out string, log io.Writer) error {
	items, err := readLists(filepath.Join(root, lists))
	if err != nil {
		return err
	}
	parity, err := readParity(filepath.Join(root, lists, parityFile))
	if err != nil {
		return err
	}
	mutants, err := mutant.ReadFolder(filepath.Join(root, mutantLists))
	if err != nil {
		return err
	}
	args := []string{"-count=1"}
	for _, pkg := range packages {
		folder := filepath.Join(root, filepath.FromSlash(strings.TrimSuffix(pkg, "/...")))
		if _, err := os.Stat(folder); err == nil {
			args = append(args, pkg)
		}
	}
	results, err := gotest.Run(ctx, root, args...)
	if err != nil {
		return err
	}
	r := newReport(items, mutants, results)
	if !filepath.IsAbs(out) {
		out = filepath.Join(root, out)
	}
	if err := os.WriteFile(out, []byte(r.document()), 0o644); err != nil {
		return err
	}
	problems := r.problems()
	carried, parityProblems := parity.check(results)
	for _, p := range append(problems, parityProblems...) {
		fmt.Fprintln(log, p)
	}
	fmt.Fprintln(log, r.summary())
	if len(parity) > 0 {
		fmt.Fprintf(log, "parity: %d of %d lines carried\n", carried, len(parity))
	}
	if len(problems)+len(parityProblems) > 0 {
		return errors.New("not everything is shown")
	}
	return nil
}

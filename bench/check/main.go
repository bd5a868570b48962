// Check measures the figures that have a limit and fails if one is above it.
//
//	make bench-check
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/gimucco/atproto-go/bench/call"
	"github.com/gimucco/atproto-go/bench/codec"
	"github.com/gimucco/atproto-go/bench/dpop"
	"github.com/gimucco/atproto-go/bench/figures"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "bench-check:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	all, done, err := figures.SessionFigures(ctx)
	if err != nil {
		return err
	}
	defer done()
	codecs, err := codec.Figures("testdata")
	if err != nil {
		return err
	}
	proofs, err := dpop.Figures()
	if err != nil {
		return err
	}
	calls, doneCalls, err := call.Figures(ctx)
	if err != nil {
		return err
	}
	defer doneCalls()
	all = slices.Concat(all, codecs, proofs, calls)
	above := 0
	for _, f := range all {
		value, err := f.Check(ctx)
		if err != nil {
			return err
		}
		verdict := "ok"
		if f.Limit > 0 && value > f.Limit {
			verdict = "ABOVE THE LIMIT"
			above++
		}
		fmt.Printf("%-16s %10.2f  limit %8.2f  %-15s  %s\n", f.Name, value, f.Limit, verdict, f.What)
	}
	if above > 0 {
		return fmt.Errorf("%d of %d figures are above their limit", above, len(all))
	}
	return nil
}

// Mutants takes protections out, one at a time, and expects a test to fail.
//
//	go run ./internal/tools/mutants              # all of them
//	go run ./internal/tools/mutants -draw 3      # three drawn at random; -seed repeats a draw
//	go run ./internal/tools/mutants -only O59    # those with this in their name, items or file
//
// The lists are internal/tools/mutants/*.txt; package mutant describes their form. The tree is not
// changed: the go command reads a changed copy instead of the file (-overlay). A mutant has
// survived if its test still passes. A mutant is broken if it no longer applies, if it does not
// compile, or if its pattern matches no test that passes without it. In both cases the exit status
// is 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gimucco/atproto-go/internal/tools/mutants/mutant"
)

func main() {
	var o options
	flag.IntVar(&o.draw, "draw", 0, "how many to draw at random; 0: all")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of the draw")
	flag.StringVar(&o.only, "only", "", "part of the name, of an item or of the file")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "for one test")
	flag.IntVar(&o.jobs, "jobs", max(1, runtime.NumCPU()/2), "how many are tried at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, ".", o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if !ok {
		os.Exit(1)
	}
}

type options struct {
	draw    int
	seed    uint64
	only    string
	timeout time.Duration
	jobs    int
}

// folder is the folder of the lists in the module.
const folder = "internal/tools/mutants"

// run tries the mutants of the module in root. It reports whether all were killed.
func run(ctx context.Context, root string, o options, out io.Writer) (bool, error) {
	all, err := mutant.ReadFolder(root + "/" + folder)
	if err != nil {
		return false, err
	}
	all = slices.DeleteFunc(all, func(m mutant.Mutant) bool { return !matches(m, o.only) })
	if len(all) == 0 {
		return false, errors.New("there is no such mutant")
	}
	if o.draw > 0 {
		fmt.Fprintf(out, "seed %d: %d of %d mutants\n", o.seed, min(o.draw, len(all)), len(all))
		all = draw(all, o.draw, o.seed)
	} else {
		fmt.Fprintf(out, "seed %d: all of %d mutants\n", o.seed, len(all))
	}
	lab, err := newLab(ctx, root, o.timeout, all)
	if err != nil {
		return false, err
	}
	defer lab.close()

	type result struct {
		verdict verdict
		why     string
		err     error
	}
	results := make([]chan result, len(all)) // they are printed in the order of the list
	for i := range results {
		results[i] = make(chan result, 1)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.jobs) + 1) // and the goroutine that starts them
	group.Go(func() error {
		for i, m := range all {
			group.Go(func() error {
				v, why, err := lab.try(ctx, m)
				results[i] <- result{v, why, err}
				return err
			})
		}
		return nil
	})
	counts := make(map[verdict]int)
	for i, m := range all {
		r := <-results[i]
		if r.err != nil {
			break
		}
		counts[r.verdict]++
		fmt.Fprintf(out, "%-8s  %s: %s%s\n", r.verdict, m.File, m.Name, itemsOf(m))
		if r.verdict != killed {
			fmt.Fprintf(out, "          %s: %s\n", m.Source, strings.ReplaceAll(strings.TrimSpace(r.why), "\n", "\n          "))
		}
	}
	if err := group.Wait(); err != nil {
		return false, err
	}
	fmt.Fprintf(out, "mutants: %d killed, %d survived, %d broken\n", counts[killed], counts[survived], counts[broken])
	return counts[killed] == len(all), nil
}

func itemsOf(m mutant.Mutant) string {
	if len(m.Items) == 0 {
		return ""
	}
	return " (" + strings.Join(m.Items, " ") + ")"
}

// matches reports whether only is in the name, in the file or in an item.
func matches(m mutant.Mutant, only string) bool {
	return strings.Contains(m.Name, only) || strings.Contains(m.File, only) || slices.ContainsFunc(m.Items, func(item string) bool { return strings.Contains(item, only) })
}

// draw returns n mutants that the seed chooses, in the order of the list.
func draw(all []mutant.Mutant, n int, seed uint64) []mutant.Mutant {
	chosen := rand.New(rand.NewPCG(seed, 0)).Perm(len(all))[:min(n, len(all))]
	slices.Sort(chosen)
	drawn := make([]mutant.Mutant, len(chosen))
	for i, j := range chosen {
		drawn[i] = all[j]
	}
	return drawn
}

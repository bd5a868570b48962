// Cover prints how much of each package its tests reach, and fails below a limit.
//
//	go run ./internal/cover -min 90 ./oauth ./identity
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func main() {
	least := flag.Float64("min", 0, "fail if a package is below this, in percent")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".", *least, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cover:", err)
		os.Exit(1)
	}
}

// run measures packages of the module in root, each by its own tests.
func run(ctx context.Context, root string, least float64, packages []string, out io.Writer) error {
	if len(packages) == 0 {
		return errors.New("name the packages")
	}
	temp, err := os.MkdirTemp("", "cover")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	profile := filepath.Join(temp, "profile")
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-coverprofile", profile}, packages...)...)
	cmd.Dir = root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w:\n%s", err, output)
	}
	f, err := os.Open(profile)
	if err != nil {
		return err
	}
	defer f.Close()
	covered, err := read(f)
	if err != nil {
		return err
	}
	below := 0
	for _, pkg := range slices.Sorted(maps.Keys(covered)) {
		verdict := ""
		if covered[pkg].percent() < least {
			verdict = fmt.Sprintf("  below %g %%", least)
			below++
		}
		fmt.Fprintf(out, "%5.1f %%  %s%s\n", covered[pkg].percent(), pkg, verdict)
	}
	if len(covered) == 0 {
		return errors.New("there is nothing to cover")
	}
	if below > 0 {
		return fmt.Errorf("%d of %d packages are below %g %%", below, len(covered), least)
	}
	return nil
}

// A share is how many statements of a package were reached.
type share struct{ reached, all int }

func (s share) percent() float64 { return 100 * float64(s.reached) / float64(s.all) }

// read adds up a cover profile by package. A line is a block: file:from,to statements runs.
func read(in io.Reader) (map[string]share, error) {
	shares := make(map[string]share)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "mode:") {
			continue
		}
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			return nil, fmt.Errorf("cover profile: %q", lines.Text())
		}
		file, _, ok := strings.Cut(fields[0], ".go:")
		statements, err := strconv.Atoi(fields[1])
		if err != nil || !ok {
			return nil, fmt.Errorf("cover profile: %q", lines.Text())
		}
		s := shares[path.Dir(file)]
		s.all += statements
		if fields[2] != "0" {
			s.reached += statements
		}
		shares[path.Dir(file)] = s
	}
	return shares, lines.Err()
}

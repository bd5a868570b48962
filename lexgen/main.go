// Command lexgen generates typed Go from lexicons, the schemas of the AT Protocol.
//
//	lexgen install    fetch lexicons from where they are published
//	lexgen lint       say what is wrong with lexicons, and what is no good style
//	lexgen generate   write the packages that a config asks for
//	lexgen check      say whether they are up to date
//	lexgen diff       say what changed between two sets of lexicons, and what it breaks
//	lexgen corpus     try a folder of lexicons: generate, compile, round-trip every type
//
// `lexgen help generate` describes the config. The work is done in a row of rooms:
// schema reads lexicons, resolve finds what they refer to, plan decides on Go, emit
// renders it; all of them are in lexgen/internal, and package program goes through them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/lexgen/internal/corpus"
	"github.com/gimucco/atproto-go/lexgen/internal/evolution"
	"github.com/gimucco/atproto-go/lexgen/internal/gocommand"
	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/install"
	"github.com/gimucco/atproto-go/lexgen/internal/output"
	"github.com/gimucco/atproto-go/lexgen/internal/plan"
	"github.com/gimucco/atproto-go/lexgen/internal/program"
	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr, install.Network{})
	stop()
	os.Exit(status)
}

// run returns the exit status: 0, 1 after an error, 2 for a wrong command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, network install.Network) int {
	root := command(network)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, commandline.ErrUsage):
		fmt.Fprintln(stderr, "lexgen:", err)
		return 2
	}
	fmt.Fprintln(stderr, "lexgen:", err)
	return 1
}

const generateHelp = `generate reads lexicons and writes the Go packages that the config asks for.

The config is JSON. Its paths are relative to the config file:

  {
    "inputs": ["lexicons", "module:github.com/gimucco/atproto-go/lexicons"],
    "packages": [
      {"prefixes": ["com.example"], "name": "comexample",
       "path": "example.org/app/comexample", "dir": "comexample"},
      {"prefixes": ["com.atproto"], "name": "comatproto",
       "path": "github.com/gimucco/atproto-go/generated/comatproto", "external": true}
    ],
    "generate": ["com.example.*"]
  }

  inputs     folders or files of lexicons: all that is generated, and all it refers to.
             "module:github.com/gimucco/atproto-go/lexicons" is a folder of a Go module,
             in the version that your module uses
  packages   which NSIDs belong to which Go package; the longest prefix wins. Packages
             with "external": true exist already and are only referred to
  generate   NSIDs, or prefixes that end in ".*". What they refer to is generated too,
             unless it is external
  skip       likewise, taken out of generate
  direct     prefixes of methods that are the PDS's own: a proxy that is a client's
             default does not apply to them
  allowMissing
             true: a reference to a lexicon that is not among the inputs gives a warning
             and a lex.Any, which keeps what is sent; otherwise it is an error
  rename     Go names for schemas, by "nsid:path". Two schemas with one Go name are an
             error that prints the line to add

All packages are generated before the first is written. Every file is written beside its
place; then each takes its place by renaming, and what is generated no longer is removed.
After an error before that nothing has changed. Only files that begin with lexgen's header
are replaced or removed; a file of another that is in the way is an error. Runs in one
folder take turns, and what a killed one left the next one finishes, and says so. The same
input always gives the same bytes.

A string format or an encoding that lexgen does not know gives a warning, and a plain
string or a stream of bytes. A definition that is broken, or of a type that lexgen does not
know, is left out with a warning, and what needs it likewise; --strict makes that an error.
Of a lexicon that is there twice the one in the earlier input is used. What nothing asks for
is not read beyond its name. JSON that is no lexicon is named and passed over.`

func command(network install.Network) *cobra.Command {
	root := &cobra.Command{
		Use:   "lexgen",
		Short: "Generate typed Go from lexicons, the schemas of the AT Protocol",
	}
	root.AddCommand(installCommand(network), lintCommand(), generateCommand(), checkCommand(), diffCommand(), corpusCommand())
	commandline.Strict(root)
	return root
}

func configFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("config", "c", "lexgen.json", "the config `file`")
}

func generateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "generate",
		Short:   "Write the packages that a config asks for",
		Long:    generateHelp,
		Example: "  lexgen generate\n  lexgen generate --config schemas/lexgen.json",
		Args:    commandline.Args(0, 0, ""),
	}
	config, strict := configFlag(cmd), strictFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		prog, err := read(cmd, *config, *strict)
		if err != nil {
			return err
		}
		warnings, err := output.Write(cmd.Context(), prog.Folders(filepath.Dir(*config)))
		warn(cmd, warnings)
		return err
	}
	return cmd
}

func strictFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("strict", false, "refuse what would be left out with a warning")
}

// read makes the code that a config asks for, and prints the warnings.
func read(cmd *cobra.Command, config string, strict bool) (*program.Program, error) {
	prog, err := program.Read(cmd.Context(), config, strict)
	if failed, ok := errors.AsType[*program.Error](err); ok {
		warn(cmd, failed.Warnings)
	}
	if err == nil {
		warn(cmd, prog.Warnings)
	}
	return prog, err
}

func warn(cmd *cobra.Command, warnings []string) {
	for _, w := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "lexgen: warning:", w)
	}
}

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether the packages are up to date",
		Long: `check generates in memory and compares with what is there. It writes nothing, names
each file that is missing, stale or different, and exits with status 1 if there is one:
for CI, when the generated packages are committed.`,
		Args: commandline.Args(0, 0, ""),
	}
	config, strict := configFlag(cmd), strictFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		prog, err := read(cmd, *config, *strict)
		if err != nil {
			return err
		}
		var stale []string
		for _, f := range prog.Folders(filepath.Dir(*config)) {
			names, err := f.Outdated()
			if err != nil {
				return err
			}
			stale = append(stale, names...)
		}
		for _, name := range stale {
			fmt.Fprintln(cmd.OutOrStdout(), name)
		}
		if len(stale) > 0 {
			return fmt.Errorf("%d files are not up to date: run lexgen generate", len(stale))
		}
		return nil
	}
	return cmd
}

func diffCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what changed between two sets of lexicons, and what it breaks",
		Long: `diff compares two folders of lexicons (or two files). Each change is one line:

  forbidden  the rules for the evolution of lexicons do not allow it: data of the one
             version would be invalid in the other
  breaks Go  programs that use the generated code have to change: a name is gone, or has
             another type
  allowed    anything else

What breaks in Go is told from the code of both versions, without the renames of a config.
See https://atproto.com/specs/lexicon#lexicon-evolution. The exit status is 1 if a
change is forbidden.`,
		Example: "  lexgen diff old/lexicons new/lexicons\n  lexgen diff --markdown old/lexicons new/lexicons > description.md",
		Args:    commandline.Args(2, 2, "say what to compare: give the folder of the old lexicons, and that of the new ones"),
	}
	markdown := cmd.Flags().Bool("markdown", false, "print a text for a pull request")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		changes, warnings, err := diff(cmd.Context(), args[0], args[1])
		warn(cmd, warnings)
		if err != nil {
			return err
		}
		if *markdown {
			fmt.Fprint(cmd.OutOrStdout(), evolution.Markdown(changes))
		}
		forbidden := 0
		for _, c := range changes {
			if !*markdown {
				fmt.Fprintln(cmd.OutOrStdout(), c)
			}
			if c.Verdict == evolution.Forbidden {
				forbidden++
			}
		}
		if forbidden > 0 {
			return fmt.Errorf("%d of %d changes are forbidden", forbidden, len(changes))
		}
		return nil
	}
	return cmd
}

// diff compares two inputs: their schemas, and their plans.
func diff(ctx context.Context, before, after string) (changes []evolution.Change, warnings []string, err error) {
	var libs [2]*input.Library
	var docs [2]evolution.Documents
	for i, dir := range []string{before, after} {
		if libs[i], err = input.Read(ctx, ".", []string{dir}); err != nil {
			return nil, warnings, err
		}
		var more []string
		docs[i], more = libs[i].All()
		warnings = append(warnings, more...)
	}
	packages := program.Packages("lexicons", slices.Concat(docs[0], docs[1]))
	var plans [2]*plan.Program
	for i, lib := range libs {
		prog, _, err := program.Guess(lib, packages, true)
		if err != nil {
			return nil, warnings, err
		}
		plans[i] = prog.Program
	}
	return evolution.Merge(evolution.Compare(docs[0], docs[1]), evolution.CompareGo(plans[0], plans[1])), warnings, nil
}

func corpusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "corpus DIR",
		Short: "Try a folder of lexicons: generate, compile, round-trip every type",
		Long: `corpus generates from every lexicon below DIR in a module of its own, compiles and vets
it, and takes every type through documents made from its lexicon: the least and the most
it may hold, empty arrays, nulls, newer fields and newer members of unions, the limits of
every constraint. Each is decoded, validated and encoded as JSON and as DAG-CBOR, and has
to come back as it was. At the end it prints counts.

No config is needed: each authority becomes a package, and clashes of Go names are
settled by adding a number. The go command has to be there; no network is used.`,
		Example: "  lexgen corpus lexicons\n  lexgen corpus new/lexicons --with lexicons --keep /tmp/new",
		Args:    commandline.Args(1, 1, "say which lexicons: give their folder"),
	}
	c := &corpus.Corpus{}
	cmd.Flags().BoolVar(&c.Missing, "allow-missing", false, "keep values whose lexicon is not there as they are sent (lex.Any)")
	cmd.Flags().StringSliceVar(&c.With, "with", nil, "more `folders` of lexicons, that those in DIR refer to")
	cmd.Flags().StringVar(&c.Keep, "keep", "", "work in this `folder` and leave it there")
	cmd.Flags().StringVar(&c.Library, "library", "", "the `folder` of the module "+gocommand.Library+" (default: the one that the current module uses)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.Out, c.Log = cmd.OutOrStdout(), cmd.ErrOrStderr()
		return c.Run(cmd.Context(), args[0])
	}
	return cmd
}

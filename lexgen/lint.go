package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/lexgen/internal/input"
	"github.com/gimucco/atproto-go/lexgen/internal/lint"
	"github.com/spf13/cobra"
)

// lintHelp ends with the list of rules.
func lintHelp() string {
	var b strings.Builder
	b.WriteString(`lint checks lexicons that you write: all that lexgen generate would refuse or leave out, and
what the style guide advises against (https://atproto.com/guides/lexicon-style-guide).
Folders and files of --with are what they may refer to; they are not checked.

Each finding is a line: file, line, NSID, path, severity, what is wrong, and the rule in
brackets. The exit status is 1 if there is an error, with --strict also if there is a
warning. --off leaves a rule out, and may be repeated:

`)
	for _, r := range lint.Rules() {
		fmt.Fprintf(&b, "  %-18s %s\n", r.Name, r.Text)
	}
	b.WriteString("\nThe first two are errors, the others warnings.")
	return b.String()
}

func lintCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lint DIR…",
		Short: "Say what is wrong with lexicons, and what is no good style",
		Long:  lintHelp(),
		Example: `  lexgen lint lexicons/com/example --with lexicons
  lexgen lint lexicons --strict --off vague-field,kebab-case
  lexgen lint lexicons --json`,
		Args: commandline.Args(1, -1, "say what to look at: give folders of lexicons"),
	}
	flags := cmd.Flags()
	with := flags.StringSlice("with", nil, "more `folders` of lexicons, that those in DIR refer to")
	off := flags.StringSlice("off", nil, "leave these `rules` out")
	strict := flags.Bool("strict", false, "fail after warnings, too")
	asJSON := flags.Bool("json", false, "print the findings as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		lib, err := input.Read(cmd.Context(), ".", args)
		if err != nil {
			return err
		}
		var more *input.Library
		if len(*with) > 0 {
			if more, err = input.Read(cmd.Context(), ".", *with); err != nil {
				return err
			}
		}
		findings, err := lint.Lint(lib, more, *off)
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		if *asJSON {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetEscapeHTML(false)
			enc.SetIndent("", "  ")
			if findings == nil {
				findings = []lint.Finding{}
			}
			if err := enc.Encode(findings); err != nil {
				return err
			}
		}
		count := make(map[lint.Severity]int)
		for _, f := range findings {
			count[f.Severity]++
			if !*asJSON {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
		}
		if count[lint.Error] > 0 || *strict && count[lint.Warning] > 0 {
			return fmt.Errorf("%d errors and %d warnings in %d lexicons", count[lint.Error], count[lint.Warning], len(lib.NSIDs()))
		}
		return nil
	}
	return cmd
}

// Package commandline makes the commands of this module say alike that a command line is
// wrong, and how it should look.
package commandline

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// ErrUsage marks a wrong command line.
var ErrUsage = errors.New("wrong usage")

// Usage marks err as one of the command line, and adds how the line should look.
func Usage(err error, cmd *cobra.Command) error {
	return fmt.Errorf("%w: %w\n\n%s", ErrUsage, err, cmd.UsageString())
}

// Strict makes root the command above others: alone it does nothing, and wrong flags and
// arguments of it and of all that were added to it end as ErrUsage. A command that has
// others below it is like root. It prints nothing by itself. Each command says by Args what
// it takes.
func Strict(root *cobra.Command) {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return Usage(err, cmd) })
	strict(root)
}

func strict(cmd *cobra.Command) {
	if cmd.HasSubCommands() {
		cmd.Args = oneOfItsCommands
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return Usage(errors.New("say what to do"), cmd) }
	}
	args := cmd.Args
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		err := args(cmd, given)
		switch {
		case err == nil:
			return nil
		case cmd.HasSubCommands(): // whose usage is long, and would push the error off the screen
			return fmt.Errorf("%w: %w\n\nRun %s --help to see what there is", ErrUsage, err, cmd.CommandPath())
		}
		return Usage(err, cmd)
	}
	for _, below := range cmd.Commands() {
		strict(below)
	}
}

// oneOfItsCommands refuses what cmd has no command for, and names the nearest.
func oneOfItsCommands(cmd *cobra.Command, given []string) error {
	err := cobra.NoArgs(cmd, given)
	if err == nil {
		return nil
	}
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2 // cobra sets it only where it looks by itself
	}
	if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
		return fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
	}
	return err
}

// Package commandline makes the commands of this module say alike that a command line is
// wrong, and how it should look.
package commandline

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return Usage(wrongValue(err), cmd) })
	strict(root)
}

// Args takes from least to most arguments; most is -1 for any number. missing says what to give
// where there are too few.
func Args(least, most int, missing string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		switch {
		case len(given) < least:
			return errors.New(missing)
		case most < 0 || len(given) <= most:
			return nil
		case most == 0:
			return fmt.Errorf("%q is too much: %s takes flags only", given[0], cmd.CommandPath())
		case most == 1:
			return fmt.Errorf("%q is too much: %s takes one argument", given[most], cmd.CommandPath())
		}
		return fmt.Errorf("%q is too much: %s takes at most %d arguments", given[most], cmd.CommandPath(), most)
	}
}

// wrongValue says in words for people what is wrong with the value of a flag, or that it lacks: the text of the
// error is that of a function that reads numbers. Other errors stay what they are.
func wrongValue(err error) error {
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		what, _ := pflag.UnquoteUsage(missing.GetFlag())
		return fmt.Errorf("--%s: the %s is missing", missing.GetFlag().Name, what)
	}
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	reason := bad.Unwrap().Error()
	switch bad.GetFlag().Value.Type() {
	case "int", "int64":
		reason = "is not a whole number"
		if errors.Is(err, strconv.ErrRange) {
			reason = "is too large a number"
		}
	case "bool":
		reason = "is neither true nor false"
	case "duration":
		reason = "is not a time: write it as 30s or 5m"
	}
	return fmt.Errorf("--%s: %q %s", bad.GetFlag().Name, bad.GetValue(), reason)
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

package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		r := atproto(t, "completion", shell)
		r.want(t, 0, "__complete", "atproto")
	}
	t.Run("names of commands come with what they do", func(t *testing.T) {
		r := atproto(t, "__complete", "key")
		r.want(t, 0, "keygen\tMake a key")
	})
}

// everyCommand calls f with each command that people see.
func everyCommand(tb testing.TB, f func(path string, cmd *cobra.Command)) {
	tb.Helper()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, below := range cmd.Commands() {
			f(strings.TrimPrefix(below.CommandPath(), "atproto "), below)
			walk(below)
		}
	}
	walk((&program{}).command())
}

func TestEveryCommandIsDescribed(t *testing.T) {
	everyCommand(t, func(path string, cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" || !strings.Contains(cmd.Example, "atproto "+path) {
			t.Errorf("%s lacks a description or an example", path)
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: %q ends with a point", path, cmd.Short)
		}
		for _, line := range strings.Split(cmd.Long, "\n") {
			if len(line) > 100 {
				t.Errorf("%s: a line of its help is wider than a terminal: %q", path, line)
			}
		}
		help := atproto(t, append(strings.Fields(path), "--help")...)
		help.want(t, 0, "Usage:", "Examples:")
		if cmd.HasSubCommands() {
			atproto(t, strings.Fields(path)...).want(t, 2, "say what to do")
		}
	})
}

func TestTheGuideNamesEveryCommandAndFlag(t *testing.T) {
	guide := readFile(t, "../../docs/cli.md")
	everyCommand(t, func(path string, cmd *cobra.Command) {
		if !strings.Contains(guide, "atproto "+path) && !strings.Contains(guide, "`"+cmd.Name()+"`") {
			t.Errorf("docs/cli.md does not name %s", path)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(guide, "--"+f.Name) {
				t.Errorf("docs/cli.md does not name --%s of %s", f.Name, path)
			}
		})
	})
}

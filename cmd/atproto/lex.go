package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// lexgenModule is where lexgen lives.
const lexgenModule = "github.com/gimucco/atproto-go/lexgen"

func (p *program) lexCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lex COMMAND",
		Short: "Install, check and compare lexicons, and generate Go from them",
		Long: `lex runs lexgen, the generator of Go from lexicons, with the commands and flags that lexgen has:

  install   fetch lexicons from their authorities, with proof
  lint      check lexicons of your own
  diff      say what a change of lexicons breaks
  generate  write Go packages
  check     say whether they are current
  corpus    try a folder of lexicons

It is the lexgen that the module of the current folder uses (go get -tool), else the one on the
PATH, else that of this command's own version, which the go command fetches.`,
		Example: `  atproto lex install com.example.recipes.*
  atproto lex lint lexicons
  atproto lex diff old/lexicons lexicons`,
		Args:               cobra.ArbitraryArgs,
		DisableFlagParsing: true, // they are lexgen's
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
				return cmd.Help()
			}
			info, _ := debug.ReadBuildInfo()
			program, err := lexgen(cmd.Context(), versionOf(info).Version)
			if err != nil {
				return err
			}
			run := exec.CommandContext(cmd.Context(), program[0], append(program[1:], args...)...)
			run.Stdin, run.Stdout, run.Stderr = p.stdin, p.raw, p.stderr
			err = run.Run()
			if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.ExitCode() > 0 {
				return exited(failed.ExitCode()) // it has said why
			}
			return err
		},
	}
}

// exited is how lexgen ended: with this status, and its own words.
type exited int

func (e exited) Error() string { return fmt.Sprintf("lexgen ended with status %d", int(e)) }

// status is that of this command.
func (e exited) status() int {
	if int(e) == statusUsage {
		return statusUsage
	}
	return statusFailed
}

// lexgen returns the command line that runs lexgen. version is that of this command.
func lexgen(ctx context.Context, version string) ([]string, error) {
	if _, err := exec.LookPath("go"); err == nil {
		if exec.CommandContext(ctx, "go", "tool", "-n", "lexgen").Run() == nil {
			return []string{"go", "tool", "lexgen"}, nil
		}
	}
	if found, err := exec.LookPath("lexgen"); err == nil {
		return []string{found}, nil
	}
	if _, err := exec.LookPath("go"); err != nil {
		return nil, errors.New("neither lexgen nor the go command is on the PATH: install Go, or lexgen by go install " + lexgenModule + "@latest")
	}
	if !strings.HasPrefix(version, "v") {
		version = "latest" // built in a working copy
	}
	return []string{"go", "run", lexgenModule + "@" + version}, nil
}

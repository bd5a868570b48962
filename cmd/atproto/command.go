package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/commandline"
)

// A program is one run of the command: where it writes to and whom it asks. The zero
// values of the latter are those of production.
type program struct {
	stdout, stderr io.Writer

	roundTripper  http.RoundTripper // nil: the guarded one
	resolver      identity.Resolver // nil: DNS, HTTPS and the PLC directory
	allowLoopback bool
}

// The exit statuses.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
)

// errFound is how a check ends that found problems and has printed them.
var errFound = errors.New("problems were found")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	p := &program{stdout: stdout, stderr: stderr}
	return p.run(ctx, args)
}

func (p *program) run(ctx context.Context, args []string) int {
	clean := *p
	p = &clean
	p.stdout, p.stderr = printer{p.stdout}, printer{p.stderr}
	root := p.command()
	root.SetArgs(args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, errFound):
		return statusFailed
	case errors.Is(err, commandline.ErrUsage):
		fmt.Fprintln(p.stderr, "atproto:", err)
		return statusUsage
	}
	fmt.Fprintln(p.stderr, "atproto:", err)
	return statusFailed
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "atproto",
		Short: "Prepare OAuth clients for the AT Protocol, and look into what servers make of them",
		Long: `atproto prepares OAuth clients for the AT Protocol, and looks into what servers make
of them.

Results go to the standard output, everything else to standard error. The exit status is

  0  it is done
  1  it failed, or a check found problems
  2  the command line is wrong`,
	}
	root.AddCommand(p.keygenCommand(), p.metadataCommand(), p.checkCommand(), p.resolveCommand())
	commandline.Strict(root)
	return root
}

// timeoutFlag adds the time limit of a command that asks the network.
func timeoutFlag(cmd *cobra.Command) *time.Duration {
	return cmd.Flags().Duration("timeout", 30*time.Second, "give up after this `time`")
}

// writeJSON writes a value for programs. What a terminal might act on is only there inside
// of strings, and written as an escape: the value stays what it is.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	var escaped strings.Builder
	for _, r := range b.String() {
		switch {
		case r == '\n', unicode.IsPrint(r):
			escaped.WriteRune(r)
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&escaped, "\\u%04x", unit)
			}
		}
	}
	_, err := io.WriteString(w, escaped.String())
	return err
}

// printable takes out of what strangers wrote whatever a terminal might act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// A printer makes all that is written printable, line by line, so that no way out of the
// command can be forgotten. Each Write has to hold whole characters.
type printer struct{ w io.Writer }

// Write implements io.Writer.
func (p printer) Write(b []byte) (int, error) {
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	if _, err := io.WriteString(p.w, strings.Join(lines, "\n")); err != nil {
		return 0, err
	}
	return len(b), nil
}

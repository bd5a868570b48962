package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/commandline"
)

// A program is one run of the command: where it reads from and writes to, and whom it asks.
// The zero values of what follows the writers are those of production.
type program struct {
	stdout, stderr io.Writer

	stdin  io.Reader                // nil: nothing is there
	getenv func(name string) string // nil: no variable is set

	roundTripper  http.RoundTripper      // nil: the guarded one
	resolver      identity.Resolver      // nil: DNS, HTTPS and the PLC directory
	browser       func(url string) error // nil: the person's
	clock         func() time.Time       // nil: time.Now
	allowLoopback bool

	terminal io.Writer // where a person sees how far something is; nil: nowhere

	raw io.Writer // the standard output as it is, for bytes and for what no terminal is shown
}

// The exit statuses.
const (
	statusDone        = 0
	statusFailed      = 1
	statusUsage       = 2
	statusInterrupted = 130 // as shells count it: 128 and the number of the signal
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
	p.raw = p.stdout
	p.stdout, p.stderr = printer{p.stdout}, printer{p.stderr}
	if p.stdin == nil {
		p.stdin = strings.NewReader("")
	}
	if p.getenv == nil {
		p.getenv = func(string) string { return "" }
	}
	root := p.command()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		root.SetOut(p.raw) // to a shell, with tabs
	}
	err := root.ExecuteContext(ctx)
	if lexgen, ok := errors.AsType[exited](err); ok {
		return lexgen.status()
	}
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, commandline.ErrUsage):
		fmt.Fprintln(p.stderr, "atproto:", err)
		return statusUsage
	case errors.Is(err, errFound): // they are printed
	case err == context.Canceled: // and no words about where
		fmt.Fprintln(p.stderr, "atproto: interrupted")
	default:
		fmt.Fprintln(p.stderr, "atproto:", err)
	}
	if ctx.Err() != nil {
		return statusInterrupted
	}
	return statusFailed
}

// The groups of commands, in the order of the help.
const (
	groupAccounts = "accounts"
	groupUse      = "use"
	groupLook     = "look"
	groupBuild    = "build"
	groupSelf     = "self"
)

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "atproto",
		Short: "Use the AT Protocol from the command line, and build clients for it",
		Long: `atproto logs in to accounts of the AT Protocol, calls any method of their servers, reads
and writes records and files, looks into accounts, repositories and streams, and prepares
OAuth clients and looks into what servers make of them.

Results go to the standard output, everything else to standard error. The exit status is

    0  it is done
    1  it failed, or a check found problems
    2  the command line is wrong
  130  it was interrupted, by Ctrl-C for example`,
		Example: `  atproto login alice.example.com
  atproto post "Hello from the command line"
  atproto resolve alice.example.com`,
	}
	environment := root.PersistentFlags().String("environment", "", "be in the test network that this `file` describes: see sandbox")
	root.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		file := *environment
		if file == "" {
			file = p.getenv("ATPROTO_ENVIRONMENT")
		}
		if file == "" {
			return nil
		}
		return p.enter(file)
	}
	root.AddGroup(
		&cobra.Group{ID: groupAccounts, Title: "Accounts:"},
		&cobra.Group{ID: groupUse, Title: "Use an account:"},
		&cobra.Group{ID: groupLook, Title: "Look at what is public:"},
		&cobra.Group{ID: groupBuild, Title: "Build clients:"},
		&cobra.Group{ID: groupSelf, Title: "The command itself:"},
	)
	for _, group := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{groupAccounts, []*cobra.Command{p.loginCommand(), p.logoutCommand(), p.whoamiCommand(), p.accountsCommand()}},
		{groupUse, []*cobra.Command{p.postCommand(), p.recordCommand(), p.uploadCommand(), p.downloadCommand(), p.callCommand()}},
		{groupLook, []*cobra.Command{p.resolveCommand(), p.repoCommand(), p.streamCommand()}},
		{groupBuild, []*cobra.Command{p.keygenCommand(), p.metadataCommand(), p.checkCommand(), p.scopesCommand(), p.sandboxCommand(), p.lexCommand()}},
		{groupSelf, []*cobra.Command{p.completionCommand(), p.versionCommand()}},
	} {
		for _, cmd := range group.commands {
			cmd.GroupID = group.id
			root.AddCommand(cmd)
		}
	}
	root.SetHelpCommandGroupID(groupSelf)
	root.SetHelpCommand(helpCommand())
	commandline.Strict(root)
	return root
}

// helpCommand is that of cobra in our words.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Describe a command",
		Long:    "help describes a command, as COMMAND --help does.",
		Example: "  atproto help login\n  atproto help record put",
		GroupID: groupSelf,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return commandline.Usage(fmt.Errorf("there is no command %q", strings.Join(args, " ")), cmd.Root())
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// timeoutFlag adds the time limit of a command that asks the network.
func timeoutFlag(cmd *cobra.Command) *time.Duration {
	limit := timeLimit(30 * time.Second)
	cmd.Flags().Var(&limit, "timeout", "give up after this `time`")
	return (*time.Duration)(&limit)
}

// A timeLimit is a time in which something can be done. With a limit of nothing, what is asked
// first would fail, and seem to be the reason.
type timeLimit time.Duration

// String, Set and Type implement pflag.Value.
func (t *timeLimit) String() string { return time.Duration(*t).String() }

func (t *timeLimit) Set(typed string) error {
	d, err := time.ParseDuration(typed)
	if err != nil || d <= 0 {
		return errors.New("is not a time in which to get an answer: write it as 30s or 5m")
	}
	*t = timeLimit(d)
	return nil
}

func (*timeLimit) Type() string { return "time limit" }

// jsonFlag adds the choice of what is printed.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print the result as JSON")
}

// isTerminal reports whether a person is at the other end.
func isTerminal(v any) (*os.File, bool) {
	f, ok := v.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

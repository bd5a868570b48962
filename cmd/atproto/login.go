package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
)

// defaultScope is what all commands of this program need.
const defaultScope = "atproto transition:generic"

func (p *program) loginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login [HANDLE|DID|URL]",
		Short: "Log in to an account, in the browser",
		Long: `login opens the page of the account's server in the browser, where you agree, and keeps the
session that comes of it. No password is typed here, and none is kept. Over SSH, or with
--no-browser, it prints the page's address; the address of the last page can be pasted.

Without a handle, --server says where to log in; the account is chosen on the server's page.

--scope is what to ask for. The default, "` + defaultScope + `", is enough for every
command here but for direct messages, which need "transition:chat.bsky" as well:
  atproto login --scope "` + defaultScope + ` transition:chat.bsky" HANDLE
whoami shows the e-mail address with "transition:email". atproto scopes says what methods need.
A session lasts two weeks, and a login takes the place of the account's session before.

With --app-password, the app password is read from the terminal, where it does not show, or
from the standard input. It is not kept. Make one in the settings of the account.

Sessions are sealed files in a folder that only you may read: $ATPROTO_CONFIG_DIR, else atproto
in your folder for settings. The key that seals them is a file there or, with --keyring or
ATPROTO_KEYRING=1 at the first login, an entry of your system's keyring.`,
		Example: `  atproto login alice.example.com
  atproto login --server https://pds.example.com
  atproto login --app-password bot.example.com < password.txt`,
		Args:              commandline.Args(0, 1, ""),
		ValidArgsFunction: p.completeAccounts,
	}
	scope := cmd.Flags().String("scope", defaultScope, "the `scope` to ask for")
	server := cmd.Flags().String("server", "", "begin at this `URL` of a server, without a handle; with --app-password, log in there")
	password := cmd.Flags().Bool("app-password", false, "log in by an app password that is read from the terminal or the standard input")
	factor := cmd.Flags().String("auth-factor", "", "the `code` that the server has sent by e-mail, with --app-password")
	noBrowser := cmd.Flags().Bool("no-browser", false, "print the page's address instead of opening it")
	port := cmd.Flags().Int("port", 0, "take the answer on this `port`, one that is forwarded; 0: a free one")
	inKeyring := cmd.Flags().Bool("keyring", false, "keep the key of the sessions in the system's keyring")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		l := &login{scope: *scope, password: *password, factor: *factor, noBrowser: *noBrowser, port: *port}
		if len(args) > 0 {
			l.identifier = strings.TrimSpace(args[0])
		}
		if *server != "" {
			origin, err := hostURL(*server)
			if err != nil {
				return commandline.Usage(fmt.Errorf("--server: %w", err), cmd)
			}
			l.server = origin
		}
		if err := l.check(cmd.Flags().Changed); err != nil {
			return commandline.Usage(err, cmd)
		}
		return p.logIn(cmd.Context(), l, *inKeyring || p.getenv("ATPROTO_KEYRING") == "1", *asJSON)
	}
	return cmd
}

// A login is what a person wants.
type login struct {
	identifier, server string
	scope              string
	password           bool
	factor             string
	noBrowser          bool
	port               int
}

// check says what does not go together.
func (l *login) check(given func(flag string) bool) error {
	if l.identifier == "" && l.server == "" {
		return errors.New("say whose account: give a handle, such as alice.example.com, or --server")
	}
	if l.identifier != "" && l.server != "" && !l.password {
		return errors.New("give a handle or --server, not both: --server is for choosing the account on the server's page")
	}
	if l.identifier != "" && !l.password {
		_, err := identity.ParseTyped(l.identifier)
		if input, ok := errors.AsType[*identity.InputError](err); ok {
			return fmt.Errorf("\"%s\" %s: %s", input.Input, input.Reason, input.Advice)
		}
	}
	if l.port < 0 || l.port > 65535 {
		return fmt.Errorf("--port: %d is no port: give one from 1 to 65535", l.port)
	}
	if l.password {
		if l.identifier == "" {
			return errors.New("--app-password: say whose account: give a handle or DID")
		}
		for _, flag := range []string{"scope", "no-browser", "port"} {
			if given(flag) {
				return fmt.Errorf("--%s is not for logins by --app-password: leave one of them out", flag)
			}
		}
		return nil
	}
	if given("auth-factor") {
		return errors.New("--auth-factor is for logins by --app-password: leave it out")
	}
	return checkScope(l.scope)
}

// checkScope says what is wrong with a scope before anything is made for its client.
func checkScope(scope string) error {
	if _, err := oauth.NewClient(oauth.Localhost("http://127.0.0.1/callback", scope)); err != nil {
		return fmt.Errorf("--scope: %s: write it as %q", strings.TrimPrefix(cause(err).Error(), "Config.Scope "), defaultScope)
	}
	return nil
}

// local reports whether the login begins at a server on this machine.
func (l *login) local() bool { return isLoopback(l.server) || isLoopback(l.identifier) }

// logIn logs in and enters the account. A session that cannot be entered is given back.
func (p *program) logIn(ctx context.Context, l *login, inKeyring, asJSON bool) error {
	b, err := p.readBook()
	if err != nil {
		return err
	}
	place, err := b.place(inKeyring)
	if err != nil {
		return err
	}
	e := entry{AppPassword: l.password, Loopback: l.local()}
	var s session
	var c client
	if l.password {
		s, c, err = p.logInByPassword(ctx, l, place, &e)
	} else {
		s, c, err = p.logInByBrowser(ctx, l, place, &e)
	}
	if c != nil {
		defer shutdown(ctx, c)
	}
	if err != nil {
		return err
	}
	e.DID, e.Handle = s.DID(), s.Handle()
	var before *entry
	err = p.changeBook(ctx, func(b *book) error {
		if old := b.byDID(e.DID); old != nil {
			kept := *old
			before = &kept
		}
		b.Key = place
		b.put(e)
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("the account cannot be entered: %w", err), s.Logout(ctx))
	}
	if before != nil && before.Session != e.Session {
		if err := p.end(ctx, place, before); err != nil {
			fmt.Fprintf(p.stderr, "atproto: the session before is not used any more, but its server could not be told: %v\n", err)
		}
	}
	b, err = p.readBook()
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(p.stdout, b.describe(&e))
	}
	fmt.Fprintf(p.stdout, "Logged in as %s (%s)\n", e.name(), e.DID)
	if other := b.byDID(b.Default); other != nil && other.DID != e.DID {
		fmt.Fprintf(p.stderr, "The default account is still %s; atproto accounts --default %s changes that.\n", other.name(), e.name())
	}
	return nil
}

// place says where the key of the sessions goes. One key is for all of them.
func (b *book) place(inKeyring bool) (keyPlace, error) {
	switch {
	case inKeyring && len(b.Accounts) > 0 && b.Key != keyInKeyring:
		return "", errors.New("the key of the sessions that there are is in a file: run atproto logout --all before you log in with --keyring")
	case inKeyring, b.Key == keyInKeyring && len(b.Accounts) > 0:
		return keyInKeyring, nil
	}
	return keyInFile, nil
}

func (p *program) logInByBrowser(ctx context.Context, l *login, place keyPlace, e *entry) (session, client, error) {
	e.Scope = l.scope
	c, err := p.oauthClient(place, true, l.scope, e.Loopback)
	if err != nil {
		return nil, nil, err
	}
	opts := []loopback.Option{loopback.WithOutput(p.stderr), loopback.WithPort(l.port)}
	switch {
	case l.noBrowser:
		opts = append(opts, loopback.WithBrowser(nil), loopback.WithInput(p.stdin))
	case p.browser != nil:
		opts = append(opts, loopback.WithBrowser(p.browser))
	}
	if l.server != "" {
		opts = append(opts, loopback.WithAuthorize(oauth.WithServer(l.server)))
	}
	s, err := loopback.Login(ctx, c.Client, l.identifier, opts...)
	if err != nil {
		return nil, c, loginError(err)
	}
	e.Session = s.Key().ID
	return s, c, nil
}

func (p *program) logInByPassword(ctx context.Context, l *login, place keyPlace, e *entry) (session, client, error) {
	secret, err := p.readPassword(ctx, "App password of "+l.identifier+": ")
	if err != nil {
		return nil, nil, err
	}
	c, err := p.passwordClient(place, true, e.Loopback)
	if err != nil {
		return nil, nil, err
	}
	var opts []apppassword.LoginOption
	if l.server != "" {
		opts = append(opts, apppassword.WithService(l.server))
	}
	if l.factor != "" {
		opts = append(opts, apppassword.WithAuthFactor(l.factor))
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	s, err := c.Login(ctx, strings.TrimPrefix(l.identifier, "@"), secret, opts...)
	switch {
	case errors.Is(err, apppassword.ErrWrongPassword):
		return nil, c, fmt.Errorf("the server does not take this handle with this app password: make one in the settings of the account\n  %w", err)
	case errors.Is(err, apppassword.ErrAuthFactorRequired):
		return nil, c, fmt.Errorf("this is the account's own password, and the server has sent a code by e-mail: give it by --auth-factor, or use an app password\n  %w", err)
	case err != nil:
		return nil, c, loginError(err)
	}
	e.Session = s.Key().ID
	return s, c, nil
}

// loginError says what a failed login means to who began it.
func loginError(err error) error {
	if meaning := explain(err); meaning != unexplained {
		return fmt.Errorf("%s\n  %w", meaning, err)
	}
	if _, text := oauth.Explain(err); text != "" {
		return fmt.Errorf("%s\n  %w", text, err)
	}
	return err
}

// readPassword reads a line that does not show while it is typed.
func (p *program) readPassword(ctx context.Context, prompt string) (string, error) {
	const longest = 1024
	var line string
	if f, ok := isTerminal(p.stdin); ok {
		fmt.Fprint(p.stderr, prompt)
		typed, err := typeUnseen(ctx, int(f.Fd()))
		fmt.Fprintln(p.stderr)
		if err != nil {
			return "", err
		}
		line = typed
	} else {
		read, err := bufio.NewReader(io.LimitReader(p.stdin, longest+2)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("the standard input: %w", err)
		}
		line = read
	}
	line = strings.TrimRight(line, "\r\n")
	switch {
	case line == "":
		return "", errors.New("there is no app password: type it, or give it on the standard input")
	case len(line) > longest:
		return "", fmt.Errorf("the app password has more than %d characters: give it alone, on one line", longest)
	}
	return line, nil
}

// typeUnseen reads a line from a terminal. When ctx ends first, the terminal shows again what
// is typed.
func typeUnseen(ctx context.Context, fd int) (string, error) {
	state, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type outcome struct {
		line []byte
		err  error
	}
	typed := make(chan outcome, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		typed <- outcome{line, err}
	}()
	select {
	case o := <-typed:
		return string(o.line), o.err
	case <-ctx.Done():
		if err := term.Restore(fd, state); err != nil {
			return "", fmt.Errorf("interrupted, and the terminal goes on hiding what is typed (stty echo mends that): %w", err)
		}
		return "", ctx.Err()
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gimucco/atproto-go/internal/commandline"
	"github.com/gimucco/atproto-go/oauth/oauthtest"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func (p *program) sandboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a test network on this machine",
		Long: `sandbox runs an authorization server, a PDS and a PLC directory for tests, of clients in any
language, until Ctrl-C. They listen on 127.0.0.1 only, keep everything in memory, and verify all
that real servers verify of a client.

Their names, such as pds.test, are in no DNS, and their certificates are signed by an authority of
their own. With --json, one JSON document is printed once they listen: pds, issuer and plc (URLs),
sign_in (the page that a login opens in a browser), hosts (where each name is), ca (the authority,
as PEM), and accounts with their passwords. Clients connect to where hosts says, and trust ca:
  curl --cacert ca.pem --connect-to pds.test:443:127.0.0.1:PORT https://pds.test/xrpc/…

The commands here take that document by --environment, or by ATPROTO_ENVIRONMENT.`,
		Example: `  atproto sandbox --account alice.test:secret --account bob.test
  atproto sandbox --json > sandbox.json &
  atproto --environment sandbox.json login alice.test`,
		Args: commandline.Args(0, 0, ""),
	}
	accounts := cmd.Flags().StringArray("account", []string{"alice.test", "bob.test"}, "an account, `handle[:password]` (repeatable)")
	port := cmd.Flags().Int("port", 0, "the `port` of the servers; 0: a free one")
	pagePort := cmd.Flags().Int("page-port", 0, "the `port` of the page for signing in; 0: a free one")
	pds := cmd.Flags().String("pds", "pds.test", "the `name` of the PDS")
	issuer := cmd.Flags().String("issuer", "", "the `name` of the authorization server, if it is not the PDS")
	lifetime := cmd.Flags().Duration("access-lifetime", time.Hour, "the `time` that access tokens live")
	log := cmd.Flags().Bool("log", false, "write a line on standard error for each request")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		b := &testNetwork{port: *port, pagePort: *pagePort, pds: *pds, issuer: *issuer, lifetime: *lifetime, log: *log}
		err := b.read(*accounts)
		if err != nil {
			return commandline.Usage(err, cmd)
		}
		return p.runSandbox(cmd.Context(), b, *asJSON)
	}
	return cmd
}

// A testNetwork is the sandbox that a person wants.
type testNetwork struct {
	accounts       []oauthtest.Account
	port, pagePort int
	pds, issuer    string
	lifetime       time.Duration
	log            bool
}

func (b *testNetwork) read(accounts []string) error {
	for _, typed := range accounts {
		name, password, given := strings.Cut(typed, ":")
		handle, err := syntax.ParseHandle(name)
		switch {
		case err != nil:
			return fmt.Errorf("--account: %q is no handle: write it as alice.test, or alice.test:password", name)
		case given && password == "":
			return fmt.Errorf("--account: the password of %s is empty: leave the colon out, and one is made up", name)
		case slices.ContainsFunc(b.accounts, func(a oauthtest.Account) bool { return a.Handle == handle }):
			return fmt.Errorf("--account: %s is there twice", handle)
		}
		b.accounts = append(b.accounts, oauthtest.Account{Handle: handle, Password: password})
	}
	if b.issuer == "" {
		b.issuer = b.pds
	}
	for _, server := range []struct{ flag, name string }{{"pds", b.pds}, {"issuer", b.issuer}} {
		if _, err := syntax.ParseHandle(server.name); err != nil { // a name of a host has the same form
			return fmt.Errorf("--%s: %q is no name of a server: write it as pds.test", server.flag, server.name)
		}
	}
	for _, given := range []struct {
		flag string
		port int
	}{{"port", b.port}, {"page-port", b.pagePort}} {
		if given.port < 0 || given.port > 65535 {
			return fmt.Errorf("--%s: %d is no port: give one from 1 to 65535", given.flag, given.port)
		}
	}
	if b.port != 0 && b.port == b.pagePort {
		return errors.New("--page-port: it is that of --port: give another")
	}
	if b.lifetime <= 0 {
		return fmt.Errorf("--access-lifetime: %s is no time to live: give 5m, for example", b.lifetime)
	}
	return nil
}

// loopbackOnly is where a sandbox listens, so that nobody else reaches it.
func loopbackOnly(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// runSandbox runs a sandbox until ctx ends.
func (p *program) runSandbox(ctx context.Context, b *testNetwork, asJSON bool) error {
	page, err := net.Listen("tcp", loopbackOnly(b.pagePort))
	if err != nil {
		return fmt.Errorf("--page-port: nothing can listen there: give another: %w", err)
	}
	defer page.Close()
	signIn := "http://" + page.Addr().String() + "/sign-in"
	opts := []oauthtest.Option{
		oauthtest.WithListenAddress(loopbackOnly(b.port)), oauthtest.WithAccounts(b.accounts...),
		oauthtest.WithPDS(b.pds), oauthtest.WithIssuer(b.issuer), oauthtest.WithSignInPage(signIn),
	}
	if b.log {
		opts = append(opts, oauthtest.WithRequestLog(slog.New(slog.NewTextHandler(p.stderr, nil))))
	}
	server, err := startSandbox(opts...)
	if err != nil {
		return fmt.Errorf("the sandbox does not start; if the port is taken, give another by --port: %w", err)
	}
	defer server.Close()
	server.SetTokenLifetime(b.lifetime)
	mux := http.NewServeMux()
	mux.Handle("/sign-in", server.SignInPage())
	pages := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer pages.Close()
	go pages.Serve(page)
	env := describeEnvironment(server.Environment(), signIn)
	if asJSON {
		err = writeJSON(p.stdout, env)
	} else {
		p.printSandbox(env)
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// startSandbox starts the servers. What NewServer panics with is an error here: people type
// its options.
func startSandbox(opts ...oauthtest.Option) (server *oauthtest.Server, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%v", reason)
		}
	}()
	return oauthtest.NewServer(opts...), nil
}

func (p *program) printSandbox(env *environment) {
	address := ""
	for _, at := range env.Hosts {
		address = at
	}
	writeRows(p.stdout, []row{
		{"PDS", env.PDS}, {"issuer", env.Issuer}, {"PLC directory", env.PLC}, {"sign-in page", env.SignIn}, {"listens on", address},
	})
	for _, a := range env.Accounts {
		writeRows(p.stdout, []row{{"account", fmt.Sprintf("%s  password %s  %s", a.Handle, a.Password, a.DID)}})
	}
	fmt.Fprintln(p.stderr, "It runs until Ctrl-C. atproto sandbox --json prints what programs need to know.")
}

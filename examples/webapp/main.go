// Webapp is a web application that people log in to with their AT Protocol account, by
// their handle or at their server. It shows who they are, writes posts with pictures, and logs out.
//
//	go run .                                    # on a sandbox in this process; its sign-in page names the accounts
//	go run . -live -db app.db                   # with real accounts, sessions kept in a SQLite file
//	go run . -live -db postgres://localhost/app -key seal.key # in PostgreSQL: several processes share the sessions
//
// Package site has the pages. This package has the rest of the process: the command line, the
// database and its key, and a shutdown that loses nothing. A program of your own does not need sandbox.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gimucco/atproto-go/examples/webapp/site"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "webapp:", err)
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	address  string
	live     bool
	database string
	keyFile  string
	key      string // from the environment
}

// sealKey is the name of the environment variable that has the key of the database.
const sealKey = "ATPROTO_SEAL_KEY"

const usage = `A web application to log in to with an AT Protocol account.

  webapp                                      on a sandbox in this process, which names its accounts
  webapp -live -db app.db                     with real accounts, sessions kept in a SQLite file
  webapp -live -db postgres://localhost/app -key seal.key
                                              in PostgreSQL: several processes share the sessions

`

// parse reads the command line.
func parse(args []string, messages io.Writer) (settings, error) {
	s := settings{key: os.Getenv(sealKey)}
	flags := flag.NewFlagSet("webapp", flag.ContinueOnError)
	flags.SetOutput(messages)
	flags.Usage = func() {
		fmt.Fprint(messages, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&s.address, "addr", "127.0.0.1:8080", "`address` to listen on, on 127.0.0.1 or [::1]; port 0 is any free port")
	flags.BoolVar(&s.live, "live", false, "use the real network instead of the sandbox")
	flags.StringVar(&s.database, "db", memory, "`database` that keeps sessions: a SQLite file, or postgres://user@host/name")
	flags.StringVar(&s.keyFile, "key", "", "`file` with the key of the database; it is created if it does not exist.\nThe default is a file beside the SQLite file. "+sealKey+" can hold the key itself")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag: this program takes only flags, such as -db app.db; -h lists them", flags.Arg(0))
	}
	return s, errors.Join(checkAddress(s.address), checkDatabase(s.database))
}

// checkAddress makes sure that browsers come back from a login: servers redirect logins of a development
// client to 127.0.0.1 and [::1] only.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("-addr %s is no address with a port: use -addr 127.0.0.1:8080", address)
	}
	ip, _ := netip.ParseAddr(host)
	if host != "localhost" && !ip.IsLoopback() {
		return fmt.Errorf("-addr %s is open to other machines, but logins of a development client come back to this machine only: use -addr 127.0.0.1:%s", address, port)
	}
	return nil
}

func run(ctx context.Context, args []string, out, messages io.Writer) error {
	s, err := parse(args, messages)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use: end the program that listens there, or use -addr 127.0.0.1:0 for any free port", s.address)
	}
	if err != nil {
		return fmt.Errorf("-addr %s: %w", s.address, err)
	}
	home := "http://" + listener.Addr().String()
	handler, stop, err := build(ctx, home, s, slog.New(slog.NewTextHandler(messages, nil)))
	if err != nil {
		listener.Close()
		return err
	}
	defer stop()
	fmt.Fprintln(out, "Open", home)
	return serve(ctx, listener, handler)
}

// serve answers requests until ctx ends, and then those that are under way: a login in
// the middle of its callback has tokens that are not stored yet.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
		defer cancel()
		return server.Shutdown(grace)
	}
}

// graceTime is how long what is under way may take at the end.
const graceTime = 20 * time.Second

// build returns the application that browsers find at home, and what to call when it is
// done with.
func build(ctx context.Context, home string, s settings, logger *slog.Logger) (http.Handler, func(), error) {
	kept, sealing, closeStore, err := openStore(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	var accounts *sandbox
	stop := func() { closeStore() }
	if !s.live {
		accounts = startSandbox(home)
		stop = func() { accounts.Close(); closeStore() }
	}
	client, err := newClient(home, kept, sealing, logger, accounts)
	if err != nil {
		stop()
		return nil, nil, err
	}
	go purge(ctx, client, logger)
	return newHandler(client, logger, accounts), func() {
		// Requests are over by now. What they have begun is not lost if it may end.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
		defer cancel()
		if err := client.Shutdown(grace); err != nil {
			logger.Error("sessions may be lost", "error", err)
		}
		stop()
	}, nil
}

// newClient returns a client for development. With an https address of its own, an
// application sets ClientID to where it publishes client.Metadata, and has ClientKeys.
func newClient(home string, kept store.Store, sealing *seal.Seal, logger *slog.Logger, accounts *sandbox) (*oauth.Client, error) {
	config := oauth.Localhost(home+"/callback", site.Scope())
	config.Store, config.Seal, config.Logger = kept, sealing, logger
	config.DefaultServer = "https://bsky.social"
	if accounts != nil {
		accounts.configure(&config)
	}
	return oauth.NewClient(config)
}

// newHandler returns the pages; on the sandbox also the one to sign in at.
func newHandler(client *oauth.Client, logger *slog.Logger, accounts *sandbox) http.Handler {
	config := site.Config{Client: client, Logger: logger}
	if accounts == nil {
		return site.New(config)
	}
	config.Example, config.Note = accounts.words()
	mux := http.NewServeMux()
	mux.Handle("/", site.New(config))
	mux.Handle("/sign-in", accounts.SignInPage())
	return mux
}

// purge clears away, once an hour, logins that nobody finished and sessions long over.
func purge(ctx context.Context, client *oauth.Client, logger *slog.Logger) {
	for {
		if _, err := client.Purge(ctx); err != nil && ctx.Err() == nil {
			logger.Warn("purge", "error", err)
		}
		select {
		case <-time.After(time.Hour):
		case <-ctx.Done():
			return
		}
	}
}

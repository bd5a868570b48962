// Command cli is a command-line program for its user's own account: it logs in by the browser, once, and keeps the session
// in files.
//
//	go run ./examples/cli -account alice.example.com whoami
//	go run ./examples/cli post "Hello from the command line"
//	go run ./examples/cli posts
//	go run ./examples/cli logout
//
// With one account, -account can be left out from the second time on.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/gimucco/atproto-go/generated/appbsky"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/loopback"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/records"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// needs is all that the program asks for: to write posts. Everybody may read them.
var needs = scope.Join(scope.Atproto, scope.Repo(appbsky.FeedPostNSID, scope.Create))

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, loopback.WithScope(needs)); err != nil {
		fmt.Fprintln(os.Stderr, "cli:", err)
		if errors.Is(err, oauth.ErrReauthRequired) {
			fmt.Fprintln(os.Stderr, "The session is over. Run the command again to log in.")
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer, opts ...loopback.Option) error {
	flags := flag.NewFlagSet("cli", flag.ContinueOnError)
	flags.SetOutput(out)
	account := flags.String("account", "", "`handle` or DID of the account")
	flags.Usage = func() {
		fmt.Fprintln(out, "Usage: cli [-account handle] whoami | post TEXT | posts | logout")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	command := commands[flags.Arg(0)]
	if command == nil {
		flags.Usage()
		return fmt.Errorf("%q is no command", flags.Arg(0))
	}
	session, err := loopback.Open(ctx, "atproto-example", *account, opts...)
	if err != nil {
		return err
	}
	return command(ctx, session, strings.Join(flags.Args()[1:], " "), out)
}

var commands = map[string]func(ctx context.Context, session *oauth.Session, text string, out io.Writer) error{
	"whoami": whoami,
	"post":   post,
	"posts":  posts,
	"logout": func(ctx context.Context, session *oauth.Session, _ string, _ io.Writer) error {
		return session.Logout(ctx)
	},
}

func whoami(ctx context.Context, session *oauth.Session, _ string, out io.Writer) error {
	me, err := comatproto.NewClient(session).Server.GetSession(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %s, at %s\n", me.Handle, me.DID, session.Host())
	return nil
}

func post(ctx context.Context, session *oauth.Session, text string, out io.Writer) error {
	if text == "" {
		return errors.New("say what to post: cli post \"Hello\"")
	}
	ref, err := records.Post(ctx, session, records.Text(text))
	if err != nil {
		return err
	}
	fmt.Fprintln(out, ref.URI)
	return nil
}

func posts(ctx context.Context, session *oauth.Session, _ string, out io.Writer) error {
	for entry, err := range records.List[appbsky.FeedPost](ctx, session, syntax.AtIdentifier(session.DID())) {
		if err != nil {
			return err
		}
		if entry.Err == nil { // the repository may hold something else there
			fmt.Fprintf(out, "%s  %s\n", entry.Value.CreatedAt, strings.ReplaceAll(entry.Value.Text, "\n", " "))
		}
	}
	return nil
}

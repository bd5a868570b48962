// Webapp is a web application that people log in to with their AT Protocol account, by
// their handle or at their server. It shows who they are, writes posts, and logs out.
//
//	go run .                      # on a sandbox in this process; its sign-in page names the accounts
//	go run . -live -db app.db     # with real accounts, sessions kept in a SQLite file
//
// In a program of your own, sandbox.go is not needed.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
)

func main() {
	address := flag.String("addr", "127.0.0.1:8080", "`address` to listen on, on 127.0.0.1 or [::1]")
	live := flag.Bool("live", false, "use the real network instead of the sandbox")
	database := flag.String("db", ":memory:", "SQLite `file` that keeps sessions; their key is kept in a file beside it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *address, *live, *database); err != nil {
		slog.Error(err.Error())
		os.Exit(1)
	}
}

func run(ctx context.Context, address string, live bool, database string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	home := "http://" + listener.Addr().String()
	handler, stop, err := build(ctx, home, live, database)
	if err != nil {
		listener.Close()
		return err
	}
	defer stop()
	fmt.Println("Open", home)
	return serve(ctx, listener, handler)
}

// serve answers requests until ctx ends, and then those that are under way: a login in
// the middle of its callback has tokens that are not stored yet.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		return server.Shutdown(grace)
	}
}

// build returns the application that browsers find at home, and what to call when it is
// done with.
func build(ctx context.Context, home string, live bool, database string) (http.Handler, func(), error) {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	kept, sealing, closeStore, err := openStore(ctx, database)
	if err != nil {
		return nil, nil, err
	}
	var accounts *sandbox
	stop := func() { closeStore() }
	if !live {
		accounts = startSandbox(home)
		stop = func() { accounts.Close(); closeStore() }
	}
	client, err := newClient(home, kept, sealing, logger, accounts)
	if err != nil {
		stop()
		return nil, nil, err
	}
	go purge(ctx, client, logger)
	return newApp(client, accounts), func() {
		// Requests are over by now. What they have begun is not lost if it may end.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		if err := client.Shutdown(grace); err != nil {
			logger.Error("sessions may be lost", "error", err)
		}
		stop()
	}, nil
}

// newClient returns a client for development. With an https address of its own, an
// application sets ClientID to where it publishes client.Metadata, and has Keys.
func newClient(home string, kept store.Store, sealing *seal.Seal, logger *slog.Logger, accounts *sandbox) (*oauth.Client, error) {
	config := oauth.Localhost(home+"/callback", scope.Join(scope.Atproto, mayPost))
	config.Store, config.Seal, config.Logger = kept, sealing, logger
	config.DefaultServer = "https://bsky.social"
	if accounts != nil {
		accounts.configure(&config)
	}
	return oauth.NewClient(config)
}

// openStore opens the database that keeps sessions, and the key that seals them.
func openStore(ctx context.Context, database string) (store.Store, *seal.Seal, func() error, error) {
	// As sqlstore asks for: readers and a writer at a time, and writers that wait.
	db, err := sql.Open("sqlite", database+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, nil, nil, err
	}
	key := make([]byte, 32)
	if database == ":memory:" {
		db.SetMaxOpenConns(1) // in memory, every connection has a database of its own
		rand.Read(key)
	} else if key, err = keyFile(strings.TrimSuffix(database, ".db") + ".key"); err != nil {
		db.Close()
		return nil, nil, nil, err
	}
	kept := sqlstore.New(db, sqlstore.SQLite)
	if err := kept.Migrate(ctx); err != nil {
		db.Close()
		return nil, nil, nil, err
	}
	return kept, seal.Keys(key), db.Close, nil
}

// keyFile reads a key, or makes one. Keep it out of the backups of the database: whoever
// has both can act for every user.
func keyFile(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return os.ReadFile(name)
	}
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	rand.Read(key)
	_, err = f.Write(key)
	return key, errors.Join(err, f.Close())
}

// purge clears away, once an hour, logins that nobody finished and sessions long over.
func purge(ctx context.Context, client *oauth.Client, logger *slog.Logger) {
	for {
		if _, err := client.Purge(ctx); err != nil {
			logger.Warn("purge", "error", err)
		}
		select {
		case <-time.After(time.Hour):
		case <-ctx.Done():
			return
		}
	}
}

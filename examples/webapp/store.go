package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
)

// memory is the database that ends with the program.
const memory = ":memory:"

// openTime is how long a database may take to be there.
const openTime = 15 * time.Second

// openStore opens the database that keeps sessions, and the key that seals them.
func openStore(ctx context.Context, s settings) (store.Store, *seal.Seal, func() error, error) {
	key, err := s.sealKey()
	if err != nil {
		return nil, nil, nil, err
	}
	db, dialect, err := open(s.database)
	if err != nil {
		return nil, nil, nil, err
	}
	kept := sqlstore.New(db, dialect)
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if err := kept.Migrate(ctx); err != nil {
		db.Close()
		return nil, nil, nil, fmt.Errorf("the database of -db cannot be used: %w\n%s", err, advice(s.database))
	}
	return kept, seal.Keys(key), db.Close, nil
}

// checkDatabase returns what is wrong with the name of a database, before any file is created.
func checkDatabase(database string) error {
	if database == memory || isPostgres(database) {
		return nil
	}
	if scheme, _, ok := strings.Cut(database, "://"); ok {
		return fmt.Errorf("-db: %q databases are not supported: use SQLite, such as -db app.db, or PostgreSQL, such as -db postgres://user@localhost/app", scheme)
	}
	folder := filepath.Dir(database)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("-db %s: there is no folder %s: create it, or use a file in another folder", database, folder)
	}
	return nil
}

// open prepares the connection to a database. Nothing connects yet.
func open(database string) (*sql.DB, sqlstore.Dialect, error) {
	if isPostgres(database) {
		db, err := sql.Open("pgx", database)
		if err != nil {
			return nil, 0, fmt.Errorf("-db is not the URL of a PostgreSQL database, such as postgres://user@localhost/app: %w", err)
		}
		return db, sqlstore.Postgres, nil
	}
	// As sqlstore asks for: readers and a writer at a time, and writers that wait.
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(database)+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, 0, err
	}
	if database == memory {
		db.SetMaxOpenConns(1) // in memory, every connection has a database of its own
	}
	return db, sqlstore.SQLite, nil
}

// advice is what to do about a database that cannot be used.
func advice(database string) string {
	if isPostgres(database) {
		return "Start the server, check the user, password and database name, or try the application without -db."
	}
	return "Check that it is a SQLite file that you may write, or use another file."
}

// sealKey finds the key: in the environment, in the file of -key, or in a file beside the SQLite file. Keep
// it out of the backups of the database: whoever has both can act for every user.
func (s settings) sealKey() ([]byte, error) {
	switch {
	case s.key != "":
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s.key))
		if err != nil || len(key) < 32 {
			return nil, fmt.Errorf("%s is not 32 bytes in base64: set it to the output of `openssl rand -base64 32`", sealKey)
		}
		return key, nil
	case s.keyFile != "":
		key, err := seal.KeyFile(s.keyFile)
		if err != nil {
			return nil, fmt.Errorf("-key %s: %w", s.keyFile, err)
		}
		return key, nil
	case s.database == memory:
		key := make([]byte, 32)
		rand.Read(key)
		return key, nil
	case isPostgres(s.database):
		return nil, fmt.Errorf("PostgreSQL needs a key that is kept elsewhere: use -key seal.key, a file that is created if it does not exist, or set %s to the output of `openssl rand -base64 32`", sealKey)
	}
	key, err := seal.KeyFile(strings.TrimSuffix(s.database, ".db") + ".key")
	if err != nil {
		return nil, fmt.Errorf("the key of -db %s: %w", s.database, err)
	}
	return key, nil
}

// isPostgres reports whether a database is the URL of a PostgreSQL database.
func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

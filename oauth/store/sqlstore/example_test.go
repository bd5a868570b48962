package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
)

// The driver is the program's own; here it is modernc.org/sqlite.
func ExampleNew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sqlstore")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "app.db")+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	s := sqlstore.New(db, sqlstore.SQLite)
	if err := s.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	key := store.RecordKey{Kind: store.RecordMeta, ID: "greeting"}
	fmt.Println(s.Put(ctx, &store.Record{Key: key, Revision: 1, Data: []byte("hello")}))
	// Output: <nil>
}

// Programs that run their own migrations get the statements.
func ExampleMigrations() {
	migrations, err := sqlstore.Migrations(sqlstore.Postgres)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range migrations {
		fmt.Printf("%d: %s (%d statements)\n", m.Version, m.Name, len(m.Statements))
	}
	// Output:
	// 1: the table of records; expires is in milliseconds since 1970, NULL for never (4 statements)
	// 2: pages have room for the next revision of their rows, which then needs no index entries (2 statements)
}

package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
)

func Example() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // in memory, every connection has a database of its own

	store := sqlstore.New(db, sqlstore.SQLite)
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	cfg := oauth.Localhost("http://127.0.0.1:8080/callback", "atproto")
	cfg.Store = store
	cfg.Seal = seal.Keys([]byte("32 random bytes, kept as a secret"))
	if _, err := oauth.NewClient(cfg); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	// Output: ready
}

func ExampleMigrations() {
	migrations, err := sqlstore.Migrations(sqlstore.Postgres, sqlstore.WithTable("auth.sessions"))
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range migrations {
		fmt.Print(m.SQL())
	}
	// Output:
	// -- 1: the table of records; expires is in milliseconds since 1970, NULL for never
	// CREATE TABLE IF NOT EXISTS auth.sessions_version (version INTEGER NOT NULL PRIMARY KEY);
	// CREATE TABLE IF NOT EXISTS auth.sessions (
	//   kind BYTEA NOT NULL,
	//   did BYTEA NOT NULL,
	//   id BYTEA NOT NULL,
	//   revision BIGINT NOT NULL,
	//   expires BIGINT,
	//   data BYTEA NOT NULL,
	//   PRIMARY KEY (kind, did, id)
	// );
	// CREATE INDEX IF NOT EXISTS auth_sessions_expires ON auth.sessions (expires);
	// INSERT INTO auth.sessions_version (version) VALUES (1);
	// -- 2: pages have room for the next revision of their rows, which then needs no index entries
	// ALTER TABLE auth.sessions SET (fillfactor = 70);
	// INSERT INTO auth.sessions_version (version) VALUES (2);
}

// Package pgpool keeps sessions in PostgreSQL, by the pool that the rest of a program uses.
package pgpool

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
)

// Open returns a store on the pool's connections. Close the database after oauth.Client.Shutdown, and the pool after the
// database.
func Open(ctx context.Context, pool *pgxpool.Pool) (*sqlstore.Store, *sql.DB, error) {
	db := stdlib.OpenDBFromPool(pool)
	store := sqlstore.New(db, sqlstore.Postgres)
	if err := store.Migrate(ctx); err != nil {
		db.Close()
		return nil, nil, err
	}
	return store, db, nil
}

// Package sqlstore keeps records in a table of SQLite, PostgreSQL, MySQL or MariaDB.
//
//	db, err := sql.Open("pgx", dsn)                       // the driver is yours
//	store := sqlstore.New(db, sqlstore.Postgres)
//	if err := store.Migrate(ctx); err != nil { … }         // or run Migrations yourself
//	…
//	config.Store, config.Seal = store, oauth.SealKeys(key)
//
// Every method is one short statement, or two; no connection and no transaction is held
// while a Client talks to a server. The package imports no driver.
//
// It is tested on SQLite (modernc.org/sqlite), PostgreSQL (pgx) and MariaDB
// (go-sql-driver/mysql), and not on MySQL itself, of which it asks nothing that MariaDB
// does not share: InnoDB, VARBINARY keys and INSERT, UPDATE, DELETE by key.
//
// Let SQLite write ahead (PRAGMA journal_mode=WAL) and wait (PRAGMA busy_timeout=5000).
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Store is an oauth.Store in a database table. It is safe for concurrent use, by
// several processes too.
type Store struct {
	db      *sql.DB
	dialect Dialect
	table   string
	queries queries
	err     error // of New, which every method returns
}

var _ oauth.Store = (*Store)(nil)

// An Option changes a Store.
type Option func(*Store)

// WithTable sets the name of the table, with its schema if you like ("auth.records").
// The default is "atproto_records". The table of versions has the same name with
// "_version" behind it.
func WithTable(name string) Option { return func(s *Store) { s.table = name } }

// New returns the store in db. The table must be there before it is used: see Migrate.
// An unknown dialect and a table name that is more than letters, digits and underscores
// are errors of every method.
func New(db *sql.DB, dialect Dialect, opts ...Option) *Store {
	s := &Store{db: db, dialect: dialect, table: defaultTable}
	for _, opt := range opts {
		opt(s)
	}
	if db == nil {
		s.err = errors.New("sqlstore: the database is nil")
	} else {
		s.err = check(dialect, s.table)
	}
	if s.err == nil {
		s.queries = dialect.queries(s.table)
	}
	return s
}

// Get implements oauth.Store.
func (s *Store) Get(ctx context.Context, key oauth.RecordKey) (*oauth.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	r := &oauth.Record{Key: key}
	var revision int64
	var expires sql.NullInt64
	err := s.again(ctx, func() error {
		return s.db.QueryRowContext(ctx, s.queries.get, string(key.Kind), string(key.DID), key.ID).
			Scan(&revision, &expires, &r.Data)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, oauth.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("sqlstore: get: %w", err)
	}
	r.Revision = uint64(revision)
	if expires.Valid {
		r.Expires = time.UnixMilli(expires.Int64)
	}
	return r, nil
}

// Put implements oauth.Store.
func (s *Store) Put(ctx context.Context, r *oauth.Record) error {
	if s.err != nil {
		return s.err
	}
	switch {
	case r.Revision == 0:
		return oauth.ErrConflict
	case r.Revision > math.MaxInt64:
		return fmt.Errorf("sqlstore: put: revision %d is too high", r.Revision)
	case len(r.Key.DID) > maxDID || len(r.Key.ID) > maxID || len(r.Key.Kind) > maxKind:
		// Said here for all databases alike: some would cut it short.
		return fmt.Errorf("sqlstore: put: kind, DID or ID is longer than %d, %d or %d bytes", maxKind, maxDID, maxID)
	}
	expires := sql.NullInt64{Int64: r.Expires.UnixMilli(), Valid: !r.Expires.IsZero()}
	data := r.Data
	if data == nil {
		data = []byte{} // nil would be NULL
	}
	revision := int64(r.Revision)
	kind, did, id := string(r.Key.Kind), string(r.Key.DID), r.Key.ID
	if r.Revision == 1 {
		_, err := s.exec(ctx, s.queries.insert, kind, did, id, revision, expires, data)
		if err == nil {
			return nil
		}
		// How a driver tells that the key is taken differs; whether it is does not.
		if there, lookErr := s.exists(ctx, r.Key); lookErr == nil && there {
			return oauth.ErrConflict
		}
		return fmt.Errorf("sqlstore: put: %w", err)
	}
	changed, err := s.exec(ctx, s.queries.update, revision, expires, data, kind, did, id, revision-1)
	switch {
	case err != nil:
		return fmt.Errorf("sqlstore: put: %w", err)
	case changed == 0:
		return oauth.ErrConflict
	}
	return nil
}

// Delete implements oauth.Store.
func (s *Store) Delete(ctx context.Context, key oauth.RecordKey, revision uint64) error {
	if s.err != nil {
		return s.err
	}
	kind, did, id := string(key.Kind), string(key.DID), key.ID
	var removed int64
	var err error
	switch {
	case revision == 0:
		removed, err = s.exec(ctx, s.queries.delete, kind, did, id)
	case revision <= math.MaxInt64: // none higher was ever written
		removed, err = s.exec(ctx, s.queries.deleteRevision, kind, did, id, int64(revision))
	}
	if err != nil {
		return fmt.Errorf("sqlstore: delete: %w", err)
	}
	if removed > 0 {
		return nil
	}
	there := false
	if revision != 0 {
		if there, err = s.exists(ctx, key); err != nil {
			return fmt.Errorf("sqlstore: delete: %w", err)
		}
	}
	if there {
		return oauth.ErrConflict
	}
	return oauth.ErrNotFound
}

// List implements oauth.Store. It reads pages of keys, and holds no connection while
// one is worked on.
func (s *Store) List(ctx context.Context, kind oauth.RecordKind, did syntax.DID) iter.Seq2[oauth.RecordKey, error] {
	return func(yield func(oauth.RecordKey, error) bool) {
		if s.err != nil {
			yield(oauth.RecordKey{}, s.err)
			return
		}
		query, args := s.queries.listAll, []any{string(kind)}
		if did != "" {
			query, args = s.queries.list, []any{string(kind), string(did)}
		}
		for {
			page, err := s.page(ctx, kind, query, args)
			if err != nil {
				yield(oauth.RecordKey{}, fmt.Errorf("sqlstore: list: %w", err))
				return
			}
			for _, key := range page {
				if !yield(key, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			last := page[len(page)-1]
			query, args = s.queries.listAllAfter, []any{string(kind), string(last.DID), string(last.DID), last.ID}
			if did != "" {
				query, args = s.queries.listAfter, []any{string(kind), string(did), last.ID}
			}
		}
	}
}

// page returns what a query for DIDs and IDs finds.
func (s *Store) page(ctx context.Context, kind oauth.RecordKind, query string, args []any) (page []oauth.RecordKey, err error) {
	err = s.again(ctx, func() error {
		page = page[:0]
		rows, err := s.db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var did, id string
			if err := rows.Scan(&did, &id); err != nil {
				return err
			}
			page = append(page, oauth.RecordKey{Kind: kind, DID: syntax.DID(did), ID: id})
		}
		return rows.Err()
	})
	return page, err
}

// Purge implements oauth.Store. It removes a thousand records at a time, so that
// nobody waits long for it.
func (s *Store) Purge(ctx context.Context, now time.Time) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	purged := 0
	for {
		n, err := s.exec(ctx, s.queries.purge, now.UnixMilli())
		if err != nil {
			return purged, fmt.Errorf("sqlstore: purge: %w", err)
		}
		purged += int(n)
		if n < purgeSize {
			return purged, nil
		}
	}
}

// exists tells whether there is a record under key.
func (s *Store) exists(ctx context.Context, key oauth.RecordKey) (bool, error) {
	var one int
	err := s.again(ctx, func() error {
		return s.db.QueryRowContext(ctx, s.queries.exists, string(key.Kind), string(key.DID), key.ID).Scan(&one)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// exec runs a statement and returns how many rows it touched.
func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.again(ctx, func() error {
		result, err := s.db.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return err
	})
	return n, err
}

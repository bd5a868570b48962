// Package sqlstore keeps records in a table of SQLite, PostgreSQL, MySQL or MariaDB.
//
//	db, err := sql.Open("pgx", dsn)                       // the driver is yours
//	store := sqlstore.New(db, sqlstore.Postgres)
//	if err := store.Migrate(ctx); err != nil { … }         // or run Migrations yourself
//	…
//	config.Store, config.Seal = store, seal.Keys(key)
//
// Every method runs one or two short statements. It holds no connection and no transaction while a
// Client talks to a server. The package imports no driver.
//
// It is tested on SQLite (modernc.org/sqlite), PostgreSQL (pgx) and MariaDB (go-sql-driver/mysql).
// It is not tested on MySQL, but it uses only what MySQL and MariaDB share: InnoDB, VARBINARY keys,
// and INSERT, UPDATE and DELETE by key.
//
// For SQLite, set PRAGMA journal_mode=WAL and PRAGMA busy_timeout=5000.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Store is a store.Store in a database table. It is safe for concurrent use, also by several
// processes.
//
// The clock of the database server decides how long records are kept. SQLite has no server, so
// there it is the wall clock of this machine.
type Store struct {
	db      *sql.DB
	dialect Dialect
	table   string
	clock   func() time.Time // for SQLite
	queries queries
	err     error // error of New; every method returns it
}

var _ store.Scanner = (*Store)(nil)

// String names the database and the table.
func (s *Store) String() string { return fmt.Sprintf("table %s of %s", s.table, s.dialect) }

// Format writes the same text as String, for every verb. A *sql.DB contains the database's
// password, and fmt would print it.
func (s *Store) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// An Option changes a Store.
type Option func(*Store)

// WithTable sets the name of the table, with or without a schema ("auth.records"). The default is
// "atproto_records". The table of versions has the same name with the suffix "_version".
func WithTable(name string) Option { return func(s *Store) { s.table = name } }

// WithClock sets a clock for tests with SQLite. The default is time.Now. Database servers have
// their own clocks.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.clock = now } }

// New returns the store in db. The table must exist before the first use: see Migrate. If the
// dialect is unknown, or if the table name contains anything but letters, digits and underscores,
// every method returns an error.
func New(db *sql.DB, dialect Dialect, opts ...Option) *Store {
	s := &Store{db: db, dialect: dialect, table: defaultTable, clock: time.Now}
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

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	r := &store.Record{Key: key}
	var revision int64
	err := s.again(ctx, func() error {
		return s.db.QueryRowContext(ctx, s.queries.get, s.args(key)...).Scan(&revision, &r.Data)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("sqlstore: get: %w", err)
	}
	r.Revision = uint64(revision)
	return r, nil
}

// text returns a part of a key in the type of its column. In SQLite that is text, which may hold
// any bytes there. Elsewhere it is bytes, because text there cannot.
func (s *Store) text(part string) any {
	if s.dialect == SQLite {
		return part
	}
	return []byte(part)
}

// args returns the parts of a key, followed by others.
func (s *Store) args(key store.RecordKey, others ...any) []any {
	return append([]any{s.text(string(key.Kind)), s.text(string(key.DID)), s.text(key.ID)}, others...)
}

// until returns the parameters for how long a record is kept. For SQLite that is the end of its
// time in milliseconds. For a server it is what to add to its clock, and twice the unit to which
// the sum is rounded down. NULL means for ever.
func (s *Store) until(keep time.Duration) []any {
	unit := roundTo(keep).Milliseconds()
	var end sql.NullInt64
	if keep != 0 && keep != store.Forever {
		end = sql.NullInt64{Int64: (keep - 1).Milliseconds() + 1 + unit - 1, Valid: true} // both are rounded up
	}
	if s.dialect != SQLite {
		return []any{end, unit, unit}
	}
	end.Int64 = (s.clock().UnixMilli() + end.Int64) / unit * unit
	return []any{end}
}

// roundTo returns the unit to which the end of a record's time is rounded up. It is less than a
// thirtieth of the time. So most of the many writes of a session in a day keep the same end, and
// PostgreSQL need not change its indexes for them (P108).
func roundTo(keep time.Duration) time.Duration {
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if keep >= 30*unit {
			return unit
		}
	}
	return time.Millisecond
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, r *store.Record) error {
	if s.err != nil {
		return s.err
	}
	switch {
	case r.Revision == 0:
		return store.ErrConflict
	case r.Keep < 0:
		return errors.New("sqlstore: put: Keep is less than 0")
	case r.Revision > math.MaxInt64:
		return fmt.Errorf("sqlstore: put: revision %d is too high", r.Revision)
	case len(r.Key.DID) > maxDID || len(r.Key.ID) > maxID || len(r.Key.Kind) > maxKind:
		// Checked here for all databases, because some would cut the text off.
		return fmt.Errorf("sqlstore: put: kind, DID or ID is longer than %d, %d or %d bytes", maxKind, maxDID, maxID)
	}
	data := r.Data
	if data == nil {
		data = []byte{} // nil would become NULL
	}
	revision := int64(r.Revision)
	if r.Revision == 1 {
		_, err := s.exec(ctx, s.queries.insert, s.args(r.Key, append(append([]any{revision}, s.until(r.Keep)...), data)...)...)
		if err == nil {
			return nil
		}
		// Drivers report a duplicate key in different ways. Reading the record shows whether it is
		// one.
		if stored, lookErr := s.stored(ctx, r.Key); lookErr == nil && stored > 0 {
			return store.ErrConflict
		}
		return fmt.Errorf("sqlstore: put: %w", err)
	}
	query, args := s.queries.update, []any{revision, data}
	if r.Keep != 0 {
		query, args = s.queries.keep, append(args, s.until(r.Keep)...)
	}
	changed, err := s.exec(ctx, query, append(args, s.args(r.Key, revision-1)...)...)
	switch {
	case err != nil:
		return fmt.Errorf("sqlstore: put: %w", err)
	case changed == 0:
		return store.ErrConflict
	}
	return nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	if s.err != nil {
		return s.err
	}
	for {
		var removed int64
		var err error
		switch {
		case revision == 0:
			removed, err = s.exec(ctx, s.queries.delete, s.args(key)...)
		case revision <= math.MaxInt64: // no higher revision was ever written
			removed, err = s.exec(ctx, s.queries.deleteRevision, s.args(key, int64(revision))...)
		}
		if err != nil {
			return fmt.Errorf("sqlstore: delete: %w", err)
		}
		if removed > 0 {
			return nil
		}
		if revision == 0 {
			return store.ErrNotFound
		}
		switch stored, err := s.stored(ctx, key); {
		case err != nil:
			return fmt.Errorf("sqlstore: delete: %w", err)
		case stored == 0:
			return store.ErrNotFound
		case uint64(stored) != revision:
			return store.ErrConflict
		}
		// The record got this revision in between.
	}
}

// List implements store.Store. It reads keys in pages, and holds no connection while the caller
// works on one.
func (s *Store) List(ctx context.Context, kind store.RecordKind, did syntax.DID) iter.Seq2[store.RecordKey, error] {
	return func(yield func(store.RecordKey, error) bool) {
		if s.err != nil {
			yield(store.RecordKey{}, s.err)
			return
		}
		query, args := s.queries.listAll, []any{s.text(string(kind))}
		if did != "" {
			query, args = s.queries.list, []any{s.text(string(kind)), s.text(string(did))}
		}
		for {
			page, err := s.page(ctx, kind, query, args)
			if err != nil {
				yield(store.RecordKey{}, fmt.Errorf("sqlstore: list: %w", err))
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
			after := s.args(last) // kind, DID and ID
			query, args = s.queries.listAllAfter, []any{after[0], after[1], after[1], after[2]}
			if did != "" {
				query, args = s.queries.listAfter, after
			}
		}
	}
}

// page returns the keys that a query for DIDs and IDs finds.
func (s *Store) page(ctx context.Context, kind store.RecordKind, query string, args []any) (page []store.RecordKey, err error) {
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
			page = append(page, store.RecordKey{Kind: kind, DID: syntax.DID(did), ID: id})
		}
		return rows.Err()
	})
	return page, err
}

// Scan implements store.Scanner.
func (s *Store) Scan(ctx context.Context, kind store.RecordKind, after string, limit int) (page []*store.Record, next string, err error) {
	if s.err != nil {
		return nil, "", s.err
	}
	query, args := s.queries.scan, []any{s.text(string(kind))}
	if after != "" {
		last, err := store.ParsePlace(kind, after)
		if err != nil {
			return nil, "", err
		}
		did := s.text(string(last.DID))
		query, args = s.queries.scanAfter, append(args, did, did, s.text(last.ID))
	}
	limit = max(limit, 1)
	args = append(args, limit)
	err = s.again(ctx, func() error {
		page = page[:0]
		rows, err := s.db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r := &store.Record{Key: store.RecordKey{Kind: kind}}
			if err := rows.Scan(&r.Key.DID, &r.Key.ID, &r.Revision, &r.Data); err != nil {
				return err
			}
			page = append(page, r)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, "", fmt.Errorf("sqlstore: scan: %w", err)
	}
	if len(page) == limit {
		next = store.Place(page[limit-1].Key)
	}
	return page, next, nil
}

// Purge implements store.Store. It removes a hundred records at a time. Then it pauses for longer
// than that took, so that writers can work: SQLite has one lock for all of them, and no queue for
// it.
func (s *Store) Purge(ctx context.Context) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	var args []any
	if s.dialect == SQLite {
		now := s.clock().UnixMilli()
		args = []any{now, now}
	}
	for purged := 0; ; {
		begun := time.Now()
		n, err := s.exec(ctx, s.queries.purge, args...)
		if err != nil {
			return purged, fmt.Errorf("sqlstore: purge: %w", err)
		}
		purged += int(n)
		if n == 0 { // fewer than a page may only mean that some records were extended
			return purged, nil
		}
		pause := time.NewTimer(max(purgePause, purgePauses*time.Since(begun)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return purged, fmt.Errorf("sqlstore: purge: %w", ctx.Err())
		}
	}
}

// The pause of Purge after each step: a multiple of the time that the step took, and at least the
// minimum.
const (
	purgePauses = 2
	purgePause  = 2 * time.Millisecond
)

// stored returns the revision of the record under key, or 0 if there is none.
func (s *Store) stored(ctx context.Context, key store.RecordKey) (revision int64, err error) {
	err = s.again(ctx, func() error {
		return s.db.QueryRowContext(ctx, s.queries.revision, s.args(key)...).Scan(&revision)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return revision, err
}

// exec runs a statement and returns how many rows it changed.
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

package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Dialect is a kind of database. The zero value is none.
type Dialect int

// The dialects.
const (
	SQLite   Dialect = iota + 1 // 3.15 or newer
	Postgres                    // PostgreSQL
	MySQL                       // MySQL 8 or MariaDB, tested on the latter
)

// String returns the database's name.
func (d Dialect) String() string {
	switch d {
	case SQLite:
		return "SQLite"
	case Postgres:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

const (
	defaultTable = "atproto_records"

	// The longest parts of a key, in bytes. Together they stay below what an index
	// entry may have: 2,704 bytes in PostgreSQL, 3,072 in InnoDB.
	maxKind, maxDID, maxID = 16, 2048, 255

	pageSize  = 500  // keys that List reads at a time
	purgeSize = 1000 // records that Purge removes at a time
)

// Names are written into statements, so nothing else gets there.
var tableName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,47}\.)?[A-Za-z_][A-Za-z0-9_]{0,47}$`)

func check(d Dialect, table string) error {
	if d < SQLite || d > MySQL {
		return fmt.Errorf("sqlstore: %v is not a known dialect: use SQLite, Postgres or MySQL", d)
	}
	if !tableName.MatchString(table) {
		return fmt.Errorf("sqlstore: %q is not a table name of letters, digits and underscores, 48 at most", table)
	}
	return nil
}

// queries are the statements of a Store.
type queries struct {
	get, exists, insert, update, delete, deleteRevision string
	list, listAfter, listAll, listAllAfter, purge       string
}

func (d Dialect) queries(table string) queries {
	const key = " WHERE kind = ? AND did = ? AND id = ?"
	keys := "SELECT did, id FROM " + table + " WHERE kind = ?"
	limit := " LIMIT " + strconv.Itoa(pageSize)
	q := queries{
		get:            "SELECT revision, expires, data FROM " + table + key,
		exists:         "SELECT 1 FROM " + table + key,
		insert:         "INSERT INTO " + table + " (kind, did, id, revision, expires, data) VALUES (?, ?, ?, ?, ?, ?)",
		update:         "UPDATE " + table + " SET revision = ?, expires = ?, data = ?" + key + " AND revision = ?",
		delete:         "DELETE FROM " + table + key,
		deleteRevision: "DELETE FROM " + table + key + " AND revision = ?",
		list:           keys + " AND did = ? ORDER BY id" + limit,
		listAfter:      keys + " AND did = ? AND id > ? ORDER BY id" + limit,
		listAll:        keys + " ORDER BY did, id" + limit,
		listAllAfter:   keys + " AND did >= ? AND (did > ? OR id > ?) ORDER BY did, id" + limit,
	}
	purge := strconv.Itoa(purgeSize)
	if d == MySQL {
		q.purge = "DELETE FROM " + table + " WHERE expires <= ? LIMIT " + purge
	} else {
		q.purge = "DELETE FROM " + table + " WHERE (kind, did, id) IN" +
			" (SELECT kind, did, id FROM " + table + " WHERE expires <= ? LIMIT " + purge + ")"
	}
	if d == Postgres {
		for _, p := range []*string{
			&q.get, &q.exists, &q.insert, &q.update, &q.delete, &q.deleteRevision,
			&q.list, &q.listAfter, &q.listAll, &q.listAllAfter, &q.purge,
		} {
			*p = numbered(*p)
		}
	}
	return q
}

// numbered replaces each ? by $1, $2, …; no statement has one in a literal.
func numbered(query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(n))
		query = after
	}
}

// How often a statement is tried that lost against another, and the pause before the
// second try, which doubles.
const (
	busyTries = 8
	busyPause = 5 * time.Millisecond
)

// again runs a statement, and runs it again when the database says that it was not
// carried out because of another one.
func (s *Store) again(ctx context.Context, statement func() error) error {
	pause := busyPause
	for try := 1; ; try++ {
		err := statement()
		if err == nil || try == busyTries || !s.dialect.busy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// busy tells whether err says that a statement lost against another and did nothing.
// Drivers have types of their own for that, which cannot be named here; the words
// are the database's.
func (d Dialect) busy(err error) bool {
	switch d {
	case SQLite:
		return strings.Contains(err.Error(), "database is locked") || strings.Contains(err.Error(), "table is locked")
	case Postgres:
		var state interface{ SQLState() string } // pgx and lib/pq have it
		if !errors.As(err, &state) {
			return false
		}
		return state.SQLState() == "40001" || state.SQLState() == "40P01" // serialization failure, deadlock
	case MySQL:
		return strings.Contains(err.Error(), "Deadlock found") || strings.Contains(err.Error(), "Record has changed since last read")
	}
	return false
}

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

// A Dialect is a kind of database. The zero value is not valid.
type Dialect int

// The dialects.
const (
	SQLite   Dialect = iota + 1 // 3.15 or newer
	Postgres                    // PostgreSQL
	MySQL                       // MySQL 8 or MariaDB; tested on MariaDB
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

	// The longest parts of a key, in bytes. Together they stay below the limit of an index entry:
	// 2,704 bytes in PostgreSQL, 3,072 in InnoDB.
	maxKind, maxDID, maxID = 16, 2048, 255

	pageSize  = 500 // keys that List reads at a time
	purgeSize = 100 // records that Purge removes at a time
)

// Table names are written into statements, so only these characters are allowed.
var tableName = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]{0,47}\.)?[A-Za-z_][A-Za-z0-9_]{0,47}$`)

func check(d Dialect, table string) error {
	if d < SQLite || d > MySQL {
		return fmt.Errorf("sqlstore: %v is not a known dialect: use SQLite, Postgres or MySQL", d)
	}
	if !tableName.MatchString(table) {
		return fmt.Errorf("sqlstore: %q is not a valid table name: use at most 48 letters, digits and underscores", table)
	}
	return nil
}

// queries are the statements of a Store.
type queries struct {
	get, revision, insert, update, keep, delete, deleteRevision string
	list, listAfter, listAll, listAllAfter                      string
	scan, scanAfter, purge                                      string
}

// now returns an expression for the server's clock, in milliseconds since 1970. SQLite has no
// server: its time is the Store's clock, passed as a parameter.
func (d Dialect) now() string {
	switch d {
	case Postgres:
		return "CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT)"
	case MySQL:
		// UNIX_TIMESTAMP(NOW(3)) would be wrong for one hour when summer time ends.
		return "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(3)) DIV 1000"
	}
	return "?"
}

func (d Dialect) queries(table string) queries {
	const key = " WHERE kind = ? AND did = ? AND id = ?"
	keys := "SELECT did, id FROM " + table + " WHERE kind = ?"
	records := "SELECT did, id, revision, data FROM " + table + " WHERE kind = ?"
	after, order := " AND did >= ? AND (did > ? OR id > ?)", " ORDER BY did, id"
	limit := " LIMIT " + strconv.Itoa(pageSize)
	// The end of a record's time: see Store.until. NULL stays NULL, which means for ever.
	until := "?"
	switch d {
	case Postgres:
		until = "(" + d.now() + " + ?) / ? * ?"
	case MySQL:
		until = "(" + d.now() + " + ?) DIV ? * ?"
	}
	q := queries{
		get:            "SELECT revision, data FROM " + table + key,
		revision:       "SELECT revision FROM " + table + key,
		insert:         "INSERT INTO " + table + " (kind, did, id, revision, expires, data) VALUES (?, ?, ?, ?, " + until + ", ?)",
		update:         "UPDATE " + table + " SET revision = ?, data = ?" + key + " AND revision = ?",
		keep:           "UPDATE " + table + " SET revision = ?, data = ?, expires = " + until + key + " AND revision = ?",
		delete:         "DELETE FROM " + table + key,
		deleteRevision: "DELETE FROM " + table + key + " AND revision = ?",
		list:           keys + " AND did = ? ORDER BY id" + limit,
		listAfter:      keys + " AND did = ? AND id > ? ORDER BY id" + limit,
		listAll:        keys + order + limit,
		listAllAfter:   keys + after + order + limit,
		scan:           records + order + " LIMIT ?",
		scanAfter:      records + after + order + " LIMIT ?",
	}
	// The condition appears twice. When PostgreSQL had to wait for a row, it checks the condition
	// on that row's new version, but keeps its earlier list of rows. Without the second condition
	// it would delete records that were extended meanwhile (P77). The statement finds rows by ctid.
	// By keys, PostgreSQL might read all expired rows for each hundred.
	past, some := "expires <= "+d.now(), " LIMIT "+strconv.Itoa(purgeSize)
	switch d {
	case SQLite:
		q.purge = "DELETE FROM " + table + " WHERE (kind, did, id) IN" +
			" (SELECT kind, did, id FROM " + table + " WHERE " + past + some + ") AND " + past
	case Postgres:
		q.purge = "DELETE FROM " + table + " WHERE ctid = ANY(ARRAY" +
			"(SELECT ctid FROM " + table + " WHERE " + past + some + ")) AND " + past
	case MySQL:
		q.purge = "DELETE FROM " + table + " WHERE " + past + some
	}
	if d == Postgres {
		for _, p := range []*string{
			&q.get, &q.revision, &q.insert, &q.update, &q.keep, &q.delete, &q.deleteRevision,
			&q.list, &q.listAfter, &q.listAll, &q.listAllAfter, &q.scan, &q.scanAfter, &q.purge,
		} {
			*p = numbered(*p)
		}
	}
	return q
}

// numbered replaces each ? with $1, $2, …; no statement has a ? in a literal.
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

// How often a statement is repeated that lost against another one, and the pause before the second
// try, which doubles each time.
const (
	busyTries = 8
	busyPause = 5 * time.Millisecond
)

// again runs a statement. It runs it again if the database says that another statement prevented
// it.
func (s *Store) again(ctx context.Context, statement func() error) error {
	pause := busyPause
	for try := 1; ; try++ {
		err := statement()
		if err == nil || try == busyTries || !s.dialect.busy(err) {
			return s.explained(err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// explained says what to do where the table is missing. All three databases name it then, in quotes
// or without, and say that it is not there in words of their own.
func (s *Store) explained(err error) error {
	if err == nil {
		return nil
	}
	name := s.table[strings.LastIndexByte(s.table, '.')+1:]
	for _, words := range []string{"no such table", "does not exist", "doesn't exist"} {
		if text := err.Error(); strings.Contains(text, words) && strings.Contains(text, name) {
			return fmt.Errorf("%w: the table is made by Store.Migrate", err)
		}
	}
	return err
}

// busy reports whether err means that a statement lost against another one and did nothing. Drivers
// have their own error types for this, which this package cannot import; the texts come from the
// database.
func (d Dialect) busy(err error) bool {
	switch d {
	case SQLite:
		return strings.Contains(err.Error(), "database is locked") || strings.Contains(err.Error(), "table is locked")
	case Postgres:
		var state interface{ SQLState() string } // implemented by pgx and lib/pq
		if !errors.As(err, &state) {
			return false
		}
		return state.SQLState() == "40001" || state.SQLState() == "40P01" // serialization failure or deadlock
	case MySQL:
		return strings.Contains(err.Error(), "Deadlock found") || strings.Contains(err.Error(), "Record has changed since last read")
	}
	return false
}

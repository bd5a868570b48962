package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Migration is one step in the history of the table. A published step never changes; new steps
// follow it.
type Migration struct {
	Version    int      // 1, 2, …
	Name       string   // what the step does
	Statements []string // to run in order; the last one stores the version
}

// SQL returns the statements as one script.
func (m Migration) SQL() string {
	return "-- " + strconv.Itoa(m.Version) + ": " + m.Name + "\n" + strings.Join(m.Statements, ";\n") + ";\n"
}

// Migrations returns all migrations of a dialect, for people who run their own:
//
//	for _, m := range migrations {
//		fmt.Println(m.SQL())
//	}
//
// A later Migrate knows which of them were run.
func Migrations(dialect Dialect, opts ...Option) ([]Migration, error) {
	s := &Store{dialect: dialect, table: defaultTable}
	for _, opt := range opts {
		opt(s)
	}
	if err := check(dialect, s.table); err != nil {
		return nil, err
	}
	return s.migrations(), nil
}

// migrations lists the steps. An interrupted step can be run again, because MySQL keeps the part
// that was done. Keys are compared byte by byte: DIDs that differ in letter case are different
// accounts.
func (s *Store) migrations() []Migration {
	version := s.table + versionTable
	index := strings.ReplaceAll(s.table, ".", "_") + "_expires"
	create := "CREATE TABLE IF NOT EXISTS " + version + " (version INTEGER NOT NULL PRIMARY KEY)"
	table, options := "CREATE TABLE IF NOT EXISTS "+s.table+" (\n", ""
	last := "  PRIMARY KEY (kind, did, id)"
	switch s.dialect {
	case SQLite:
		table += "  kind TEXT NOT NULL,\n  did TEXT NOT NULL,\n  id TEXT NOT NULL,\n" +
			"  revision INTEGER NOT NULL,\n  expires INTEGER,\n  data BLOB NOT NULL,\n"
	case Postgres:
		// A text column cannot hold every byte. With SET bytea_output = escape, it is shown as
		// text.
		table += "  kind BYTEA NOT NULL,\n  did BYTEA NOT NULL,\n  id BYTEA NOT NULL,\n" +
			"  revision BIGINT NOT NULL,\n  expires BIGINT,\n  data BYTEA NOT NULL,\n"
	case MySQL:
		table += "  kind VARBINARY(16) NOT NULL,\n  did VARBINARY(2048) NOT NULL,\n  id VARBINARY(255) NOT NULL,\n" +
			"  revision BIGINT NOT NULL,\n  expires BIGINT,\n  data MEDIUMBLOB NOT NULL,\n"
		options = " ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
		create += options
		last += ",\n  KEY " + index + " (expires)" // MySQL has no CREATE INDEX IF NOT EXISTS
	}
	statements := []string{create, table + last + "\n)" + options}
	if s.dialect != MySQL {
		on := s.table
		if schema, table, qualified := strings.Cut(on, "."); qualified && s.dialect == SQLite {
			index, on = schema+"."+index, table // SQLite wants the schema there
		}
		statements = append(statements, "CREATE INDEX IF NOT EXISTS "+index+" ON "+on+" (expires)")
	}
	first := Migration{
		Version:    1,
		Name:       "the table of records; expires is in milliseconds since 1970, NULL for never",
		Statements: append(statements, "INSERT INTO "+version+" (version) VALUES (1)"),
	}
	second := Migration{Version: 2, Name: "nothing in this database", Statements: []string{"INSERT INTO " + version + " (version) VALUES (2)"}}
	if s.dialect == Postgres {
		second.Name = "pages have room for the next revision of their rows, which then needs no index entries"
		second.Statements = append([]string{"ALTER TABLE " + s.table + " SET (fillfactor = 70)"}, second.Statements...)
	}
	return []Migration{first, second}
}

const versionTable = "_version"

// Migrate creates the table, or updates it to this version of the package. Call it at every start
// if you like; several processes may call it at once. It fails if a newer version has changed the
// table.
func (s *Store) Migrate(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	if err := s.migrate(ctx); err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	return nil
}

func (s *Store) migrate(ctx context.Context) (err error) {
	var conn *sql.Conn
	// Opening a connection may change the database's journal. SQLite allows only one process at a
	// time to do that, and does not wait.
	err = s.again(ctx, func() error { conn, err = s.db.Conn(ctx); return err })
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	unlock, err := s.lock(ctx, conn)
	if err != nil {
		return fmt.Errorf("wait for other processes: %w", err)
	}
	defer func() { err = unlock(err) }()

	all := s.migrations()
	// The first statement creates the table of versions, so that it can be read.
	if _, err := conn.ExecContext(ctx, all[0].Statements[0]); err != nil {
		return err
	}
	var done sql.NullInt64
	if err := conn.QueryRowContext(ctx, "SELECT MAX(version) FROM "+s.table+versionTable).Scan(&done); err != nil {
		return err
	}
	if newest := int64(all[len(all)-1].Version); done.Int64 > newest {
		return fmt.Errorf("table %s has version %d, but this program knows only versions up to %d: update the program", s.table, done.Int64, newest)
	}
	for _, m := range all[done.Int64:] {
		for _, statement := range m.Statements {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("version %d: %w", m.Version, err)
			}
		}
	}
	return nil
}

// lock makes other processes wait. It returns a function that ends the lock. That function receives
// the error of the migration, and returns the error to report.
func (s *Store) lock(ctx context.Context, conn *sql.Conn) (unlock func(error) error, err error) {
	begin, commit, rollback := "BEGIN", "COMMIT", "ROLLBACK"
	switch s.dialect {
	case SQLite:
		begin = "BEGIN IMMEDIATE" // takes SQLite's only write lock
	case MySQL:
		// MySQL commits each of these statements by itself, so a rollback is not possible.
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 60)", s.lockName()).Scan(&got); err != nil {
			return nil, err
		}
		if got.Int64 != 1 {
			return nil, errors.New("another process has been migrating the table for a minute: try again later")
		}
		return func(failed error) error {
			_, err := conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK(?)", s.lockName())
			return errors.Join(failed, err)
		}, nil
	}
	if err := s.again(ctx, func() error { _, err := conn.ExecContext(ctx, begin); return err }); err != nil {
		return nil, err
	}
	end := func(failed error) error {
		word := commit
		if failed != nil {
			word = rollback
		}
		_, err := conn.ExecContext(context.WithoutCancel(ctx), word)
		return errors.Join(failed, err)
	}
	if s.dialect == Postgres {
		if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtext($1))", s.lockName()); err != nil {
			return nil, end(err)
		}
	}
	return end, nil
}

// lockName returns at most 64 bytes, the limit of MySQL.
func (s *Store) lockName() string {
	name := "sqlstore " + s.table
	return name[max(0, len(name)-64):]
}

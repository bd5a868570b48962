package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	_ "modernc.org/sqlite"

	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
	"github.com/gimucco/atproto-go/oauth/store/storetest"
)

// PostgreSQL and MariaDB are tested in the module e2e.

// open opens the database in a file as the package's comment recommends.
func open(t testing.TB, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// migrated returns a store in a fresh database.
func migrated(t testing.TB) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	db := open(t, filepath.Join(t.TempDir(), "records.db"))
	s := sqlstore.New(db, sqlstore.SQLite)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, db
}

func TestContract(t *testing.T) {
	file := filepath.Join(t.TempDir(), "records.db")
	openAt := func(ctx context.Context, file string) (store.Store, error) {
		s := sqlstore.New(open(t, file), sqlstore.SQLite)
		return s, s.Migrate(ctx)
	}
	storetest.Run(t, storetest.Backend{
		Open:     func(ctx context.Context) (store.Store, error) { return openAt(ctx, file) },
		Location: file,
		OpenAt:   openAt,
		Block: func(t *testing.T, _ store.RecordKey) func() {
			conn, err := open(t, file).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
				t.Fatal(err)
			}
			return func() {
				conn.ExecContext(t.Context(), "ROLLBACK")
				conn.Close()
			}
		},
	})
}

func TestProcessesMayMigrateAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "records.db")
	var all sync.WaitGroup
	for range 8 {
		db := open(t, file)
		all.Go(func() {
			if err := sqlstore.New(db, sqlstore.SQLite).Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var rows int
	if err := open(t, file).QueryRow("SELECT COUNT(*) FROM atproto_records_version").Scan(&rows); err != nil || rows != 2 {
		t.Errorf("%d versions were written down, %v", rows, err)
	}
}

func TestPrintedMigrationsAreWhatMigrateDoes(t *testing.T) {
	schema := func(db *sql.DB) string {
		rows, err := db.Query("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var all strings.Builder
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all.WriteString(s + "\n")
		}
		return all.String()
	}
	byHand := open(t, filepath.Join(t.TempDir(), "records.db"))
	migrations, err := sqlstore.Migrations(sqlstore.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		if _, err := byHand.Exec(m.SQL()); err != nil {
			t.Fatalf("version %d: %v", m.Version, err)
		}
	}
	_, byMigrate := migrated(t)
	if a, b := schema(byHand), schema(byMigrate); a != b {
		t.Errorf("by hand:\n%s\nby Migrate:\n%s", a, b)
	}
	if err := sqlstore.New(byHand, sqlstore.SQLite).Migrate(t.Context()); err != nil {
		t.Errorf("Migrate after a migration by hand: %v", err)
	}
}

func TestATableOfANewerVersionIsRefused(t *testing.T) {
	s, db := migrated(t)
	if _, err := db.Exec("INSERT INTO atproto_records_version VALUES (1000)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "1000") {
		t.Errorf("got %v", err)
	}
}

func TestMigrationsThatFailLeaveNothing(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "records.db"))
	// A view of that name stands in the way of the index.
	if _, err := db.Exec("CREATE VIEW atproto_records AS SELECT 1 AS kind"); err != nil {
		t.Fatal(err)
	}
	s := sqlstore.New(db, sqlstore.SQLite)
	if err := s.Migrate(t.Context()); err == nil {
		t.Fatal("no error")
	}
	var n int
	if err := db.QueryRow("SELECT COUNT(*) FROM sqlite_master WHERE name LIKE '%version'").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d tables are left, %v", n, err)
	}
	if _, err := db.Exec("DROP VIEW atproto_records"); err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Errorf("once the view is gone: %v", err)
	}
}

func TestTwoTablesAreTwoStores(t *testing.T) {
	_, db := migrated(t)
	other := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithTable("main.other"))
	if err := other.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: "1"}, Revision: 1}
	if err := other.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.New(db, sqlstore.SQLite).Get(t.Context(), r.Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the first table: %v", err)
	}
}

func TestWhatNewWasGivenIsChecked(t *testing.T) {
	_, db := migrated(t)
	for name, test := range map[string]struct {
		store *sqlstore.Store
		want  string
	}{
		"no database":        {sqlstore.New(nil, sqlstore.SQLite), "nil"},
		"no dialect":         {sqlstore.New(db, 0), "Dialect(0)"},
		"not a table's name": {sqlstore.New(db, sqlstore.SQLite, sqlstore.WithTable("x; DROP TABLE users")), "DROP TABLE"},
		"an empty name":      {sqlstore.New(db, sqlstore.SQLite, sqlstore.WithTable("")), "table name"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, s, r := t.Context(), test.store, &store.Record{Revision: 1}
			_, getErr := s.Get(ctx, r.Key)
			_, purgeErr := s.Purge(ctx)
			errs := []error{getErr, purgeErr, s.Put(ctx, r), s.Delete(ctx, r.Key, 0), s.Migrate(ctx)}
			for _, err := range s.List(ctx, store.RecordSession, "") {
				errs = append(errs, err)
			}
			for i, err := range errs {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%d: got %v, want it to name %q", i, err, test.want)
				}
			}
			if len(errs) != 6 {
				t.Error("List yielded nothing")
			}
		})
	}
	if _, err := sqlstore.Migrations(7); err == nil {
		t.Error("Migrations of no dialect")
	}
}

func TestATableThatIsNotThereNamesMigrate(t *testing.T) {
	_, db := migrated(t)
	s, r := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithTable("main.other")), &store.Record{Revision: 1}
	_, getErr := s.Get(t.Context(), r.Key)
	_, purgeErr := s.Purge(t.Context())
	errs := map[string]error{"Get": getErr, "Purge": purgeErr, "Put": s.Put(t.Context(), r), "Delete": s.Delete(t.Context(), r.Key, 0)}
	for _, err := range s.List(t.Context(), store.RecordSession, "") {
		errs["List"] = err
	}
	for name, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "the table is made by Store.Migrate") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(errs) != 5 {
		t.Error("List yielded nothing")
	}
}

func TestKeysThatAreTooLongAreRefusedAndNotCut(t *testing.T) {
	s, _ := migrated(t)
	long := strings.Repeat("x", 2049)
	for _, key := range []store.RecordKey{
		{Kind: store.RecordKind(long[:17]), ID: "1"},
		{Kind: store.RecordSession, DID: "did:web:example.com", ID: long[:256]},
	} {
		if err := s.Put(t.Context(), &store.Record{Key: key, Revision: 1}); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("%.20s…: %v", key.Kind, err)
		}
	}
}

// A database that is down is no conflict, and no absence.
func TestAFailingDatabaseIsATemporaryError(t *testing.T) {
	s, db := migrated(t)
	r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: "1"}, Revision: 1}
	db.Close()
	_, getErr := s.Get(t.Context(), r.Key)
	_, purgeErr := s.Purge(t.Context())
	next := *r
	next.Revision = 2
	for name, err := range map[string]error{
		"Get": getErr, "Purge": purgeErr, "Put": s.Put(t.Context(), r), "the next Put": s.Put(t.Context(), &next),
		"Delete": s.Delete(t.Context(), r.Key, 0), "Delete of a revision": s.Delete(t.Context(), r.Key, 1),
	} {
		if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Somebody may forget busy_timeout; a short wait for another writer is no failure.
func TestALockedDatabaseIsTriedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "records.db")
	if err := sqlstore.New(open(t, file), sqlstore.SQLite).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	hasty, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	defer hasty.Close()
	s := sqlstore.New(hasty, sqlstore.SQLite)
	blocker, err := open(t, file).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Close()
	if _, err := blocker.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: "1"}, Revision: 1}
	if err := s.Put(t.Context(), r); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("while another holds the lock for good: %v", err)
	}
	done := make(chan error)
	go func() { done <- s.Put(t.Context(), r) }()
	if _, err := blocker.ExecContext(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("once it is free: %v", err)
	}
}

func TestPurgeAndListGoBeyondOnePage(t *testing.T) {
	_, db := migrated(t)
	now := time.UnixMilli(1000)
	s := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithClock(func() time.Time { return now }))
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2500 {
		var expires any
		if i%5 != 0 {
			expires = 1000
		}
		if _, err := tx.Exec("INSERT INTO atproto_records VALUES ('state', '', ?, 1, ?, x'00')", fmt.Sprint(i), expires); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		for _, err := range s.List(t.Context(), store.RecordState, "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if n := count(); n != 2500 {
		t.Errorf("listed %d of 2500", n)
	}
	if n, err := s.Purge(t.Context()); err != nil || n != 2000 {
		t.Errorf("purged %d of 2000, %v", n, err)
	}
	if n := count(); n != 500 {
		t.Errorf("%d left of 500", n)
	}
}

// Writers need the one lock that SQLite has. Whoever purges leaves it to them between any
// two steps, and for longer than it holds it.
func TestPurgeGivesWay(t *testing.T) {
	t.Run("P109", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "records.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			now := time.UnixMilli(1000)
			s := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithClock(func() time.Time { return now }))
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000)" +
				" INSERT INTO atproto_records SELECT 'state', '', i, 1, 1000, x'00' FROM n"); err != nil {
				t.Fatal(err)
			}
			count := func() (n int) {
				if err := db.QueryRow("SELECT COUNT(*) FROM atproto_records").Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			// Time stands still but for the pauses: at the first of them the rest is there.
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			n, err := s.Purge(ctx)
			if n == 0 || n > 100 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("purged %d without a pause, %v", n, err)
			}
			if left := count(); left != 1000-n {
				t.Errorf("%d are left after %d were purged", left, n)
			}
			begun := time.Now()
			if m, err := s.Purge(t.Context()); m != 1000-n || err != nil {
				t.Errorf("purged %d of %d, %v", m, 1000-n, err)
			}
			if paused := time.Since(begun); paused < 9*2*time.Millisecond {
				t.Errorf("it paused for %v altogether", paused)
			}
		})
	})
}

// Ends are rounded up, so that most writes of a session leave it as it is; never down.
func TestEndsAreRoundedUp(t *testing.T) {
	_, db := migrated(t)
	begin := time.Date(2026, 1, 1, 0, 30, 0, 1, time.UTC)
	now := begin
	s := sqlstore.New(db, sqlstore.SQLite, sqlstore.WithClock(func() time.Time { return now }))
	for keep, unit := range map[time.Duration]time.Duration{
		100 * 24 * time.Hour: 24 * time.Hour, 40 * time.Hour: time.Hour, time.Hour: time.Minute, time.Minute: time.Second,
		time.Second: time.Millisecond, 1: time.Millisecond,
	} {
		t.Run("P108 "+keep.String(), func(t *testing.T) {
			now = begin
			r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: keep.String()}, Keep: keep}
			ends := make(map[int64]bool)
			for range 20 {
				now = now.Add(unit / 20)
				r.Revision++
				if err := s.Put(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				var end int64
				if err := db.QueryRow("SELECT expires FROM atproto_records WHERE id = ?", r.Key.ID).Scan(&end); err != nil {
					t.Fatal(err)
				}
				ends[end] = true
				// What the store's clock says has no parts of a millisecond.
				wanted := now.Truncate(time.Millisecond).Add(keep)
				if more := time.UnixMilli(end).Sub(wanted); more < 0 || more > max(keep/30, time.Millisecond) {
					t.Errorf("%v more than was asked for", more)
				}
			}
			if len(ends) > 2 {
				t.Errorf("%d ends in %v", len(ends), unit)
			}
		})
	}
}

// What expires first is found by an index, and keys are too: a table of a million
// records must not be read through.
func TestQueriesUseTheIndexes(t *testing.T) {
	_, db := migrated(t)
	for _, query := range []string{
		"SELECT revision, data FROM atproto_records WHERE kind = 'x' AND did = 'x' AND id = 'x'",
		"SELECT did, id FROM atproto_records WHERE kind = 'x' AND did = 'x' AND id > 'x' ORDER BY id LIMIT 500",
		"SELECT did, id FROM atproto_records WHERE kind = 'x' AND did >= 'x' AND (did > 'x' OR id > 'x') ORDER BY did, id LIMIT 500",
		"DELETE FROM atproto_records WHERE (kind, did, id) IN (SELECT kind, did, id FROM atproto_records WHERE expires <= 1 LIMIT 1000) AND expires <= 1",
	} {
		rows, err := db.Query("EXPLAIN QUERY PLAN " + query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var a, b, c int
			var detail string
			if err := rows.Scan(&a, &b, &c, &detail); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE FOR ORDER") {
				t.Errorf("%s:\n%s", query, detail)
			}
		}
		rows.Close()
	}
}

func TestTablesHoldNoSecrets(t *testing.T) {
	s, db := migrated(t)
	scenario.StoreSecrets(t, s, func() []byte {
		var all bytes.Buffer
		rows, err := db.Query("SELECT kind, did, id, data FROM atproto_records")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var columns [4][]byte
			if err := rows.Scan(&columns[0], &columns[1], &columns[2], &columns[3]); err != nil {
				t.Fatal(err)
			}
			all.Write(bytes.Join(columns[:], []byte{'\n'}))
		}
		return all.Bytes()
	})
}

package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
	"github.com/gimucco/atproto-go/oauth/store/storetest"
)

// Each kind has a test function of its own: storetest starts processes that run it alone.

func TestStoreMemory(t *testing.T) {
	kept := new(store.Memory)
	storetest.Run(t, storetest.Backend{Open: func(context.Context) (store.Store, error) { return kept, nil }})
}

func TestStoreFile(t *testing.T)     { contract(t, "file") }
func TestStoreSQLite(t *testing.T)   { contract(t, "sqlite") }
func TestStorePostgres(t *testing.T) { contract(t, "postgres") }
func TestStoreMariaDB(t *testing.T)  { contract(t, "mariadb") }
func TestStoreRedis(t *testing.T)    { contract(t, "redis") }

// create makes a storage that is gone after the test.
func create(t *testing.T, kind string) *stores.Store {
	t.Helper()
	s, err := stores.Create(t.Context(), kind, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Remove(context.Background()); err != nil {
			t.Errorf("remove: %v", err)
		}
	})
	return s
}

func contract(t *testing.T, kind string) {
	openAt := func(ctx context.Context, location string) (store.Store, error) {
		s, err := stores.Open(ctx, location)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { s.Close() })
		return s, nil
	}
	backend := storetest.Backend{OpenAt: openAt}
	if !storetest.Child() {
		s := create(t, kind)
		backend.Location = s.Location
		if _, server := dialects[kind]; server {
			backend.Block = func(t *testing.T, key store.RecordKey) func() {
				_, schema, _ := strings.Cut(s.Location, ":")
				tx, err := s.DB().BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := tx.ExecContext(t.Context(), "SELECT 1 FROM "+schema+".records WHERE id = '"+key.ID+"' FOR UPDATE"); err != nil {
					t.Fatal(err)
				}
				return func() { tx.Rollback() }
			}
		}
		backend.Open = func(ctx context.Context) (store.Store, error) { return openAt(ctx, s.Location) }
		t.Run("holds no secrets", func(t *testing.T) {
			scenario.StoreSecrets(t, s, func() []byte {
				stored, err := s.Dump(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return stored
			})
		})
	}
	storetest.Run(t, backend)
}

// dialects are those of the servers; SQLite's is tested with the package.
var dialects = map[string]sqlstore.Dialect{"postgres": sqlstore.Postgres, "mariadb": sqlstore.MySQL}

// Somebody prolongs a record whose time is over, and a purge that has found it meanwhile
// waits for the row.
func TestPurgeWaitsForAWriter(t *testing.T) {
	for kind, waiting := range map[string]string{
		"postgres": "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM %s.records %%'",
		"mariadb":  "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'DELETE FROM %s.records %%'",
	} {
		t.Run("P77 "+kind, func(t *testing.T) {
			s := create(t, kind)
			_, schema, _ := strings.Cut(s.Location, ":")
			r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: "1"}, Revision: 1, Keep: time.Hour}
			if err := s.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if _, err := s.DB().ExecContext(t.Context(), "UPDATE "+schema+".records SET expires = 1"); err != nil {
				t.Fatal(err)
			}
			tx, err := s.DB().BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			if _, err := tx.ExecContext(t.Context(), "UPDATE "+schema+".records SET revision = 2, expires = 4102444800000"); err != nil {
				t.Fatal(err)
			}
			purged := make(chan int, 1)
			go func() {
				n, err := s.Purge(t.Context())
				if err != nil {
					t.Error(err)
				}
				purged <- n
			}()
			for n := 0; n == 0; {
				select {
				case n := <-purged:
					t.Fatalf("the purge did not wait, and removed %d", n)
				default:
				}
				if err := s.DB().QueryRowContext(t.Context(), fmt.Sprintf(waiting, schema)).Scan(&n); err != nil {
					t.Fatal(err)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if n := <-purged; n != 0 {
				t.Errorf("purged %d", n)
			}
			if got, err := s.Get(t.Context(), r.Key); err != nil || got.Revision != 2 {
				t.Errorf("the record that was prolonged: %+v, %v", got, err)
			}
		})
	}
}

// A server's clock counts, not ours: what ours would say is in no statement.
func TestTimesAreTheServers(t *testing.T) {
	for kind, now := range map[string]string{
		"postgres": "SELECT expires - CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) FROM %s.records",
		"mariadb":  "SELECT expires - CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) FROM %s.records",
	} {
		t.Run("P66 "+kind, func(t *testing.T) {
			s := create(t, kind)
			_, schema, _ := strings.Cut(s.Location, ":")
			// A clock that is a day ahead; the option is for SQLite and does nothing here.
			other := sqlstore.New(s.DB(), dialects[kind], sqlstore.WithTable(schema+".records"), sqlstore.WithClock(func() time.Time { return time.Now().Add(24 * time.Hour) }))
			r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: "1"}, Revision: 1, Keep: time.Hour}
			left := func() time.Duration {
				var ms int64
				if err := s.DB().QueryRowContext(t.Context(), fmt.Sprintf(now, schema)).Scan(&ms); err != nil {
					t.Fatal(err)
				}
				return time.Duration(ms) * time.Millisecond
			}
			for r.Revision = 1; r.Revision <= 2; r.Revision++ {
				if err := other.Put(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if d := left(); d > time.Hour+time.Minute || d < time.Hour-time.Minute {
					t.Errorf("revision %d: %v are left of an hour", r.Revision, d)
				}
			}
			if n, err := other.Purge(t.Context()); n != 0 || err != nil {
				t.Errorf("purged %d, %v", n, err)
			}
		})
	}
}

// A session is written twice at every refresh. None of that should cost PostgreSQL more than
// a row in the place of another: no entries of indexes, nothing that only a vacuum removes.
func TestRowsAreUpdatedInPlace(t *testing.T) {
	t.Run("P108 postgres", func(t *testing.T) {
		s := create(t, "postgres")
		_, schema, _ := strings.Cut(s.Location, ":")
		const sessions, refreshes = 60, 10
		for revision := range uint64(1 + 2*refreshes) {
			for i := range sessions {
				r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: "did:plc:a", ID: fmt.Sprint(i)}, Revision: revision + 1}
				r.Data = make([]byte, 1500)
				rand.Read(r.Data) // sealed data does not compress
				if revision%2 == 0 {
					r.Keep = 100 * 24 * time.Hour // claims leave it as it is
				}
				if err := s.Put(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		const want = sessions * 2 * refreshes
		deadline, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		for {
			// Backends report what they did within a second or so.
			var updates, hot int
			if err := s.DB().QueryRowContext(deadline, "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'records'", schema).Scan(&updates, &hot); err != nil {
				t.Fatal(err)
			}
			if updates < want {
				continue
			}
			t.Logf("%d of %d updates were in place", hot, updates)
			if hot < want*95/100 {
				t.Errorf("%d of %d updates were in place", hot, updates)
			}
			return
		}
	})
}

// Processes that start together migrate together.
func TestMigrate(t *testing.T) {
	for kind, dialect := range dialects {
		t.Run(kind, func(t *testing.T) {
			s := create(t, kind)
			_, schema, _ := strings.Cut(s.Location, ":")
			table := schema + ".fresh"
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := sqlstore.New(s.DB(), dialect, sqlstore.WithTable(table)).Migrate(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			var versions int
			if err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table+"_version").Scan(&versions); err != nil || versions != 2 {
				t.Errorf("%d versions were written down, %v", versions, err)
			}
		})
	}
}

// What Migrations prints can be run by hand, and Migrate then knows that it was.
func TestPrintedMigrations(t *testing.T) {
	for kind, dialect := range dialects {
		t.Run(kind, func(t *testing.T) {
			s := create(t, kind)
			_, schema, _ := strings.Cut(s.Location, ":")
			db := s.DB()
			table := sqlstore.WithTable(schema + ".by_hand")
			migrations, err := sqlstore.Migrations(dialect, table)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range migrations {
				for _, statement := range m.Statements {
					if _, err := db.ExecContext(t.Context(), statement); err != nil {
						t.Fatalf("%s: %v", statement, err)
					}
				}
			}
			if err := sqlstore.New(db, dialect, table).Migrate(t.Context()); err != nil {
				t.Errorf("Migrate: %v", err)
			}
		})
	}
}

// A million sessions must not make a refresh slower: every statement goes by an index.
func TestIndexes(t *testing.T) {
	for kind, explain := range map[string]string{"postgres": "EXPLAIN ", "mariadb": "EXPLAIN FORMAT=JSON "} {
		t.Run(kind, func(t *testing.T) {
			s := create(t, kind)
			_, schema, _ := strings.Cut(s.Location, ":")
			table := schema + ".records"
			db := s.DB()
			for i := range 20 {
				var values []string
				for j := range 250 {
					values = append(values, fmt.Sprintf("('session', 'did:plc:%d', '%d', 1, %d, '')", i*250+j, j, 1_000_000+i*250+j))
				}
				if _, err := db.ExecContext(t.Context(), "INSERT INTO "+table+" VALUES "+strings.Join(values, ", ")); err != nil {
					t.Fatal(err)
				}
			}
			analyze := "ANALYZE TABLE " + table
			if kind == "postgres" {
				analyze = "ANALYZE " + table
			}
			if _, err := db.ExecContext(t.Context(), analyze); err != nil {
				t.Fatal(err)
			}
			for _, query := range []string{
				"SELECT data FROM " + table + " WHERE kind = 'session' AND did = 'did:plc:7' AND id = '7'",
				"SELECT did, id FROM " + table + " WHERE kind = 'session' AND did = 'did:plc:7' AND id > '6' ORDER BY id LIMIT 500",
				"SELECT did, id FROM " + table + " WHERE expires <= 1000010",
			} {
				rows, err := db.QueryContext(t.Context(), explain+query)
				if err != nil {
					t.Fatal(err)
				}
				var plan strings.Builder
				for rows.Next() {
					var line string
					if err := rows.Scan(&line); err != nil {
						t.Fatal(err)
					}
					plan.WriteString(line + "\n")
				}
				rows.Close()
				if strings.Contains(plan.String(), "Seq Scan") || strings.Contains(plan.String(), `"access_type": "ALL"`) || plan.Len() == 0 {
					t.Errorf("%s:\n%s", query, plan.String())
				}
			}
		})
	}
}

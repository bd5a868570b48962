package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/sqlstore"
	"github.com/gimucco/atproto-go/oauth/storetest"
)

// Each kind has a test function of its own: storetest starts processes that run it alone.

func TestStoreMemory(t *testing.T) {
	store := new(oauth.MemoryStore)
	storetest.Run(t, storetest.Backend{Open: func(context.Context) (oauth.Store, error) { return store, nil }})
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
	openAt := func(ctx context.Context, location string) (oauth.Store, error) {
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
		backend.Open = func(ctx context.Context) (oauth.Store, error) { return openAt(ctx, s.Location) }
		t.Run("holds no secrets", func(t *testing.T) {
			storetest.Secrets(t, s, func() []byte {
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
			if err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table+"_version").Scan(&versions); err != nil || versions != 1 {
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

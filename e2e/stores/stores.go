// Package stores makes storages of every kind for tests: a folder, a SQLite file, a
// schema of its own in PostgreSQL and MariaDB, a prefix in Redis. A storage is known by
// its location, a string that other processes can open.
//
// The servers are expected on 127.0.0.1, as e2e/README.md says; $POSTGRES, $MARIADB
// (data source names) and $REDIS (host and port) say otherwise.
package stores

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/filestore"
	"github.com/gimucco/atproto-go/oauth/store/redisstore"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
)

// Kinds lists what Create makes: every store that several processes can share.
var Kinds = []string{"file", "sqlite", "postgres", "mariadb", "redis"}

// A Store is an open storage.
type Store struct {
	store.Store
	Location string
	Close    func() error

	// Dump returns all that lies in the storage, as it lies there.
	Dump func(context.Context) ([]byte, error)

	// Size returns how many bytes the storage takes.
	Size func(context.Context) (int64, error)

	remove func(context.Context) error
}

// Create makes an empty storage of a kind. What lies on this machine's disk is in dir.
func Create(ctx context.Context, kind, dir string) (*Store, error) {
	name := "atproto_test_" + strings.ToLower(rand.Text())[:16]
	if kind == "file" || kind == "sqlite" {
		name = filepath.Join(dir, name)
	}
	s, err := open(ctx, kind, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	if database, ok := s.Store.(*database); ok {
		if database.dialect != sqlstore.SQLite {
			if _, err := database.db.ExecContext(ctx, "CREATE SCHEMA "+name); err != nil {
				return nil, fmt.Errorf("%s: %w", kind, err)
			}
		}
		if err := database.Migrate(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Open opens a storage that Create has made, in this process or another.
func Open(ctx context.Context, location string) (*Store, error) {
	kind, name, _ := strings.Cut(location, ":")
	return open(ctx, kind, name)
}

// Remove removes the storage, and closes it.
func (s *Store) Remove(ctx context.Context) error {
	err := s.remove(ctx)
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}

// DB returns the database that the storage is in, nil if it is in none.
func (s *Store) DB() *sql.DB {
	if d, ok := s.Store.(*database); ok {
		return d.db
	}
	return nil
}

// Kind returns which one of Kinds it is.
func (s *Store) Kind() string {
	kind, _, _ := strings.Cut(s.Location, ":")
	return kind
}

func open(ctx context.Context, kind, name string) (*Store, error) {
	s := &Store{Location: kind + ":" + name}
	var err error
	switch kind {
	case "file":
		err = s.openFile(name)
	case "sqlite":
		err = s.openDatabase(ctx, sqlstore.SQLite, "sqlite", "file:"+name+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)", "atproto_records")
		s.remove = func(context.Context) error {
			return cmp.Or(os.Remove(name), os.RemoveAll(name+"-wal"), os.RemoveAll(name+"-shm"))
		}
	case "postgres":
		err = s.openDatabase(ctx, sqlstore.Postgres, "pgx", cmp.Or(os.Getenv("POSTGRES"), "postgres://postgres@127.0.0.1:5432/test"), name+".records")
		s.remove = s.dropSchema("DROP SCHEMA " + name + " CASCADE")
	case "mariadb":
		err = s.openDatabase(ctx, sqlstore.MySQL, "mysql", cmp.Or(os.Getenv("MARIADB"), "root@tcp(127.0.0.1:3306)/test"), name+".records")
		s.remove = s.dropSchema("DROP SCHEMA " + name)
	case "redis":
		err = s.openRedis(ctx, cmp.Or(os.Getenv("REDIS"), "127.0.0.1:6379"), name)
	default:
		err = fmt.Errorf("stores: %q is not one of %q", kind, Kinds)
	}
	return s, err
}

func (s *Store) openFile(dir string) (err error) {
	if s.Store, err = filestore.Open(dir); err != nil {
		return err
	}
	s.Close = func() error { return nil }
	s.remove = func(context.Context) error { return os.RemoveAll(dir) }
	s.Size = func(context.Context) (total int64, err error) {
		err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err == nil {
				total += (info.Size() + 4095) / 4096 * 4096 // in blocks, as disks have them
			}
			return err
		})
		return total, err
	}
	s.Dump = func(context.Context) ([]byte, error) {
		var all bytes.Buffer
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(name)
			all.Write(content)
			return err
		})
		return all.Bytes(), err
	}
	return nil
}

// A database is a sqlstore.Store that knows what it stands on.
type database struct {
	*sqlstore.Store
	db      *sql.DB
	dialect sqlstore.Dialect
}

func (s *Store) openDatabase(ctx context.Context, dialect sqlstore.Dialect, driver, source, table string) error {
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return fmt.Errorf("the %v server is needed: %w", dialect, err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	s.Store = &database{sqlstore.New(db, dialect, sqlstore.WithTable(table)), db, dialect}
	s.Close = db.Close
	s.Size = func(ctx context.Context) (n int64, err error) {
		query := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
		switch dialect {
		case sqlstore.Postgres:
			query = "SELECT pg_total_relation_size('" + table + "')"
		case sqlstore.MySQL:
			query = "SELECT SUM(data_length + index_length) FROM information_schema.tables WHERE CONCAT(table_schema, '.', table_name) = '" + table + "'"
		}
		err = db.QueryRowContext(ctx, query).Scan(&n)
		return n, err
	}
	s.Dump = func(ctx context.Context) ([]byte, error) {
		rows, err := db.QueryContext(ctx, "SELECT kind, did, id, data FROM "+table)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		var all bytes.Buffer
		for rows.Next() {
			var columns [4][]byte
			if err := rows.Scan(&columns[0], &columns[1], &columns[2], &columns[3]); err != nil {
				return nil, err
			}
			all.Write(bytes.Join(columns[:], []byte{'\n'}))
		}
		return all.Bytes(), rows.Err()
	}
	return nil
}

func (s *Store) dropSchema(statement string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Store.(*database).db.ExecContext(ctx, statement)
		return err
	}
}

func (s *Store) openRedis(ctx context.Context, address, prefix string) error {
	rdb := redis.NewClient(&redis.Options{Addr: address, ContextTimeoutEnabled: true})
	if err := rdb.Ping(ctx).Err(); err != nil {
		rdb.Close()
		return fmt.Errorf("the Redis server is needed: %w", err)
	}
	s.Store = redisstore.New(func(ctx context.Context, args ...any) (any, error) {
		return rdb.Do(ctx, args...).Result()
	}, redisstore.WithPrefix(prefix))
	s.Close = rdb.Close
	s.Size = func(ctx context.Context) (total int64, err error) {
		info, err := rdb.InfoMap(ctx, "memory").Result()
		if err == nil {
			_, err = fmt.Sscan(info["Memory"]["used_memory"], &total) // of all that is in the server
		}
		return total, err
	}
	each := func(ctx context.Context, do func(key string) error) error {
		keys := rdb.Scan(ctx, 0, "{"+prefix+"}*", 1000).Iterator()
		for keys.Next(ctx) {
			if err := do(keys.Val()); err != nil {
				return err
			}
		}
		return keys.Err()
	}
	s.remove = func(ctx context.Context) error {
		return each(ctx, func(key string) error { return rdb.Del(ctx, key).Err() })
	}
	s.Dump = func(ctx context.Context) ([]byte, error) {
		var all bytes.Buffer
		err := each(ctx, func(key string) error {
			all.WriteString(key)
			if kind, err := rdb.Type(ctx, key).Result(); err != nil || kind != "hash" {
				return err
			}
			fields, err := rdb.HGetAll(ctx, key).Result()
			for name, value := range fields {
				all.WriteString("\n" + name + "=" + value)
			}
			return err
		})
		return all.Bytes(), err
	}
	return nil
}

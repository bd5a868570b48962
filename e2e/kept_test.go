package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/oauth/store/sqlstore"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// The records of oauth/testdata/kept/v1 as they lie in servers: statements and commands that
// make what version 1 of the stores has made, with NAME for the schema or the prefix. Written once:
//
//	cd e2e && go test . -run '^TestOldServersStayReadable$' -update
var update = flag.Bool("update", false, "write testdata/kept/v1 anew")

const keptFolder = "testdata/kept/v1"

// keptRecords are the records, as package oauth keeps them.
func keptRecords(t *testing.T) (all []*store.Record) {
	t.Helper()
	text, err := os.ReadFile("../oauth/testdata/kept/v1/records.json")
	if err != nil {
		t.Fatal(err)
	}
	var kept []struct {
		Kind     store.RecordKind
		DID      syntax.DID
		ID       string
		Revision uint64
		Data     []byte
	}
	if err := json.Unmarshal(text, &kept); err != nil || len(kept) == 0 {
		t.Fatalf("%d records, %v", len(kept), err)
	}
	for _, r := range kept {
		all = append(all, &store.Record{Key: store.RecordKey{Kind: r.Kind, DID: r.DID, ID: r.ID}, Revision: r.Revision, Data: r.Data})
	}
	return all
}

func TestOldServersStayReadable(t *testing.T) {
	for _, kind := range []string{"postgres", "mariadb", "redis"} {
		t.Run(kind, func(t *testing.T) {
			s := create(t, kind)
			_, name, _ := strings.Cut(s.Location, ":")
			file := filepath.Join(keptFolder, kind+".json")
			all := keptRecords(t)
			if *update {
				for _, r := range all {
					fresh := *r
					fresh.Keep = store.Forever // a server would remove it some day
					if err := s.Put(t.Context(), &fresh); err != nil {
						t.Fatal(err)
					}
				}
				var lines []string
				if kind == "redis" {
					lines = redisCommands(t, name)
				} else {
					lines = statements(t, dialects[kind], all)
				}
				text, err := json.MarshalIndent(lines, "", "\t")
				if err == nil {
					text = append(bytes.ReplaceAll(text, []byte(name), []byte("NAME")), '\n')
					err = errors.Join(os.MkdirAll(keptFolder, 0o755), os.WriteFile(file, text, 0o644))
				}
				if err != nil {
					t.Fatal(err)
				}
				s = create(t, kind)
				_, name, _ = strings.Cut(s.Location, ":")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			if err := json.Unmarshal(bytes.ReplaceAll(text, []byte("NAME"), []byte(name)), &lines); err != nil {
				t.Fatal(err)
			}
			kept := store.Scanner(nil)
			if kind == "redis" {
				rdb := redisClient(t)
				for _, line := range lines {
					var command []any
					for part := range strings.SplitSeq(line, " ") {
						raw, err := unquote(part)
						if err != nil {
							t.Fatal(err)
						}
						command = append(command, raw)
					}
					if err := rdb.Do(t.Context(), command...).Err(); err != nil {
						t.Fatal(err)
					}
				}
				kept = s.Store.(store.Scanner)
			} else {
				for _, line := range lines {
					if _, err := s.DB().ExecContext(t.Context(), line); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
				}
				old := sqlstore.New(s.DB(), dialects[kind], sqlstore.WithTable(name+".kept"))
				if err := old.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				kept = old
			}
			for _, want := range all {
				got, err := kept.Get(t.Context(), want.Key)
				if err != nil || got.Revision != want.Revision || !bytes.Equal(got.Data, want.Data) {
					t.Errorf("%+v: %+v, %v", want.Key, got, err)
				}
			}
			page, next, err := kept.Scan(t.Context(), store.RecordSession, "", 100)
			if len(page) != 3 || next != "" || err != nil {
				t.Errorf("%d sessions, then %q, %v", len(page), next, err)
			}
			next2 := *all[0]
			next2.Revision++
			next2.Keep = time.Hour
			if err := kept.Put(t.Context(), &next2); err != nil {
				t.Errorf("it cannot be written over: %v", err)
			}
		})
	}
}

// statements make the table, as the migrations of today do, and what lies in it.
func statements(t *testing.T, dialect sqlstore.Dialect, all []*store.Record) (lines []string) {
	t.Helper()
	migrations, err := sqlstore.Migrations(dialect, sqlstore.WithTable("NAME.kept"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range migrations {
		lines = append(lines, m.Statements...)
	}
	literal := "X'%x'"
	if dialect == sqlstore.Postgres {
		literal = `'\x%x'`
	}
	for i, r := range all {
		expires := "NULL"
		if i == 0 {
			expires = "4102444800000"
		}
		lines = append(lines, fmt.Sprintf(strings.ReplaceAll("INSERT INTO NAME.kept (kind, did, id, revision, expires, data) VALUES (?, ?, ?, %d, %s, ?)", "?", literal),
			string(r.Key.Kind), string(r.Key.DID), r.Key.ID, r.Revision, expires, r.Data))
	}
	return lines
}

func redisClient(t *testing.T) *redis.Client {
	rdb := redis.NewClient(&redis.Options{Addr: cmp.Or(os.Getenv("REDIS"), "127.0.0.1:6379")})
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// redisCommands make what lies below a prefix: words, each in hexadecimal where it is no plain
// one.
func redisCommands(t *testing.T, prefix string) (lines []string) {
	t.Helper()
	rdb := redisClient(t)
	keys := rdb.Scan(t.Context(), 0, "{"+prefix+"}*", 1000).Iterator()
	for keys.Next(t.Context()) {
		key := keys.Val()
		if fields, err := rdb.HGetAll(t.Context(), key).Result(); err == nil {
			lines = append(lines, strings.Join([]string{"HSET", quote(key), "revision", fields["revision"], "data", quote(fields["data"])}, " "))
			continue
		}
		members, err := rdb.ZRangeWithScores(t.Context(), key, 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			lines = append(lines, strings.Join([]string{"ZADD", quote(key), fmt.Sprint(m.Score), quote(m.Member.(string))}, " "))
		}
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// quote writes what may hold any bytes. Names stay readable.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:{}") == "" && s != "" {
		return "=" + s
	}
	return fmt.Sprintf("0x%x", s)
}

func unquote(s string) (string, error) {
	if rest, plain := strings.CutPrefix(s, "="); plain {
		return rest, nil
	}
	digits, hexadecimal := strings.CutPrefix(s, "0x")
	if !hexadecimal {
		return s, nil
	}
	var raw []byte
	if digits == "" {
		return "", nil
	}
	_, err := fmt.Sscanf(digits, "%x", &raw)
	return string(raw), err
}

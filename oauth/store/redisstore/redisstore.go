// Package redisstore keeps records in Redis or Valkey, version 5 or newer.
//
//	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379", ContextTimeoutEnabled: true}) // any client will do
//	store := redisstore.New(func(ctx context.Context, args ...any) (any, error) {
//		return rdb.Do(ctx, args...).Result()
//	})
//	…
//	config.Store, config.Seal = store, seal.Keys(key)
//
// Every write is a script, which the server runs as one step. The server removes records when they
// have expired, by its own clock.
//
// The command must obey its context: with go-redis, set ContextTimeoutEnabled.
//
// Configure the server so that it loses nothing. It must write to disk (appendonly yes), and it
// must have enough memory, so that it evicts no records: if it loses a session, its user has to log
// in again. A failover to a replica that lacks the last write brings older tokens back. If their
// server has revoked them, the session is lost, and no program can prevent that. On a cluster, all
// keys are in one slot, which the prefix decides.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Command sends one command to the server and returns its reply: an integer as int64, a string as
// string or []byte, an array as []any. Arguments are strings and []byte. It must be safe for
// concurrent use. Every Redis client has a function like this.
type Command func(ctx context.Context, args ...any) (any, error)

// A Store is a store.Store in a Redis database. It is safe for concurrent use.
type Store struct {
	do     Command
	prefix string
}

var _ store.Scanner = (*Store)(nil)

// An Option changes a Store.
type Option func(*Store)

// WithPrefix sets the prefix of all key names. The default is "atproto". The store puts braces
// around it, and escapes closing braces and percent signs in it.
func WithPrefix(prefix string) Option { return func(s *Store) { s.prefix = prefix } }

// New returns a store that sends its commands with do.
func New(do Command, opts ...Option) *Store {
	s := &Store{do: do, prefix: "atproto"}
	for _, opt := range opts {
		opt(s)
	}
	s.prefix = hashTag(s.prefix)
	return s
}

// Scripts use three keys: the record, which is a hash of revision and data with a time to live; the
// names of its account's records; and the names of its kind's records. Names are in sorted sets,
// all with the same score, so they are in order and can be read in pages. A name is written once,
// not at every write. It stays when the server removes an expired record; Purge removes it.

// putScript takes the revision to replace, the new revision, how long to keep the record (in
// milliseconds; 0 keeps its time unchanged; or "forever"), the data, and the record's names in the
// two sets.
const putScript = `
local stored = redis.call('HGET', KEYS[1], 'revision')
if (stored or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'data', ARGV[4])
if ARGV[3] == 'forever' then
	redis.call('PERSIST', KEYS[1])
elseif ARGV[3] ~= '0' then
	redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if not stored then
	redis.call('ZADD', KEYS[2], 0, ARGV[5])
	redis.call('ZADD', KEYS[3], 0, ARGV[6])
end
return 1`

// deleteScript takes a revision ("0" means any) and the names.
const deleteScript = `
local revision = redis.call('HGET', KEYS[1], 'revision')
if not revision then return 0 end
if ARGV[1] ~= '0' and ARGV[1] ~= revision then return 2 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[3])
return 1`

// getScript takes several records, and returns the revision and data of each. It needs one command
// for a page.
const getScript = `
local all = {}
for i, key in ipairs(KEYS) do all[i] = redis.call('HMGET', key, 'revision', 'data') end
return all`

// purgeScript takes as keys the names of a kind, and then for each record its key and the names of
// its account. Its arguments are, for each record, its name in the latter and in the former. It
// removes the names of records that are gone, and returns their number. Records that were written
// again meanwhile exist, so their names stay.
const purgeScript = `
local gone = 0
for i = 2, #KEYS, 2 do
	if redis.call('EXISTS', KEYS[i]) == 0 then
		redis.call('ZREM', KEYS[i + 1], ARGV[i - 1])
		gone = gone + redis.call('ZREM', KEYS[1], ARGV[i])
	end
end
return gone`

// pageSize is how many names one command reads or checks. The server does nothing else meanwhile;
// that takes less than a millisecond.
const pageSize = 250

// forever is the keep of a record that never expires.
const forever = "forever"

// keysOf returns the three keys of a record.
func (s *Store) keysOf(key store.RecordKey) (record, account, kind string) {
	return s.name("record", string(key.Kind), string(key.DID), key.ID),
		s.name("account", string(key.Kind), string(key.DID)),
		s.name("kind", string(key.Kind))
}

// name joins the parts of a key's name. Each part comes with its length, so that no two names are
// equal.
func (s *Store) name(parts ...string) string {
	var b strings.Builder
	b.WriteString(s.prefix)
	for _, part := range parts {
		fmt.Fprintf(&b, ":%d:%s", len(part), part)
	}
	return b.String()
}

// hashTag puts braces around a prefix. A cluster chooses the slot by the text between the first "{"
// and the next "}", unless that text is empty.
func hashTag(prefix string) string {
	if prefix == "" {
		return "{%}"
	}
	return "{" + strings.NewReplacer("%", "%25", "}", "%7D").Replace(prefix) + "}"
}

// script runs a script on a record and returns its number.
func (s *Store) script(ctx context.Context, script string, key store.RecordKey, args ...any) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	record, account, kind := s.keysOf(key)
	return s.number(ctx, append([]any{"EVAL", script, "3", record, account, kind}, args...))
}

// number sends a command whose reply is a number.
func (s *Store) number(ctx context.Context, command []any) (int, error) {
	reply, err := s.do(ctx, command...)
	if err != nil {
		return 0, fmt.Errorf("redisstore: %w", err)
	}
	n, ok := reply.(int64)
	if !ok {
		return 0, fmt.Errorf("redisstore: the script answered a %T", reply)
	}
	return int(n), nil
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, _, _ := s.keysOf(key)
	reply, err := s.do(ctx, "HMGET", name, "revision", "data")
	if err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	r := &store.Record{Key: key}
	switch found, err := fill(r, reply); {
	case err != nil:
		return nil, err
	case !found:
		return nil, store.ErrNotFound
	}
	return r, nil
}

// fill reads the revision and data of a record; found is false if it is gone.
func fill(r *store.Record, reply any) (found bool, err error) {
	fields, ok := reply.([]any)
	if !ok || len(fields) != 2 {
		return false, fmt.Errorf("redisstore: HMGET answered %T", reply)
	}
	if fields[0] == nil {
		return false, nil
	}
	if r.Revision, err = strconv.ParseUint(text(fields[0]), 10, 64); err != nil {
		return false, fmt.Errorf("redisstore: revision: %w", err)
	}
	r.Data = []byte(text(fields[1]))
	return true, nil
}

// text returns a string of a reply; clients return strings in different types.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, r *store.Record) error {
	if r.Revision == 0 {
		return store.ErrConflict
	}
	keep := forever
	switch {
	case r.Keep < 0:
		return errors.New("redisstore: Keep is less than 0")
	case r.Keep == 0:
		keep = "0"
	case r.Keep != store.Forever:
		keep = strconv.FormatInt((r.Keep-1).Milliseconds()+1, 10) // rounded up
	}
	n, err := s.script(ctx, putScript, r.Key,
		strconv.FormatUint(r.Revision-1, 10), strconv.FormatUint(r.Revision, 10), keep, r.Data, r.Key.ID, store.Place(r.Key))
	if err == nil && n == 0 {
		return store.ErrConflict
	}
	return err
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	n, err := s.script(ctx, deleteScript, key, strconv.FormatUint(revision, 10), key.ID, store.Place(key))
	switch {
	case err != nil:
		return err
	case n == 0:
		return store.ErrNotFound
	case n == 2:
		return store.ErrConflict
	}
	return nil
}

// names returns at most limit names in a set, after the name after.
func (s *Store) names(ctx context.Context, set, after string, limit int) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	from := "-"
	if after != "" {
		from = "(" + after
	}
	reply, err := s.do(ctx, "ZRANGEBYLEX", set, from, "+", "LIMIT", "0", strconv.Itoa(limit))
	if err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	items, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("redisstore: ZRANGEBYLEX answered a %T", reply)
	}
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = text(item)
	}
	return all, nil
}

// List implements store.Store. It reads names in pages.
func (s *Store) List(ctx context.Context, kind store.RecordKind, did syntax.DID) iter.Seq2[store.RecordKey, error] {
	return func(yield func(store.RecordKey, error) bool) {
		_, set, all := s.keysOf(store.RecordKey{Kind: kind, DID: did})
		if did == "" {
			set = all
		}
		for after, first := "", true; first || after != ""; first = false {
			page, err := s.names(ctx, set, after, pageSize)
			if err != nil {
				yield(store.RecordKey{}, err)
				return
			}
			after = ""
			if len(page) == pageSize {
				after = page[pageSize-1]
			}
			for _, name := range page {
				key := store.RecordKey{Kind: kind, DID: did, ID: name}
				if did == "" {
					key, err = store.ParsePlace(kind, name)
				}
				if !yield(key, err) || err != nil {
					return
				}
			}
		}
	}
}

// Scan implements store.Scanner.
func (s *Store) Scan(ctx context.Context, kind store.RecordKind, after string, limit int) (page []*store.Record, next string, err error) {
	_, _, set := s.keysOf(store.RecordKey{Kind: kind})
	limit = min(max(limit, 1), pageSize)
	if _, err := store.ParsePlace(kind, after); err != nil {
		return nil, "", err
	}
	names, err := s.names(ctx, set, after, limit)
	if err != nil || len(names) == 0 {
		return nil, "", err
	}
	args := []any{"EVAL", getScript, strconv.Itoa(len(names))}
	for _, name := range names {
		key, err := store.ParsePlace(kind, name)
		if err != nil {
			return nil, "", err
		}
		record, _, _ := s.keysOf(key)
		args = append(args, record)
		page = append(page, &store.Record{Key: key})
	}
	reply, err := s.do(ctx, args...)
	if err != nil {
		return nil, "", fmt.Errorf("redisstore: %w", err)
	}
	all, ok := reply.([]any)
	if !ok || len(all) != len(page) {
		return nil, "", fmt.Errorf("redisstore: the script answered a %T", reply)
	}
	there := page[:0]
	for i, r := range page {
		found, err := fill(r, all[i])
		if err != nil {
			return nil, "", err
		}
		if found {
			there = append(there, r)
		}
	}
	if len(names) == limit {
		next = names[limit-1]
	}
	return there, next, nil
}

// Purge implements store.Store. The server removes expired records by itself. Purge removes the
// names that they leave, and counts them. It checks every name, one page at a time.
func (s *Store) Purge(ctx context.Context) (int, error) {
	purged := 0
	for _, kind := range []store.RecordKind{store.RecordSession, store.RecordState, store.RecordMeta, store.RecordEnding, store.RecordAppPassword} {
		_, _, set := s.keysOf(store.RecordKey{Kind: kind})
		for after, first := "", true; first || after != ""; first = false {
			names, err := s.names(ctx, set, after, pageSize)
			if err != nil {
				return purged, err
			}
			after = ""
			if len(names) == pageSize {
				after = names[pageSize-1]
			}
			n, err := s.purge(ctx, kind, set, names)
			if err != nil {
				return purged, err
			}
			purged += n
		}
	}
	return purged, nil
}

// purge removes from set the names whose records are gone.
func (s *Store) purge(ctx context.Context, kind store.RecordKind, set string, names []string) (int, error) {
	if len(names) == 0 {
		return 0, nil
	}
	args := []any{"EVAL", purgeScript, strconv.Itoa(1 + 2*len(names)), set}
	var members []any
	for _, name := range names {
		key, err := store.ParsePlace(kind, name)
		if err != nil {
			return 0, err
		}
		record, account, _ := s.keysOf(key)
		args = append(args, record, account)
		members = append(members, key.ID, name)
	}
	return s.number(ctx, append(args, members...))
}

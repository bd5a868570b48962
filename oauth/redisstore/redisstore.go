// Package redisstore keeps records in Redis or Valkey, version 5 or newer.
//
//	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})        // any client will do
//	store := redisstore.New(func(ctx context.Context, args ...any) (any, error) {
//		return rdb.Do(ctx, args...).Result()
//	})
//	…
//	config.Store, config.Seal = store, oauth.SealKeys(key)
//
// Every write is a script, which the server runs as one step. Records with an expiry
// are removed by the server when their time has come.
//
// Give the server a disk to write to (appendonly yes) and room enough that it evicts
// nothing: a session that the server forgets is a user who has to log in again. On a
// cluster all keys are in one slot, that of the prefix.
package redisstore

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Command sends one command to the server and returns its reply: an integer as
// int64, a string as string or []byte, an array as []any. Arguments are strings and
// []byte. It is safe for concurrent use. Every Redis client has a function like it.
type Command func(ctx context.Context, args ...any) (any, error)

// A Store is an oauth.Store in a Redis database. It is safe for concurrent use.
type Store struct {
	do     Command
	prefix string
}

var _ oauth.Store = (*Store)(nil)

// An Option changes a Store.
type Option func(*Store)

// WithPrefix sets what the names of all keys begin with; the default is "atproto".
// Braces are added around it.
func WithPrefix(prefix string) Option { return func(s *Store) { s.prefix = prefix } }

// New returns a store that sends its commands by do.
func New(do Command, opts ...Option) *Store {
	s := &Store{do: do, prefix: "atproto"}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// Scripts take three keys: the record, a hash of revision, expiry and data; the index
// of its account; and the index of its kind. Indexes are sorted by expiry, so that what
// the server has removed by itself does not show in them.

// putScript takes the revision to replace, the new one, the expiry (unix milliseconds
// or +inf), the data, and the record's members of the two indexes.
const putScript = `
if (redis.call('HGET', KEYS[1], 'revision') or '0') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'expires', ARGV[3], 'data', ARGV[4])
if ARGV[3] == '+inf' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIREAT', KEYS[1], ARGV[3]) end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[5])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[6])
return 1`

// deleteScript takes a revision ("0": any) and the members.
const deleteScript = `
local revision = redis.call('HGET', KEYS[1], 'revision')
if not revision then return 0 end
if ARGV[1] ~= '0' and ARGV[1] ~= revision then return 2 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[3])
return 1`

// purgeScript takes a time and removes one record's traces, if it has expired by then.
const purgeScript = `
local expires = redis.call('ZSCORE', KEYS[3], ARGV[3])
if not expires or tonumber(expires) > tonumber(ARGV[1]) then return 0 end
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[3])
return redis.call('DEL', KEYS[1])`

// never is the score of a record without expiry.
const never = "+inf"

// keysOf returns the three keys of a record.
func (s *Store) keysOf(key oauth.RecordKey) (record, account, kind string) {
	return s.name("record", string(key.Kind), string(key.DID), key.ID),
		s.name("account", string(key.Kind), string(key.DID)),
		s.name("kind", string(key.Kind))
}

// name puts a key's name together: each part with its length, so that no two are alike.
func (s *Store) name(parts ...string) string {
	var b strings.Builder
	b.WriteByte('{')
	b.WriteString(s.prefix)
	b.WriteByte('}')
	for _, part := range parts {
		fmt.Fprintf(&b, ":%d:%s", len(part), part)
	}
	return b.String()
}

// member is a record in the index of its kind: its DID, which has no space, and its ID.
func member(key oauth.RecordKey) string { return string(key.DID) + " " + key.ID }

// script runs one of the scripts on a record and returns its number.
func (s *Store) script(ctx context.Context, script string, key oauth.RecordKey, args ...any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	record, account, kind := s.keysOf(key)
	reply, err := s.do(ctx, append([]any{"EVAL", script, "3", record, account, kind}, args...)...)
	if err != nil {
		return 0, fmt.Errorf("redisstore: %w", err)
	}
	n, ok := reply.(int64)
	if !ok {
		return 0, fmt.Errorf("redisstore: the script answered a %T", reply)
	}
	return n, nil
}

// Get implements oauth.Store.
func (s *Store) Get(ctx context.Context, key oauth.RecordKey) (*oauth.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name, _, _ := s.keysOf(key)
	reply, err := s.do(ctx, "HMGET", name, "revision", "expires", "data")
	if err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	fields, ok := reply.([]any)
	if !ok || len(fields) != 3 {
		return nil, fmt.Errorf("redisstore: HMGET answered %T", reply)
	}
	if fields[0] == nil {
		return nil, oauth.ErrNotFound
	}
	r := &oauth.Record{Key: key}
	if r.Revision, err = strconv.ParseUint(text(fields[0]), 10, 64); err != nil {
		return nil, fmt.Errorf("redisstore: revision: %w", err)
	}
	if expires := text(fields[1]); expires != never {
		ms, err := strconv.ParseInt(expires, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("redisstore: expires: %w", err)
		}
		r.Expires = time.UnixMilli(ms)
	}
	r.Data = []byte(text(fields[2]))
	return r, nil
}

// text is a string of a reply, in whichever form the client has it.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

// Put implements oauth.Store.
func (s *Store) Put(ctx context.Context, r *oauth.Record) error {
	if r.Revision == 0 {
		return oauth.ErrConflict
	}
	expires := never
	if !r.Expires.IsZero() {
		expires = strconv.FormatInt(r.Expires.UnixMilli(), 10)
	}
	n, err := s.script(ctx, putScript, r.Key,
		strconv.FormatUint(r.Revision-1, 10), strconv.FormatUint(r.Revision, 10), expires, r.Data, r.Key.ID, member(r.Key))
	if err == nil && n == 0 {
		return oauth.ErrConflict
	}
	return err
}

// Delete implements oauth.Store.
func (s *Store) Delete(ctx context.Context, key oauth.RecordKey, revision uint64) error {
	n, err := s.script(ctx, deleteScript, key, strconv.FormatUint(revision, 10), key.ID, member(key))
	switch {
	case err != nil:
		return err
	case n == 0:
		return oauth.ErrNotFound
	case n == 2:
		return oauth.ErrConflict
	}
	return nil
}

// members returns what an index holds from one score to another.
func (s *Store) members(ctx context.Context, index, from, to string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	reply, err := s.do(ctx, "ZRANGEBYSCORE", index, from, to)
	if err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	items, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("redisstore: ZRANGEBYSCORE answered %T", reply)
	}
	all := make([]string, len(items))
	for i, item := range items {
		all[i] = text(item)
	}
	return all, nil
}

// List implements oauth.Store. The keys that are there when it begins are held in
// memory.
func (s *Store) List(ctx context.Context, kind oauth.RecordKind, did syntax.DID) iter.Seq2[oauth.RecordKey, error] {
	return func(yield func(oauth.RecordKey, error) bool) {
		_, account, all := s.keysOf(oauth.RecordKey{Kind: kind, DID: did})
		index := account
		if did == "" {
			index = all
		}
		// What has expired is gone from the server, but for its name in the index.
		found, err := s.members(ctx, index, strconv.FormatInt(time.Now().UnixMilli(), 10), never)
		if err != nil {
			yield(oauth.RecordKey{}, err)
			return
		}
		for _, m := range found {
			key := oauth.RecordKey{Kind: kind, DID: did, ID: m}
			if did == "" {
				owner, id, _ := strings.Cut(m, " ")
				key.DID, key.ID = syntax.DID(owner), id
			}
			if !yield(key, nil) {
				return
			}
		}
	}
}

// Purge implements oauth.Store. The server removes expired records by itself; Purge
// removes those it has not come to yet, and their names from the indexes.
func (s *Store) Purge(ctx context.Context, now time.Time) (int, error) {
	limit := strconv.FormatInt(now.UnixMilli(), 10)
	purged := 0
	for _, kind := range []oauth.RecordKind{oauth.RecordSession, oauth.RecordState, oauth.RecordMeta} {
		_, _, index := s.keysOf(oauth.RecordKey{Kind: kind})
		expired, err := s.members(ctx, index, "-inf", limit)
		if err != nil {
			return purged, err
		}
		for _, m := range expired {
			did, id, _ := strings.Cut(m, " ")
			key := oauth.RecordKey{Kind: kind, DID: syntax.DID(did), ID: id}
			n, err := s.script(ctx, purgeScript, key, limit, id, m)
			if err != nil {
				return purged, err
			}
			purged += int(n)
		}
	}
	return purged, nil
}

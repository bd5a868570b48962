// Package million measures what many sessions cost: a million in a database, ten thousand
// active ones in a process.
//
//	make million SESSIONS=1000000 REPORT=docs/MILLION.md
package million

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/internal/seal"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// place is what a sealed record is bound to, as package oauth has it.
func place(r *store.Record) []byte {
	var b []byte
	for _, part := range []string{string(r.Key.Kind), string(r.Key.DID), r.Key.ID} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	return binary.BigEndian.AppendUint64(b, r.Revision)
}

// A mould makes sessions out of one that a login made: all have its tokens, each has an account
// of its own.
type mould struct {
	sealer *seal.Sealer
	data   []byte
}

func newMould(ctx context.Context, key []byte, kept store.Store, of oauth.SessionKey) (*mould, error) {
	noSalt := func(context.Context, []byte) ([]byte, error) { return nil, fmt.Errorf("there is no passphrase") }
	m := &mould{sealer: seal.New(seal.Keys(key), noSalt)}
	r, err := kept.Get(ctx, store.RecordKey{Kind: store.RecordSession, DID: of.DID, ID: of.ID})
	if err != nil {
		return nil, err
	}
	m.data, _, err = m.sealer.Open(ctx, place(r), r.Data)
	return m, err
}

// key is that of the nth session.
func key(n int) oauth.SessionKey {
	return oauth.SessionKey{DID: syntax.DID(fmt.Sprintf("did:plc:%024d", n)), ID: fmt.Sprintf("session-%015d", n)}
}

// sealedBy makes sessions of the same kind, sealed by another key.
func (m *mould) sealedBy(key []byte) *mould {
	return &mould{sealer: seal.New(seal.Keys(key), nil), data: m.data}
}

// record is the nth session as it is stored, at some revision.
func (m *mould) record(ctx context.Context, n int, revision uint64) (*store.Record, error) {
	k := key(n)
	r := &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: k.DID, ID: k.ID}, Revision: revision}
	var err error
	r.Data, err = m.sealer.Close(ctx, place(r), m.data)
	return r, err
}

// fill writes the sessions from one number up to another, without waiting for the disk after
// each where the storage is a database.
func (m *mould) fill(ctx context.Context, s *stores.Store, from, to int) error {
	if s.DB() == nil {
		_, err := measure(max(0, to-from), func(i int) error { return m.put(ctx, s, from+i) })
		return err
	}
	_, schema, _ := strings.Cut(s.Location, ":")
	insert := "INSERT INTO " + schema + ".records (kind, did, id, revision, expires, data) VALUES ($1, $2, $3, 1, $4, $5)"
	text := func(part string) any { return []byte(part) }
	goroutines := parallel
	if strings.HasPrefix(s.Location, "sqlite") {
		insert = strings.Replace(insert, schema+".records", "atproto_records", 1)
		text = func(part string) any { return part }
		goroutines = 1 // it has one writer
	}
	const batch = 1000
	_, err := measureBy(goroutines, (max(0, to-from)+batch-1)/batch, func(i int) error {
		tx, err := s.DB().BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		statement, err := tx.PrepareContext(ctx, insert)
		if err != nil {
			return err
		}
		for n := from + i*batch; n < min(to, from+(i+1)*batch); n++ {
			r, err := m.record(ctx, n, 1)
			if err != nil {
				return err
			}
			ends := time.Now().Add(keep).Truncate(24*time.Hour).UnixMilli() + (24 * time.Hour).Milliseconds()
			if _, err := statement.ExecContext(ctx, text(string(r.Key.Kind)), text(string(r.Key.DID)), text(r.Key.ID), ends, r.Data); err != nil {
				return err
			}
		}
		return tx.Commit()
	})
	return err
}

const keep = 100 * 24 * time.Hour

// put writes the nth session.
func (m *mould) put(ctx context.Context, s store.Store, n int) error {
	r, err := m.record(ctx, n, 1)
	if err != nil {
		return err
	}
	r.Keep = keep
	return s.Put(ctx, r)
}

// parallel is how many goroutines of this process use a store at once.
const parallel = 8

// times are how long calls took.
type times struct {
	each  []time.Duration
	total time.Duration
}

func (t times) at(share float64) time.Duration {
	if len(t.each) == 0 {
		return 0
	}
	return t.each[min(len(t.each)-1, int(share*float64(len(t.each))))]
}

// String gives the median, and what one call of a hundred exceeds.
func (t times) String() string { return short(t.at(0.5)) + " / " + short(t.at(0.99)) }

// perSecond is how many there were of them in a second.
func (t times) perSecond() float64 { return float64(len(t.each)) / t.total.Seconds() }

func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// measure calls f n times, parallel at a time, with the number of the call.
func measure(n int, f func(i int) error) (times, error) {
	return measureBy(parallel, n, f)
}

// measureBy is measure with another number of goroutines.
func measureBy(goroutines, n int, f func(i int) error) (times, error) {
	return measureUntil(goroutines, func(i int) bool { return i >= n }, f)
}

// measureUntil calls f until enough says that it is.
func measureUntil(goroutines int, enough func(i int) bool, f func(i int) error) (all times, err error) {
	var next atomic.Int64
	var mu sync.Mutex
	var workers sync.WaitGroup
	begun := time.Now()
	for range goroutines {
		workers.Go(func() {
			var mine []time.Duration
			var failed error
			for failed == nil {
				i := int(next.Add(1) - 1)
				if enough(i) {
					break
				}
				start := time.Now()
				failed = f(i)
				mine = append(mine, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			all.each = append(all.each, mine...)
			if err == nil {
				err = failed
			}
		})
	}
	workers.Wait()
	all.total = time.Since(begun)
	slices.Sort(all.each)
	return all, err
}

// A countingStore counts what is read of it.
type countingStore struct {
	store.Scanner
	reads atomic.Int64
}

func (s *countingStore) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	s.reads.Add(1)
	return s.Scanner.Get(ctx, key)
}

func random(n int) int { return rand.IntN(n) }

package oauth

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A MemoryStore is a Store that lives and dies with the process. It is what a
// Client uses when Config.Store is nil. The zero value is ready to use.
type MemoryStore struct {
	mu      sync.RWMutex
	records map[RecordKey]Record
}

var _ Store = (*MemoryStore)(nil)

// Get implements Store.
func (m *MemoryStore) Get(ctx context.Context, key RecordKey) (*Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.records[key]
	if !ok {
		return nil, ErrNotFound
	}
	r.Data = bytes.Clone(r.Data)
	return &r, nil
}

// Put implements Store.
func (m *MemoryStore) Put(ctx context.Context, r *Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// An absent record has revision 0, so creating is the same comparison.
	if r.Revision == 0 || m.records[r.Key].Revision != r.Revision-1 {
		return ErrConflict
	}
	if m.records == nil {
		m.records = make(map[RecordKey]Record)
	}
	kept := *r
	kept.Data = bytes.Clone(r.Data)
	m.records[r.Key] = kept
	return nil
}

// Delete implements Store.
func (m *MemoryStore) Delete(ctx context.Context, key RecordKey, revision uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[key]
	switch {
	case !ok:
		return ErrNotFound
	case revision != 0 && r.Revision != revision:
		return ErrConflict
	}
	delete(m.records, key)
	return nil
}

// List implements Store. It yields the keys present when the iteration begins.
func (m *MemoryStore) List(ctx context.Context, kind RecordKind, did syntax.DID) iter.Seq2[RecordKey, error] {
	return func(yield func(RecordKey, error) bool) {
		m.mu.RLock()
		keys := slices.Collect(maps.Keys(m.records))
		m.mu.RUnlock()
		for _, key := range keys {
			if key.Kind != kind || did != "" && key.DID != did {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(RecordKey{}, err)
				return
			}
			if !yield(key, nil) {
				return
			}
		}
	}
}

// Purge implements Store.
func (m *MemoryStore) Purge(ctx context.Context, now time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.records)
	maps.DeleteFunc(m.records, func(_ RecordKey, r Record) bool {
		return !r.Expires.IsZero() && !r.Expires.After(now)
	})
	return before - len(m.records), nil
}

package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Memory is a Store in the memory of the process. The zero value is ready to use. It must not be
// copied.
type Memory struct {
	// Clock returns the current time; nil is time.Now. Set it before the first use.
	Clock func() time.Time

	mu      sync.RWMutex
	records map[RecordKey]kept
}

// String returns only the type's name, because records in memory are not sealed.
func (m *Memory) String() string { return "store.Memory" }

// Format writes the same text as String, for every verb.
func (m *Memory) Format(f fmt.State, _ rune) { io.WriteString(f, m.String()) }

// kept is a record in memory.
type kept struct {
	revision uint64
	until    time.Time // without monotonic part; zero means for ever
	data     []byte
}

var _ Scanner = (*Memory)(nil)

// now returns the wall time without the monotonic reading, which stops while a machine sleeps.
func (m *Memory) now() time.Time {
	if m.Clock == nil {
		return time.Now().Round(0)
	}
	return m.Clock().Round(0)
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, key RecordKey) (*Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.records[key]
	if !ok {
		return nil, ErrNotFound
	}
	return &Record{Key: key, Revision: r.revision, Data: bytes.Clone(r.data)}, nil
}

// Put implements Store.
func (m *Memory) Put(ctx context.Context, r *Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Keep < 0 {
		return errors.New("store: Keep is less than 0")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// A missing record has revision 0, so creating one is the same comparison.
	old := m.records[r.Key]
	if r.Revision == 0 || old.revision != r.Revision-1 {
		return ErrConflict
	}
	if m.records == nil {
		m.records = make(map[RecordKey]kept)
	}
	next := kept{revision: r.Revision, until: old.until, data: bytes.Clone(r.Data)}
	switch r.Keep {
	case 0:
	case Forever:
		next.until = time.Time{}
	default:
		next.until = m.now().Add(r.Keep)
	}
	m.records[r.Key] = next
	return nil
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, key RecordKey, revision uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[key]
	switch {
	case !ok:
		return ErrNotFound
	case revision != 0 && r.revision != revision:
		return ErrConflict
	}
	delete(m.records, key)
	return nil
}

// List implements Store. It yields the keys that exist when the iteration begins.
func (m *Memory) List(ctx context.Context, kind RecordKind, did syntax.DID) iter.Seq2[RecordKey, error] {
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

// Scan implements Scanner. Each page looks at every key.
func (m *Memory) Scan(ctx context.Context, kind RecordKind, after string, limit int) (page []*Record, next string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	from, err := ParsePlace(kind, after)
	if err != nil {
		return nil, "", err
	}
	m.mu.RLock()
	keys := slices.Collect(maps.Keys(m.records))
	m.mu.RUnlock()
	keys = slices.DeleteFunc(keys, func(key RecordKey) bool {
		return key.Kind != kind || after != "" && inOrder(key, from) <= 0
	})
	slices.SortFunc(keys, inOrder)
	if limit = max(limit, 1); len(keys) > limit {
		keys = keys[:limit]
		next = Place(keys[limit-1])
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, key := range keys {
		if r, ok := m.records[key]; ok {
			page = append(page, &Record{Key: key, Revision: r.revision, Data: bytes.Clone(r.data)})
		}
	}
	return page, next, nil
}

// inOrder compares two keys of the same kind.
func inOrder(a, b RecordKey) int {
	return cmp.Or(cmp.Compare(a.DID, b.DID), cmp.Compare(a.ID, b.ID))
}

// Purge implements Store.
func (m *Memory) Purge(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.records)
	maps.DeleteFunc(m.records, func(_ RecordKey, r kept) bool {
		return !r.until.IsZero() && !r.until.After(now)
	})
	return before - len(m.records), nil
}

package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	// Patience is how long a store may take if the caller set no shorter limit.
	Patience = 10 * time.Second
	// maxAbandoned is how many calls of a store may hang before it is no longer called.
	maxAbandoned = 256
)

var errStoreHangs = errors.New("the store does not return from earlier calls")

// A guardedStore protects its users from faults of a store. A panic becomes an error, and a call
// that does not obey its context is abandoned (P75). An abandoned call can do no harm later,
// because it names a revision, like any write.
type guardedStore struct {
	store     store.Store
	abandoned atomic.Int32
}

var _ store.Store = (*guardedStore)(nil)

// guard calls f in a goroutine of its own, and waits for it until ctx ends, at most Patience.
func guard[T any](ctx context.Context, g *guardedStore, f func(context.Context) (T, error)) (T, error) {
	var none T
	if g.abandoned.Load() >= maxAbandoned {
		return none, errStoreHangs
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	const waiting, left, arrived = 0, 1, 2
	var state atomic.Int32
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("the store panicked: %v", p)
			}
			if !state.CompareAndSwap(waiting, arrived) {
				g.abandoned.Add(-1)
			}
			done <- r
		}()
		r.value, r.err = f(ctx)
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		// Counted before the goroutine is left, so that the count is never too low.
		g.abandoned.Add(1)
		if !state.CompareAndSwap(waiting, left) {
			g.abandoned.Add(-1)
			r := <-done
			return r.value, r.err
		}
		return none, fmt.Errorf("the store did not answer in time: %w", context.Cause(ctx))
	}
}

// Get implements Store.
func (g *guardedStore) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	r, err := guard(ctx, g, func(ctx context.Context) (*store.Record, error) { return g.store.Get(ctx, key) })
	if err == nil && r == nil {
		err = errors.New("the store returned neither a record nor an error")
	}
	return r, err
}

// Put implements Store.
func (g *guardedStore) Put(ctx context.Context, r *store.Record) error {
	_, err := guard(ctx, g, func(ctx context.Context) (struct{}, error) { return struct{}{}, g.store.Put(ctx, r) })
	return err
}

// Delete implements Store.
func (g *guardedStore) Delete(ctx context.Context, key store.RecordKey, revision uint64) error {
	_, err := guard(ctx, g, func(ctx context.Context) (struct{}, error) { return struct{}{}, g.store.Delete(ctx, key, revision) })
	return err
}

// List implements Store. It runs in the caller's goroutine, like every iterator.
func (g *guardedStore) List(ctx context.Context, kind store.RecordKind, did syntax.DID) iter.Seq2[store.RecordKey, error] {
	return func(yield func(store.RecordKey, error) bool) {
		yielding := false
		defer func() {
			if yielding {
				return // this is the caller's own panic
			}
			if p := recover(); p != nil {
				yield(store.RecordKey{}, fmt.Errorf("the store panicked: %v", p))
			}
		}()
		for key, err := range g.store.List(ctx, kind, did) {
			yielding = true
			if !yield(key, err) {
				return
			}
			yielding = false
		}
	}
}

// guarded puts a guard around a store. The result is a Scanner if the store is one.
func guarded(s store.Store) store.Store {
	g := &guardedStore{store: s}
	if scanner, ok := s.(store.Scanner); ok {
		return &guardedScanner{g, scanner}
	}
	return g
}

// A guardedScanner is a guardedStore for a Scanner.
type guardedScanner struct {
	*guardedStore
	scanner store.Scanner
}

var _ store.Scanner = (*guardedScanner)(nil)

// Scan implements Scanner.
func (g *guardedScanner) Scan(ctx context.Context, kind store.RecordKind, after string, limit int) ([]*store.Record, string, error) {
	type result struct {
		page []*store.Record
		next string
	}
	found, err := guard(ctx, g.guardedStore, func(ctx context.Context) (r result, err error) {
		r.page, r.next, err = g.scanner.Scan(ctx, kind, after, limit)
		return r, err
	})
	return found.page, found.next, err
}

// Purge implements Store. It may take long.
func (g *guardedStore) Purge(ctx context.Context) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the store panicked: %v", p)
		}
	}()
	return g.store.Purge(ctx)
}

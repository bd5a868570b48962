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
	// Patience is how long a store is waited for where nobody said anything shorter.
	Patience = 10 * time.Second
	// maxAbandoned is how many calls of a store may hang before it is not called any more.
	maxAbandoned = 256
)

var errStoreHangs = errors.New("the store does not return from earlier calls")

// A guardedStore keeps the faults of a store away from its users: a panic becomes an error, and
// a call that does not obey its context is abandoned (P75). What an abandoned call still does is
// held to the revision that it named, as any write is.
type guardedStore struct {
	store     store.Store
	abandoned atomic.Int32
}

var _ store.Store = (*guardedStore)(nil)

// guard calls f in a goroutine of its own and waits for it as long as ctx allows, for Patience
// at most.
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
		// Counted before it is left, so that the count never falls below what hangs.
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

// List implements Store. It is run in the caller's goroutine, as iterators are.
func (g *guardedStore) List(ctx context.Context, kind store.RecordKind, did syntax.DID) iter.Seq2[store.RecordKey, error] {
	return func(yield func(store.RecordKey, error) bool) {
		yielding := false
		defer func() {
			if yielding {
				return // the caller's own panic
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

// guarded puts a guard before a store. It is a Scanner if the store is one.
func guarded(s store.Store) store.Store {
	g := &guardedStore{store: s}
	if scanner, ok := s.(store.Scanner); ok {
		return &guardedScanner{g, scanner}
	}
	return g
}

// A guardedScanner is a guardedStore whose store is a Scanner.
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

// Purge implements Store. It may take its time.
func (g *guardedStore) Purge(ctx context.Context) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the store panicked: %v", p)
		}
	}()
	return g.store.Purge(ctx)
}

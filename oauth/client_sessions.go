package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// Sessions yields the keys of the sessions in the store: those of one account, or all if did is "".
// Some sessions may have expired or ended at the server; Resume and a call show that. An error, of
// kind ErrStore, ends the sequence.
func (c *Client) Sessions(ctx context.Context, did syntax.DID) iter.Seq2[SessionKey, error] {
	return func(yield func(SessionKey, error) bool) {
		for key, err := range c.store.List(ctx, store.RecordSession, did) {
			if err != nil {
				yield(SessionKey{}, storeError(err))
				return
			}
			if !yield(SessionKey{DID: key.DID, ID: key.ID}, nil) {
				return
			}
		}
	}
}

// Purge removes records from the store that are no longer of use: logins that nobody finished
// within an hour, and sessions that were unused for so long that the server has ended them. It
// measures time by the store's clock, and returns the number of removed records. Call it from time
// to time, for example once an hour.
func (c *Client) Purge(ctx context.Context) (int, error) {
	n, err := c.store.Purge(ctx)
	if err != nil {
		return n, storeError(err)
	}
	return n, nil
}

// Reseal seals every session again that is not sealed with the first key of Config.Seal. It returns
// the number of sessions that it sealed. When it returns no error, no record of this client depends
// on another key. You can then remove the other keys, as soon as no process seals with them. You
// may call it while sessions are in use, in several processes, and more than once: a session that
// is done is not done again.
//
// It reads whole pages if the store is a store.Scanner, and uses several goroutines. It repeats
// what fails, from the point where it stopped. It does not touch sessions that cannot be opened,
// nor sessions of other clients; an error of kind ErrSealed names the first that cannot be opened.
// An error of kind ErrStore says how many sessions could not be written, or that not all could be
// read.
func (c *Client) Reseal(ctx context.Context) (int, error) {
	var mu sync.Mutex
	resealed := 0
	err := c.eachSession(ctx, func(ctx context.Context, key SessionKey, state *sessionRecord, r *store.Record, current bool) error {
		did, err := c.resealed(ctx, key, state, r, current)
		if did {
			mu.Lock()
			resealed++
			mu.Unlock()
		}
		return err
	})
	return resealed, err
}

// resealed makes sure that a session is sealed with the first key. It reports whether this call did
// it. If somebody else writes the record meanwhile, it may be sealed with another key, so the
// record is read again.
func (c *Client) resealed(ctx context.Context, key SessionKey, state *sessionRecord, r *store.Record, current bool) (did bool, err error) {
	for try := range sessionTries {
		if current {
			return false, nil
		}
		if err = c.sealAnew(ctx, key, state, r); err == nil {
			return true, nil
		}
		if !errors.Is(err, store.ErrConflict) && !pauseBefore(ctx, try+1) {
			break
		}
		var readErr error
		state, r, current, readErr = c.loadSession(ctx, key)
		switch {
		case errors.Is(readErr, ErrSessionUnknown):
			return false, nil // the session has ended meanwhile
		case errors.Is(readErr, ErrSealed):
			return false, readErr
		case readErr != nil:
			return false, errors.Join(err, readErr)
		}
	}
	return false, err
}

// Numbers for going through all sessions: how many are read at a time, how many are worked on at
// once, how often a failure is tried again, how long the first pause is, and how many sessions may
// fail in a row before the store counts as down.
const (
	sessionPage     = 500
	sessionWorkers  = 8
	sessionTries    = 8
	sessionPause    = 10 * time.Millisecond // doubles each time
	sessionFailures = 16
)

// pauseBefore waits before a try is repeated; try 1 is the first repetition. It returns false if
// there are no more repetitions.
func pauseBefore(ctx context.Context, try int) bool {
	if try >= sessionTries {
		return false
	}
	timer := time.NewTimer(sessionPause << (try - 1))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// repeated calls f a few times until it succeeds. It does not repeat errors that a repetition
// cannot change.
func repeated(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || !errors.Is(err, ErrStore) || !pauseBefore(ctx, try) {
			return err
		}
	}
}

// A foundSession is a session to work on. Its record was read together with its key, or is nil.
type foundSession struct {
	key    SessionKey
	record *store.Record
}

// eachSession calls do for every session of this client in the store, several at a time. It skips
// sessions of other clients and sessions that cannot be opened. The error names the first that
// cannot be opened, says how many failed, or that reading stopped.
func (c *Client) eachSession(ctx context.Context, do func(ctx context.Context, key SessionKey, state *sessionRecord, r *store.Record, current bool) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu             sync.Mutex
		sealed, failed error
		failures, row  int
	)
	work := func(found foundSession) {
		state, r, current, err := c.openSession(ctx, found)
		if err == nil {
			err = do(ctx, found.key, state, r, current)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil || errors.Is(err, ErrSessionUnknown):
			row = 0
		case errors.Is(err, ErrSealed):
			sealed = cmp.Or(sealed, err)
		default:
			failed = cmp.Or(failed, err)
			failures++
			if row++; row == sessionFailures {
				cancel(errors.New("the store seems to be down"))
			}
		}
	}
	queue := make(chan foundSession)
	var workers sync.WaitGroup
	for range sessionWorkers {
		workers.Go(func() {
			for found := range queue {
				work(found)
			}
		})
	}
	stopped := c.findSessions(ctx, func(found foundSession) error {
		select {
		case queue <- found:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(queue)
	workers.Wait()
	switch {
	case stopped != nil && failed != nil:
		failed = storeError(fmt.Errorf("%d sessions failed, and not all were reached: %w: %w", failures, stopped, failed))
	case stopped != nil:
		failed = storeError(fmt.Errorf("not all sessions were reached: %w", stopped))
	case failed != nil:
		failed = storeError(fmt.Errorf("%d sessions failed; the first: %w", failures, failed))
	}
	if sealed == nil || failed == nil {
		return cmp.Or(sealed, failed)
	}
	return errors.Join(sealed, failed)
}

// findSessions calls do for every session in the store until do fails. If the store fails, it
// continues from the same point.
func (c *Client) findSessions(ctx context.Context, do func(foundSession) error) error {
	pages, ok := c.store.(store.Scanner)
	if !ok {
		for key, err := range c.Sessions(ctx, "") {
			if err != nil {
				return err
			}
			if err := do(foundSession{key: key}); err != nil {
				return err
			}
		}
		return nil
	}
	for after, begun := "", false; !begun || after != ""; begun = true {
		var page []*store.Record
		var next string
		err := repeated(ctx, func() (err error) {
			if page, next, err = pages.Scan(ctx, store.RecordSession, after, sessionPage); err != nil {
				return storeError(err)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if next != "" && next == after {
			return storeError(fmt.Errorf("the store returns the page after %q again and again", after))
		}
		for _, r := range page {
			if err := do(foundSession{SessionKey{DID: r.Key.DID, ID: r.Key.ID}, r}); err != nil {
				return err
			}
		}
		after = next
	}
	return nil
}

// openSession is loadSession for a session whose record may have been read already.
func (c *Client) openSession(ctx context.Context, found foundSession) (state *sessionRecord, r *store.Record, current bool, err error) {
	if found.record == nil {
		err = repeated(ctx, func() error {
			state, r, current, err = c.loadSession(ctx, found.key)
			return err
		})
		return state, r, current, err
	}
	state = new(sessionRecord)
	current, err = c.vault.Open(ctx, found.record, state)
	return state, found.record, current, cmp.Or(err, c.ours(found.key, state))
}

// reseal writes an unchanged record, sealed with the first key, and returns its new revision. If
// somebody else writes meanwhile, that write seals the record itself and wins.
func (c *Client) reseal(ctx context.Context, key SessionKey, state *sessionRecord, r *store.Record) uint64 {
	err := c.sealAnew(ctx, key, state, r)
	if err == nil {
		return r.Revision + 1
	}
	if !errors.Is(err, store.ErrConflict) {
		c.log.Warn("oauth: the session could not be sealed with the first key", "did", key.DID, "session", key.ID, "error", err)
	}
	return r.Revision
}

// sealAnew writes an unchanged record. It keeps the record's time.
func (c *Client) sealAnew(ctx context.Context, key SessionKey, state *sessionRecord, r *store.Record) error {
	return c.save(ctx, key.record(), r.Revision+1, 0, state)
}

package keeper

import (
	"context"
	"errors"
	"time"
)

// An UnsavedError says that the register did not accept new tokens. They are in use, and are stored
// as soon as the register accepts them.
type UnsavedError struct {
	Err   error
	stale bool // they are not new: they are the ones to be replaced
}

func (e *UnsavedError) Error() string {
	return "keeper: new tokens could not be stored: " + e.Err.Error()
}
func (e *UnsavedError) Unwrap() error { return e.Err }

// A pending value must still be written over the one that it replaces.
type pending[V any] struct {
	fresh, replaced V
	revision        uint64 // of the entry to replace
	claim           string // the claim under which fresh was got; "" for none
	replayed        bool   // somebody has sent the replaced token again

	done     chan struct{} // closed when it is settled; made when the value is kept in memory
	err      error         // of the last attempt
	orphaned bool          // it was passed to Orphan
}

// commit writes new tokens once. If that fails, they are used nevertheless, and a saver keeps
// offering them.
func (k *Keeper[V]) commit(p *pending[V]) error {
	settled, err := k.offerSafely(p)
	if settled {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.group.count(func(s *Stats) { s.Refreshes++ })
	k.keepInMemory(p, err)
	return &UnsavedError{Err: err}
}

// keepInMemory makes p the current value, and starts a saver. k.mu is held.
func (k *Keeper[V]) keepInMemory(p *pending[V], err error) {
	p.err, p.done = err, make(chan struct{})
	k.value, k.unsaved = p.fresh, p
	k.notice(Unsaved, err)
	k.startSaver()
}

// settle notes that p is no longer unsaved. It reports whether it was. k.mu is held.
func (k *Keeper[V]) settle(p *pending[V]) bool {
	if k.unsaved != p {
		return false
	}
	k.unsaved = nil
	k.notice(Saved, nil)
	return true
}

// offer tries once to write p. settled means that it need not be offered again: it is written,
// somebody has newer tokens, or the entry is gone.
func (k *Keeper[V]) offer(p *pending[V]) (settled bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), k.group.times.Write)
	defer cancel()
	next := Entry[V]{Value: p.fresh, Revision: p.revision + 1}
	if p.replayed {
		next.Claim = &Claim{ID: p.claim, Open: true}
	}
	for range maxConflicts {
		err := k.party.Swap(ctx, next, true)
		if err == nil {
			k.stored(p, next.Revision)
			return true, nil
		}
		if !errors.Is(err, ErrConflict) {
			k.group.count(func(s *Stats) { s.RegisterErrors++ })
			return false, err
		}
		e, err := k.party.Read(ctx)
		switch {
		case errors.Is(err, ErrGone):
			k.discard(p)
			return true, k.over(&Ending{Gone: true})
		case err != nil:
			k.group.count(func(s *Stats) { s.RegisterErrors++ })
			return false, err
		case k.same(e.Value, p.fresh):
			// The write happened, although the register said that it did not.
			k.stored(p, e.Revision)
			return true, nil
		case !k.same(e.Value, p.replaced):
			// Either our write happened and somebody has refreshed after it, or somebody took over
			// and the server issued new tokens for the same old one. In both cases the others use
			// these tokens.
			k.mu.Lock()
			k.settle(p)
			k.value, k.since = e.Value, e.Revision
			k.notice(Adopted, nil)
			k.mu.Unlock()
			return true, nil
		}
		next.Revision, next.Claim = e.Revision+1, nil
		if e.Claim != nil && (e.Claim.Open || e.Claim.Replayed || e.Claim.ID != p.claim) {
			// Somebody else may have sent the old token. If the server ends the session because of
			// that, it should not look like a revocation.
			next.Claim = &Claim{ID: e.Claim.ID, Open: true}
		}
	}
	return false, errors.Join(ErrRegister, ErrConflict)
}

func (k *Keeper[V]) offerSafely(p *pending[V]) (settled bool, err error) {
	defer recovered(&err)
	return k.offer(p)
}

// stored notes that p is in the register.
func (k *Keeper[V]) stored(p *pending[V], revision uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.value, k.since = p.fresh, revision
	if !k.settle(p) {
		k.notice(Refreshed, nil)
	}
}

// discard gives up tokens whose entry is gone.
func (k *Keeper[V]) discard(p *pending[V]) {
	k.mu.Lock()
	k.settle(p)
	first := !p.orphaned
	p.orphaned = true
	if first {
		k.notice(Orphaned, nil)
	}
	k.mu.Unlock()
	if first {
		k.party.Orphan(context.Background(), p.fresh)
	}
}

// startSaver starts a saver if there is something to save. k.mu is held.
func (k *Keeper[V]) startSaver() {
	if k.unsaved == nil || k.unsaved == k.saver {
		return
	}
	k.saver = k.unsaved
	k.group.beginMore()
	go k.save(k.unsaved)
}

// save offers p until it is settled. A session has one saver, whatever the number of calls.
func (k *Keeper[V]) save(p *pending[V]) {
	defer k.group.end()
	began := k.group.clock.Steady()
	settled := false
	for wait := pollFirst; !settled && k.group.clock.Steady()-began < saveLimit; wait = min(2*wait, k.group.times.Retry) {
		time.Sleep(k.group.clock.jitter(wait))
		var err error
		if settled, err = k.offerSafely(p); err != nil {
			k.mu.Lock()
			p.err = err
			k.mu.Unlock()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.saver == p {
		k.saver = nil
	}
	if settled {
		close(p.done)
	}
}

// waitForSaver waits, for the time of one attempt, until our value is in the register. The older
// entry must not be claimed.
func (k *Keeper[V]) waitForSaver() error {
	k.mu.Lock()
	p := k.unsaved
	k.mu.Unlock()
	if p == nil {
		return nil
	}
	t := time.NewTimer(k.group.times.knock())
	defer t.Stop()
	select {
	case <-p.done:
		return nil
	case <-t.C:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return &UnsavedError{Err: p.err, stale: true}
}

// Saved waits until the register has the newest tokens, or nobody offers them any more.
func (k *Keeper[V]) Saved(ctx context.Context) error {
	k.mu.Lock()
	p := k.unsaved
	k.mu.Unlock()
	if p == nil {
		return nil
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (k *Keeper[V]) isUnsaved() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unsaved != nil
}

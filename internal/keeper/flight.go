package keeper

import (
	"context"
	"errors"
	"time"
)

// A flight is a refresh that is under way in this process. Everybody who needs it waits for it.
type flight[V any] struct {
	used  V             // the value that it replaces
	done  chan struct{} // closed when the fields below are set
	asked bool          // the server was asked
	err   error
}

// fly runs a refresh to its end. It belongs to the session, not to a caller.
func (k *Keeper[V]) fly(f *flight[V]) {
	defer k.group.end()
	r := &refresh[V]{keeper: k, used: f.used}
	err := r.runSafely()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight = nil
	unsaved, isUnsaved := errors.AsType[*UnsavedError](err)
	switch {
	case k.ended != nil:
		err = k.ended
	case err == nil, isUnsaved && !unsaved.stale:
		k.pace.succeeded()
	case errors.Is(err, ErrStopped):
	default:
		k.pace.failed(k.group.clock, err, k.group.retryAfter(err), r.registerOnly)
		k.notice(Failed, err)
		err = &Postponed{For: k.pace.pause, Err: err}
	}
	f.asked, f.err = r.asked, err
	close(f.done)
}

// A refresh is the work of one flight.
type refresh[V any] struct {
	keeper *Keeper[V]
	used   V

	asked        bool
	registerOnly bool // only the register failed, before anybody else was asked

	prepared  *V // the result of Prepare for the value
	watch     watch
	aged      string // the claim whose age was checked
	claims    int
	conflicts int
	poll      time.Duration
}

func (r *refresh[V]) runSafely() (err error) {
	defer recovered(&err)
	return r.run()
}

// run replaces the tokens with newer ones: from the register, or from the server under a claim.
// Each turn of its loop begins with a new read of the entry.
func (r *refresh[V]) run() error {
	k := r.keeper
	for {
		if err := k.waitForSaver(); err != nil {
			r.registerOnly = true
			return err
		}
		began := k.group.clock.now()
		e, err := r.read()
		if err != nil {
			r.registerOnly = r.prepared == nil && !r.asked
			return err
		}
		if k.isUnsaved() {
			continue // the register went back, and our tokens must be written first
		}
		if !k.same(e.Value, r.used) {
			return nil // another process was faster, and read has adopted its tokens
		}
		standing, err := r.look(e, began)
		if err != nil {
			r.registerOnly = r.prepared == nil && !r.asked
			return err
		}
		if standing == wait {
			if err := r.sleep(); err != nil {
				return err
			}
			continue
		}
		if k.group.isClosing() {
			r.letGo(e)
			return ErrStopped
		}
		done, err := r.underClaim(e, standing)
		if done || err != nil {
			return err
		}
	}
}

// read reads the entry, with the time limit of one attempt.
func (r *refresh[V]) read() (Entry[V], error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.keeper.group.times.Write)
	defer cancel()
	return r.keeper.read(ctx)
}

// sleep waits before the next read.
func (r *refresh[V]) sleep() error {
	r.poll = min(max(2*r.poll, pollFirst), pollLast, r.keeper.group.times.gap()/4)
	return r.keeper.group.pause(r.keeper.group.clock.jitter(r.poll))
}

// A standing is the meaning of an entry's claim for us.
type standing int

const (
	free      standing = iota // nobody is refreshing, and nothing is open
	ours                      // our own claim, and its result is known
	uncertain                 // nobody is refreshing, but somebody may have sent the token
	abandoned                 // the process that was refreshing is gone, and may have sent the token
	wait                      // somebody is refreshing, or was a moment ago
)

// look decides what the claim of e means. began is when the read that returned e began.
func (r *refresh[V]) look(e Entry[V], began moment) (standing, error) {
	k, c := r.keeper, e.Claim
	own := k.own(c)
	switch {
	case c == nil:
		return free, nil
	case c.Open: // also if the claim was ours: somebody else may have opened it
		return uncertain, nil
	case own != nil && (own.open || c.Replayed):
		return uncertain, nil
	case own != nil:
		return ours, nil
	}
	r.watch.see(c, began, k.group.clock.now(), k.group.times.gap())
	switch {
	case r.watch.over(k.group.times), r.isAncient(c):
		return abandoned, nil
	case r.watch.mayKnock(k.group.times):
		return wait, r.knock(e)
	}
	return wait, nil
}

// knock leaves a mark on a claim that does not change. See watch.
func (r *refresh[V]) knock(e Entry[V]) error {
	k := r.keeper
	marked := *e.Claim
	marked.Knocks++
	err := r.swap(Entry[V]{Value: e.Value, Claim: &marked, Revision: e.Revision + 1})
	switch {
	case errors.Is(err, ErrConflict): // the next read shows what happened
		return r.metConflict()
	case err != nil:
		return err // the watch begins again with the next refresh
	}
	k.noticeLocked(Knocked, nil)
	return nil
}

// swap writes an entry whose value came from the register, with the time limit of one attempt.
func (r *refresh[V]) swap(e Entry[V]) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.keeper.group.times.Write)
	defer cancel()
	err := r.keeper.party.Swap(ctx, e, false)
	switch {
	case err == nil:
		r.keeper.take(e, 0)
	case !errors.Is(err, ErrConflict):
		r.keeper.group.count(func(s *Stats) { s.RegisterErrors++ })
	}
	return err
}

// metConflict counts conflicting writes. A register that reports conflicts for ever is faulty.
func (r *refresh[V]) metConflict() error {
	if r.conflicts++; r.conflicts > maxConflicts {
		return errors.Join(ErrRegister, ErrConflict)
	}
	return nil
}

// ancient is how long ago a claim must have ended so that it need not be watched.
const ancient = time.Hour

// isAncient reports whether the claim ended so long ago, by the server's clock then and now, that
// nobody can still use it. Without this rule, a command that lives for seconds could never take
// over. Our own clock only tells whether it is worth asking.
func (r *refresh[V]) isAncient(c *Claim) bool {
	k := r.keeper
	life := k.group.times.Claim + ancient
	if c.At.IsZero() || r.aged == c.ID || k.group.clock.Wall().Sub(c.At) < life {
		return false
	}
	r.aged = c.ID
	ctx, cancel := context.WithTimeout(context.Background(), k.group.times.Write)
	defer cancel()
	now, err := k.party.ServerTime(ctx)
	return err == nil && now.Sub(c.At) > life
}

// letGo releases a claim of our own that will not be used.
func (r *refresh[V]) letGo(e Entry[V]) {
	own := r.keeper.own(e.Claim)
	if own == nil || e.Claim.Open {
		return
	}
	c := &claimed[V]{keeper: r.keeper, own: own, value: e.Value, revision: e.Revision}
	c.release(own.open || e.Claim.Replayed)
}

// underClaim prepares, claims, sends, and writes the result. done means that the refresh has ended.
// Otherwise the claim was lost before anything was sent, and the entry must be read again.
func (r *refresh[V]) underClaim(e Entry[V], found standing) (done bool, err error) {
	k := r.keeper
	if r.prepared == nil {
		ctx, cancel := context.WithTimeout(context.Background(), prepareLimit)
		defer cancel()
		prepared, err := k.party.Prepare(ctx, e.Value)
		if err != nil {
			return true, err
		}
		r.prepared = &prepared
		if k.group.isClosing() {
			r.letGo(e)
			return true, ErrStopped
		}
	}
	c := &claimed[V]{keeper: k, value: *r.prepared, ambiguous: found == uncertain || found == abandoned, revision: e.Revision}
	if c.own = k.own(e.Claim); found == ours && !c.own.used {
		// A write of ours that failed, or conflicted with itself, has happened after all. A claim
		// that was in use is never used again, because its release may still be under way.
	} else {
		if r.claims++; r.claims > maxClaims {
			r.registerOnly = !r.asked
			r.letGo(e)
			return true, errors.Join(ErrRegister, errLate)
		}
		c.own = k.newClaim(c.ambiguous) // even if the write fails
		claim := &Claim{ID: c.own.id, At: k.party.KnownServerTime()}
		err := r.swap(Entry[V]{Value: c.value, Claim: claim, Revision: e.Revision + 1})
		if errors.Is(err, ErrConflict) {
			r.claims--
			if err := r.metConflict(); err != nil {
				return true, err
			}
			return false, r.sleep()
		}
		if err != nil {
			r.registerOnly = true
			return true, err
		}
		k.mine = []*ownClaim{c.own} // there is no other claim any more
		c.revision++
		if found == abandoned {
			k.noticeLocked(TookOver, nil)
		}
	}
	c.own.used = true
	answer := c.send()
	if answer.Verdict == Unspent && (errors.Is(answer.Err, errLost) || errors.Is(answer.Err, errLate)) {
		return false, nil
	}
	r.asked = r.asked || c.passed
	r.registerOnly = !r.asked
	switch answer.Verdict {
	case Fresh:
		return true, k.commit(&pending[V]{fresh: answer.Value, replaced: c.value, revision: c.revision, claim: c.own.id, replayed: c.replayed})
	case Unspent:
		c.release(c.ambiguous)
		return true, answer.Err
	case Ended:
		done, adopted, err := c.conclude(answer.Err)
		r.asked = !adopted
		return done, err
	default:
		c.release(true)
		return true, answer.Err
	}
}

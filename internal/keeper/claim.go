package keeper

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// Why a fence stops a request.
var (
	errLate = errors.New("keeper: not enough of the claim is left")
	errLost = errors.New("keeper: the claim is not ours any more")
)

// A claimed value is one that this process is allowed to send.
type claimed[V any] struct {
	keeper    *Keeper[V]
	own       *ownClaim
	value     V
	revision  uint64 // of the entry with the claim
	ambiguous bool   // somebody before us may have sent the token
	replayed  bool   // somebody who lost the claim has sent it
	passed    bool   // a fence was passed, so something may have been sent
}

// An ownClaim is a claim that this keeper wrote, or tried to write.
type ownClaim struct {
	id    string
	began moment // before it was written
	used  bool   // something may have been sent under it, or it was released
	open  bool   // its result is unknown
}

// mineLimit is how many claims a keeper remembers if all their writes failed.
const mineLimit = 8

func (k *Keeper[V]) newClaim(ambiguous bool) *ownClaim {
	own := &ownClaim{id: rand.Text(), began: k.group.clock.now(), open: ambiguous}
	k.mine = append(k.mine[max(0, len(k.mine)-mineLimit+1):], own)
	return own
}

// own returns what is known about a claim if this keeper wrote it.
func (k *Keeper[V]) own(c *Claim) *ownClaim {
	if c != nil {
		for _, own := range k.mine {
			if own.id == c.ID {
				return own
			}
		}
	}
	return nil
}

// left is how much time the claim has left. A process may have slept, so the longer of the two
// times counts.
func (c *claimed[V]) left() time.Duration {
	_, gone := span(c.own.began, c.keeper.group.clock.now())
	return c.keeper.group.times.Claim - gone
}

// send asks the server. It may take the time of the claim, less the time for the first attempt to
// write.
func (c *claimed[V]) send() (answer Answer[V]) {
	var panicked error
	defer func() {
		if panicked != nil {
			answer = Answer[V]{Verdict: Unknown, Err: panicked}
		}
	}()
	defer recovered(&panicked)
	ctx, cancel := context.WithTimeout(context.Background(), c.left()-c.keeper.group.times.Write)
	defer cancel()
	return c.keeper.party.Exchange(ctx, c.value, c.fence)
}

// fence checks, directly before something is sent, that this process may still send it. The process
// may have slept since it wrote the claim, and another one may have taken over. The clock is
// checked first, and again after the register has answered, because that may take time. The marks
// of waiting processes are checked too. Such a mark comes long after a claim may be used, and long
// before a takeover.
func (c *claimed[V]) fence(ctx context.Context) error {
	k := c.keeper
	if c.left() < k.group.times.Send {
		return errLate
	}
	ctx, cancel := context.WithTimeout(ctx, k.group.times.Write)
	defer cancel()
	e, err := k.party.Read(ctx)
	switch {
	case errors.Is(err, ErrGone):
		return errLost
	case err != nil:
		k.group.count(func(s *Stats) { s.RegisterErrors++ })
		return err
	case e.Claim == nil || e.Claim.ID != c.own.id || !k.same(e.Value, c.value):
		return errLost
	case e.Claim.Knocks > 0:
		// Somebody has waited so long that the claim has no time left. If our clocks say otherwise,
		// both of them stopped, together with a virtual machine.
		return errLate
	case c.left() < k.group.times.Send:
		return errLate
	}
	c.revision = e.Revision // somebody may have sealed the entry again
	c.replayed = e.Claim.Replayed
	c.ambiguous = c.ambiguous || c.replayed
	c.passed = true
	return nil
}

// release lets others try at once. open says that it is unknown what the server did.
func (c *claimed[V]) release(open bool) {
	k := c.keeper
	c.own.used, c.own.open = true, open // if the write fails, we need not wait for our own claim
	next := Entry[V]{Value: c.value, Revision: c.revision + 1}
	for range maxConflicts {
		if open {
			next.Claim = &Claim{ID: c.own.id, Open: true}
		}
		ctx, cancel := context.WithTimeout(context.Background(), k.group.times.Write)
		err := k.party.Swap(ctx, next, false)
		cancel()
		switch {
		case err == nil:
			k.take(next, 0)
			return
		case !errors.Is(err, ErrConflict):
			// The claim stays until somebody has watched it for long enough.
			k.group.count(func(s *Stats) { s.RegisterErrors++ })
			return
		}
		ctx, cancel = context.WithTimeout(context.Background(), k.group.times.Write)
		e, err := k.read(ctx)
		cancel()
		switch {
		case err != nil:
			return
		case e.Claim == nil || e.Claim.ID != c.own.id || !k.same(e.Value, c.value):
			// The claim was released, or was taken from us. Then our request may be the second with
			// this token.
			if open {
				c.markReplay(e)
			}
			return
		case e.Claim.Open:
			return
		}
		open = open || e.Claim.Replayed
		next.Revision = e.Revision + 1
	}
}

// conclude decides what to do if the server no longer accepts the token. If somebody else has
// stored newer tokens, those count, and adopted is true. If somebody has taken the claim from us,
// that process decides, and done is false. Otherwise the session has ended.
func (c *claimed[V]) conclude(cause error) (done, adopted bool, err error) {
	k := c.keeper
	c.own.open = c.ambiguous // in case it does not come to a conclusion
	for range maxConflicts {
		ctx, cancel := context.WithTimeout(context.Background(), k.group.times.Write)
		e, err := k.read(ctx)
		cancel()
		if err != nil {
			return true, false, err
		}
		if !k.same(e.Value, c.value) {
			c.markReplay(e)
			return true, true, nil
		}
		taken := e.Claim != nil && e.Claim.ID != c.own.id
		if taken && !e.Claim.Open {
			c.markReplay(e)
			return false, false, nil
		}
		ending := &Ending{Ambiguous: c.ambiguous || taken || e.Claim != nil && e.Claim.Replayed, Err: cause}
		ctx, cancel = context.WithTimeout(context.Background(), k.group.times.Write)
		err = k.party.Drop(ctx, e.Revision, ending)
		cancel()
		if errors.Is(err, ErrConflict) {
			continue // newer tokens may just have been stored
		}
		if err != nil && !errors.Is(err, ErrGone) {
			k.group.count(func(s *Stats) { s.RegisterErrors++ })
		}
		return true, false, k.over(ending)
	}
	return true, false, errors.Join(ErrRegister, ErrConflict)
}

// markReplay notes in another process's entry that this process has sent a token again which that
// process has replaced, or is about to replace. If the server ends the session, this is the reason.
func (c *claimed[V]) markReplay(e Entry[V]) {
	k := c.keeper
	for range maxConflicts {
		next := Entry[V]{Value: e.Value, Revision: e.Revision + 1}
		switch {
		case e.Claim == nil:
			next.Claim = &Claim{ID: rand.Text(), Open: true}
		case e.Claim.Open || e.Claim.Replayed:
			return
		default: // they see it at their next read
			marked := *e.Claim
			marked.Replayed = true
			next.Claim = &marked
		}
		ctx, cancel := context.WithTimeout(context.Background(), k.group.times.Write)
		err := k.party.Swap(ctx, next, false)
		cancel()
		if err == nil {
			k.take(next, 0)
		}
		if !errors.Is(err, ErrConflict) {
			return
		}
		ctx, cancel = context.WithTimeout(context.Background(), k.group.times.Write)
		e, err = k.read(ctx)
		cancel()
		if err != nil {
			return
		}
	}
}

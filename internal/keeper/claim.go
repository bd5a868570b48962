package keeper

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// Why a fence does not let a request through.
var (
	errLate = errors.New("keeper: not enough of the claim is left")
	errLost = errors.New("keeper: the claim is not ours any more")
)

// A claimed value is one that this process may send.
type claimed[V any] struct {
	keeper    *Keeper[V]
	own       *ownClaim
	value     V
	revision  uint64 // of the entry with the claim
	ambiguous bool   // the token may have been sent by somebody before us
	replayed  bool   // somebody from whom the claim was taken has sent it
	passed    bool   // a fence was passed, so that something may have been sent
}

// An ownClaim is a claim that this keeper wrote, or tried to write.
type ownClaim struct {
	id    string
	began moment // before it was written
	used  bool   // something may have been sent under it, or it was released
	open  bool   // nobody knows what came of it
}

// mineLimit is how many claims a keeper remembers whose writes all failed.
const mineLimit = 8

func (k *Keeper[V]) newClaim(ambiguous bool) *ownClaim {
	own := &ownClaim{id: rand.Text(), began: k.group.clock.now(), open: ambiguous}
	k.mine = append(k.mine[max(0, len(k.mine)-mineLimit+1):], own)
	return own
}

// own returns what is known of a claim if this keeper wrote it.
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

// left is what remains of the claim. A process may have slept, so the longer time counts.
func (c *claimed[V]) left() time.Duration {
	_, gone := span(c.own.began, c.keeper.group.clock.now())
	return c.keeper.group.times.Claim - gone
}

// send asks the server. The time for it is the claim's, without what the first attempt to
// write needs.
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

// fence makes sure, directly before a sending, that this process may send: it may have slept
// since the claim was written, and another may have taken over. What is asked first is the
// clock, and again after the register has answered, which may take its time. Those who wait are
// asked as well: the mark that they leave comes long after a claim may be used, and long enough
// before they take over.
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
		// Somebody has waited for so long that nothing can be left. If our clocks say otherwise,
		// they stood still, both, while a virtual machine did.
		return errLate
	case c.left() < k.group.times.Send:
		return errLate
	}
	c.revision = e.Revision // somebody may have sealed the entry anew
	c.replayed = e.Claim.Replayed
	c.ambiguous = c.ambiguous || c.replayed
	c.passed = true
	return nil
}

// release lets others try at once. open says that nobody knows what the server did.
func (c *claimed[V]) release(open bool) {
	k := c.keeper
	c.own.used, c.own.open = true, open // should the write fail: we need not wait for ourselves
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
			// The claim stands until somebody has watched it for long enough.
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
			// It is released, or was taken from us. Then what we sent may come second.
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

// conclude decides what it means that the server takes the token no more. If somebody else has
// stored newer tokens, those count, and adopted is true. If somebody has taken the claim from us, it
// is for them to say; done is false then. Otherwise the session is over.
func (c *claimed[V]) conclude(cause error) (done, adopted bool, err error) {
	k := c.keeper
	c.own.open = c.ambiguous // should it not come to a conclusion
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
			continue // newer tokens may have come in this moment
		}
		if err != nil && !errors.Is(err, ErrGone) {
			k.group.count(func(s *Stats) { s.RegisterErrors++ })
		}
		return true, false, k.over(ending)
	}
	return true, false, errors.Join(ErrRegister, ErrConflict)
}

// markReplay notes, in an entry that somebody else has written, that a token which they have
// replaced, or are about to, was sent once more. Should the server end the session for that, this
// is why.
func (c *claimed[V]) markReplay(e Entry[V]) {
	k := c.keeper
	for range maxConflicts {
		next := Entry[V]{Value: e.Value, Revision: e.Revision + 1}
		switch {
		case e.Claim == nil:
			next.Claim = &Claim{ID: rand.Text(), Open: true}
		case e.Claim.Open || e.Claim.Replayed:
			return
		default: // they will see it when they read it next
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

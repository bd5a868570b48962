package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gimucco/atproto-go/internal/keeper"
)

var errRegister = errors.New("the register fails")

// The register holds one entry.
type register struct {
	entry      keeper.Entry[tokens]
	gone       bool
	since      time.Duration // when the value was written
	downUntil  time.Duration
	hangUntil  time.Duration
	stuckUntil time.Duration // writes hang until then
	stillUntil time.Duration // takes no writes until then
	claims     map[string]*claimRecord
	stored     map[int]time.Duration // when a generation was first written
}

// A claimRecord is what is remembered of a claim after it is gone.
type claimRecord struct {
	by    *process
	at    time.Duration // when it was written
	began time.Duration // when its writing began
	gen   int
	over  *keeper.Claim // what it was written over
}

// write puts an entry in its place, if the revision fits. w.mu is held.
func (w *world) write(p *process, e keeper.Entry[tokens], began time.Duration) error {
	r := &w.register
	if r.gone || e.Revision != r.entry.Revision+1 {
		return keeper.ErrConflict
	}
	old := r.entry
	if e.Value.gen < old.Value.gen {
		w.breach("newer tokens overwritten", "%v wrote tokens %d over %d", p, e.Value.gen, old.Value.gen)
	}
	if e.Value.gen != old.Value.gen {
		r.since = w.now()
		if _, ok := r.stored[e.Value.gen]; !ok {
			r.stored[e.Value.gen] = w.now()
		}
	}
	if c := e.Claim; c != nil && r.claims[c.ID] == nil && !c.Open {
		rec := &claimRecord{by: p, at: w.now(), began: began, gen: e.Value.gen, over: old.Claim}
		r.claims[c.ID] = rec
		if o := old.Claim; o != nil && !o.Open {
			w.checkTakeover(p, r.claims[o.ID])
		}
	}
	r.entry = e
	w.log(p.String(), "wrote revision %d: tokens %d, claim %s", e.Revision, e.Value.gen, w.describe(e.Claim))
	return nil
}

// describe names claims by letters, in the order in which they are seen. w.mu is held.
func (w *world) describe(c *keeper.Claim) string {
	if c == nil {
		return "none"
	}
	name := w.nameOf(c.ID)
	if c.Open {
		name += ", open"
	}
	if c.Knocks > 0 {
		name += ", knocked"
	}
	if c.Replayed {
		name += ", replayed"
	}
	return name
}

func (w *world) nameOf(claim string) string {
	if w.names[claim] == "" {
		w.names[claim] = fmt.Sprintf("C%d", len(w.names)+1)
	}
	return w.names[claim]
}

// operate does one operation on the register, with what may go wrong.
func (p *process) operate(ctx context.Context, write bool, do func() error) error {
	w := p.world
	before, after := beforeRead, afterRead
	if write {
		before, after = beforeWrite, afterWrite
	}
	op := p.at(before)
	there, back := p.latency(), p.latency()
	if err := wait(ctx, there); err != nil {
		return err
	}
	p.wake()
	if op.kind == opHangs {
		if err := wait(ctx, op.d); err != nil {
			time.AfterFunc(op.d, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				if r := &w.register; w.now() >= max(r.downUntil, r.hangUntil, r.stillUntil, r.stuckUntil) {
					_ = do() // the register has got it, and does it at last
				}
			})
			return err
		}
	}
	w.mu.Lock()
	r := &w.register
	hangs := w.now() < r.hangUntil || write && w.now() < r.stuckUntil
	fails := hangs || w.now() < max(r.downUntil, p.slot.cutUntil) || write && w.now() < r.stillUntil || op.kind == opFails
	var err error
	if fails {
		p.disturbed()
		err = errRegister
	} else {
		err = do()
		if op.kind == opLost {
			p.disturbed()
			err = errRegister
		}
		if op.kind == opLies && err == nil {
			err = keeper.ErrConflict
		}
	}
	w.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := wait(ctx, back); err != nil {
		w.mu.Lock()
		p.disturbed()
		w.mu.Unlock()
		return err
	}
	p.at(after)
	return err
}

// wait waits as long as ctx does.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// latency is what one way takes: a few milliseconds, seldom more.
func (p *process) latency() time.Duration {
	w := p.world
	w.mu.Lock()
	defer w.mu.Unlock()
	return latency(p.chance)
}

func latency(r *rand.Rand) time.Duration {
	d := time.Duration(r.Int64N(int64(8*time.Millisecond))) + 50*time.Microsecond
	if r.IntN(40) == 0 {
		d *= 40
	}
	return d
}

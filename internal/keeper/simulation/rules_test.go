package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/gimucco/atproto-go/internal/keeper"
)

// The rules, in the words of who relies on the keeper. They go by true time, and by what
// register and server saw. Each is called with w.mu held.

const (
	claimLife = 20 * time.Second
	sendTime  = 8 * time.Second
	patience  = 2*claimLife + sendTime
	attempt   = 3500 * time.Millisecond
	recent    = 10 * time.Second  // a failure so near to trouble explains itself
	longAgo   = 130 * time.Second // after it nothing may fail any more
)

// checkTakeover: a claim of another process is left alone for its life.
func (w *world) checkTakeover(p *process, of *claimRecord) {
	if of == nil || of.by == p {
		return
	}
	if age := w.now() - of.at; age < claimLife {
		w.breach("taken over too early", "%v took the claim of %v after %v", p, of.by, age)
	}
}

// checkSending: nothing is sent outside of a claim's life, nor twice but by who knows that
// it may be the second time.
func (w *world) checkSending(s *sending) {
	slept := s.by.sleptWithin(s.fence, w.now())
	c := w.register.claims[s.claim]
	if c == nil {
		w.breach("sent without a claim", "%v", s.by)
		return
	}
	// A suspended machine whose clock is set back meanwhile cannot know how late it is.
	blind := len(s.by.suspended) > 0 && s.by.slot.jumped >= c.began
	if age := s.fence - c.began; age > claimLife-sendTime && !blind {
		w.breach("sent too late", "%v, %v after its claim", s.by, age)
	}
	if w.server.dead || slept {
		return
	}
	for _, e := range w.sendings {
		if e.gen != s.gen || e.proved || e.by.sleptWithin(e.fence, e.sent) {
			continue
		}
		if e.claim == s.claim || c.over == nil {
			w.breach("sent twice", "%v sent token %d, which %v had sent under %s", s.by, s.gen, e.by, w.nameOf(e.claim))
		}
	}
}

// checkWait: nobody waits for longer than patience, nor than the caller wants to.
func (p *process) checkWait(from time.Duration, ctx context.Context) {
	w := p.world
	limit := patience + attempt
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(0, deadline.Sub(w.start)-from))
	}
	if waited := w.now() - from; waited > limit && !p.sleptWithin(from, w.now()) {
		w.breach("waited too long", "%v, %v", p, waited)
	}
}

// failed: no call fails while there is a living token that it could have had. It could have
// had one that lay in the register for some time, in which nothing was in the way.
func (w *world) failed(p *process, v tokens, began time.Duration, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log(p.String(), "a call fails: %v", err)
	ending, over := errors.AsType[*keeper.Ending](err)
	switch {
	case over && ending.Err != nil && !w.server.dead:
		w.breach("a living session given up", "%v: %v", p, err)
	case over, p.leaving, w.server.dead, w.register.gone:
		return false
	}
	quiet := max(w.registerTrouble, p.slot.trouble, p.started)
	stored := w.register.entry.Value
	if w.now()-quiet > recent && w.now()-w.register.since > recent && w.works(stored) {
		w.breach("a call failed for nothing", "%v with tokens %d, while %d lay in the register: %v", p, v.gen, stored.gen, err)
	}
	if w.now()-w.anyTrouble > longAgo && w.server.living[stored.gen] {
		w.breach("a call failed for nothing", "%v, long after all trouble: %v", p, err)
	}
	return false
}

// checkOver: a session is given up when it is over, with the right cause.
func (w *world) checkOver(p *process, e *keeper.Ending) {
	w.log(p.String(), "%v", e)
	switch {
	case e.Gone:
		if !w.register.gone {
			w.breach("a living session given up", "%v: %v", p, e)
		}
		return
	case !w.server.dead:
		w.breach("a living session given up", "%v: %v", p, e)
		return
	case w.server.cause == "replay":
		r := w.server.replay
		hindered := w.now()-r.arrived < 5*time.Second && r.by != p || w.overtaken(r) ||
			r.by.sleptWithin(r.arrived, w.now()) || w.registerTrouble > r.arrived || r.by.slot.trouble > r.arrived
		if !e.Ambiguous && !hindered {
			w.breach("not said to be ambiguous", "%v: the replay of %v ended it", p, r.by)
		}
	case e.Ambiguous && w.grace == 0:
		for _, s := range w.sendings {
			c := w.register.claims[s.claim]
			if s.by == p && s.over && c != nil && c.over != nil {
				return
			}
		}
		w.breach("said to be ambiguous", "%v: the session was ended by %s", p, w.server.cause)
	}
}

// overtaken reports whether a request, after its sender gave it up and said so, was overtaken by
// one that succeeded: a success closes the case.
func (w *world) overtaken(r *sending) bool {
	first := w.server.spent[r.gen]
	return r.gaveUp > 0 && r.gaveUp < r.arrived && first != nil && first.arrived > r.gaveUp
}

// checkEnd: every lost session has a cause that has a name, and no tokens are forgotten.
func (w *world) checkEnd() {
	srv, reg := &w.server, &w.register
	switch {
	case srv.dead && srv.cause == "replay":
		w.lost = w.causeOfReplay(srv.replay)
	case srv.dead:
		w.lost = srv.cause
	case reg.gone:
		w.lost = "logout"
	}
	if reg.gone && !srv.dead && !w.loggedOut {
		w.breach("a living session dropped", "and nobody had logged out")
	}
	for _, s := range w.sendings {
		_, stored := reg.stored[s.got]
		if s.got > 0 && !s.lost && !stored && !w.orphans[s.got] && w.grace == 0 && !s.by.dead && !s.by.leaving {
			w.breach("tokens are forgotten", "%v has got tokens %d, which are neither stored nor revoked", s.by, s.got)
		}
	}
}

// hindered are the moments within a time in which an operation of this process failed or hung,
// and no other's. w.mu is held.
func (p *process) hindered(from, to time.Duration) (all []time.Duration) {
	for _, at := range p.hits {
		if at >= from && at <= to {
			all = append(all, at)
		}
	}
	return all
}

const (
	answerLost = "the server's answer was lost"
	nothing    = "nothing"
)

// causeOfReplay says why a token was sent twice: something between the rotation and the
// moment when the new tokens were written down.
func (w *world) causeOfReplay(second *sending) string {
	first := w.server.spent[second.gen]
	until := second.arrived
	if at, ok := w.register.stored[first.got]; ok && at < second.fence {
		until = at
	}
	switch {
	case second.by.sleptWithin(second.fence, second.arrived):
		return "a process slept while it sent"
	case first.by.sleptWithin(first.fence, until):
		return "a process died or slept between rotation and commit"
	case first.lost:
		return answerLost
	}
	for _, c := range w.cuts {
		if c.slot == first.by.slot && c.from <= until && c.to >= first.arrived {
			return "the holder could not reach the register"
		}
	}
	if len(first.by.hindered(first.arrived, until)) > 2 {
		return "the holder could not reach the register"
	}
	w.breach("lost by nothing", "%v sent token %d at %v, %v again at %v", first.by, first.gen, first.arrived, second.by, second.arrived)
	return nothing
}

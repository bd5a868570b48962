package keeper

import "time"

// A watch is how one keeper sees the claim of another stand still.
//
// The holder of a claim counts from before its write, by the longer of its two clocks. The
// watcher counts from the end of the first read that shows the claim to the beginning of the
// last, by the shorter of its two. So the watcher is never done first, and no clock is
// compared with another.
//
// A holder may have new tokens that the register does not take. It offers them all the time,
// and must come first once the register works again. So the watch begins anew whenever a read
// fails, or the last was too long ago. A register may also be readable and take no writes.
// So somebody who watches writes a mark into the claim (a knock), as soon as the holder must have its
// answer: from then on the register is known to take writes, and when the watch is over, the holder
// has had the time for its attempts. A mark from before the watch proves nothing, for the register
// may have stopped since; neither does one from before the holder's answer. And as the register may
// stop again behind a mark, one follows the other to the end: whoever of those who watch is first
// writes it, and a mark that cannot be written ends a watch.
type watch struct {
	claim   string
	last    moment        // the end of the last read
	stood   time.Duration // from the end of the first read to the beginning of the last
	reach   time.Duration // from the end of the first read to the end of the last
	knocks  int           // marks that were seen
	knocked bool          // some of them came in this watch
	since   time.Duration // value of reach at the first of an unbroken row of them
	marked  time.Duration // value of reach at the last
}

// see notes that a read, between these moments, has shown the claim c.
func (w *watch) see(c *Claim, began, ended moment, gap time.Duration) {
	_, longer := span(w.last, ended)
	if c.ID != w.claim || longer > gap {
		*w = watch{claim: c.ID, last: ended, knocks: c.Knocks}
		return
	}
	// A wall clock that was set back counts nothing, and takes nothing away.
	before, _ := span(w.last, began)
	all, _ := span(w.last, ended)
	w.stood = w.reach + max(0, before)
	w.reach += max(0, all)
	w.last = ended
	if c.Knocks > w.knocks {
		if !w.knocked || w.reach-w.marked > 2*gap {
			w.since = w.reach
		}
		w.knocks, w.knocked, w.marked = c.Knocks, true, w.reach
	}
}

// mayKnock reports whether it is time to leave a mark.
func (w *watch) mayKnock(t Times) bool {
	return w.stood >= t.answer() && (!w.knocked || w.reach-w.marked >= t.gap())
}

// over reports whether the claim may be taken over.
func (w *watch) over(t Times) bool {
	return w.knocked && w.stood >= t.Claim && w.stood-w.since >= t.knock() && w.stood-w.marked <= 2*t.gap()
}

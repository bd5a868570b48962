package keeper

import "time"

// A watch is how one keeper observes that another's claim does not change.
//
// The holder of a claim counts from before its write, by the longer of its two clocks. The watcher
// counts from the end of the first read that shows the claim to the beginning of the last read, by
// the shorter of its two clocks. So the watcher is never done first, and no clock is compared with
// another machine's clock.
//
// A holder may have new tokens that the register does not accept. It offers them all the time, and
// must come first when the register works again. So the watch begins again if a read fails, or if
// the last read was too long ago.
//
// A register may also be readable but accept no writes. So as soon as the holder must have its
// answer, the watcher writes a mark into the claim (a knock). From then on the register is known to
// accept writes, and when the watch is over, the holder has had enough time for its attempts. A
// mark from before the watch proves nothing, because the register may have failed since then. A
// mark from before the holder's answer proves nothing either. The register may also fail again
// after a mark, so marks follow each other to the end of the watch. The fastest watcher writes each
// mark. A mark that cannot be written ends a watch.
type watch struct {
	claim   string
	last    moment        // the end of the last read
	stood   time.Duration // from the end of the first read to the beginning of the last
	reach   time.Duration // from the end of the first read to the end of the last
	knocks  int           // the number of marks that were seen
	knocked bool          // some of them came during this watch
	since   time.Duration // value of reach at the first mark of an unbroken row
	marked  time.Duration // value of reach at the last mark
}

// see notes that a read between these moments has shown the claim c.
func (w *watch) see(c *Claim, began, ended moment, gap time.Duration) {
	_, longer := span(w.last, ended)
	if c.ID != w.claim || longer > gap {
		*w = watch{claim: c.ID, last: ended, knocks: c.Knocks}
		return
	}
	// A wall clock that was set back adds nothing, and subtracts nothing.
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

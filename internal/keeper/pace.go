package keeper

import (
	"time"
)

// A pace holds back what has just failed. It goes by the longer of the two times that a clock
// tells, so that a pause is over when a machine wakes up.
type pace struct {
	failures int
	err      error // of the last one
	at       moment
	pause    time.Duration
	looked   moment
	blind    bool // the register failed: the next look has time
}

// failed notes a failure that may pass. after is what the server asked for; register says
// that nobody but the register was asked.
func (p *pace) failed(clock Clock, err error, after time.Duration, register bool) {
	last := pauseLast
	if register {
		last = pauseRegister
	}
	grown := min(pauseFirst<<min(p.failures, 10), last)
	now := clock.now()
	*p = pace{failures: p.failures + 1, err: err, at: now, looked: now, blind: register}
	p.pause = max(clock.jitter(grown), min(after, maxRetryAfter))
}

// maxRetryAfter is the longest pause that a server can ask for.
const maxRetryAfter = time.Hour

// succeeded forgets what failed before.
func (p *pace) succeeded() { *p = pace{} }

// left is what is left of the pause.
func (p *pace) left(now moment) time.Duration {
	if p.err == nil {
		return 0
	}
	_, gone := span(p.at, now)
	return max(0, p.pause-gone)
}

// mayLook reports whether the register may be read in the pause, and notes that it is.
func (p *pace) mayLook(now moment) bool {
	every := pauseFirst
	if p.blind {
		every = pauseRegister
	}
	if _, gone := span(p.looked, now); gone < every {
		return false
	}
	p.looked, p.blind = now, false
	return true
}

func (p *pace) lookFailed() { p.blind = true }

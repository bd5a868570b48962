package keeper

import (
	"time"
)

// A pace delays the next attempt after a failure. It uses the longer of the two times of a clock,
// so that a pause has ended when a machine wakes up.
type pace struct {
	failures int
	err      error // the last error
	at       moment
	pause    time.Duration
	looked   moment
	blind    bool // the register failed: the next read need not be soon
}

// failed notes a failure that may pass. after is the pause that the server asked for. register
// means that only the register was asked.
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

// succeeded forgets earlier failures.
func (p *pace) succeeded() { *p = pace{} }

// left returns how long the pause still lasts.
func (p *pace) left(now moment) time.Duration {
	if p.err == nil {
		return 0
	}
	_, gone := span(p.at, now)
	return max(0, p.pause-gone)
}

// mayLook reports whether the register may be read during the pause, and notes that it is.
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

package keeper

import (
	"math/rand/v2"
	"time"
)

// A Clock tells the time in two ways, because each way has a fault that the other has not.
type Clock struct {
	// Wall returns the time of day. Somebody may set it.
	Wall func() time.Time
	// Steady returns the time since some moment in the past. Nobody can set it, but it may stop
	// while the machine is suspended.
	Steady func() time.Duration
	// Jitter returns a random time between half of a pause and all of it. If it is nil, math/rand
	// is used.
	Jitter func(time.Duration) time.Duration
}

// SystemClock returns the clocks of this machine. wall, if not nil, replaces the machine's wall
// clock.
func SystemClock(wall func() time.Time) Clock {
	if wall == nil {
		wall = time.Now
	}
	start := time.Now()
	return Clock{
		Wall:   func() time.Time { return wall().Round(0) }, // without the monotonic part
		Steady: func() time.Duration { return time.Since(start) },
	}
}

// A moment is a reading of both clocks.
type moment struct {
	wall   time.Time
	steady time.Duration
}

func (c Clock) now() moment { return moment{c.Wall(), c.Steady()} }

// jitter makes pauses different, so that processes that wait for the same thing do not come at the
// same time.
func (c Clock) jitter(d time.Duration) time.Duration {
	if c.Jitter != nil {
		return c.Jitter(d)
	}
	return d/2 + rand.N(d/2+1)
}

// span returns the time between two moments: by the clock that counted less, and by the one that
// counted more. Whoever must not act too early uses the shorter; whoever must not act too late uses
// the longer.
func span(from, to moment) (shorter, longer time.Duration) {
	wall, steady := to.wall.Sub(from.wall), to.steady-from.steady
	return min(wall, steady), max(wall, steady)
}

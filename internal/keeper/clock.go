package keeper

import (
	"math/rand/v2"
	"time"
)

// A Clock tells the time in two ways, because each has a fault that the other has not.
type Clock struct {
	// Wall is the time of day. Somebody may set it.
	Wall func() time.Time
	// Steady is the time since some moment in the past. Nobody can set it, but it may
	// stand still while the machine is suspended.
	Steady func() time.Duration
	// Jitter returns something between half of a pause and all of it. Where it is nil, chance
	// decides.
	Jitter func(time.Duration) time.Duration
}

// SystemClock reads the clocks of this machine. A wall clock may be given in place of
// the machine's.
func SystemClock(wall func() time.Time) Clock {
	if wall == nil {
		wall = time.Now
	}
	start := time.Now()
	return Clock{
		Wall:   func() time.Time { return wall().Round(0) }, // without the steady part
		Steady: func() time.Duration { return time.Since(start) },
	}
}

// A moment is one reading of both clocks.
type moment struct {
	wall   time.Time
	steady time.Duration
}

func (c Clock) now() moment { return moment{c.Wall(), c.Steady()} }

// jitter keeps processes that have to wait for the same thing from coming at the same time.
func (c Clock) jitter(d time.Duration) time.Duration {
	if c.Jitter != nil {
		return c.Jitter(d)
	}
	return d/2 + rand.N(d/2+1)
}

// span returns the time from one moment to another by the clock that counted less, and
// by the one that counted more. Who must not act too early goes by the shorter, who must
// not act too late by the longer.
func span(from, to moment) (shorter, longer time.Duration) {
	wall, steady := to.wall.Sub(from.wall), to.steady-from.steady
	return min(wall, steady), max(wall, steady)
}

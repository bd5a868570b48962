package keeper

import (
	"fmt"
	"time"
)

// Times are what the protocol is made of. The zero value stands for the defaults.
type Times struct {
	// Claim is how long a claim stands: its owner is done by then, and nobody else takes
	// it over before. Default 20 s.
	Claim time.Duration
	// Send is what must be left of a claim when a request is sent. Default 8 s.
	Send time.Duration
	// Write is how long one attempt to write may take. Default 3.5 s. This much of a claim
	// is left for the first attempt after the answer.
	Write time.Duration
	// Retry is the longest pause between two attempts to write new tokens. Default 2 s.
	Retry time.Duration
}

func (t Times) withDefaults() Times {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Claim, 20 * time.Second}, {&t.Send, 8 * time.Second},
		{&t.Write, 3500 * time.Millisecond}, {&t.Retry, 2 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return t
}

// check reports times under which the protocol would not hold.
func (t Times) check() error {
	switch {
	case t.Write <= 0 || t.Retry <= 0 || t.Send <= t.Write:
		return fmt.Errorf("keeper: an answer needs time before it is written: %+v", t)
	case t.Claim <= t.Send:
		return fmt.Errorf("keeper: a claim is shorter than a sending: %+v", t)
	}
	return nil
}

// answer is how long after the beginning of a claim its holder has its answer, or has given up.
// What it does from there on is write.
func (t Times) answer() time.Duration { return t.Claim - t.Write }

// knock is how long after a mark the holder has written what it has: it had the time for an attempt
// that hung from before, a pause, and another attempt. See watch.
func (t Times) knock() time.Duration { return t.Write + t.Retry + t.Write }

// gap is the longest time between two reads of one watch.
func (t Times) gap() time.Duration { return t.Retry }

// patience is how long a caller waits for a refresh: for a whole watch, and for the
// refresh after it.
func (t Times) patience() time.Duration { return t.answer() + t.knock() + t.Claim + t.Write }

// What is not part of the protocol's safety.
const (
	// The pause between two looks at somebody else's claim grows from the first to the
	// second.
	pollFirst = 25 * time.Millisecond
	pollLast  = 250 * time.Millisecond

	// prepareLimit bounds Prepare.
	prepareLimit = 30 * time.Second

	// saveLimit is how long one saver goes on; the next use of the keeper begins another.
	saveLimit = time.Hour

	// After a failure nothing is tried before a pause that grows from the first to the
	// second; after one of the register alone, it grows to the third.
	pauseFirst    = time.Second
	pauseLast     = time.Minute
	pauseRegister = 5 * time.Second

	// maxConflicts is how often in one refresh a write may meet another's. More than a
	// few means that the register lies.
	maxConflicts = 40
	// maxClaims is how often in one refresh a claim is written because the one before ran
	// out of time unused.
	maxClaims = 3
)

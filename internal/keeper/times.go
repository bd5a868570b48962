package keeper

import (
	"fmt"
	"time"
)

// Times are the times of the protocol. A zero field means its default.
type Times struct {
	// Claim is how long a claim lives: its owner is done by then, and nobody else takes it over
	// before. The default is 20 s.
	Claim time.Duration
	// Send is how much time a claim must have left when a request is sent. The default is 8 s.
	Send time.Duration
	// Write is how long one attempt to write may take. The default is 3.5 s. A claim reserves this
	// much for the first attempt after the answer.
	Write time.Duration
	// Retry is the longest pause between two attempts to write new tokens. The default is 2 s.
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

// check refuses times with which the protocol would not be safe.
func (t Times) check() error {
	switch {
	case t.Write <= 0 || t.Retry <= 0 || t.Send <= t.Write:
		return fmt.Errorf("keeper: Write and Retry must be above 0, and Send longer than Write: %+v", t)
	case t.Claim <= t.Send:
		return fmt.Errorf("keeper: Claim must be longer than Send: %+v", t)
	}
	return nil
}

// answer is how long after the beginning of a claim its holder has its answer, or has given up.
// After that it only writes.
func (t Times) answer() time.Duration { return t.Claim - t.Write }

// knock is how long after a mark the holder has certainly written its value: the rest of an attempt
// that hung, a pause, and another attempt. See watch.
func (t Times) knock() time.Duration { return t.Write + t.Retry + t.Write }

// gap is the longest time between two reads of one watch.
func (t Times) gap() time.Duration { return t.Retry }

// patience is how long a caller waits for a refresh: a whole watch, and the refresh after it.
func (t Times) patience() time.Duration { return t.answer() + t.knock() + t.Claim + t.Write }

// These are not part of the protocol's safety.
const (
	// The pause between two reads of another's claim grows from pollFirst to pollLast.
	pollFirst = 25 * time.Millisecond
	pollLast  = 250 * time.Millisecond

	// prepareLimit limits Prepare.
	prepareLimit = 30 * time.Second

	// saveLimit is how long one saver runs; the next use of the keeper starts another.
	saveLimit = time.Hour

	// The pause after a failure grows from the first of these values to the second. If only the
	// register failed, it grows to the third.
	pauseFirst    = time.Second
	pauseLast     = time.Minute
	pauseRegister = 5 * time.Second

	// maxConflicts is how many writes of one refresh may conflict. More than a few mean that the
	// register is faulty.
	maxConflicts = 40
	// maxClaims is how many claims one refresh may write because the one before expired unused.
	maxClaims = 3
)

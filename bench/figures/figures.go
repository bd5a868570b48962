// Package figures measures what atproto-go promises about speed and memory. A figure is
// a ratio to something that cannot be done without, such as one signature, or a count;
// never a time, which would be the machine's.
package figures

import (
	"context"
	"fmt"
	"time"
)

// A Figure is one number.
type Figure struct {
	Name  string
	What  string  // what the number is, in its unit
	Limit float64 // what it may be at most; 0: it is reported, and not checked
	// Measure measures once.
	Measure func(ctx context.Context) (float64, error)
}

// An Operation is done n times.
type Operation func(ctx context.Context, n int) error

// Ratio compares two operations: the fastest of five turns of one by the fastest of five
// turns of the other, taken alternately, so that whatever else the machine does happens
// to both.
func Ratio(ctx context.Context, ours, base Operation) (float64, error) {
	const (
		turns = 5
		span  = 100 * time.Millisecond
	)
	operations := [2]Operation{ours, base}
	var times [2]int // how often an operation fits into a turn
	for i, op := range operations {
		n := 1
		for {
			took, err := clock(ctx, op, n)
			if err != nil {
				return 0, err
			}
			if took > span/4 {
				times[i] = max(1, int(float64(n)*float64(span)/float64(took)))
				break
			}
			n *= 2
		}
	}
	var best [2]float64
	for turn := range turns {
		for i, op := range operations {
			took, err := clock(ctx, op, times[i])
			if err != nil {
				return 0, err
			}
			if per := float64(took) / float64(times[i]); turn == 0 || per < best[i] {
				best[i] = per
			}
		}
	}
	return best[0] / best[1], nil
}

func clock(ctx context.Context, op Operation, n int) (time.Duration, error) {
	started := time.Now()
	err := op(ctx, n)
	return time.Since(started), err
}

// tries is how often Check measures a figure that is above its limit.
const tries = 3

// Check measures the figure until it is within its limit, three times at most, and
// returns the best value that it saw.
func (f Figure) Check(ctx context.Context) (best float64, err error) {
	for try := range tries {
		value, err := f.Measure(ctx)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", f.Name, err)
		}
		if try == 0 || value < best {
			best = value
		}
		if f.Limit == 0 || best <= f.Limit {
			break
		}
	}
	return best, nil
}

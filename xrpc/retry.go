package xrpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// A RetryPolicy says how often and when a call is repeated. The zero RetryPolicy is a good one:
// three attempts, about a second apart.
//
// Queries are repeated after network errors, and after statuses that can pass. Procedures are
// repeated only if the request was never sent, unless Idempotent says that they may be carried out
// twice. A body that can be read only once is never sent again.
type RetryPolicy struct {
	// Attempts is the total number of attempts, including the first. 0 means 3; 1 switches
	// repetitions off.
	Attempts int
	// FirstPause is the pause before the second attempt. Each further pause is twice as long. Each
	// pause is shortened by a random part of up to a half, so that clients that failed together do
	// not return together. 0 means 500 ms.
	FirstPause time.Duration
	// LongestPause limits the pauses. If a server asks for a longer pause, the call is not
	// repeated. 0 means 30 s, or FirstPause if that is longer.
	LongestPause time.Duration
}

// shortestPause detects a number that was meant as seconds, and stops attempts without a pause,
// which would be an attack.
const shortestPause = time.Millisecond

// complete returns the policy with its defaults. It returns an error if the policy is not valid.
func (p RetryPolicy) complete() (RetryPolicy, error) {
	if p.Attempts < 0 {
		return p, fmt.Errorf("%s is %d, below zero", "Attempts", p.Attempts)
	}
	for _, pause := range []struct {
		field string
		value time.Duration
	}{{"FirstPause", p.FirstPause}, {"LongestPause", p.LongestPause}} {
		if pause.value != 0 && pause.value < shortestPause {
			return p, fmt.Errorf("%s is %s, less than %s: write it with its unit, such as 2*time.Second", pause.field, pause.value, shortestPause)
		}
	}
	if p.LongestPause != 0 && p.LongestPause < p.FirstPause {
		return p, fmt.Errorf("LongestPause is %s, shorter than FirstPause, %s", p.LongestPause, p.FirstPause)
	}
	p.Attempts = cmp.Or(p.Attempts, 3)
	p.FirstPause = cmp.Or(p.FirstPause, min(500*time.Millisecond, cmp.Or(p.LongestPause, time.Second)))
	p.LongestPause = cmp.Or(p.LongestPause, max(30*time.Second, p.FirstPause))
	return p, nil
}

// pause returns how long to wait after an attempt; the first attempt is 1.
func (p *RetryPolicy) pause(attempt int) time.Duration {
	pause := p.FirstPause
	for ; attempt > 1 && pause < p.LongestPause; attempt-- {
		if pause > p.LongestPause/2 { // twice as long could be more than a Duration holds
			pause = p.LongestPause
			break
		}
		pause *= 2
	}
	return pause/2 + rand.N(pause/2+1)
}

// retryable are the statuses that can pass (X17).
var retryable = []int{
	http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
	http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	522, 524, // from a well-known proxy: connection timed out, no answer in time
}

// again decides whether to repeat a call after err, and waits before that.
func (p *RetryPolicy) again(ctx context.Context, attempt int, twice bool, err error) bool {
	if p == nil || attempt >= p.Attempts || ctx.Err() != nil {
		return false
	}
	var asked time.Duration
	if failed, ok := errors.AsType[*Error](err); ok {
		if !twice || !slices.Contains(retryable, failed.Status) {
			return false
		}
		asked = failed.RetryAfter
	} else if send, ok := errors.AsType[*SendError](err); !ok || send.final || send.Sent == SentMaybe && !twice {
		return false
	}
	if asked > p.LongestPause {
		return false
	}
	pause := max(asked, p.pause(attempt))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

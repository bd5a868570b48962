package xrpc

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// A RetryPolicy says how often and when a call is made again. Queries are retried
// on any of its statuses and on failures of the network; procedures only when the
// request was never sent, unless Idempotent says that they may be carried out
// twice. A body that can be read only once is never sent again.
type RetryPolicy struct {
	Attempts int           // in all, the first included; below 2 nothing is retried
	Base     time.Duration // pause before the second attempt, doubled from then on; default 500 ms
	Max      time.Duration // longest pause; default 30 s. A server that asks for a longer one is not asked again
}

// retryable are the statuses that can pass by themselves (X17).
var retryable = []int{
	http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
	http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	522, 524, // of a well-known proxy: connection timed out, no answer in time
}

// again decides whether to make a call again after err, and waits if so.
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
	} else if send, ok := errors.AsType[*SendError](err); !ok || send.Sent == SentMaybe && !twice {
		return false
	}
	base, longest := p.Base, p.Max
	if base <= 0 {
		base = 500 * time.Millisecond
	}
	if longest <= 0 {
		longest = 30 * time.Second
	}
	if asked > longest {
		return false
	}
	pause := min(base<<min(attempt-1, 20), longest)
	pause = max(asked, pause/2+rand.N(pause/2+1))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

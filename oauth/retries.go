package oauth

import (
	"context"
	"math/rand/v2"
	"time"
)

// A cause is a reason for which a server wants a request again.
type cause int

const (
	none       cause = iota
	wantsNonce       // another nonce in the proof
	wantsToken       // another access token
	wantsProof       // a proof that it has not seen, or one with the time of its own clock
	causes           // how many there are
)

// The pause before a request is sent again for the same cause grows from retryPauseFirst to retryPauseLast.
// The first repetition has no pause: the server's challenge says what to do.
const (
	retryPauseFirst = 100 * time.Millisecond
	retryPauseLast  = 2 * time.Second

	maxRetries = 10 // the largest value of Config.Retries
)

// A budget counts how often one request was sent again, and for which cause (P8, P19).
type budget struct {
	limit int // for each cause
	total int
	spent [causes]int
	all   int
	given int // how often something was given back
}

// newBudget returns the budget of one request. Its limit for all causes together is twice the limit
// for one cause.
func (c *Client) newBudget() *budget {
	limit := max(c.config.Retries, 1)
	return &budget{limit: limit, total: 2 * limit}
}

// spend reports whether the request may be sent again for this cause, and counts it.
func (b *budget) spend(why cause) bool {
	limit := b.limit
	if why == wantsToken {
		limit = 1 // a second refresh would not bring a better token
	}
	if why == none || b.spent[why] >= limit || b.all >= b.total {
		return false
	}
	b.spent[why]++
	b.all++
	return true
}

// giveBack makes a cause count as not spent. This works only a limited number of times.
func (b *budget) giveBack(why cause) {
	if b.given < maxAdopted {
		b.given++
		b.spent[why]--
		b.all--
	}
}

// pause waits before the request is sent again for the cause that was spent last.
func (b *budget) pause(ctx context.Context, why cause) error {
	times := b.spent[why]
	if times < 2 {
		return nil
	}
	d := min(retryPauseFirst<<min(times-2, 10), retryPauseLast)
	return sleep(ctx, d/2+rand.N(d/2))
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

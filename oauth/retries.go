package oauth

import (
	"context"
	"math/rand/v2"
	"time"
)

// A cause is a reason that a server gives for wanting a request again.
type cause int

const (
	none       cause = iota
	wantsNonce       // another nonce in the proof
	wantsToken       // another access token
	wantsProof       // a proof that it has not seen, or one by its own clock
	causes           // how many there are
)

// The pause before a request is sent again for the same cause as before grows from the
// first to the last. The first time there is none: a challenge says what to do.
const (
	retryPauseFirst = 100 * time.Millisecond
	retryPauseLast  = 2 * time.Second

	maxRetries = 10 // what Config.Retries may be
)

// A budget counts how often one request was sent again, and for what (P8, P19).
type budget struct {
	limit int // for each cause
	total int
	spent [causes]int
	all   int
	given int // how often something was given back
}

// newBudget is the budget of one request. In all, it may be sent again twice as often as
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

// giveBack takes a cause for not spent. There is an end to that, too.
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

package xrpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// WithReconnect says how a Stream connects again when its connection breaks. Attempts is how many
// connections in a row may bring no message before the error is final; 1 switches reconnecting off.
// The default is the zero RetryPolicy. Its pauses are those for calls, and it has no limit for the
// attempts, with one exception: if no connection was ever open, it stops after three attempts, so
// that a wrong address is noticed.
//
// If a server asks for a longer pause (Retry-After), the Stream waits for it, up to an hour. It
// does not try again after errors that cannot pass: see Stream.Messages.
func WithReconnect(policy RetryPolicy) Option {
	return func(o *options) error {
		complete, err := policy.complete()
		if err != nil {
			return fmt.Errorf("xrpc: WithReconnect: %w", err)
		}
		complete.Attempts = policy.Attempts
		o.reconnect = complete
		return nil
	}
}

// defaultReconnect is the policy without WithReconnect.
func defaultReconnect() RetryPolicy {
	policy, _ := RetryPolicy{}.complete() // this policy is always valid
	policy.Attempts = 0
	return policy
}

const (
	// firstAttempts is how often the first connection is tried, unless a policy sets another
	// number.
	firstAttempts = 3
	// maxFaults is how many connections in a row may bring nothing but faults against the protocol:
	// the next would bring the same.
	maxFaults = 3
	// longestAsked is the longest pause that a server can ask for.
	longestAsked = time.Hour
)

// errConsumerTooSlow is the error frame of a server whose buffer for the consumer is full.
const errConsumerTooSlow ErrorName = "ConsumerTooSlow"

// passing are the names of error frames for failures that can pass.
var passing = []ErrorName{
	errConsumerTooSlow, ErrRateLimitExceeded, ErrInternalServerError, ErrUpstreamFailure, ErrNotEnoughResources, ErrUpstreamTimeout,
}

// mayReopen reports whether a refusal, or an error frame, can pass. A stream can wait, so it also
// accepts the special statuses of proxies for a server that is starting.
func mayReopen(e *Error) bool {
	switch {
	case e.Status == http.StatusSwitchingProtocols:
		return slices.Contains(passing, e.Name)
	case e.Status == http.StatusNotImplemented || e.Status == http.StatusHTTPVersionNotSupported:
		return false
	}
	return e.Status >= 500 || slices.Contains(retryable, e.Status)
}

// mayPass reports whether a failure of a Doer can pass. An error of a session says that itself,
// whatever its cause: a session may have ended because of a network failure.
func mayPass(err error) bool {
	type temporary interface {
		error
		Temporary() bool
	}
	if said, ok := err.(temporary); ok {
		return said.Temporary()
	}
	if send, ok := errors.AsType[*SendError](err); ok {
		return !send.final
	}
	said, ok := errors.AsType[temporary](err)
	return ok && said.Temporary()
}

// attempts counts the connections of a stream.
type attempts struct {
	policy   RetryPolicy
	ever     bool      // a connection was open before
	since    time.Time // when the last connection opened; zero if it did not
	failures int       // failures in a row, without a message
	faults   int       // faults against the protocol in a row, without a message
}

// opened notes that a connection is open.
func (a *attempts) opened() { a.ever, a.since = true, time.Now() }

// progress notes that a new message came.
func (a *attempts) progress() { a.failures, a.faults = 0, 0 }

// again decides whether to connect again after err, and how long to wait before that.
func (a *attempts) again(err error) (pause time.Duration, ok bool) {
	if !a.since.IsZero() && time.Since(a.since) >= a.policy.LongestPause {
		a.failures = 0 // it was open for long, on a stream with few messages
	}
	a.since = time.Time{}
	a.failures++
	var asked time.Duration
	switch e := err.(type) {
	case *Error:
		asked = e.RetryAfter
		ok = mayReopen(e)
	case *StreamError:
		ok = true
		if e.isFault() {
			a.faults++
			ok = a.faults < maxFaults
		}
	default:
		ok = mayPass(err)
	}
	limit := a.policy.Attempts
	if limit == 0 && !a.ever {
		limit = firstAttempts
	}
	if !ok || limit > 0 && a.failures >= limit {
		return 0, false
	}
	return max(a.policy.pause(a.failures), min(asked, longestAsked)), true
}

// sleep waits, or returns why the context has ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return overBecause(ctx)
	}
}

package xrpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// WithReconnect says how a Stream makes its connection anew when it breaks. Attempts is how many connections in a
// row may bring no message until the error is final; 1 switches reconnecting off. The zero RetryPolicy, which holds
// without this Option, has pauses as for calls and no limit to the attempts, but for the very first connection:
// where none could be made yet, three attempts are all, so that a wrong address is noticed.
//
// A server that asks for a longer pause (Retry-After) gets it, up to an hour. What cannot pass by itself is not
// tried again: see Stream.Messages.
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

// defaultReconnect is what holds without WithReconnect.
func defaultReconnect() RetryPolicy {
	policy, _ := RetryPolicy{}.complete() // nothing is wrong with it
	policy.Attempts = 0
	return policy
}

const (
	// firstAttempts is how often the first connection is tried, unless a policy says something else.
	firstAttempts = 3
	// maxFaults is how many connections in a row may bring nothing but what is against the protocol: the next
	// would bring the same.
	maxFaults = 3
	// longestAsked is how long a server can make a stream wait.
	longestAsked = time.Hour
)

// errConsumerTooSlow is the error frame of a server whose buffer for the consumer is full.
const errConsumerTooSlow ErrorName = "ConsumerTooSlow"

// passing are the errors of frames that can pass by themselves.
var passing = []ErrorName{
	errConsumerTooSlow, ErrRateLimitExceeded, ErrInternalServerError, ErrUpstreamFailure, ErrNotEnoughResources, ErrUpstreamTimeout,
}

// mayReopen reports whether a refusal, or an error frame, can pass by itself. A stream is in no hurry: it waits also
// for what proxies say of a server that starts again, in numbers of their own.
func mayReopen(e *Error) bool {
	switch {
	case e.Status == http.StatusSwitchingProtocols:
		return slices.Contains(passing, e.Name)
	case e.Status == http.StatusNotImplemented || e.Status == http.StatusHTTPVersionNotSupported:
		return false
	}
	return e.Status >= 500 || slices.Contains(retryable, e.Status)
}

// mayPass reports whether a failure of a Doer can pass by itself. One of a session says so itself, whatever its
// cause: it may be over because of a failure of the network.
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
	ever     bool      // a connection was open
	since    time.Time // the last one was opened, zero if it could not be
	failures int       // in a row, without a message
	faults   int       // in a row, without a message: what is against the protocol
}

// opened says that a connection stands.
func (a *attempts) opened() { a.ever, a.since = true, time.Now() }

// progress says that a message came that was not there before.
func (a *attempts) progress() { a.failures, a.faults = 0, 0 }

// again decides whether to connect again after err, and how long to wait before.
func (a *attempts) again(err error) (pause time.Duration, ok bool) {
	if !a.since.IsZero() && time.Since(a.since) >= a.policy.LongestPause {
		a.failures = 0 // it stood, on a stream where little happens
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

// sleep waits, or says why the context is over.
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

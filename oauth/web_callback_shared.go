package oauth

import (
	"context"
	"net/url"
	"sync"
	"time"
)

// A browser may send the same callback twice before it is answered: the user loads the page again,
// or presses the button twice. The browser then waits for the second answer only, and drops the
// first. So both requests get the result of the one login, and a login continues when its browser
// no longer waits.

const (
	// callbackLimit limits the time of a login, because its browser may not be waiting any more.
	callbackLimit = time.Minute
	// callbackKept is how long a finished login still answers the browser that began it. A browser
	// that got the answer no longer has the binding, and gets no other answer.
	callbackKept = 30 * time.Second
)

// sharedCallbacks are the callbacks in progress, and those that ended a moment ago. The zero value
// is empty and ready to use. It is safe for concurrent use.
type sharedCallbacks struct {
	mu  sync.Mutex
	all map[sharedKey]*sharedCallback
}

// A sharedKey is the whole callback: whoever sends the same gets the same answer.
type sharedKey struct{ query, binding string }

type sharedCallback struct {
	done  chan struct{} // closed when the fields below are set
	ended time.Time

	result   *CallbackResult
	login    *loginState
	err      error
	panicked any // the panic of the application's own code, passed on to net/http
}

// join returns the callback under key. If it is new, the caller has to end it.
func (s *sharedCallbacks) join(key sharedKey, now time.Time) (shared *sharedCallback, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, old := range s.all {
		if !old.ended.IsZero() && now.Sub(old.ended).Abs() >= callbackKept {
			delete(s.all, k)
		}
	}
	if shared = s.all[key]; shared != nil {
		return shared, false
	}
	shared = &sharedCallback{done: make(chan struct{})}
	if s.all == nil {
		s.all = make(map[sharedKey]*sharedCallback)
	}
	s.all[key] = shared
	return shared, true
}

// end gives the result to all who wait for it. A failed callback is forgotten, because the next try
// may succeed.
func (s *sharedCallbacks) end(key sharedKey, shared *sharedCallback, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared.ended = now
	if shared.err != nil || shared.panicked != nil {
		delete(s.all, key)
	}
	close(shared.done)
}

// sharedCallback is callback for browsers: see sharedCallbacks. Without a binding it is the same as
// callback.
func (c *Client) sharedCallback(ctx context.Context, query url.Values, binding string) (*CallbackResult, *loginState, error) {
	if binding == "" {
		return c.callback(ctx, query, binding)
	}
	key := sharedKey{query.Encode(), binding}
	shared, isNew := c.callbacks.join(key, c.now())
	if isNew {
		end := func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callbackLimit)
			defer cancel()
			defer func() {
				shared.panicked = recover()
				c.callbacks.end(key, shared, c.now())
			}()
			shared.result, shared.login, shared.err = c.callback(ctx, query, binding)
		}
		if !c.keepers.Go(end) {
			end() // a login that began before Shutdown
		}
	}
	select {
	case <-shared.done:
		if shared.panicked != nil {
			panic(shared.panicked)
		}
		if !isNew && shared.err == nil && shared.result.Session != nil {
			if _, over := shared.result.Session.current(); over != nil {
				return nil, nil, &Error{Kind: ErrStateUnknown} // it was logged out meanwhile
			}
		}
		return shared.result, shared.login, shared.err
	case <-ctx.Done():
		return nil, nil, networkError(ctx, context.Cause(ctx))
	}
}

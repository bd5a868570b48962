package oauth

import (
	"context"
	"net/url"
	"sync"
	"time"
)

// A browser may come with one callback twice before it is answered: the page is loaded again, or the button is
// pressed twice. It then waits for the second answer alone, and what the first would have given it is lost. So both
// get what the one login came to; and a login goes on when its browser no longer waits.

const (
	// callbackLimit is how long a login may take that no browser may be waiting for.
	callbackLimit = time.Minute
	// callbackKept is how long after its end a login still answers the browser that began it. A browser that got the
	// answer has no binding any more, and does not get another.
	callbackKept = 30 * time.Second
)

// sharedCallbacks are the logins that end now, or did a moment ago. The zero value is empty and ready to use; it
// is safe for concurrent use.
type sharedCallbacks struct {
	mu  sync.Mutex
	all map[sharedKey]*sharedCallback
}

// A sharedKey is all of a callback: who brings the same has the right to the same.
type sharedKey struct{ query, binding string }

type sharedCallback struct {
	done  chan struct{} // closed when what follows is set
	ended time.Time

	result   *CallbackResult
	login    *loginState
	err      error
	panicked any // what code of the application's own panicked with, for net/http to deal with
}

// join returns the callback under key. It reports whether it is new, so that the caller has to end it.
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

// end gives the callback to who waits for it. One that failed is forgotten: the next may do better.
func (s *sharedCallbacks) end(key sharedKey, shared *sharedCallback, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shared.ended = now
	if shared.err != nil || shared.panicked != nil {
		delete(s.all, key)
	}
	close(shared.done)
}

// sharedCallback is callback for browsers: see sharedCallbacks. Without a binding it is callback.
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

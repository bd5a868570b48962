package keeper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A Group is the state that the keepers of one client share. It is safe for concurrent use.
// NewGroup makes one.
type Group struct {
	clock      Clock
	times      Times
	retryAfter func(error) time.Duration
	closing    chan struct{}

	mu      sync.Mutex
	closed  bool
	running int
	idle    chan struct{} // closed when running becomes 0, if somebody waits
	stats   Stats
}

// Stats counts what the keepers of a group have done since it was made.
type Stats struct {
	Refreshes      uint64 // new tokens from the server
	Adoptions      uint64 // new tokens that another process got
	Takeovers      uint64 // claims that another process left behind
	Failures       uint64 // refreshes that failed and will be tried again
	Endings        uint64 // sessions that ended
	RegisterErrors uint64 // failed reads and writes
	Unsaved        int    // sessions whose tokens are not stored, now
}

// NewGroup returns a group. retryAfter returns how long a server wants no requests after an error.
// It may be nil.
func NewGroup(clock Clock, times Times, retryAfter func(error) time.Duration) (*Group, error) {
	times = times.withDefaults()
	if err := times.check(); err != nil {
		return nil, err
	}
	if retryAfter == nil {
		retryAfter = func(error) time.Duration { return 0 }
	}
	return &Group{clock: clock, times: times, retryAfter: retryAfter, closing: make(chan struct{})}, nil
}

// Stats returns the current counts.
func (g *Group) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stats
}

// Go runs f, and Shutdown waits for it. After Shutdown it returns false and does not run f.
func (g *Group) Go(f func()) bool {
	if !g.begin() {
		return false
	}
	go func() {
		defer g.end()
		f()
	}()
	return true
}

// Shutdown stops new refreshes. It waits until the refreshes under way are done, new tokens are
// stored, and orphans are revoked. A refresh that has no claim yet ends with ErrStopped. If ctx
// ends first, the error says what is left.
func (g *Group) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.closing)
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
		if g.running == 0 {
			close(g.idle)
		}
	}
	idle := g.idle
	g.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running == 0 {
		return nil
	}
	err := fmt.Errorf("%d tasks are not finished: %w", g.running, context.Cause(ctx))
	if g.stats.Unsaved > 0 {
		err = errors.Join(err, fmt.Errorf("the new tokens of %d sessions are not stored", g.stats.Unsaved))
	}
	return err
}

// begin notes that something runs which Shutdown must wait for.
func (g *Group) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running++
	return true
}

// beginMore is begin for work that must be finished even during a shutdown. Its caller is such work
// itself.
func (g *Group) beginMore() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running++
}

func (g *Group) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.running == 0 && g.closed && g.idle != nil {
		select {
		case <-g.idle:
		default:
			close(g.idle)
		}
	}
}

func (g *Group) isClosing() bool {
	select {
	case <-g.closing:
		return true
	default:
		return false
	}
}

func (g *Group) count(f func(*Stats)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(&g.stats)
}

func (g *Group) countEvent(e Event) {
	g.count(func(s *Stats) {
		switch e {
		case Refreshed:
			s.Refreshes++
		case Adopted:
			s.Adoptions++
		case TookOver:
			s.Takeovers++
		case Failed:
			s.Failures++
		case Over:
			s.Endings++
		case Unsaved:
			s.Unsaved++
		case Saved:
			s.Unsaved--
		}
	})
}

package serviceauth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Replays remembers which tokens came. Implementations are safe for concurrent use; where several
// processes answer for one service, they share what it remembers.
type Replays interface {
	// First reports whether the token under id comes for the first time, and remembers it until
	// then. The id is at most some kilobytes of any text.
	First(ctx context.Context, id string, until time.Time) (bool, error)
}

// DefaultReplays is how many tokens a ReplayMemory remembers at a time.
const DefaultReplays = 100_000

// A ReplayMemory is the Replays of one process. The zero value is empty and ready to use. Safe
// for concurrent use.
type ReplayMemory struct {
	// Max is how many tokens are remembered at a time; 0 is DefaultReplays. Where more come
	// within their time, First fails: tokens that could not be remembered are not let in.
	Max int
	// Clock tells the time; nil is time.Now.
	Clock func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
}

// First implements Replays.
func (m *ReplayMemory) First(_ context.Context, id string, until time.Time) (bool, error) {
	now := time.Now()
	if m.Clock != nil {
		now = m.Clock()
	}
	limit := m.Max
	if limit == 0 {
		limit = DefaultReplays
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if end, ok := m.until[id]; ok && now.Before(end) {
		return false, nil
	}
	if len(m.until) >= limit {
		for other, end := range m.until {
			if !now.Before(end) {
				delete(m.until, other)
			}
		}
		if len(m.until) >= limit {
			return false, errors.New("serviceauth: more tokens came than are remembered; ReplayMemory.Max is too small")
		}
	}
	if m.until == nil {
		m.until = make(map[string]time.Time)
	}
	m.until[id] = until
	return true, nil
}

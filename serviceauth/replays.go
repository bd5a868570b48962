package serviceauth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Replays remembers which tokens were used. Implementations are safe for concurrent use. If several
// processes answer for one service, they must share this memory.
type Replays interface {
	// First reports whether the token with this id is used for the first time, and remembers it
	// until the time until. The id may be any text of up to some kilobytes.
	First(ctx context.Context, id string, until time.Time) (bool, error)
}

// DefaultReplays is how many tokens a ReplayMemory remembers at the same time.
const DefaultReplays = 100_000

// A ReplayMemory is a Replays for one process. The zero value is empty and ready to use. It is safe
// for concurrent use.
type ReplayMemory struct {
	// Max is how many tokens are remembered at the same time; 0 means DefaultReplays. If it is too
	// small, First fails: a token that cannot be remembered is not accepted.
	Max int
	// Clock returns the current time; nil is time.Now.
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
			return false, errors.New("serviceauth: there are more valid tokens than ReplayMemory.Max: set a larger Max")
		}
	}
	if m.until == nil {
		m.until = make(map[string]time.Time)
	}
	m.until[id] = until
	return true, nil
}

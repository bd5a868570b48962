// Package live makes one value of each session of a process, so that its refresh is shared.
package live

import (
	"cmp"
	"container/list"
	"runtime"
	"sync"
	"weak"
)

// usual is how many idle sessions are kept at hand.
const usual = 16_384

// Sessions makes sure that one session is one *S in this process. It holds on to the most
// recently used and knows the others weakly. It is safe for concurrent use. Make it by New.
type Sessions[K comparable, S any] struct {
	limit int

	mu     sync.Mutex
	known  map[K]weak.Pointer[S]
	recent list.List // of held, most recent first
	places map[K]*list.Element
}

// A held session is one that is kept at hand.
type held[K comparable, S any] struct {
	key     K
	session *S
}

// New returns one that holds on to limit sessions; 0: as many as is usual.
func New[K comparable, S any](limit int) *Sessions[K, S] {
	return &Sessions[K, S]{
		limit: cmp.Or(limit, usual),
		known: make(map[K]weak.Pointer[S]), places: make(map[K]*list.Element),
	}
}

// Get returns the live session under key, or nil.
func (l *Sessions[K, S]) Get(key K) *S {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[key].Value()
	if s != nil {
		l.touch(key, s)
	}
	return s
}

// Count returns how many sessions live.
func (l *Sessions[K, S]) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.known)
}

// Intern returns the session that already lives under key, or s, which lives from now
// on.
func (l *Sessions[K, S]) Intern(key K, s *S) *S {
	l.mu.Lock()
	defer l.mu.Unlock()
	if living := l.known[key].Value(); living != nil {
		l.touch(key, living)
		return living
	}
	pointer := weak.Make(s)
	l.known[key] = pointer
	l.touch(key, s)
	// The cleanup must not hold on to l, which holds on to the sessions: a client that
	// is dropped goes with all of them (P104).
	runtime.AddCleanup(s, func(gone collected[K, S]) {
		if l := gone.from.Value(); l != nil {
			l.drop(gone)
		}
	}, collected[K, S]{weak.Make(l), key, pointer})
	return s
}

// A collected session is one that the garbage collector took.
type collected[K comparable, S any] struct {
	from    weak.Pointer[Sessions[K, S]]
	key     K
	pointer weak.Pointer[S]
}

func (l *Sessions[K, S]) drop(gone collected[K, S]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[gone.key] == gone.pointer {
		delete(l.known, gone.key)
	}
}

// Forget drops s, so that it is not found any more.
func (l *Sessions[K, S]) Forget(key K, s *S) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[key].Value() != s {
		return
	}
	delete(l.known, key)
	if place := l.places[key]; place != nil {
		l.recent.Remove(place)
		delete(l.places, key)
	}
}

// touch moves s to the front of the recently used.
func (l *Sessions[K, S]) touch(key K, s *S) {
	if place := l.places[key]; place != nil {
		l.recent.MoveToFront(place)
		return
	}
	l.places[key] = l.recent.PushFront(held[K, S]{key, s})
	if l.recent.Len() > l.limit {
		last := l.recent.Back()
		delete(l.places, l.recent.Remove(last).(held[K, S]).key)
	}
}

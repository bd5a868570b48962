// Package live makes sure that a process has one value for each session, so that goroutines share
// its refresh.
package live

import (
	"cmp"
	"container/list"
	"runtime"
	"sync"
	"weak"
)

// usual is how many idle sessions are kept in memory.
const usual = 16_384

// Sessions makes sure that a session is one *S in this process. It keeps those that were used last,
// and has weak pointers to the others. It is safe for concurrent use. New makes one.
type Sessions[K comparable, S any] struct {
	limit int

	mu     sync.Mutex
	known  map[K]weak.Pointer[S]
	recent list.List // of held; the last used is first
	places map[K]*list.Element
}

// A held session is kept in memory.
type held[K comparable, S any] struct {
	key     K
	session *S
}

// New returns a Sessions that keeps limit sessions; 0 means the usual number.
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

// Count returns the number of live sessions.
func (l *Sessions[K, S]) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.known)
}

// Intern returns the live session under key. If there is none, s becomes live and is returned.
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
	// The cleanup must not refer to l, which refers to the sessions. So an unused client can be
	// freed with all of them (P104).
	runtime.AddCleanup(s, func(gone collected[K, S]) {
		if l := gone.from.Value(); l != nil {
			l.drop(gone)
		}
	}, collected[K, S]{weak.Make(l), key, pointer})
	return s
}

// A collected session was freed by the garbage collector.
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

// Forget removes s, so that Get no longer returns it.
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

// touch makes s the last used session.
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

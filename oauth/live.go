package oauth

import (
	"container/list"
	"runtime"
	"sync"
	"weak"
)

// maxLiveSessions is how many idle sessions a Client keeps at hand. More may live
// as long as the application holds on to them.
const maxLiveSessions = 1024

// liveSessions makes sure that one session is one *Session in this process, so
// that its refresh is shared. It holds on to the most recently used and knows the
// others weakly. The zero value is ready to use.
type liveSessions struct {
	mu     sync.Mutex
	known  map[SessionKey]weak.Pointer[Session]
	recent list.List // of *Session, most recent first
	places map[SessionKey]*list.Element
}

// get returns the live session under key, or nil.
func (l *liveSessions) get(key SessionKey) *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.known[key].Value()
	if s != nil {
		l.touch(s)
	}
	return s
}

// intern returns the session that already lives under s's key, or s, which lives
// from now on.
func (l *liveSessions) intern(key SessionKey, s *Session) *Session {
	l.mu.Lock()
	defer l.mu.Unlock()
	if living := l.known[key].Value(); living != nil {
		l.touch(living)
		return living
	}
	if l.known == nil {
		l.known = make(map[SessionKey]weak.Pointer[Session])
		l.places = make(map[SessionKey]*list.Element)
	}
	pointer := weak.Make(s)
	l.known[key] = pointer
	l.touch(s)
	runtime.AddCleanup(s, func(key SessionKey) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.known[key] == pointer {
			delete(l.known, key)
		}
	}, key)
	return s
}

// forget drops s, so that the next Resume reads the store.
func (l *liveSessions) forget(key SessionKey, s *Session) {
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
func (l *liveSessions) touch(s *Session) {
	if place := l.places[s.key]; place != nil {
		l.recent.MoveToFront(place)
		return
	}
	l.places[s.key] = l.recent.PushFront(s)
	if l.recent.Len() > maxLiveSessions {
		last := l.recent.Back()
		delete(l.places, l.recent.Remove(last).(*Session).key)
	}
}

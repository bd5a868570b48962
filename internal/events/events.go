// Package events delivers the events of a session to the application. The application's code may be
// slow, may use the session, and may fail.
package events

import "sync"

// A Queue delivers events one at a time and in order, in a goroutine of their own. The zero value
// is empty and ready to use. It is safe for concurrent use.
type Queue struct {
	mu      sync.Mutex
	waiting []func() // not delivered yet
	telling bool     // a goroutine is delivering
}

// Tell delivers an event after those before it. It does not wait, so the application's code cannot
// wait for something that waits for it (P7). If an event panics, Tell calls panicked and goes on
// with the next.
func (q *Queue) Tell(event func(), panicked func(any)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, func() { call(event, panicked) })
	if !q.telling {
		q.telling = true
		go q.deliver()
	}
}

func (q *Queue) deliver() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.telling, q.waiting = false, nil
			q.mu.Unlock()
			return
		}
		event := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		event()
	}
}

// call runs the application's code, which may fail in any way.
func call(event func(), panicked func(any)) {
	defer func() {
		if p := recover(); p != nil {
			defer func() { _ = recover() }() // the logger itself may have failed
			panicked(p)
		}
	}()
	event()
}

// Package events delivers what happens to a session to the application, whose code may take its
// time, use the session, and fail.
package events

import "sync"

// A Queue delivers events one at a time and in order, in a goroutine of their own. The zero value is
// empty and ready to use. It is safe for concurrent use.
type Queue struct {
	mu      sync.Mutex
	waiting []func() // not yet delivered
	telling bool     // a goroutine delivers
}

// Tell delivers an event after those before it, and does not wait for it: what the
// application does there waits for nothing that waits for it (P7). An event that panics is
// told to panicked, and the next comes all the same.
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

// call runs the application's code, which may fail as it likes.
func call(event func(), panicked func(any)) {
	defer func() {
		if p := recover(); p != nil {
			defer func() { _ = recover() }() // the log may be what failed
			panicked(p)
		}
	}()
	event()
}

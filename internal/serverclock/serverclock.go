// Package serverclock compares the clocks of servers with ours by the Date of their answers.
package serverclock

import (
	"net/http"
	"sync"
	"time"
)

const (
	// Tolerance is how far two clocks may be apart before anything is said or done. It covers
	// what Date cannot tell: it has whole seconds.
	Tolerance = 5 * time.Second
	// blur is how long an answer may take and still tell the time.
	blur = 10 * time.Second
	// maxServers bounds of how many servers something is remembered.
	maxServers = 1024
)

// Clocks keeps how far the clock of each server is ahead of ours. The zero value is
// empty and ready to use; it is safe for concurrent use.
type Clocks struct {
	mu    sync.Mutex
	ahead map[string]time.Duration // by origin; 0: less than the tolerance
}

// Measure reads the Date of an answer that was sent and received at these times by our
// clock. It returns how far the server's clock is ahead of ours, 0 if that is within the
// tolerance, and whether this is news.
func (s *Clocks) Measure(origin string, h http.Header, sent, received time.Time) (ahead time.Duration, news bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" || received.Sub(sent) > blur || received.Before(sent) {
		return s.Get(origin), false // what a cache answered tells no time
	}
	// At some moment between sent and received the server's clock showed something
	// between date and a second later. The least that follows is taken: nobody minds a
	// request that looks some seconds old.
	least, most := date.Sub(received), date.Add(time.Second).Sub(sent)
	if least > Tolerance || most < -Tolerance {
		ahead = least
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before, known := s.ahead[origin]
	if known && (ahead-before).Abs() <= Tolerance && (ahead == 0) == (before == 0) {
		return before, false
	}
	if s.ahead == nil {
		s.ahead = make(map[string]time.Duration, 1)
	}
	if len(s.ahead) >= maxServers {
		clear(s.ahead) // they are measured again with the next answers
	}
	s.ahead[origin] = ahead
	return ahead, ahead != before
}

// Known is Get, which also tells whether the clocks were ever compared.
func (s *Clocks) Known(origin string) (ahead time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ahead, ok = s.ahead[origin]
	return ahead, ok
}

// Get returns how far the clock of a server is ahead of ours, as far as that is known.
func (s *Clocks) Get(origin string) time.Duration {
	ahead, _ := s.Known(origin)
	return ahead
}

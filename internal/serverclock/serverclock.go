// Package serverclock compares the clocks of servers with ours, using the Date header of their
// answers.
package serverclock

import (
	"net/http"
	"sync"
	"time"
)

const (
	// Tolerance is the largest difference of two clocks that is ignored. It includes the inaccuracy
	// of Date, which has whole seconds.
	Tolerance = 5 * time.Second
	// blur is how long an answer may take and still be used.
	blur = 10 * time.Second
	// maxServers limits for how many servers something is remembered.
	maxServers = 1024
)

// Clocks holds how far the clock of each server is ahead of ours. The zero value is empty and ready
// to use. It is safe for concurrent use.
type Clocks struct {
	mu    sync.Mutex
	ahead map[string]time.Duration // by origin; 0 means less than the tolerance
}

// Measure reads the Date header of an answer. sent and received are the times of request and answer
// by our clock. It returns how far the server's clock is ahead of ours, or 0 if that is within the
// tolerance, and whether this is news.
func (s *Clocks) Measure(origin string, h http.Header, sent, received time.Time) (ahead time.Duration, news bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" || received.Sub(sent) > blur || received.Before(sent) {
		return s.Get(origin), false // an answer from a cache does not tell the time
	}
	// At some moment between sent and received, the server's clock was between date and one second
	// later. The smallest possible difference is used, because a request that looks some seconds
	// old is accepted.
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
		clear(s.ahead) // the next answers measure them again
	}
	s.ahead[origin] = ahead
	return ahead, ahead != before
}

// Known is Get, and also reports whether the clocks were ever compared.
func (s *Clocks) Known(origin string) (ahead time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ahead, ok = s.ahead[origin]
	return ahead, ok
}

// Get returns how far the clock of a server is ahead of ours, if that is known.
func (s *Clocks) Get(origin string) time.Duration {
	ahead, _ := s.Known(origin)
	return ahead
}

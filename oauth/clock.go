package oauth

import (
	"net/http"
	"sync"
	"time"
)

// Servers refuse proofs and client assertions that are dated too far from their own
// clock: proofs by three minutes or so, assertions that are ahead by anything, or behind
// by a minute. A machine whose clock is wrong then cannot log in, and the refusals do not
// say why. So clocks are compared by the Date of every answer (O71, O92).

const (
	// clockTolerance is how far two clocks may be apart before anything is said or done.
	// It is what assertions are dated back by, and covers what Date cannot tell: it has
	// whole seconds.
	clockTolerance = assertionBackdate
	// clockBlur is how long an answer may take and still tell the time.
	clockBlur = 10 * time.Second
)

// serverClocks keeps how far the clock of each server is ahead of ours. The zero value is
// empty and ready to use; it is safe for concurrent use.
type serverClocks struct {
	mu    sync.Mutex
	ahead map[string]time.Duration // by origin
}

// measure reads the Date of an answer that was sent and received at these times by our
// clock. It returns how far the server's clock is ahead of ours, 0 if that is within the
// tolerance, and whether this is news.
func (s *serverClocks) measure(origin string, h http.Header, sent, received time.Time) (ahead time.Duration, news bool) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || h.Get("Age") != "" || received.Sub(sent) > clockBlur || received.Before(sent) {
		return s.get(origin), false // what a cache answered tells no time
	}
	// At some moment between sent and received the server's clock showed something
	// between date and a second later. The least that follows is taken: nobody minds a
	// request that looks some seconds old.
	least, most := date.Sub(received), date.Add(time.Second).Sub(sent)
	if least > clockTolerance || most < -clockTolerance {
		ahead = least
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.ahead[origin]
	if (ahead-known).Abs() <= clockTolerance && (ahead == 0) == (known == 0) {
		return known, false
	}
	if s.ahead == nil {
		s.ahead = make(map[string]time.Duration, 1)
	}
	if ahead == 0 {
		delete(s.ahead, origin)
		return 0, true
	}
	if len(s.ahead) >= maxNonces {
		clear(s.ahead) // they are measured again with the next answers
	}
	s.ahead[origin] = ahead
	return ahead, true
}

// get returns how far the clock of a server is ahead of ours, as far as that is known.
func (s *serverClocks) get(origin string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ahead[origin]
}

// timeAt is the time to write into what is sent to a server, and by how much it is
// corrected.
func (c *Client) timeAt(origin string) (now time.Time, corrected time.Duration) {
	if c.config.CorrectClock {
		corrected = c.clocks.get(origin)
	}
	return c.now().Add(corrected), corrected
}

// learnTime compares the clocks by an answer to a request that was sent at a time of our
// clock, and tells the operator when they are apart. It returns how far the server's is
// ahead.
func (c *Client) learnTime(origin string, h http.Header, sent time.Time) time.Duration {
	ahead, news := c.clocks.measure(origin, h, sent, c.now())
	if news && ahead != 0 {
		c.log.Warn("oauth: clocks are apart", "server", origin, "server_ahead", ahead.Round(time.Second), "corrected", c.config.CorrectClock)
	}
	return ahead
}

// redated reports whether a request that was corrected so would be dated differently now,
// whoever found out meanwhile.
func (c *Client) redated(origin string, corrected time.Duration) bool {
	_, now := c.timeAt(origin)
	return (now - corrected).Abs() > clockTolerance
}

package oauth

import (
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/internal/serverclock"
)

// Servers refuse proofs and client assertions that are dated too far from their own
// clock: proofs by three minutes or so, assertions that are ahead by anything, or behind
// by a minute. A machine whose clock is wrong then cannot log in, and the refusals do not
// say why. So clocks are compared by the Date of every answer (O71, O92).

// clockTolerance is how far two clocks may be apart before anything is said or done.
const clockTolerance = serverclock.Tolerance

// maxServers bounds of how many servers something is remembered.
const maxServers = 1024

// timeAt is the time to write into what is sent to a server, and by how much it is
// corrected.
func (c *Client) timeAt(origin string) (now time.Time, corrected time.Duration) {
	if c.config.CorrectClock {
		corrected = c.clocks.Get(origin)
	}
	return c.now().Add(corrected), corrected
}

// learnTime compares the clocks by an answer to a request that was sent at a time of our
// clock, and tells the operator when they are apart. It returns how far the server's is
// ahead.
func (c *Client) learnTime(origin string, h http.Header, sent time.Time) time.Duration {
	ahead, news := c.clocks.Measure(origin, h, sent, c.now())
	if news && ahead != 0 {
		c.log.Warn("oauth: clocks are apart", "server", origin, "clock_offset", ahead.Round(time.Second), "corrected", c.config.CorrectClock)
	}
	return ahead
}

// redated reports whether a request that was corrected so would be dated differently now,
// whoever found out meanwhile.
func (c *Client) redated(origin string, corrected time.Duration) bool {
	_, now := c.timeAt(origin)
	return (now - corrected).Abs() > clockTolerance
}

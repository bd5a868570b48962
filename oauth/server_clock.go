package oauth

import (
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/internal/serverclock"
)

// Servers refuse proofs and client assertions whose time is too far from their own clock. For
// proofs the limit is about three minutes. For assertions it is about one minute behind, and
// nothing ahead. So a machine with a wrong clock cannot log in, and the errors do not say why. For
// this reason the client compares its clock with the Date header of every answer (O71, O92).

// clockTolerance is the largest difference of two clocks that is ignored.
const clockTolerance = serverclock.Tolerance

// maxServers limits for how many servers the client remembers something.
const maxServers = 1024

// timeAt returns the time to write into what is sent to a server, and by how much it is corrected.
func (c *Client) timeAt(origin string) (now time.Time, corrected time.Duration) {
	if c.config.CorrectClock {
		corrected = c.clocks.Get(origin)
	}
	return c.now().Add(corrected), corrected
}

// learnTime compares the clocks by the answer to a request that was sent at our time sent. It tells
// the operator if they are apart. It returns how far the server's clock is ahead.
func (c *Client) learnTime(origin string, h http.Header, sent time.Time) time.Duration {
	ahead, news := c.clocks.Measure(origin, h, sent, c.now())
	if news && ahead != 0 {
		c.log.Warn("oauth: clocks are apart", "server", origin, "clock_offset", ahead.Round(time.Second), "corrected", c.config.CorrectClock)
	}
	return ahead
}

// redated reports whether a request with this correction would get another time now, no matter
// which request found that out.
func (c *Client) redated(origin string, corrected time.Duration) bool {
	_, now := c.timeAt(origin)
	return (now - corrected).Abs() > clockTolerance
}

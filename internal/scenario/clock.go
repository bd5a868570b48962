package scenario

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/oauth"
)

// A Clock is the clock of a client. A test sets it ahead instead of waiting.
type Clock struct{ ahead atomic.Int64 }

// Now returns the time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Configure makes a client use the clock.
func (c *Clock) Configure(cfg *oauth.Config) { cfg.Clock = c.Now }

// Pass moves the clock ahead by the time that an error asks to wait.
func (c *Clock) Pass(err error) {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		c.ahead.Add(int64(e.RetryAfter))
	}
	if e, ok := errors.AsType[*apppassword.Error](err); ok {
		c.ahead.Add(int64(e.RetryAfter))
	}
}

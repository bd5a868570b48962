package service

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
)

// The default limits.
const (
	DefaultMaxInput = 1 << 20          // bytes of a typed input
	DefaultMaxBody  = 5 << 20          // bytes of an input of bytes, the limit of the reference server
	DefaultTimeout  = 30 * time.Second // for a call with typed input and output
	DefaultIdle     = time.Minute      // a body must make progress within this time
	DefaultPing     = 30 * time.Second // between two pings to the reader of a stream, and for sending a message
)

// An Option is an option of a served method.
type Option func(*options) error

type options struct {
	middleware []func(http.Handler) http.Handler
	maxInput   int64
	timeout    time.Duration // 0 means none
	idle       time.Duration
	ping       time.Duration
	loose      bool
	checked    bool
	browsers   bool
	logger     *slog.Logger
}

func newOptions(m xrpc.Method) *options {
	o := &options{maxInput: DefaultMaxInput, idle: DefaultIdle, ping: DefaultPing, logger: slog.Default()}
	if isBytes(m.Input) {
		o.maxInput = DefaultMaxBody
	}
	if m.Kind != xrpc.KindSubscription && !isBytes(m.Input) && !isBytes(m.Output) {
		o.timeout = DefaultTimeout
	}
	return o
}

// isBytes reports whether bodies with this encoding have no type.
func isBytes(encoding string) bool { return encoding != "" && encoding != "application/json" }

// With puts middleware in front of a method, the first one outermost: for example
// (*serviceauth.Verifier).Require, a rate limit, or compression. It runs after the check of the
// HTTP method, and before anything of the call is read.
func With(middleware ...func(http.Handler) http.Handler) Option {
	return func(o *options) error {
		o.middleware = append(o.middleware, middleware...)
		return nil
	}
}

// MaxInput limits the input, in bytes. The default is DefaultMaxInput, and DefaultMaxBody for an
// input of bytes. A larger input is refused with PayloadTooLarge.
func MaxInput(bytes int64) Option {
	return func(o *options) error {
		if bytes <= 0 {
			return fmt.Errorf("MaxInput: %d bytes", bytes)
		}
		o.maxInput = bytes
		return nil
	}
}

// Timeout limits the time of a call, from its header until the handler returns. Then the context of
// the handler ends, and its error is answered with NotEnoughResources, unless it has a name. The
// default is DefaultTimeout. For bodies of bytes and for streams there is no limit by default; they
// must make progress: see Idle. 0 means no limit.
func Timeout(d time.Duration) Option {
	return func(o *options) error {
		if d < 0 {
			return fmt.Errorf("Timeout: %s", d)
		}
		o.timeout = d
		return nil
	}
}

// Idle limits the time in which a body makes no progress, in or out. The default is DefaultIdle.
func Idle(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("Idle: %s", d)
		}
		o.idle = d
		return nil
	}
}

// Ping sets how often the reader of a stream is asked for a sign of life, and how long it may take
// to answer or to read a message. The default is DefaultPing.
func Ping(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("Ping: %s", d)
		}
		o.ping = d
		return nil
	}
}

// Loose accepts inputs that decode but break the limits and formats of the lexicon. By default they
// are refused, as by the reference server. Parameters are always checked.
func Loose() Option {
	return func(o *options) error {
		o.loose = true
		return nil
	}
}

// Check checks outputs, messages and the names of errors by the lexicon. It is for tests: an error
// is answered with status 500 and logged.
func Check() Option {
	return func(o *options) error {
		o.checked = true
		return nil
	}
}

// AllowBrowsers lets scripts of all web pages call the method (CORS), without cookies. Calls from
// other services do not need it.
func AllowBrowsers() Option {
	return func(o *options) error {
		o.browsers = true
		return nil
	}
}

// Logger sets the log for what a caller does not get: the errors behind answers with status 500 and
// above. The default is slog.Default(); nil discards them.
func Logger(l *slog.Logger) Option {
	return func(o *options) error {
		o.logger = l
		return nil
	}
}

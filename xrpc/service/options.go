package service

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
)

// Limits that hold where no Option says otherwise.
const (
	DefaultMaxInput = 1 << 20          // bytes of a typed input
	DefaultMaxBody  = 5 << 20          // bytes of an input of bytes, as much as the reference server takes
	DefaultTimeout  = 30 * time.Second // for a call whose input and output are typed
	DefaultIdle     = time.Minute      // in which some of a body has to move
	DefaultPing     = 30 * time.Second // between signs of life of who reads a stream, and for each message to be taken
)

// An Option is a setting of a method that is served.
type Option func(*options) error

type options struct {
	middleware []func(http.Handler) http.Handler
	maxInput   int64
	timeout    time.Duration // 0: none
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

// isBytes says of an encoding that its bodies have no type.
func isBytes(encoding string) bool { return encoding != "" && encoding != "application/json" }

// With puts handlers in front of a method, the first outermost: (*serviceauth.Verifier).Require, a limit of rates, a
// compression. They come before anything of the call is read, and after its HTTP method was checked.
func With(middleware ...func(http.Handler) http.Handler) Option {
	return func(o *options) error {
		o.middleware = append(o.middleware, middleware...)
		return nil
	}
}

// MaxInput bounds the input, in bytes: DefaultMaxInput without this Option, and DefaultMaxBody for an input of bytes.
// What is larger is refused as PayloadTooLarge.
func MaxInput(bytes int64) Option {
	return func(o *options) error {
		if bytes <= 0 {
			return fmt.Errorf("MaxInput: %d bytes", bytes)
		}
		o.maxInput = bytes
		return nil
	}
}

// Timeout bounds a call, from its header until the handler returns: the context of the handler ends then, and what it
// returns is answered as NotEnoughResources unless it has a name. DefaultTimeout without this Option, and no bound for
// bodies of bytes and for streams, of which some has to move all the time: see Idle. 0 is no bound.
func Timeout(d time.Duration) Option {
	return func(o *options) error {
		if d < 0 {
			return fmt.Errorf("Timeout: %s", d)
		}
		o.timeout = d
		return nil
	}
}

// Idle bounds the time in which nothing of a body moves, in or out. DefaultIdle without this Option.
func Idle(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("Idle: %s", d)
		}
		o.idle = d
		return nil
	}
}

// Ping sets how often the reader of a stream is asked for a sign of life, and how long it may take to take a message or
// to give the sign. DefaultPing without this Option.
func Ping(d time.Duration) Option {
	return func(o *options) error {
		if d <= 0 {
			return fmt.Errorf("Ping: %s", d)
		}
		o.ping = d
		return nil
	}
}

// Loose takes inputs that decode but break the limits and formats of the lexicon. Without this Option they are refused,
// as by the reference server; parameters are held to theirs in any case.
func Loose() Option {
	return func(o *options) error {
		o.loose = true
		return nil
	}
}

// Check holds outputs, messages and the names of errors to the lexicon, in tests: what is wrong is answered with status
// 500 and logged.
func Check() Option {
	return func(o *options) error {
		o.checked = true
		return nil
	}
}

// AllowBrowsers lets scripts of all web pages call the method (CORS), without cookies. Other services do not need it.
func AllowBrowsers() Option {
	return func(o *options) error {
		o.browsers = true
		return nil
	}
}

// Logger gets what a caller is not told: the errors behind answers with status 500 and above. slog.Default() without
// this Option; nil discards them.
func Logger(l *slog.Logger) Option {
	return func(o *options) error {
		o.logger = l
		return nil
	}
}

package xrpc

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An Option changes how calls are made. Given to NewCaller, or to a generated
// NewClient, it holds for all calls; given to a call it holds for that one and
// wins.
type Option func(*options) error

// Limits that hold unless an Option says otherwise.
const (
	DefaultHeaderTimeout = 30 * time.Second // until the response's header is there
	DefaultIdleTimeout   = 60 * time.Second // between two pieces of a body
	DefaultMaxOutput     = 16 << 20         // bytes of a typed output, after decompression
	DefaultMaxNesting    = 4096             // levels of a typed output
	maxErrorBody         = 64 << 10         // bytes of an error's body
)

// options is what the Options of client and call add up to.
type options struct {
	header        http.Header // of this level only; nil values delete
	proxy         *string
	labelers      *[]Labeler
	headerTimeout time.Duration
	idleTimeout   time.Duration
	maxOutput     int64
	maxNesting    int
	retry         *RetryPolicy
	idempotent    bool
	info          *ResponseInfo
	validation    bool
}

func defaultOptions() options {
	return options{
		headerTimeout: DefaultHeaderTimeout,
		idleTimeout:   DefaultIdleTimeout,
		maxOutput:     DefaultMaxOutput,
		maxNesting:    DefaultMaxNesting,
	}
}

func (o *options) apply(opts []Option) error {
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt(o); err != nil {
			return err
		}
	}
	return nil
}

// WithHeader sets a header field; an empty value removes one that a default set.
// Authorization and DPoP are the Doer's and cannot be set.
func WithHeader(name, value string) Option {
	return func(o *options) error {
		o.header = o.header.Clone()
		if o.header == nil {
			o.header = make(http.Header)
		}
		if value == "" {
			o.header.Del(name)
			return nil
		}
		o.header.Set(name, value)
		return nil
	}
}

// WithUserAgent sets the User-Agent field.
func WithUserAgent(agent string) Option { return WithHeader("User-Agent", agent) }

var proxyForm = regexp.MustCompile(`^did:[a-z]+:[A-Za-z0-9._:%-]+#[A-Za-z0-9._~-]+$`)

// WithProxy asks the PDS to pass calls on to a service, named by its DID and the
// service's fragment, such as "did:web:api.bsky.app#bsky_appview". "" switches a
// default off. As a default it does not hold for the methods that are the PDS's own.
func WithProxy(service string) Option {
	return func(o *options) error {
		if service != "" && !proxyForm.MatchString(service) {
			return fmt.Errorf("xrpc: WithProxy(%q): want a DID and a service's fragment, such as did:web:api.example.com#service", service)
		}
		o.proxy = &service
		return nil
	}
}

// A Labeler is a service whose labels a call asks for.
type Labeler struct {
	DID    syntax.DID
	Redact bool // takedowns by this labeler hide the content altogether
}

// WithLabelers names the labelers of calls. None at all asks for no labels; without
// this Option the server decides. As a default it does not hold for the methods
// that are the PDS's own.
func WithLabelers(labelers ...Labeler) Option {
	return func(o *options) error {
		for _, l := range labelers {
			if err := l.DID.Validate(); err != nil {
				return fmt.Errorf("xrpc: WithLabelers: %w", err)
			}
		}
		kept := slices.Clone(labelers)
		o.labelers = &kept
		return nil
	}
}

// WithHeaderTimeout bounds the time until the response's header is there, retries
// not included. 0: no bound but the context's.
func WithHeaderTimeout(d time.Duration) Option {
	return func(o *options) error { o.headerTimeout = d; return nil }
}

// WithIdleTimeout bounds the time between two pieces of a response's body. 0: no
// bound but the context's.
func WithIdleTimeout(d time.Duration) Option {
	return func(o *options) error { o.idleTimeout = d; return nil }
}

// WithMaxOutput bounds a typed output, in bytes after decompression. It does not
// bound a Download.
func WithMaxOutput(bytes int64) Option {
	return func(o *options) error { o.maxOutput = bytes; return nil }
}

// WithMaxNesting bounds how deep objects and arrays of a typed output may nest.
func WithMaxNesting(levels int) Option {
	return func(o *options) error { o.maxNesting = levels; return nil }
}

// WithRetry makes calls try again by the policy. Without it a call is made once.
func WithRetry(policy RetryPolicy) Option {
	return func(o *options) error { o.retry = &policy; return nil }
}

// Idempotent says that a procedure may be carried out twice, so that it is retried
// also when it may have reached the server.
func Idempotent() Option {
	return func(o *options) error { o.idempotent = true; return nil }
}

// WithResponse fills info with status and header of the response, whether the call
// succeeds or fails.
func WithResponse(info *ResponseInfo) Option {
	return func(o *options) error { o.info = info; return nil }
}

// WithValidation turns the checks of the lexicon's constraints on or off; they are off
// by default, since servers check too and old data is often a little wrong. Parameters
// and input are checked strictly, before anything is sent; the output is checked
// leniently. What fails is a *lex.ValidationError, inside an *InvalidResponseError if it
// is the output.
func WithValidation(on bool) Option {
	return func(o *options) error { o.validation = on; return nil }
}

// HeaderOf returns the header fields that options set, for requests that do not go
// through Call.
func HeaderOf(opts ...Option) (http.Header, error) {
	var o options
	if err := o.apply(opts); err != nil {
		return nil, err
	}
	return o.requestHeader(), nil
}

// requestHeader returns what the options add up to as a header.
func (o *options) requestHeader() http.Header {
	h := o.header.Clone()
	if h == nil {
		h = make(http.Header)
	}
	if o.proxy != nil && *o.proxy != "" {
		h.Set("Atproto-Proxy", *o.proxy)
	}
	if o.labelers != nil {
		h["Atproto-Accept-Labelers"] = []string{formatLabelers(*o.labelers)}
	}
	return h
}

// formatLabelers writes the header's list; labelers that come twice are merged.
func formatLabelers(labelers []Labeler) string {
	redact := make(map[syntax.DID]bool)
	var order []syntax.DID
	for _, l := range labelers {
		if _, ok := redact[l.DID]; !ok {
			order = append(order, l.DID)
		}
		redact[l.DID] = redact[l.DID] || l.Redact
	}
	parts := make([]string, len(order))
	for i, did := range order {
		parts[i] = string(did)
		if redact[did] {
			parts[i] += ";redact"
		}
	}
	return strings.Join(parts, ", ")
}

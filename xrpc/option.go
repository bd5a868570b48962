package xrpc

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An Option changes how calls are made. An Option of NewCaller, or of a generated NewClient,
// applies to all calls. An Option of a call applies to that call only, and has priority.
type Option func(*options) error

// The default limits.
const (
	DefaultHeaderTimeout = 30 * time.Second // from the end of the request's body to the response's header
	DefaultIdleTimeout   = 60 * time.Second // between two pieces of a body, in either direction
	DefaultOutputTimeout = 5 * time.Minute  // for a whole typed output, counted from its header
	DefaultMaxOutput     = 16 << 20         // bytes of a typed output, after decompression
	DefaultMaxMessage    = 5 << 20          // bytes of a message in a stream
	DefaultMaxNesting    = 4096             // levels of a typed output
	maxErrorBody         = 64 << 10         // bytes of an error's body
)

// options is the sum of the Options of client and call.
type options struct {
	header        http.Header // of this level only; nil values delete
	params        []extraParam
	proxy         *string
	labelers      *[]Labeler
	headerTimeout time.Duration
	idleTimeout   time.Duration
	outputTimeout time.Duration
	uploading     func(sent, size int64)
	downloaded    func(received, size int64)
	cid           syntax.CID
	limits        *lex.BlobLimits
	maxOutput     int64
	maxNesting    int
	retry         *RetryPolicy
	reconnect     RetryPolicy
	streamEvents  func(StreamEvent)
	idempotent    bool
	info          *ResponseInfo
	validation    bool
}

func defaultOptions() options {
	return options{
		headerTimeout: DefaultHeaderTimeout,
		idleTimeout:   DefaultIdleTimeout,
		outputTimeout: DefaultOutputTimeout,
		maxOutput:     DefaultMaxOutput,
		maxNesting:    DefaultMaxNesting,
		reconnect:     defaultReconnect(),
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

// WithHeader sets a header field. An empty value removes a field that a default has set. Only the
// Doer may set Authorization and DPoP; setting them here makes the call fail before anything is
// sent. For your own credentials, use Bearer or Basic.
func WithHeader(name, value string) Option {
	return func(o *options) error {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Dpop":
			return fmt.Errorf("xrpc: WithHeader(%q): credentials are the Doer's business: see Bearer and Basic", name)
		}
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

// A Scalar is a type that parameters can have.
type Scalar interface {
	~string | ~bool | ~int | ~int64
}

// WithParam adds a parameter that the method's lexicon does not declare, for example one that is
// newer than the generated code. Several values make an array; no value removes a parameter that a
// default has set. If the call already has this parameter, it fails before anything is sent.
func WithParam[T Scalar](name string, values ...T) Option {
	return func(o *options) error {
		if name == "" {
			return errors.New("xrpc: WithParam: the parameter has no name")
		}
		o.params = slices.DeleteFunc(slices.Clone(o.params), func(p extraParam) bool { return p.name == name })
		if len(values) == 0 {
			return nil
		}
		p := extraParam{name: name}
		for _, v := range values {
			p.values = append(p.values, scalarText(v))
		}
		o.params = append(o.params, p)
		return nil
	}
}

// scalarText returns a value in the form of parameters, whatever methods its type has.
func scalarText[T Scalar](v T) string {
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Bool:
		return strconv.FormatBool(rv.Bool())
	case reflect.String:
		return rv.String()
	default:
		return strconv.FormatInt(rv.Int(), 10)
	}
}

// An extraParam is a parameter that no lexicon declares.
type extraParam struct {
	name   string
	values []string
}

// addTo adds the parameters of WithParam to those of the method.
func (o *options) addTo(q *Query) error {
	for _, p := range o.params {
		if q.has(p.name) {
			return fmt.Errorf("WithParam(%q): the method declares this parameter: set it there", p.name)
		}
	}
	for _, p := range o.params {
		AddStrings(q, p.name, p.values)
	}
	return nil
}

// WithUserAgent sets the User-Agent field. The default names this library.
func WithUserAgent(agent string) Option { return WithHeader("User-Agent", agent) }

var proxyForm = regexp.MustCompile(`^did:[a-z]+:[A-Za-z0-9._:%-]+#[A-Za-z0-9._~-]+$`)

// WithProxy asks the PDS to forward calls to a service. The service is written as its DID and
// fragment, such as BlueskyAppView. "" switches a default off. As a default, it does not apply to
// the PDS's own methods.
func WithProxy(service string) Option {
	return func(o *options) error {
		if service != "" && !proxyForm.MatchString(service) {
			return fmt.Errorf("xrpc: WithProxy(%q): want a DID and a service's fragment, such as did:web:api.example.com#service", service)
		}
		o.proxy = &service
		return nil
	}
}

// WithLabelers sets the labelers of calls. With no labelers, the answer has no labels. Without this
// Option, the server decides. As a default, it does not apply to the PDS's own methods.
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

// WithHeaderTimeout limits the time until the response's header arrives, for each attempt. It
// counts from the end of the request's body, so an upload may take as long as it needs while it
// makes progress. 0 means no limit but the context's. The cause of the error is ErrHeaderTimeout.
func WithHeaderTimeout(d time.Duration) Option {
	return timeout("WithHeaderTimeout", d, func(o *options) { o.headerTimeout = d })
}

// WithIdleTimeout limits the time between two pieces of a body, of a request or a response. 0 means
// no limit but the context's. The cause of the error is ErrIdle. For a Stream, it limits the time
// between two signs of life from the server; after half of the time, the Stream asks for one (a
// ping).
func WithIdleTimeout(d time.Duration) Option {
	return timeout("WithIdleTimeout", d, func(o *options) { o.idleTimeout = d })
}

// WithOutputTimeout limits the time from the response's header until a typed output is complete, so
// that a server cannot send a byte now and then for ever. 0 means no limit but the context's. It
// does not apply to a Download. The cause of the error is ErrOutputTimeout. For a Stream, it limits
// the time for each message, from its first byte.
func WithOutputTimeout(d time.Duration) Option {
	return timeout("WithOutputTimeout", d, func(o *options) { o.outputTimeout = d })
}

// timeout returns an Option that fails if d is not a time limit.
func timeout(option string, d time.Duration, set func(*options)) Option {
	return func(o *options) error {
		switch {
		case d < 0:
			return fmt.Errorf("xrpc: %s: the time limit is %s, below zero: for no limit, pass 0", option, d)
		case d > 0 && d < shortestPause:
			return fmt.Errorf("xrpc: %s: the time limit is %s, less than %s: write it with its unit, such as 10*time.Second", option, d, shortestPause)
		}
		set(o)
		return nil
	}
}

// WithUploadProgress calls report while the call's body is sent, with the number of bytes so far
// and the size of the body, or -1 if that is unknown. If the body is sent again, the numbers start
// from zero. The calls come one after the other, from other goroutines. The upload waits for
// report, so it should return soon.
func WithUploadProgress(report func(sent, size int64)) Option {
	return func(o *options) error { o.uploading = report; return nil }
}

// WithDownloadProgress calls report while a Download is read, with the number of bytes so far and
// the size, or -1 if the server does not say it. Read makes the call.
func WithDownloadProgress(report func(received, size int64)) Option {
	return func(o *options) error { o.downloaded = report; return nil }
}

// uploaded returns the function that is called while body is read, or nil if nobody needs it.
func (o *options) uploaded(body *Body) func(sent int64) {
	if o.uploading == nil {
		return nil
	}
	var mu sync.Mutex // an attempt that has ended may still read
	return func(sent int64) {
		mu.Lock()
		defer mu.Unlock()
		o.uploading(sent, body.size)
	}
}

// WithCID checks that the bytes of a Download have this CID of a blob, because a server could
// return other bytes. If they do not, Read returns ErrCIDMismatch instead of io.EOF; so do not use
// the bytes before the end. If the CID is not one of raw bytes by SHA-256, or if the call's output
// is not a Download, the call fails before anything is sent.
func WithCID(cid syntax.CID) Option {
	return func(o *options) error {
		if !isBlobCID(cid) {
			return fmt.Errorf("xrpc: WithCID(%.100q): this is not the CID of a blob, of bytes by SHA-256", string(cid))
		}
		o.cid = cid
		return nil
	}
}

// WithBlobLimits checks the body of an upload by the limits of the field that it is for, such as
// appbsky.EmbedImagesImageImageLimits(), before it is sent. Servers check only when the record is
// written. If the size of a body is unknown, the upload stops when it becomes too large. The error
// is a *lex.ValidationError.
func WithBlobLimits(limits lex.BlobLimits) Option {
	return func(o *options) error { o.limits = &limits; return nil }
}

// WithMaxOutput limits a typed output, in bytes after decompression, and each message of a Stream.
// The defaults are DefaultMaxOutput and DefaultMaxMessage. It does not limit a Download.
func WithMaxOutput(bytes int64) Option {
	return func(o *options) error {
		if bytes < 0 {
			return fmt.Errorf("xrpc: WithMaxOutput: the limit is %d, below zero", bytes)
		}
		o.maxOutput = bytes
		return nil
	}
}

// WithMaxNesting limits how deep objects and arrays may nest, in a typed output and in a JSON
// message of a Stream.
func WithMaxNesting(levels int) Option {
	return func(o *options) error {
		if levels < 0 {
			return fmt.Errorf("xrpc: WithMaxNesting: the limit is %d, below zero", levels)
		}
		o.maxNesting = levels
		return nil
	}
}

// WithRetry repeats failed calls by the policy. RetryPolicy{} is a good one. Without this Option, a
// call is made once. If the policy is not valid, the call fails before anything is sent.
func WithRetry(policy RetryPolicy) Option {
	return func(o *options) error {
		complete, err := policy.complete()
		if err != nil {
			return fmt.Errorf("xrpc: WithRetry: %w", err)
		}
		o.retry = &complete
		return nil
	}
}

// Idempotent says that a procedure may be carried out twice. It is then repeated even if an attempt
// may have reached the server.
func Idempotent() Option {
	return func(o *options) error { o.idempotent = true; return nil }
}

// WithResponse stores status and header of the response in info, whether the call succeeds or
// fails.
func WithResponse(info *ResponseInfo) Option {
	return func(o *options) error { o.info = info; return nil }
}

// WithValidation turns the checks of the lexicon's constraints on or off. They are off by default,
// because servers check too, and old data often has small faults. Parameters and input are checked
// strictly before anything is sent. The output is checked leniently. The error is a
// *lex.ValidationError; for the output it is inside an *InvalidResponseError.
func WithValidation(on bool) Option {
	return func(o *options) error { o.validation = on; return nil }
}

// HeaderOf returns the header fields that options set. It is for requests that do not use Call. An
// option that sets something else is refused, because it would have no effect.
func HeaderOf(opts ...Option) (http.Header, error) {
	// These values are none that an option can set.
	o := options{headerTimeout: -1, idleTimeout: -1, outputTimeout: -1, maxOutput: -1, maxNesting: -1, reconnect: RetryPolicy{Attempts: -1}}
	start := o
	if err := o.apply(opts); err != nil {
		return nil, err
	}
	if name := o.beyondHeader(&start); name != "" {
		return nil, fmt.Errorf("xrpc: this request does not use %s: remove the option, or make a call of the method", name)
	}
	return o.requestHeader(), nil
}

// beyondHeader returns the name of an Option that has changed more than the header since start, or
// "".
func (o *options) beyondHeader(start *options) string {
	for _, other := range []struct {
		name string
		set  bool
	}{
		{"WithParam", len(o.params) > 0},
		{"WithHeaderTimeout", o.headerTimeout != start.headerTimeout},
		{"WithIdleTimeout", o.idleTimeout != start.idleTimeout},
		{"WithOutputTimeout", o.outputTimeout != start.outputTimeout},
		{"WithUploadProgress", o.uploading != nil},
		{"WithDownloadProgress", o.downloaded != nil},
		{"WithCID", o.cid != ""},
		{"WithBlobLimits", o.limits != nil},
		{"WithMaxOutput", o.maxOutput != start.maxOutput},
		{"WithMaxNesting", o.maxNesting != start.maxNesting},
		{"WithRetry", o.retry != nil},
		{"WithReconnect", o.reconnect != start.reconnect},
		{"WithStreamEvents", o.streamEvents != nil},
		{"Idempotent", o.idempotent},
		{"WithResponse", o.info != nil},
		{"WithValidation", o.validation},
	} {
		if other.set {
			return other.name
		}
	}
	return ""
}

// requestHeader returns the sum of the options as a header.
func (o *options) requestHeader() http.Header {
	h := o.header.Clone()
	if h == nil {
		h = make(http.Header)
	}
	if o.proxy != nil && *o.proxy != "" {
		h.Set("Atproto-Proxy", *o.proxy)
	}
	if o.labelers != nil {
		h["Atproto-Accept-Labelers"] = []string{FormatLabelers(*o.labelers)}
	}
	return h
}

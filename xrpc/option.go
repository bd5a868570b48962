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

// An Option changes how calls are made. Given to NewCaller, or to a generated
// NewClient, it holds for all calls; given to a call it holds for that one and
// wins.
type Option func(*options) error

// Limits that hold unless an Option says otherwise.
const (
	DefaultHeaderTimeout = 30 * time.Second // from the end of the request's body until the response's header is there
	DefaultIdleTimeout   = 60 * time.Second // between two pieces of a body, in either direction
	DefaultOutputTimeout = 5 * time.Minute  // for all of a typed output, from its header on
	DefaultMaxOutput     = 16 << 20         // bytes of a typed output, after decompression
	DefaultMaxMessage    = 5 << 20          // bytes of a message of a stream
	DefaultMaxNesting    = 4096             // levels of a typed output
	maxErrorBody         = 64 << 10         // bytes of an error's body
)

// options is what the Options of client and call add up to.
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

// WithHeader sets a header field; an empty value removes one that a default set.
// Authorization and DPoP are the Doer's: to set them fails the call before anything is sent. Bearer and Basic make a
// Doer with credentials of your own.
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

// A Scalar is what parameters are made of.
type Scalar interface {
	~string | ~bool | ~int | ~int64
}

// WithParam adds a parameter that the lexicon of the method does not declare, such as one that is newer than the
// generated code; several values make an array, none removes one that a default set. A parameter that the call has
// already fails it before anything is sent.
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

// scalarText writes a value as parameters are written, whatever methods its type has.
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

// addTo adds the parameters of WithParam to what the method has.
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

// WithUserAgent sets the User-Agent field. Without it, requests name this library.
func WithUserAgent(agent string) Option { return WithHeader("User-Agent", agent) }

var proxyForm = regexp.MustCompile(`^did:[a-z]+:[A-Za-z0-9._:%-]+#[A-Za-z0-9._~-]+$`)

// WithProxy asks the PDS to pass calls on to a service, named by its DID and the
// service's fragment, such as BlueskyAppView. "" switches a
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
// not included. It counts from the end of the request's body: an upload takes the time that it takes,
// as long as it moves. 0: no bound but the context's. The cause of failing is ErrHeaderTimeout.
func WithHeaderTimeout(d time.Duration) Option {
	return func(o *options) error { o.headerTimeout = d; return nil }
}

// WithIdleTimeout bounds the time between two pieces of a body, of a request as well as of a response. 0: no
// bound but the context's. The cause of failing is ErrIdle. Of a Stream: between two signs of life of the server,
// which is asked for one (a ping) when half of the time is over.
func WithIdleTimeout(d time.Duration) Option {
	return func(o *options) error { o.idleTimeout = d; return nil }
}

// WithOutputTimeout bounds the time from the response's header until all of a typed output is there, so that a
// server that sends a byte now and then is not waited for for ever. 0: no bound but the context's. It does not
// bound a Download. The cause of failing is ErrOutputTimeout. Of a Stream: for each message, from its first byte on.
func WithOutputTimeout(d time.Duration) Option {
	return func(o *options) error { o.outputTimeout = d; return nil }
}

// WithUploadProgress calls report as the call's body is taken to be sent, with the number of bytes so far and
// the size of the body, -1 if it is not known. The numbers begin anew when the body is sent again. Calls come one
// after the other, from other goroutines; they hold the upload up, so report should return soon.
func WithUploadProgress(report func(sent, size int64)) Option {
	return func(o *options) error { o.uploading = report; return nil }
}

// WithDownloadProgress calls report as a Download is read, with the number of bytes so far and the size,
// -1 if the server does not say it. It is called by Read.
func WithDownloadProgress(report func(received, size int64)) Option {
	return func(o *options) error { o.downloaded = report; return nil }
}

// uploaded is what is told of a body as it is taken, nil if nobody wants to know.
func (o *options) uploaded(body *Body) func(sent int64) {
	if o.uploading == nil {
		return nil
	}
	var mu sync.Mutex // an attempt that is over may still read
	return func(sent int64) {
		mu.Lock()
		defer mu.Unlock()
		o.uploading(sent, body.size)
	}
}

// WithCID checks that the bytes of a Download are those of a blob, by its CID: whoever serves it may have put
// others in their place. Read fails with ErrCIDMismatch where it would have been io.EOF, so that what was read is
// not to be used before. A CID that is not of bytes by SHA-256, and a call whose output is not a Download, fail
// before anything is sent.
func WithCID(cid syntax.CID) Option {
	return func(o *options) error {
		if !isBlobCID(cid) {
			return fmt.Errorf("xrpc: WithCID(%.100q): this is not the CID of a blob, of bytes by SHA-256", string(cid))
		}
		o.cid = cid
		return nil
	}
}

// WithBlobLimits checks the body of an upload against the field that it is for, such as
// appbsky.EmbedImagesImageImageLimits(), before it is sent: servers look only when the record is written. A body
// whose size is not known is broken off where it becomes too large. What fails is a *lex.ValidationError.
func WithBlobLimits(limits lex.BlobLimits) Option {
	return func(o *options) error { o.limits = &limits; return nil }
}

// WithMaxOutput bounds a typed output, in bytes after decompression, and each message of a Stream, for which
// DefaultMaxMessage holds without it. It does not bound a Download.
func WithMaxOutput(bytes int64) Option {
	return func(o *options) error { o.maxOutput = bytes; return nil }
}

// WithMaxNesting bounds how deep objects and arrays of a typed output, or of a message of a Stream in JSON, may nest.
func WithMaxNesting(levels int) Option {
	return func(o *options) error { o.maxNesting = levels; return nil }
}

// WithRetry makes calls try again by the policy; RetryPolicy{} is a good one. Without it a
// call is made once. A policy with numbers that make no sense fails the call before
// anything is sent.
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
		h["Atproto-Accept-Labelers"] = []string{FormatLabelers(*o.labelers)}
	}
	return h
}

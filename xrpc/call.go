package xrpc

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// A Caller is a Doer with default options. A generated client makes its calls with it. It is safe
// for concurrent use.
type Caller struct {
	doer     Doer
	defaults []Option
}

// NewCaller returns a Caller on doer. If an Option is not valid, every call fails.
func NewCaller(doer Doer, opts ...Option) *Caller {
	return &Caller{doer: doer, defaults: opts}
}

// Call calls m and decodes its output.
//
// Errors: *Error if the response is not a success; *InvalidResponseError if the output does not
// follow the lexicon; *SendError if there was no response, or if it broke off; and the Doer's own
// errors.
func Call[T any, P interface {
	*T
	lex.Decodable
}](ctx context.Context, c *Caller, m Method, params Params, in Input, opts []Option) (*T, error) {
	out := new(T)
	err := c.call(ctx, m, params, in, opts, func(a *success) error { return a.decode(P(out)) })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Send calls m and ignores its output.
func Send(ctx context.Context, c *Caller, m Method, params Params, in Input, opts []Option) error {
	return c.call(ctx, m, params, in, opts, func(a *success) error {
		defer a.body.Close()
		// The output is not needed, but a connection whose answer was read completely can be
		// reused.
		a.body.within(drainTime, errDrained)
		_, err := io.Copy(io.Discard, io.LimitReader(a.body, maxErrorBody))
		if err == nil || errors.Is(err, errDrained) || isBadCompression(err) {
			return nil
		}
		return &SendError{NSID: m.NSID, Sent: SentMaybe, Err: err}
	})
}

// drainTime is how long an unneeded output is read.
const drainTime = 5 * time.Second

// errDrained is the cause if drainTime has passed.
var errDrained = errors.New("xrpc: the rest of the answer is not wanted")

// Open calls m and returns its output as a stream. The caller closes it.
func Open(ctx context.Context, c *Caller, m Method, params Params, in Input, opts []Option) (*Download, error) {
	var download *Download
	m.stream = true
	err := c.call(ctx, m, params, in, opts, func(a *success) (err error) {
		download, err = a.download()
		return err
	})
	if err != nil {
		return nil, err
	}
	return download, nil
}

// call builds the request, and sends it as often as the retry policy wants. It passes a successful
// response to read, which closes its body or keeps it.
func (c *Caller) call(ctx context.Context, m Method, params Params, in Input, opts []Option, read func(*success) error) error {
	if c == nil || c.doer == nil {
		return fmt.Errorf("xrpc: %s: the client has no Doer: make it with NewClient", m.NSID)
	}
	o, err := c.options(m, opts)
	if err != nil {
		return fmt.Errorf("xrpc: %s: %w", m.NSID, err)
	}
	if o.validation {
		if err := validateRequest(params, in); err != nil {
			return fmt.Errorf("xrpc: %s: %w", m.NSID, err)
		}
	}
	body, contentType, err := in.open(m)
	if err != nil {
		return fmt.Errorf("xrpc: %s: %w", m.NSID, err)
	}
	if o.limits != nil {
		if body == nil {
			return fmt.Errorf("xrpc: %s: WithBlobLimits: this call uploads nothing: remove the option", m.NSID)
		}
		if body, err = limited(body, contentType, *o.limits); err != nil {
			return fmt.Errorf("xrpc: %s: not uploaded: %w", m.NSID, err)
		}
	}
	if o.cid != "" && !m.stream {
		return fmt.Errorf("xrpc: %s: WithCID: the output of this call is not a Download: remove the option", m.NSID)
	}
	req := Request{Method: m.HTTPMethod(), NSID: m.NSID, Header: o.requestHeader()}
	var q Query
	if params != nil {
		params.EncodeQuery(&q)
	}
	if err := o.addTo(&q); err != nil {
		return fmt.Errorf("xrpc: %s: %w", m.NSID, err)
	}
	req.Query = q.Encode()
	if m.Output != "" && req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", m.Output)
	}
	twice := (m.Kind == KindQuery || o.idempotent) && (body == nil || body.Replayable())
	var before error // why the last attempt failed
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, m, req, body, contentType, o, read)
		if err == nil {
			return nil
		}
		if before != nil && ctx.Err() != nil {
			// The error of the last attempt says more than that the caller's time has passed.
			return fmt.Errorf("%w (the attempt after it: %w)", before, err)
		}
		if !o.retry.again(ctx, attempt, twice, err) {
			return err
		}
		before = err
	}
}

// validateRequest checks the parameters and the input before they are sent.
func validateRequest(params Params, in Input) error {
	if v, ok := params.(lex.Validatable); ok {
		if err := lex.Validate(v, lex.Strict); err != nil {
			return fmt.Errorf("parameters: %w", err)
		}
	}
	if v, ok := in.value.(lex.Validatable); ok {
		if err := lex.Validate(v, lex.Strict); err != nil {
			return fmt.Errorf("input: %w", err)
		}
	}
	return nil
}

// options combines the defaults and the options of the call.
func (c *Caller) options(m Method, opts []Option) (*options, error) {
	o := defaultOptions()
	if m.Kind == KindSubscription {
		o.maxOutput = DefaultMaxMessage
	}
	if err := o.apply(c.defaults); err != nil {
		return nil, err
	}
	if m.Direct {
		o.proxy, o.labelers = nil, nil
	}
	if err := o.apply(opts); err != nil {
		return nil, err
	}
	return &o, nil
}

// A success is a successful response, with the options of its call.
type success struct {
	method  Method
	header  http.Header // all header fields of the response
	size    int64       // as the server announced it, or -1
	body    *watchedBody
	info    ResponseInfo
	options *options
}

// once makes one attempt.
func (c *Caller) once(ctx context.Context, m Method, req Request, body *Body, contentType string, o *options, read func(*success) error) error {
	if ctx.Err() != nil {
		// If nobody waits any more, nothing begins, not even a refresh (P121).
		return &SendError{NSID: m.NSID, Sent: SentNo, Err: overBecause(ctx), final: true}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p := &pace{header: o.headerTimeout, idle: o.idleTimeout, cancel: cancel}
	if body != nil {
		req.Body = body.shown(contentType, p.watch(o.uploaded(body)))
	}
	p.start()
	resp, err := c.doer.Do(ctx, &req)
	elsewhere := false
	if err == nil && isRedirect(resp.StatusCode) {
		resp, elsewhere, err = c.follow(ctx, m, &req, resp)
	}
	p.end()
	if err != nil {
		err = explain(ctx, m, err)
		cancel(nil)
		req.Body.closeUnread()
		return err
	}
	a := &success{method: m, options: o, header: resp.Header, size: resp.ContentLength,
		body: &watchedBody{body: resp.Body, ctx: ctx, idle: o.idleTimeout, cancel: cancel}, info: readInfo(resp, time.Now())}
	if elsewhere {
		a.info.RateLimit = RateLimit{} // this comes from another server and says nothing about ours
	}
	if o.info != nil {
		*o.info = a.info
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer a.body.Close()
		return newError(m.NSID, a.info, a.body.beginning(maxErrorScan))
	}
	return read(a)
}

// overBecause returns why a context has ended: its own error, and the cause that the program gave.
func overBecause(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if _, ours := errors.AsType[*timeoutError](cause); ours || errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// explain adds which time limit has passed, if that is why there is no response.
func explain(ctx context.Context, m Method, err error) error {
	if ctx.Err() == nil {
		return err
	}
	send, isSend := errors.AsType[*SendError](err)
	if late, ok := errors.AsType[*timeoutError](context.Cause(ctx)); ok {
		if isSend {
			return &SendError{NSID: m.NSID, Sent: send.Sent, Err: late}
		}
		return fmt.Errorf("%w: %w", late, err)
	}
	if isSend && !errors.Is(err, ctx.Err()) {
		return &SendError{NSID: m.NSID, Sent: send.Sent, Err: fmt.Errorf("%w: %w", overBecause(ctx), send.Err)}
	}
	return err
}

// invalid returns the error for a response that does not follow the lexicon. It keeps the beginning
// of the body.
func (a *success) invalid(beginning []byte, err error) error {
	return &InvalidResponseError{NSID: a.method.NSID, ResponseInfo: a.info, Body: slices.Clone(beginning[:min(len(beginning), maxErrorBody)]), Err: err}
}

// decode decodes a typed output.
func (a *success) decode(out lex.Decodable) error {
	defer a.body.Close()
	o := a.options
	if contentType := a.header.Get("Content-Type"); !matchesEncoding(a.method.Output, contentType) {
		return a.invalid(a.body.beginning(maxErrorBody), fmt.Errorf("content type is %.200q, not %q", contentType, a.method.Output))
	}
	a.body.within(o.outputTimeout, ErrOutputTimeout)
	buffer := readBuffers.Get().(*readBuffer)
	defer buffer.release() // neither outputs nor errors refer to the body
	body, err := buffer.readAll(a.body, a.size, o.maxOutput)
	switch {
	case err == nil:
	case errors.Is(err, ErrOutputTooLarge) || isBadCompression(err):
		return a.invalid(body, err)
	default:
		return &SendError{NSID: a.method.NSID, Sent: SentMaybe, Err: err}
	}
	if err := lex.UnmarshalJSON(body, out, lex.MaxNesting(o.maxNesting), lex.NullLists()); err != nil {
		return a.invalid(body, err)
	}
	if v, ok := out.(lex.Validatable); ok && o.validation {
		if err := lex.Validate(v, lex.Lenient); err != nil {
			return a.invalid(body, err)
		}
	}
	return nil
}

// isBadCompression reports whether a body arrived completely, but with wrong compression.
func isBadCompression(err error) bool {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	return corrupt || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum)
}

// ErrOutputTooLarge is the cause if a typed output is larger than WithMaxOutput allows.
var ErrOutputTooLarge = errors.New("output too large")

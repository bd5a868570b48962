package xrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// A Caller is a Doer with default options: what a generated client makes its calls
// on. It is safe for concurrent use.
type Caller struct {
	doer     Doer
	defaults []Option
}

// NewCaller returns a Caller on doer. An Option that is wrong makes every call
// fail.
func NewCaller(doer Doer, opts ...Option) *Caller {
	return &Caller{doer: doer, defaults: opts}
}

// Call calls m and decodes its output.
//
// Errors: *Error for a response that is not a success, *InvalidResponseError for an
// output that is not what the lexicon says, *SendError and the Doer's own errors
// when there was no response.
func Call[T any, P interface {
	*T
	lex.Decodable
}](ctx context.Context, c *Caller, m Method, params Params, in Input, opts []Option) (*T, error) {
	out := new(T)
	err := c.call(ctx, m, params, in, opts, func(resp *http.Response, o *options) error {
		return decode(resp, o, m, P(out))
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Send calls m and does not look at its output.
func Send(ctx context.Context, c *Caller, m Method, params Params, in Input, opts []Option) error {
	return c.call(ctx, m, params, in, opts, func(resp *http.Response, o *options) error {
		_, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody)) // so that the connection can be used again
		if err != nil {
			return &InvalidResponseError{NSID: m.NSID, ResponseInfo: readInfo(resp, time.Now()), Err: err}
		}
		return nil
	})
}

// Open calls m and returns its output as a stream, which the caller closes.
func Open(ctx context.Context, c *Caller, m Method, params Params, in Input, opts []Option) (*Download, error) {
	var download *Download
	err := c.call(ctx, m, params, in, opts, func(resp *http.Response, o *options) error {
		download = newDownload(resp)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return download, nil
}

// call builds the request, makes it as often as the retry policy wants, and hands a
// successful response to read, which takes over its body if it keeps it.
func (c *Caller) call(ctx context.Context, m Method, params Params, in Input, opts []Option, read func(*http.Response, *options) error) error {
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
	body, err := in.open(m)
	if err != nil {
		return fmt.Errorf("xrpc: %s: %w", m.NSID, err)
	}
	req := &Request{Method: m.httpMethod(), NSID: m.NSID, Header: o.requestHeader(), Body: body}
	if params != nil {
		var q Query
		params.EncodeQuery(&q)
		req.Query = q.Encode()
	}
	if m.Output != "" && req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", m.Output)
	}
	twice := (m.Kind == KindQuery || o.idempotent) && (body == nil || body.Replayable())
	for attempt := 1; ; attempt++ {
		err := c.once(ctx, req, o, read)
		if err == nil || !o.retry.again(ctx, attempt, twice, err) {
			return err
		}
	}
}

// validateRequest checks what is going to be sent.
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

// options puts defaults and the call's options together.
func (c *Caller) options(m Method, opts []Option) (*options, error) {
	o := defaultOptions()
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

// errHeaderTimeout is the cause when a response did not begin in time.
var errHeaderTimeout = errors.New("no response header in time")

// once makes one attempt.
func (c *Caller) once(ctx context.Context, req *Request, o *options, read func(*http.Response, *options) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var timer *time.Timer
	if o.headerTimeout > 0 {
		timer = time.AfterFunc(o.headerTimeout, func() { cancel(errHeaderTimeout) })
	}
	resp, err := c.doer.Do(ctx, req)
	if timer != nil {
		timer.Stop()
	}
	if err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errHeaderTimeout) {
			err = fmt.Errorf("%w (%w after %s)", err, errHeaderTimeout, o.headerTimeout)
		}
		cancel(nil)
		return err
	}
	resp.Body = watch(resp.Body, o.idleTimeout, cancel)
	info := readInfo(resp, time.Now())
	if o.info != nil {
		*o.info = info
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		// What can be read of the body helps; what cannot must not hide the error.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
		return newError(req.NSID, info, body)
	}
	return read(resp, o)
}

// decode reads a typed output.
func decode(resp *http.Response, o *options, m Method, out lex.Decodable) error {
	defer resp.Body.Close()
	invalid := func(err error) error {
		return &InvalidResponseError{NSID: m.NSID, ResponseInfo: readInfo(resp, time.Now()), Err: err}
	}
	if contentType := resp.Header.Get("Content-Type"); !matchesEncoding(m.Output, contentType) {
		return invalid(fmt.Errorf("content type is %q, not %q", contentType, m.Output))
	}
	body, err := readAll(resp, o.maxOutput)
	if err != nil {
		return invalid(err)
	}
	if err := lex.UnmarshalJSON(body, out, lex.MaxNesting(o.maxNesting)); err != nil {
		return invalid(err)
	}
	if v, ok := out.(lex.Validatable); ok && o.validation {
		if err := lex.Validate(v, lex.Lenient); err != nil {
			return invalid(err)
		}
	}
	return nil
}

// ErrOutputTooLarge is the cause when a typed output is larger than WithMaxOutput
// allows.
var ErrOutputTooLarge = errors.New("output too large")

// readAll reads a body into one piece of memory, of the right size where the server
// says it.
func readAll(resp *http.Response, limit int64) ([]byte, error) {
	tooLarge := fmt.Errorf("%w: more than %d bytes", ErrOutputTooLarge, limit)
	if resp.ContentLength > limit {
		return nil, tooLarge
	}
	// The server's word on the size is taken only so far: it costs memory.
	size := min(max(resp.ContentLength, 512), 1<<20)
	buf := make([]byte, 0, size+1)
	for {
		n, err := resp.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > limit {
			return nil, tooLarge
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

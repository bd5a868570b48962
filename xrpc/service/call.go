package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// A call is a call that is being answered. It implements xrpc.Incoming.
type call struct {
	served   *served
	options  *options
	w        http.ResponseWriter
	r        *http.Request
	control  *http.ResponseController
	deadline time.Time // for the whole call; zero means none

	answered bool // the header of the answer was sent
}

type contextKey struct{}

func newCall(s *served, w http.ResponseWriter, r *http.Request) (context.Context, *call) {
	c := &call{served: s, options: s.options, w: w, r: r, control: http.NewResponseController(w)}
	return context.WithValue(r.Context(), contextKey{}, c), c
}

// Request returns the request that the handler with this context answers, for its header and its
// origin. Do not read its body here: it is the handler's input. Outside of a handler, Request
// returns nil.
func Request(ctx context.Context) *http.Request {
	if c, ok := ctx.Value(contextKey{}).(*call); ok {
		return c.r
	}
	return nil
}

// ResponseHeader returns the header of the answer. Set fields before the handler returns, with or
// without an error. Outside of a handler, for example in a test that calls one, the header goes
// nowhere.
func ResponseHeader(ctx context.Context) http.Header {
	if c, ok := ctx.Value(contextKey{}).(*call); ok {
		return c.w.Header()
	}
	return make(http.Header)
}

// AcceptLabelers returns the labelers whose labels the caller wants (atproto-accept-labelers). ok
// is false if the caller does not say; the service then decides.
func AcceptLabelers(ctx context.Context) (labelers []xrpc.Labeler, ok bool) {
	r := Request(ctx)
	if r == nil {
		return nil, false
	}
	values := r.Header.Values("Atproto-Accept-Labelers")
	return xrpc.ParseLabelers(values), len(values) > 0
}

// ContentLabelers sets the labelers whose labels the answer includes (atproto-content-labelers).
func ContentLabelers(ctx context.Context, labelers ...xrpc.Labeler) {
	ResponseHeader(ctx).Set("Atproto-Content-Labelers", xrpc.FormatLabelers(labelers))
}

// Params implements xrpc.Incoming.
func (c *call) Params(into xrpc.DecodedParams) error {
	// A semicolon is an ordinary character, as in the URLs of browsers.
	values, err := url.ParseQuery(strings.ReplaceAll(c.r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return invalid("the query is malformed: %s", said.Text(err.Error()))
	}
	err = into.DecodeQuery(values)
	if wrong, ok := errors.AsType[*xrpc.ParamError](err); ok {
		return invalid("%s", wrong.Error())
	}
	return err
}

// checkBody checks the header of a body before any of it is read.
func (c *call) checkBody() *Error {
	m, size := c.served.method, c.r.ContentLength
	if m.Input == "" {
		if size != 0 {
			return invalid("%s has no input, and a body was sent", m.NSID)
		}
		return nil
	}
	contentType := c.r.Header.Get("Content-Type")
	switch {
	case contentType == "":
		return invalid("the header field Content-Type is missing: it has to be %s", m.Input)
	case !m.TakesInput(contentType):
		return invalid("the content type is %s: it has to be %s", said.Quote(contentType), m.Input)
	case size > c.options.maxInput:
		return tooLarge(c.options.maxInput)
	}
	if encoding := c.r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &Error{Name: xrpc.ErrUnsupportedMediaType, Message: "bodies that are encoded, as by compression, are not taken"}
	}
	return nil
}

// input returns the body, limited in size and time.
func (c *call) input() *inputBody {
	return &inputBody{call: c, limited: http.MaxBytesReader(c.w, c.r.Body, c.options.maxInput)}
}

// An inputBody is the body of a request, limited in size and time.
type inputBody struct {
	call    *call
	limited io.Reader
}

// Read implements io.Reader.
func (b *inputBody) Read(p []byte) (int, error) {
	until := time.Now().Add(b.call.options.idle)
	if d := b.call.deadline; !d.IsZero() && d.Before(until) {
		until = d
	}
	b.call.control.SetReadDeadline(until) // if the writer has no deadlines, the server's own apply
	n, err := b.limited.Read(p)
	// From here on net/http itself reads, to notice when the caller leaves.
	b.call.control.SetReadDeadline(time.Time{})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, &Error{Status: http.StatusRequestTimeout, Name: xrpc.ErrInvalidRequest, Message: "the body did not arrive in time"}
	}
	return n, err
}

// Input implements xrpc.Incoming.
func (c *call) Input(into lex.Decodable) error {
	body, err := io.ReadAll(c.input())
	if err != nil {
		if e := forCaller(err); e != nil {
			return e
		}
		return &Error{Name: xrpc.ErrInvalidRequest, Message: "the body broke off", Err: err}
	}
	if len(body) == 0 {
		return invalid("%s has an input, and no body was sent", c.served.method.NSID)
	}
	if err := lex.UnmarshalJSON(body, into); err != nil {
		return invalid("input: %s", said.Text(strings.TrimPrefix(err.Error(), "lex: ")))
	}
	if v, ok := into.(lex.Validatable); ok && !c.options.loose {
		if err := lex.Validate(v, lex.Strict); err != nil {
			return invalid("input: %s", said.Text(strings.TrimPrefix(err.Error(), "lex: invalid: ")))
		}
	}
	return nil
}

// Body implements xrpc.Incoming.
func (c *call) Body() (*xrpc.Body, error) {
	return xrpc.StreamBody(c.input(), c.r.ContentLength, c.r.Header.Get("Content-Type")), nil
}

// begin sends the header of a success. size is in bytes, or -1 if it is unknown.
func (c *call) begin(contentType string, size int64) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	c.answered = true
	c.w.WriteHeader(http.StatusOK)
}

// empty answers for a method without output.
func (c *call) empty() {
	c.w.Header().Set("Content-Length", "0")
	c.answered = true
	c.w.WriteHeader(http.StatusOK)
}

// check checks what will be sent by the lexicon, if Check is set.
func (c *call) check(what string, v any) error {
	if value, ok := v.(lex.Validatable); ok && c.options.checked {
		if err := lex.Validate(value, lex.Strict); err != nil {
			return fmt.Errorf("service: %s: the %s is not what the lexicon says: %v", c.served.method.NSID, what, err)
		}
	}
	return nil
}

// Output implements xrpc.Incoming.
func (c *call) Output(output lex.Encodable) error {
	if err := c.check("output", output); err != nil {
		return err
	}
	body, err := lex.MarshalJSON(output)
	if err != nil {
		return fmt.Errorf("service: %s: the output cannot be encoded: %w", c.served.method.NSID, unnamed{err})
	}
	c.begin(c.served.method.Output, int64(len(body)))
	if c.r.Method == http.MethodHead {
		return nil
	}
	out := &outputBody{call: c}
	out.Write(body) // nobody needs the error of a caller who has left
	out.end()
	return nil
}

// Download implements xrpc.Incoming.
func (c *call) Download(body *xrpc.Body) error {
	contentType, err := c.served.method.OutputType(body.ContentType())
	if err != nil {
		return fmt.Errorf("service: %s: the output: %w", c.served.method.NSID, unnamed{err})
	}
	r, err := body.Open(c.r.Context())
	if err != nil {
		return err
	}
	defer r.Close()
	c.begin(contentType, body.Size())
	if c.r.Method == http.MethodHead {
		return nil
	}
	out := &outputBody{call: c}
	sent, err := io.Copy(out, r)
	if err != nil {
		if out.failed {
			return nil // nobody needs the error of a caller who has left
		}
		return fmt.Errorf("service: %s: the output broke off after %d bytes: %w", c.served.method.NSID, sent, unnamed{err})
	}
	if size := body.Size(); size >= 0 && sent != size {
		return fmt.Errorf("service: %s: the output has %d bytes, and %d were announced", c.served.method.NSID, sent, size)
	}
	out.end()
	return nil
}

// An unnamed error stays inside the service, whatever it wraps.
type unnamed struct{ error }

// An outputBody is the body of an answer; it must make progress.
type outputBody struct {
	call   *call
	failed bool // the caller has left
}

// Write implements io.Writer.
func (b *outputBody) Write(p []byte) (int, error) {
	b.call.control.SetWriteDeadline(time.Now().Add(b.call.options.idle)) // if the writer has no deadlines, the server's own apply
	n, err := b.call.w.Write(p)
	b.failed = b.failed || err != nil
	return n, err
}

// end sends the rest, and frees the connection for other calls.
func (b *outputBody) end() {
	b.call.control.Flush()
	b.call.control.SetWriteDeadline(time.Time{})
}

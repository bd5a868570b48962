package service

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Mux is what methods are mounted on: an *http.ServeMux, or a router with the same method.
type Mux interface {
	// Handle mounts handler at pattern, as http.ServeMux does.
	Handle(pattern string, handler http.Handler)
}

// Handle mounts a method on mux at /xrpc/ and its NSID. method is a function of a generated
// package, such as appbsky.FeedGetFeedSkeleton; it determines F, the type of handler. Handle panics
// if handler is nil or if an Option is not valid. mux panics if the method is mounted twice.
func Handle[F any](mux Mux, method func() xrpc.Endpoint[F], handler F, opts ...Option) {
	mux.Handle("/xrpc/"+string(method().NSID), Handler(method, handler, opts...))
}

// Handler returns the handler that Handle mounts.
func Handler[F any](method func() xrpc.Endpoint[F], handler F, opts ...Option) http.Handler {
	endpoint := method()
	if reflect.ValueOf(&handler).Elem().IsZero() {
		panic(fmt.Sprintf("service: %s: the handler is nil", endpoint.NSID))
	}
	o := newOptions(endpoint.Method)
	for _, opt := range opts {
		if err := opt(o); err != nil {
			panic(fmt.Sprintf("service: %s: %v", endpoint.NSID, err))
		}
	}
	s := &served{method: endpoint.Method, errors: endpoint.Errors, answer: endpoint.Bind(handler), options: o}
	var inner http.Handler = http.HandlerFunc(s.serve)
	for _, wrap := range slices.Backward(o.middleware) {
		inner = wrap(inner)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.browsers && allowBrowsers(w, r, endpoint.Method) {
			return
		}
		if !s.takes(r.Method) {
			w.Header().Set("Allow", s.allowed())
			write(w, r, &Error{Status: http.StatusMethodNotAllowed, Name: xrpc.ErrInvalidRequest, Message: fmt.Sprintf("%s is called by %s", endpoint.NSID, s.allowed())})
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// served is a mounted method.
type served struct {
	method  xrpc.Method
	errors  []xrpc.ErrorName
	answer  xrpc.Answer
	options *options
}

func (s *served) takes(verb string) bool {
	return verb == s.method.HTTPMethod() || verb == http.MethodHead && s.method.Kind == xrpc.KindQuery
}

func (s *served) allowed() string {
	if s.method.Kind == xrpc.KindQuery {
		return "GET, HEAD"
	}
	return s.method.HTTPMethod()
}

// serve answers one call.
func (s *served) serve(w http.ResponseWriter, r *http.Request) {
	ctx, c := newCall(s, w, r)
	if s.options.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.options.timeout, errTime)
		defer cancel()
		c.deadline = time.Now().Add(s.options.timeout)
	}
	err := c.run(ctx)
	if err != nil && context.Cause(ctx) == errTime {
		err = fmt.Errorf("%w: %w", errTime, err)
	}
	switch {
	case err != nil:
		c.refuse(err)
	case !c.answered:
		c.empty()
	}
}

// run answers the call.
func (c *call) run(ctx context.Context) error {
	return guard(func() error {
		if refused := c.checkBody(); refused != nil {
			return refused
		}
		return c.served.answer(ctx, c)
	})
}

// guard converts a panic to an error, except a panic that tells net/http to abort.
func guard(run func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			err = &panicked{cause: cause, stack: debug.Stack()}
		}
	}()
	return run()
}

// NotImplemented answers calls of methods that this service does not have. Mount it at "/xrpc/".
func NotImplemented() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := &Error{Name: xrpc.ErrMethodNotImplemented, Message: "this service does not have the method"}
		if name := nameIn(r.URL.Path); name.Validate() != nil {
			e = &Error{Name: xrpc.ErrInvalidRequest, Message: "the path has to be /xrpc/ and the name of a method"}
		}
		write(w, r, e)
	})
}

// nameIn returns the part of a path after its last slash.
func nameIn(path string) syntax.NSID {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return syntax.NSID(path[i+1:])
		}
	}
	return syntax.NSID(path)
}

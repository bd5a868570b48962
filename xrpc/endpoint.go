package xrpc

import (
	"context"
	"errors"
	"net/http"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// An Endpoint is a method as those see it who serve it. Generated packages have a func for each method that returns it,
// which package service takes: service.Handle(mux, appbsky.FeedGetFeedSkeleton, handler). F is the type of the func that answers a call, which has the signature of the client's method: the
// parameters, if the method has any, and then the input. A body of bytes is a *Body on either side. The func of a
// subscription has one to send messages by in the place of a result.
type Endpoint[F any] struct {
	Method
	Errors []ErrorName // that the lexicon declares

	// Bind makes of a func what answers calls.
	Bind func(F) Answer
}

// An Answer answers a call that arrived. Its error is for the caller where it has a name.
type Answer func(ctx context.Context, call Incoming) error

// An Incoming is a call that arrived. Package service implements it, and generated code drives it: the parameters,
// then the input, then at most one of the others.
type Incoming interface {
	// Params reads the parameters.
	Params(into DecodedParams) error
	// Input reads a typed input.
	Input(into lex.Decodable) error
	// Body is an input of bytes.
	Body() (*Body, error)

	// Output answers with a typed output.
	Output(lex.Encodable) error
	// Download answers with bytes.
	Download(*Body) error
	// Stream opens the stream of a subscription and has run send its messages, each as the union and as the member
	// that is in it. The context of run ends with the stream.
	Stream(ctx context.Context, run func(ctx context.Context, send func(union lex.Encodable, member lex.Typed) error) error) error
}

// errNothing is what an endpoint's func may not do.
var errNothing = errors.New("xrpc: the method has an output, and the func that serves it returned neither that nor an error")

// Reply answers with what the func of an endpoint returned.
func Reply[T any, P interface {
	*T
	lex.Encodable
}](call Incoming, output P, err error) error {
	switch {
	case err != nil:
		return err
	case output == nil:
		return errNothing
	}
	return call.Output(output)
}

// ReplyBody is Reply for an output of bytes.
func ReplyBody(call Incoming, output *Body, err error) error {
	switch {
	case err != nil:
		return err
	case output == nil:
		return errNothing
	}
	return call.Download(output)
}

// TakesInput reports whether a body of a content type can be the input.
func (m Method) TakesInput(contentType string) bool { return matchesEncoding(m.Input, contentType) }

// OutputType is the content type of an output of bytes that has one of its own, or "" if it does not know. It is an
// error if the lexicon does not allow it.
func (m Method) OutputType(own string) (string, error) { return contentTypeFor(m.Output, own) }

// DefaultStatus is the HTTP status that goes with the name of an error: 400 for all that the specification gives no
// other.
func (n ErrorName) DefaultStatus() int {
	switch n {
	case ErrAuthenticationRequired:
		return http.StatusUnauthorized
	case ErrForbidden:
		return http.StatusForbidden
	case ErrXRPCNotSupported:
		return http.StatusNotFound
	case ErrNotAcceptable:
		return http.StatusNotAcceptable
	case ErrPayloadTooLarge:
		return http.StatusRequestEntityTooLarge
	case ErrUnsupportedMediaType:
		return http.StatusUnsupportedMediaType
	case ErrRateLimitExceeded:
		return http.StatusTooManyRequests
	case ErrInternalServerError:
		return http.StatusInternalServerError
	case ErrMethodNotImplemented:
		return http.StatusNotImplemented
	case ErrUpstreamFailure:
		return http.StatusBadGateway
	case ErrNotEnoughResources:
		return http.StatusServiceUnavailable
	case ErrUpstreamTimeout:
		return http.StatusGatewayTimeout
	}
	return http.StatusBadRequest
}

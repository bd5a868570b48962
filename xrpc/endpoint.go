package xrpc

import (
	"context"
	"errors"
	"net/http"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// An Endpoint is a method for programs that serve it. Generated packages have a function for each
// method that returns one, and package service takes that function: service.Handle(mux,
// appbsky.FeedGetFeedSkeleton, handler). F is the type of the handler. It has the signature of the
// client's method: the parameters, if the method has any, and then the input. A body of bytes is a
// *Body on both sides. The handler of a subscription gets a function that sends messages, and has
// no result.
type Endpoint[F any] struct {
	Method             // its name, kind and encodings
	Errors []ErrorName // that the lexicon declares

	// Bind converts a handler to an Answer.
	Bind func(F) Answer
}

// An Answer answers a call. If its error has a name, the caller gets it.
type Answer func(ctx context.Context, call Incoming) error

// An Incoming is a call that has arrived. Package service implements it, and generated code uses
// it: first the parameters, then the input, and then at most one of the other methods.
type Incoming interface {
	// Params decodes the parameters.
	Params(into DecodedParams) error
	// Input decodes a typed input.
	Input(into lex.Decodable) error
	// Body returns an input of bytes.
	Body() (*Body, error)

	// Output answers with a typed output.
	Output(lex.Encodable) error
	// Download answers with bytes.
	Download(*Body) error
	// Stream opens the stream of a subscription. run sends its messages, each as the union and as
	// the member in it. The context of run ends with the stream.
	Stream(ctx context.Context, run func(ctx context.Context, send func(union lex.Encodable, member lex.Typed) error) error) error
}

// errNothing is the error of a handler that returns neither an output nor an error.
var errNothing = errors.New("xrpc: the method has an output, and the func that serves it returned neither that nor an error")

// Reply answers with the result of a handler.
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

// OutputType returns the content type for an output of bytes. own is the body's own type, or "" if
// it is unknown. It fails if the lexicon does not allow the type.
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

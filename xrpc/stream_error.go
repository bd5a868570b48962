package xrpc

import (
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A StreamError says that a connection of a subscription broke, or was closed because of its
// content. errors.Is and errors.As find the cause: ErrMalformedFrame; ErrOutputTooLarge for a
// message larger than WithMaxOutput allows; *SequenceError; ErrIdle and ErrOutputTimeout if a
// server stopped sending; otherwise the error of the network.
type StreamError struct {
	NSID syntax.NSID // the subscription
	Err  error       // the cause
}

// ErrMalformedFrame is the cause if a message is not a frame of the protocol: it is not
// well-formed, is the wrong kind of WebSocket message, or has something after it.
var ErrMalformedFrame = errors.New("malformed frame")

// Error names the subscription and the cause.
func (e *StreamError) Error() string {
	return fmt.Sprintf("xrpc: %s: the connection ended: %s", e.NSID, said.Text(e.Err.Error()))
}

// Unwrap returns the cause.
func (e *StreamError) Unwrap() error { return e.Err }

// isFault reports whether the server caused it, so that the next connection may bring the same.
func (e *StreamError) isFault() bool {
	_, order := errors.AsType[*SequenceError](e.Err)
	return order || errors.Is(e.Err, ErrMalformedFrame) || errors.Is(e.Err, ErrOutputTooLarge) || errors.Is(e.Err, ErrOutputTimeout)
}

// A MessageError is a message of a stream that is left out, because its kind is unknown or because
// it does not follow its lexicon. It is reported to WithStreamEvents.
type MessageError struct {
	Type string // the message's $type, or the name in its frame
	Err  error  // nil if the kind is unknown
}

// Error names the type and what is wrong.
func (e *MessageError) Error() string {
	if e.Err == nil && e.Type == "" {
		return "a message of an unknown kind"
	}
	if e.Err == nil {
		return fmt.Sprintf("a message of an unknown kind, %s", said.Quote(e.Type))
	}
	return fmt.Sprintf("a message %s that does not follow its lexicon: %s", said.Quote(e.Type), said.Text(e.Err.Error()))
}

// Unwrap returns the cause.
func (e *MessageError) Unwrap() error { return e.Err }

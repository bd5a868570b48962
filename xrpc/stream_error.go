package xrpc

import (
	"errors"
	"fmt"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A StreamError is a connection of a subscription that broke, or that was given up for what came over it. Its cause is
// found by errors.Is and errors.As: ErrMalformedFrame, ErrOutputTooLarge for a message larger than WithMaxOutput
// allows, *SequenceError; ErrIdle and ErrOutputTimeout where a server stopped sending; else what the network said.
type StreamError struct {
	NSID syntax.NSID
	Err  error
}

// ErrMalformedFrame is the cause when what came is no frame of the protocol: not well-formed, of the wrong kind of
// WebSocket message, or with something behind it.
var ErrMalformedFrame = errors.New("malformed frame")

// Error names the subscription and the cause.
func (e *StreamError) Error() string {
	return fmt.Sprintf("xrpc: %s: the connection ended: %s", e.NSID, said.Text(e.Err.Error()))
}

// Unwrap returns the cause.
func (e *StreamError) Unwrap() error { return e.Err }

// isFault reports whether the server is to blame, so that the next connection may bring the same.
func (e *StreamError) isFault() bool {
	_, order := errors.AsType[*SequenceError](e.Err)
	return order || errors.Is(e.Err, ErrMalformedFrame) || errors.Is(e.Err, ErrOutputTooLarge) || errors.Is(e.Err, ErrOutputTimeout)
}

// A MessageError is a message of a stream that is left out: of a kind that is not known here, or not what its
// lexicon says. It is told to WithStreamEvents.
type MessageError struct {
	Type string // the message's $type, or how else its frame calls it
	Err  error  // nil for a kind that is not known
}

// Error names the type and what is wrong.
func (e *MessageError) Error() string {
	if e.Err == nil && e.Type == "" {
		return "a message of a kind that is not known"
	}
	if e.Err == nil {
		return fmt.Sprintf("a message of a kind that is not known, %s", said.Quote(e.Type))
	}
	return fmt.Sprintf("a message %s that is not what its lexicon says: %s", said.Quote(e.Type), said.Text(e.Err.Error()))
}

// Unwrap returns the cause.
func (e *MessageError) Unwrap() error { return e.Err }

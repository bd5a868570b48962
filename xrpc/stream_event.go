package xrpc

import (
	"fmt"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A StreamEventKind says what happened to a stream.
type StreamEventKind int

const (
	// StreamOpened: a connection is open. It begins at Cursor. If Cursor is nil, it begins with new
	// messages; if there was a connection before, messages may be missing between the two.
	StreamOpened StreamEventKind = iota
	// StreamBroken: the connection ended, or could not be made, because of Err. The next attempt
	// follows after Pause.
	StreamBroken
	// StreamSkipped: a frame was left out because of Err, a *MessageError.
	StreamSkipped
	// StreamNotice: the server reports something about the stream, in the #info message that comes
	// next. Err is an *Error with its name. ErrOutdatedCursor means that the messages between
	// Cursor and the oldest message of the server are missing.
	StreamNotice
)

// ErrOutdatedCursor is the name of the notice that the server no longer has all messages after the
// cursor (https://atproto.com/specs/event-stream).
const ErrOutdatedCursor ErrorName = "OutdatedCursor"

// String returns the name of the kind.
func (k StreamEventKind) String() string {
	switch k {
	case StreamOpened:
		return "opened"
	case StreamBroken:
		return "broken"
	case StreamSkipped:
		return "skipped"
	case StreamNotice:
		return "notice"
	}
	return fmt.Sprintf("StreamEventKind(%d)", int(k))
}

// A StreamEvent is something that happens inside a Stream while its messages are read.
type StreamEvent struct {
	Kind   StreamEventKind // what happened
	NSID   syntax.NSID     // the subscription
	Cursor *int64          // the last processed place; for StreamOpened, where the connection begins
	Err    error           // nil for StreamOpened
	Pause  time.Duration   // for StreamBroken
}

// String describes the event.
func (e StreamEvent) String() string {
	text := fmt.Sprintf("%s: %s", e.NSID, e.Kind)
	if e.Cursor != nil {
		text += fmt.Sprintf(" at %d", *e.Cursor)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Pause > 0 {
		text += fmt.Sprintf(" (again in %s)", e.Pause.Round(time.Millisecond))
	}
	return text
}

// WithStreamEvents calls tell for events inside a Stream: connections that open and break, frames
// that are left out, and notices of the server. The loop over the messages calls tell and waits for
// it.
func WithStreamEvents(tell func(StreamEvent)) Option {
	return func(o *options) error { o.streamEvents = tell; return nil }
}

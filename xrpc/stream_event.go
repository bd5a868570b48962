package xrpc

import (
	"fmt"
	"time"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A StreamEventKind is what happened to a stream.
type StreamEventKind int

const (
	// StreamOpened: a connection stands. Cursor is where it begins; nil: with what happens from now on, so that, if
	// there was a connection before, something may be missing between the two.
	StreamOpened StreamEventKind = iota
	// StreamBroken: the connection ended, or could not be made, for Err; the next attempt follows after Pause.
	StreamBroken
	// StreamSkipped: a frame was left out, for Err, a *MessageError.
	StreamSkipped
	// StreamNotice: the server says something of the stream, in the #info message that comes next: Err is an
	// *Error with its name. ErrOutdatedCursor says that messages are missing, those between Cursor and the oldest that
	// the server has.
	StreamNotice
)

// ErrOutdatedCursor is the name of the notice that the server no longer has all that is behind the cursor
// (https://atproto.com/specs/event-stream).
const ErrOutdatedCursor ErrorName = "OutdatedCursor"

// String names the kind.
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
	Kind   StreamEventKind
	NSID   syntax.NSID
	Cursor *int64        // what was processed last; of StreamOpened: where the connection begins
	Err    error         // nil for StreamOpened
	Pause  time.Duration // of StreamBroken
}

// String says what happened.
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

// WithStreamEvents calls tell for what happens inside a Stream: connections that are made and broken, frames that
// are left out, notices of the server. It is called by the loop over the messages, which it holds up.
func WithStreamEvents(tell func(StreamEvent)) Option {
	return func(o *options) error { o.streamEvents = tell; return nil }
}

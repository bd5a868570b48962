package xrpc

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// A Sequenced message knows its place in its stream. Generated messages with an integer "seq" in
// their lexicon implement it. ok is false for a message without a place, such as an #info.
type Sequenced interface {
	// Sequence returns the message's place in its stream.
	Sequence() (seq int64, ok bool)
}

// A Stream is a subscription: messages of type M, which Messages reads. The Subscribe methods of
// generated clients return one. It connects when it is read.
//
// If a connection breaks, the Stream connects again, with growing pauses between the attempts, and
// continues after the last processed message. WithStreamEvents reports this, and WithReconnect sets
// the limits. The Stream does not read ahead: if the consumer is slow, the server has to wait. The
// server may then break the connection (ConsumerTooSlow), and the Stream continues from the
// consumer's place.
//
// Messages is for one goroutine at a time. Cursor and Close are safe for concurrent use. A Stream
// that nobody reads holds no connection, and need not be closed.
//
// See https://atproto.com/specs/event-stream.
type Stream[M any] struct {
	run    subscription
	decode func(v *M, payload []byte, format format, opts ...lex.DecodeOption) error
}

// Subscribe returns the stream of m. It sends nothing before the stream is read. If the parameters
// or options are not valid, that is the first error of Messages. ctx ends the stream.
func Subscribe[M any, P interface {
	*M
	lex.Decodable
}](ctx context.Context, c *Caller, m Method, params Params, opts []Option) *Stream[M] {
	s := &Stream[M]{decode: func(v *M, payload []byte, format format, opts ...lex.DecodeOption) error {
		if format == formatCBOR {
			return lex.UnmarshalCBOR(payload, P(v), opts...)
		}
		return lex.UnmarshalJSON(payload, P(v), opts...)
	}}
	s.run.prepare(ctx, c, m, params, opts)
	return s
}

// Messages reads the stream: for message, err := range stream.Messages() { … }. A message counts as
// processed when the loop asks for the next one. Cursor moves then. If you leave the loop while you
// work on a message, the next Messages returns this message again.
//
// An error is final; later calls return it again. It is one of:
//
//   - *Error if the server refuses the subscription, or ends the stream with an error of the
//     lexicon, such as FutureCursor (the server has no message after the cursor; make a new
//     stream to start again)
//   - *SendError and *StreamError if connections break more often than WithReconnect allows, or
//     if three in a row bring no message and break the protocol
//   - the Doer's own errors, and that of the context
//
// Close ends the loop without an error.
//
// Frames of unknown kinds, and messages that do not follow their lexicon, are left out and reported
// to WithStreamEvents.
func (s *Stream[M]) Messages() iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		if err := s.run.begin(); err != nil {
			if !errors.Is(err, errStreamClosed) {
				yield(nil, err)
			}
			return
		}
		defer s.run.end()
		for {
			var message *M
			seq, err := s.run.next(func(payload []byte, format format, opts ...lex.DecodeOption) (any, error) {
				message = new(M)
				return message, s.decode(message, payload, format, opts...)
			})
			if err != nil {
				if err = s.run.fail(err); err != nil {
					yield(nil, err)
				}
				return
			}
			if !yield(message, nil) {
				return
			}
			s.run.processed(seq)
		}
	}
}

// Cursor returns the last processed place, in the form of the parameter that resumes the stream.
// Before anything was processed, it is the cursor that the stream began with, or nil if there was
// none. Nil is not the same as 0, which is the oldest message of the server.
func (s *Stream[M]) Cursor() *int64 { return s.run.at() }

// Close ends the stream, and the loop over its messages even if it is waiting. It always returns
// nil.
func (s *Stream[M]) Close() error {
	s.run.close()
	return nil
}

// A decoding decodes a message.
type decoding func(payload []byte, format format, opts ...lex.DecodeOption) (message any, err error)

// A subscription is a Stream without the type of its messages.
type subscription struct {
	ctx     context.Context
	caller  *Caller
	method  Method
	options *options
	request Request // with the query of the first connection

	mu      sync.Mutex
	cursor  *int64 // the last processed place, or the given cursor
	cancel  context.CancelFunc
	reading bool
	closed  bool
	failed  error

	// The goroutine that reads owns the rest.

	live     context.Context // the context of this Messages
	socket   *socket         // nil for none
	place    place
	attempts attempts
}

var (
	errStreamClosed = errors.New("xrpc: the stream was closed")
	errStreamInUse  = errors.New("xrpc: another goroutine is reading the stream: Messages is for one goroutine at a time")
)

// prepare builds the request of the stream.
func (s *subscription) prepare(ctx context.Context, c *Caller, m Method, params Params, opts []Option) {
	s.ctx, s.caller, s.method = ctx, c, m
	if err := s.ask(params, opts); err != nil {
		s.failed = fmt.Errorf("xrpc: %s: %w", m.NSID, err)
	}
}

func (s *subscription) ask(params Params, opts []Option) (err error) {
	m := s.method
	if s.caller == nil || s.caller.doer == nil {
		return errors.New("the client has no Doer: make it with NewClient")
	}
	if _, err := framingOf(m, ""); err != nil {
		return err
	}
	if s.options, err = s.caller.options(m, opts); err != nil {
		return err
	}
	if s.options.cid != "" || s.options.limits != nil {
		return errors.New("WithCID and WithBlobLimits are for bodies, but a subscription has none: remove the option")
	}
	if s.options.validation {
		if err := validateRequest(params, Input{}); err != nil {
			return err
		}
	}
	var q Query
	if params != nil {
		params.EncodeQuery(&q)
	}
	if err := s.options.addTo(&q); err != nil {
		return err
	}
	s.request = Request{Method: m.HTTPMethod(), NSID: m.NSID, Query: q.Encode(), Header: s.options.requestHeader()}
	s.cursor = q.integer(m.Cursor)
	s.attempts.policy = s.options.reconnect
	return nil
}

// begin takes the stream for a loop.
func (s *subscription) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failed != nil:
		return s.failed
	case s.closed:
		return errStreamClosed
	case s.reading:
		return errStreamInUse
	}
	s.reading = true
	s.live, s.cancel = context.WithCancel(s.ctx)
	return nil
}

// end releases the stream, and closes its connection.
func (s *subscription) end() {
	s.disconnect()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel()
	s.reading = false
}

// fail keeps the error that ends the stream. It returns nil if the stream was closed.
func (s *subscription) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.failed = err
	return err
}

// processed moves the cursor.
func (s *subscription) processed(seq int64) {
	if seq == 0 {
		return // the message has no place
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = &seq
}

// at returns the cursor.
func (s *subscription) at() *int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cursor == nil {
		return nil
	}
	return new(*s.cursor)
}

// close ends the stream.
func (s *subscription) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.cancel != nil {
		s.cancel()
	}
}

// next returns the sequence number of the next message after decode has read it, or 0 if it has
// none.
func (s *subscription) next(decode decoding) (seq int64, err error) {
	for {
		seq, taken, err := s.step(decode)
		switch {
		case taken:
			return seq, nil
		case err == nil:
			continue
		}
		s.disconnect()
		if s.live.Err() != nil {
			return 0, fmt.Errorf("xrpc: %s: %w", s.method.NSID, overBecause(s.live))
		}
		pause, again := s.attempts.again(err)
		if !again {
			return 0, err
		}
		s.tell(StreamEvent{Kind: StreamBroken, Err: err, Pause: pause})
		if err := sleep(s.live, pause); err != nil {
			return 0, fmt.Errorf("xrpc: %s: %w", s.method.NSID, err)
		}
	}
}

// step reads one frame, and connects before if there is no connection. It reports whether the frame
// is a message for the caller.
func (s *subscription) step(decode decoding) (seq int64, taken bool, err error) {
	if s.socket == nil {
		if err := s.connect(); err != nil {
			return 0, false, err
		}
	}
	text, data, err := s.socket.next()
	if err != nil {
		return 0, false, &StreamError{NSID: s.method.NSID, Err: err}
	}
	f, err := parseFrame(s.method, s.socket.framing, s.options, text, data)
	switch {
	case err != nil:
		return 0, false, s.malformed(err)
	case f.fault != nil:
		return 0, false, f.fault
	case f.unknown != nil:
		s.skip(f.unknown)
		return 0, false, nil
	}
	message, err := decode(f.payload, f.format, f.options(s.options)...)
	if err == nil && s.options.validation {
		if v, ok := message.(lex.Validatable); ok {
			err = lex.Validate(v, lex.Lenient)
		}
	}
	if err != nil {
		if broken := f.malformed(s.options); broken != nil {
			return 0, false, s.malformed(broken)
		}
		s.skip(f.refused(err))
		return 0, false, nil
	}
	placed, has := message.(Sequenced)
	if has {
		seq, has = placed.Sequence()
	}
	if has {
		repeated, err := s.place.move(seq, s.method.Overlaps)
		if err != nil {
			return 0, false, &StreamError{NSID: s.method.NSID, Err: err}
		}
		if repeated {
			return 0, false, nil
		}
	}
	if notice := f.notice(s.method.NSID); notice != nil {
		s.tell(StreamEvent{Kind: StreamNotice, Err: notice})
	}
	if has || s.method.Cursor == "" {
		s.attempts.progress()
	}
	return seq, true, nil
}

// malformed returns the error for a frame that breaks the protocol.
func (s *subscription) malformed(err error) error {
	return &StreamError{NSID: s.method.NSID, Err: fmt.Errorf("%w: %w", ErrMalformedFrame, err)}
}

// connect opens a connection that continues after the last processed message.
func (s *subscription) connect() error {
	s.place = place{}
	req := s.request
	cursor := s.at()
	if s.method.Cursor == "" {
		cursor = nil
	}
	if cursor != nil {
		s.place = place{last: *cursor, resumed: true}
		req.Query = withInteger(req.Query, s.method.Cursor, *cursor)
	}
	var err error
	if s.socket, err = openSocket(s.live, s.caller.doer, s.method, req, s.options); err != nil {
		return err
	}
	s.attempts.opened()
	s.tell(StreamEvent{Kind: StreamOpened, Cursor: cursor})
	return nil
}

func (s *subscription) disconnect() {
	if s.socket != nil {
		s.socket.close()
		s.socket = nil
	}
}

func (s *subscription) skip(why error) { s.tell(StreamEvent{Kind: StreamSkipped, Err: why}) }

// tell reports an event to the program.
func (s *subscription) tell(event StreamEvent) {
	if s.options.streamEvents == nil {
		return
	}
	event.NSID = s.method.NSID
	if event.Kind != StreamOpened {
		event.Cursor = s.at()
	}
	s.options.streamEvents(event)
}

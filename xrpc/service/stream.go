//go:build !js

package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// errGone is the cause if nobody reads a stream any more.
var errGone = errors.New("service: the reader of the stream has gone")

// lastWords limits the time to send the error that ends a stream.
const lastWords = 5 * time.Second

// Stream implements xrpc.Incoming.
func (c *call) Stream(ctx context.Context, run func(ctx context.Context, send func(lex.Encodable, lex.Typed) error) error) error {
	how := framing{method: c.served.method, subprotocol: c.served.method.Subprotocol}
	switch how.subprotocol {
	case "":
		how.subprotocol = subprotocolCBOR0
	case subprotocolCBOR0, subprotocolCBOR1, subprotocolJSON1:
	default:
		return fmt.Errorf("service: %s: the subprotocol %s is not known here", c.served.method.NSID, said.Quote(how.subprotocol))
	}
	conn, err := c.upgrade(how.subprotocol)
	if err != nil {
		return err
	}
	c.answered = true
	defer conn.CloseNow()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ctx = conn.CloseRead(ctx)
	go watch(ctx, conn, c.options.ping, cancel)

	send := func(union lex.Encodable, member lex.Typed) error {
		if err := c.check("message", union); err != nil {
			return err
		}
		frame, err := how.message(union, member)
		if err != nil {
			return fmt.Errorf("service: %s: the message cannot be encoded: %w", c.served.method.NSID, unnamed{err})
		}
		return deliver(ctx, conn, how, frame, c.options.ping)
	}
	err = guard(func() error { return run(ctx, send) })
	c.end(ctx, conn, how, err)
	return nil
}

// upgrade makes the request a WebSocket, or returns why it cannot (RFC 6455 §4.2).
func (c *call) upgrade(subprotocol string) (*websocket.Conn, error) {
	if !hasToken(c.r.Header, "Connection", "upgrade") || !hasToken(c.r.Header, "Upgrade", "websocket") {
		c.w.Header().Set("Upgrade", "websocket")
		return nil, &Error{Status: http.StatusUpgradeRequired, Name: xrpc.ErrInvalidRequest, Message: fmt.Sprintf("%s is a stream: open it as a WebSocket", c.served.method.NSID)}
	}
	shown := &handshake{ResponseWriter: c.w}
	conn, err := websocket.Accept(shown, c.r, &websocket.AcceptOptions{
		Subprotocols: []string{subprotocol}, InsecureSkipVerify: c.options.browsers,
	})
	if err == nil {
		return conn, nil
	}
	if shown.status < 400 || shown.status >= 500 {
		return nil, err
	}
	return nil, &Error{Status: shown.status, Name: xrpc.ErrInvalidRequest, Message: said.Text(strings.TrimSpace(shown.text.String()))}
}

// hasToken reports whether a header field has a word among its values.
func hasToken(h http.Header, name, word string) bool {
	for item := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(item), word) {
			return true
		}
	}
	return false
}

// A handshake keeps the answer of a refused handshake.
type handshake struct {
	http.ResponseWriter
	status int
	text   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (h *handshake) WriteHeader(status int) {
	h.status = status
	if status == http.StatusSwitchingProtocols {
		h.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (h *handshake) Write(p []byte) (int, error) { return h.text.Write(p) }

// Unwrap is for http.ResponseController.
func (h *handshake) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// watch asks the reader for signs of life, and ends the stream if there are none.
func watch(ctx context.Context, conn *websocket.Conn, every time.Duration, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			within, done := context.WithTimeout(ctx, every)
			err := conn.Ping(within)
			done()
			if err != nil {
				cancel(errGone)
				return
			}
		}
	}
}

// deliver writes a frame, within the time that the reader may take.
func deliver(ctx context.Context, conn *websocket.Conn, how framing, frame []byte, within time.Duration) error {
	kind := websocket.MessageBinary
	if how.isText() {
		kind = websocket.MessageText
	}
	write, cancel := context.WithTimeoutCause(ctx, within, ErrConsumerTooSlow)
	defer cancel()
	err := conn.Write(write, kind, frame)
	switch {
	case err == nil:
		return nil
	case context.Cause(write) == ErrConsumerTooSlow: // the connection is closed, and that has ended ctx
		return fmt.Errorf("%w: a message was not taken within %s", ErrConsumerTooSlow, within)
	}
	return errGone
}

// end ends a stream with the result of its handler. An error becomes the last frame, and the reason
// for closing the connection.
func (c *call) end(ctx context.Context, conn *websocket.Conn, how framing, err error) {
	_, failed := errors.AsType[*panicked](err)
	if (ctx.Err() != nil || errors.Is(err, errGone)) && !failed {
		return // nobody is there to be told
	}
	if err == nil {
		conn.Close(websocket.StatusNormalClosure, "")
		return
	}
	e := c.declared(answerFor(err))
	if e.status() >= 500 {
		c.log(err, e)
	}
	frame, encoding := how.fault(bodyOf(e))
	if encoding != nil || deliver(ctx, conn, how, frame, lastWords) != nil {
		return
	}
	conn.Close(websocket.StatusPolicyViolation, said.Cut(string(e.name()), 100))
}

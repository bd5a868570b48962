//go:build !js

package xrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/gimucco/atproto-go/internal/said"
)

// A socket is one connection of a stream. Only one goroutine reads it.
type socket struct {
	conn    *websocket.Conn
	ctx     context.Context // the context of the connection
	cancel  context.CancelCauseFunc
	framing framing
	limit   int64
	buf     []byte
	watch   *socketWatch
}

// openSocket opens a WebSocket through doer (RFC 6455 §4).
func openSocket(ctx context.Context, doer Doer, m Method, req Request, o *options) (*socket, error) {
	if ctx.Err() != nil {
		return nil, &SendError{NSID: m.NSID, Sent: SentNo, Err: overBecause(ctx), final: true}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	up := &upgrade{doer: doer, method: m, request: req, options: o, ctx: ctx, cancel: cancel}
	up.watch = &socketWatch{idle: o.idleTimeout, whole: o.outputTimeout, cancel: cancel}
	dial := &websocket.DialOptions{HTTPClient: &http.Client{
		Transport: up, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if m.Subprotocol != "" {
		dial.Subprotocols = []string{m.Subprotocol}
	}
	conn, _, err := websocket.Dial(ctx, "ws://doer.invalid/", dial) // the Doer knows the host
	if up.failed != nil {
		err = up.failed
	} else if err != nil {
		err = &StreamError{NSID: m.NSID, Err: fmt.Errorf("%w: the answer does not open a WebSocket: %w", ErrMalformedFrame, err)}
	}
	var how framing
	if err == nil {
		if how, err = framingOf(m, conn.Subprotocol()); err != nil {
			conn.CloseNow()
		}
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	conn.SetReadLimit(-1) // next has its own limit, which sends no answer
	s := &socket{conn: conn, ctx: ctx, cancel: cancel, framing: how, limit: o.maxOutput, watch: up.watch}
	s.watch.start(conn)
	if m.Hello != "" {
		if err := conn.Write(ctx, websocket.MessageText, []byte(m.Hello)); err != nil {
			s.close()
			return nil, &StreamError{NSID: m.NSID, Err: s.because(err)}
		}
	}
	return s, nil
}

// next reads one message. The result is valid until the next call.
func (s *socket) next() (text bool, message []byte, err error) {
	s.watch.wait(true)
	defer s.watch.wait(false)
	kind, r, err := s.conn.Reader(s.ctx)
	if err != nil {
		return false, nil, s.because(err)
	}
	s.watch.begin()
	s.buf = s.buf[:0]
	for {
		if len(s.buf) == cap(s.buf) {
			// Grow by what arrived, not by the announced length.
			s.buf = append(s.buf, make([]byte, max(len(s.buf), 4<<10))...)[:len(s.buf)]
		}
		n, err := r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if int64(len(s.buf)) > s.limit {
			return false, nil, fmt.Errorf("%w: more than %d bytes", ErrOutputTooLarge, s.limit)
		}
		if err == io.EOF {
			return kind == websocket.MessageText, s.buf, nil
		}
		if err != nil {
			return false, nil, s.because(err)
		}
	}
}

// because returns why reading failed, in our own words.
func (s *socket) because(err error) error {
	if s.ctx.Err() != nil {
		return overBecause(s.ctx)
	}
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		if closed.Reason == "" {
			return fmt.Errorf("the server closed it with code %d", closed.Code)
		}
		return fmt.Errorf("the server closed it with code %d: %s", closed.Code, said.Quote(closed.Reason))
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) {
		return ErrIdle // a ping, or the answer to one, could not be written
	}
	return err
}

// close closes the connection without a closing handshake, which would have to wait for everything
// under way.
func (s *socket) close() {
	s.conn.CloseNow()
	s.cancel(nil)
	s.watch.stop()
}

// An upgrade is the transport for dialling the WebSocket. It calls the Doer and checks its answer.
type upgrade struct {
	doer    Doer
	method  Method
	request Request
	options *options
	ctx     context.Context
	cancel  context.CancelCauseFunc
	watch   *socketWatch

	failed error // the Doer's error
}

// RoundTrip implements http.RoundTripper.
func (u *upgrade) RoundTrip(offer *http.Request) (*http.Response, error) {
	req := u.request
	req.Header = u.request.Header.Clone()
	for name, values := range offer.Header {
		if name == "Connection" || name == "Upgrade" || strings.HasPrefix(name, "Sec-Websocket-") {
			req.Header[name] = values
		}
	}
	p := &pace{header: u.options.headerTimeout, cancel: u.cancel}
	p.start()
	resp, err := u.doer.Do(u.ctx, &req)
	p.end()
	if err != nil {
		u.failed = explain(u.ctx, u.method, err)
		return nil, u.failed
	}
	info := readInfo(resp, time.Now())
	if u.options.info != nil {
		*u.options.info = info
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		u.failed = u.refused(resp, info)
		return nil, u.failed
	}
	stream, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		resp.Body.Close()
		u.failed = fmt.Errorf("xrpc: %s: a %T hides the connection: a Doer or transport must not wrap the body of a response with status 101", u.method.NSID, resp.Body)
		return nil, u.failed
	}
	resp.Body = &watchedStream{ReadWriteCloser: stream, watch: u.watch}
	return resp, nil
}

// refused returns the error for an answer that opens nothing.
func (u *upgrade) refused(resp *http.Response, info ResponseInfo) error {
	body := &watchedBody{body: resp.Body, ctx: u.ctx, idle: u.options.idleTimeout, cancel: func(error) {}}
	defer body.Close()
	beginning := body.beginning(maxErrorScan)
	if info.Status >= 200 && info.Status <= 299 {
		beginning = beginning[:min(len(beginning), maxErrorBody)]
		return &InvalidResponseError{NSID: u.method.NSID, ResponseInfo: info, Body: beginning, Err: errors.New("it does not open a WebSocket")}
	}
	return newError(u.method.NSID, info, beginning)
}

// A watchedStream is a connection that notes when bytes arrive.
type watchedStream struct {
	io.ReadWriteCloser
	watch *socketWatch
}

// Read implements io.Reader.
func (w *watchedStream) Read(p []byte) (int, error) {
	n, err := w.ReadWriteCloser.Read(p)
	if n > 0 {
		w.watch.moved.Store(time.Now().UnixNano())
	}
	return n, err
}

// A socketWatch ends a connection if nothing arrives, or if a message does not end in time. Time
// counts only while somebody waits for a message: a slow consumer is not a slow server.
type socketWatch struct {
	idle, whole time.Duration // 0 means no limit
	cancel      context.CancelCauseFunc

	moved   atomic.Int64 // when the last byte arrived
	waiting atomic.Int64 // since when somebody waits; 0 means nobody
	begun   atomic.Int64 // when the message began; 0 means there is none

	conn    *websocket.Conn
	timer   atomic.Pointer[time.Timer]
	stopped atomic.Bool
}

// start starts the timer.
func (w *socketWatch) start(conn *websocket.Conn) {
	w.conn = conn
	if every := w.every(); every > 0 {
		w.timer.Store(time.AfterFunc(every, w.look))
	}
}

// every returns how often to check.
func (w *socketWatch) every() time.Duration {
	switch {
	case w.idle <= 0:
		return w.whole / 8
	case w.whole <= 0:
		return w.idle / 8
	}
	return min(w.idle, w.whole) / 8
}

func (w *socketWatch) stop() {
	w.stopped.Store(true)
	if timer := w.timer.Load(); timer != nil {
		timer.Stop()
	}
}

// wait notes whether somebody waits for a message.
func (w *socketWatch) wait(waiting bool) {
	since := int64(0)
	if waiting {
		since = time.Now().UnixNano()
	}
	w.begun.Store(0)
	w.waiting.Store(since)
}

// begin notes that a message has begun.
func (w *socketWatch) begin() { w.begun.Store(time.Now().UnixNano()) }

// look checks the limits; the timer calls it.
func (w *socketWatch) look() {
	if w.stopped.Load() {
		return
	}
	waiting, moved, begun := w.waiting.Load(), w.moved.Load(), w.begun.Load()
	if waiting != 0 {
		now := time.Now().UnixNano()
		quiet := time.Duration(now - max(waiting, moved))
		switch {
		case w.whole > 0 && begun != 0 && time.Duration(now-begun) >= w.whole:
			w.cancel(ErrOutputTimeout)
			return
		case w.idle > 0 && quiet >= w.idle:
			w.cancel(ErrIdle)
			return
		case w.idle > 0 && quiet >= w.idle/2:
			w.ping()
		}
	}
	if timer := w.timer.Load(); timer != nil && !w.stopped.Load() {
		timer.Reset(w.every())
	}
}

// ping asks the server for a sign of life. Its answer counts like any other byte. This waits for it
// only until the next check.
func (w *socketWatch) ping() {
	ctx, cancel := context.WithTimeout(context.Background(), w.every())
	defer cancel()
	w.conn.Ping(ctx)
}

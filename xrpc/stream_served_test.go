package xrpc

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// subscribe is the subscription of these tests.
var subscribe = Method{NSID: "com.example.subscribe", Kind: KindSubscription, Cursor: "cursor"}

// An event is a message of it, written as generated code is: an open union, of #post and #info.
type event struct {
	Kind string
	Seq  int64
	Text string
}

func (e *event) DecodeLex(d *lex.Decoder) error {
	e.Kind = d.Type()
	switch e.Kind {
	case "com.example.subscribe#post":
		seq := false
		for key := range d.Object {
			switch string(key) {
			case "seq":
				e.Seq, seq = d.Int(), true
			case "text":
				e.Text = d.String()
			default:
				d.Value(new(lex.Any))
			}
		}
		if !seq {
			d.Missing(0, "seq")
		}
	case "com.example.subscribe#info":
		for key := range d.Object {
			if string(key) == "name" {
				e.Text = d.String()
			} else {
				d.Value(new(lex.Any))
			}
		}
	default:
		d.UnknownVariant()
	}
	return d.Err()
}

func (e *event) Sequence() (int64, bool) { return e.Seq, e.Kind == "com.example.subscribe#post" }

func (e *event) ValidateLex(v *lex.Validator) {
	if e.Text == "invalid" {
		v.Field("text").MaxLen(len(e.Text), 1)
	}
}

// at are parameters.
type at struct{ cursor *int64 }

func (p *at) EncodeQuery(q *Query) {
	q.String("cursors", "none")
	if p.cursor != nil {
		q.Int("cursor", *p.cursor)
	}
}

// cborOf are JSON documents in DAG-CBOR, one behind the other.
func cborOf(t testing.TB, documents ...string) []byte {
	t.Helper()
	var all []byte
	for _, document := range documents {
		v, err := lex.AnyJSON([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		b, err := lex.MarshalCBOR(&v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// A connection is one on the server's side. Its methods end the handler when the client has gone.
type connection struct {
	t      testing.TB
	number int // from 1
	*http.Request
	conn *websocket.Conn
}

// post sends posts with these sequence numbers.
func (c *connection) post(numbers ...int64) {
	for _, n := range numbers {
		c.binary(cborOf(c.t, `{"op":1,"t":"#post"}`, fmt.Sprintf(`{"seq":%d,"text":"post %d"}`, n, n)))
	}
}

// fail sends an error frame.
func (c *connection) fail(name string) {
	c.binary(cborOf(c.t, `{"op":-1}`, fmt.Sprintf(`{"error":%q,"message":"because"}`, name)))
}

func (c *connection) binary(b []byte) { c.write(websocket.MessageBinary, b) }
func (c *connection) text(s string)   { c.write(websocket.MessageText, []byte(s)) }

func (c *connection) write(kind websocket.MessageType, b []byte) {
	if c.conn.Write(context.Background(), kind, b) != nil {
		panic(http.ErrAbortHandler)
	}
}

// hold keeps the connection open, and answers pings, until the client goes.
func (c *connection) hold() { <-c.conn.CloseRead(context.Background()).Done() }

// streaming runs f with a Caller on a server that speaks as script does, in time that is not real. A connection
// ends with the script, without a farewell.
func streaming(t *testing.T, script func(c *connection), f func(t *testing.T, c *Caller)) {
	t.Helper()
	var mu sync.Mutex
	count := 0
	served(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"xrpc.v1.json", "xrpc.v1.cbor"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		mu.Lock()
		count++
		number := count
		mu.Unlock()
		script(&connection{t, number, r, conn})
	}, f)
}

// A log notes what a stream tells.
type streamLog struct{ events []StreamEvent }

func (l *streamLog) option() Option {
	return WithStreamEvents(func(e StreamEvent) { l.events = append(l.events, e) })
}

// kinds are the kinds of the events, with the cursor of each connection, and the end of each error that is no
// broken connection.
func (l *streamLog) kinds() (all []string) {
	for _, e := range l.events {
		text := e.Kind.String()
		if e.Kind == StreamOpened && e.Cursor != nil {
			text += fmt.Sprintf(" at %d", *e.Cursor)
		}
		if _, broken := errors.AsType[*StreamError](e.Err); e.Err != nil && !broken {
			text += ": " + e.Err.Error()
		}
		all = append(all, text)
	}
	return all
}

// take reads messages until there are n or an error, and returns their texts. It waits for days, not for ever.
func take(s *Stream[event], n int) (texts []string, err error) {
	defer time.AfterFunc(100*time.Hour, func() { s.Close() }).Stop()
	for m, err := range s.Messages() {
		if err != nil {
			return texts, err
		}
		if texts = append(texts, m.Text); len(texts) == n {
			break
		}
	}
	return texts, nil
}

// during reads messages for a while, or until there is an error, and returns their texts.
func during(s *Stream[event], d time.Duration) (texts []string, err error) {
	defer time.AfterFunc(d, func() { s.Close() }).Stop()
	for m, err := range s.Messages() {
		if err != nil {
			return texts, err
		}
		texts = append(texts, m.Text)
	}
	return texts, nil
}

// once makes a stream end with the first connection that breaks.
func once() Option { return WithReconnect(RetryPolicy{Attempts: 1}) }

// A rawConn is the server's side of a WebSocket, byte by byte.
type rawConn struct {
	conn net.Conn
	from *bufio.Reader
}

// rawSocket opens a WebSocket without agreeing on a subprotocol (RFC 6455 §4.2.2), and leaves it to script.
func rawSocket(script func(s *rawConn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		hash := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(hash[:]))
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		script(&rawConn{conn, buffered.Reader})
	}
}

// raw writes bytes, and reports whether there is still somebody who reads.
func (s *rawConn) raw(b []byte) bool {
	_, err := s.conn.Write(b)
	return err == nil
}

// frame writes a frame: its first byte, its length, and a payload.
func (s *rawConn) frame(first byte, payload []byte) bool {
	return s.raw(append([]byte{first, 126, byte(len(payload) >> 8), byte(len(payload))}, payload...))
}

// hold reads nothing and says nothing until the client goes.
func (s *rawConn) hold() {
	for { // a pipe tells only those who touch it
		s.conn.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := s.from.Peek(1); errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
			return
		}
		if s.from.Buffered() > 0 {
			s.from.Discard(s.from.Buffered()) // as a network does that has room
		}
	}
}

// answerPings says nothing but that it is there.
func (s *rawConn) answerPings() {
	for {
		head := make([]byte, 6) // and the mask, which is of no interest: the payload is short
		if _, err := io.ReadFull(s.from, head); err != nil {
			return
		}
		payload := make([]byte, head[1]&0x7f)
		if _, err := io.ReadFull(s.from, payload); err != nil {
			return
		}
		if head[0] != 0x89 || !s.raw([]byte{0x8a, 0}) {
			return
		}
	}
}

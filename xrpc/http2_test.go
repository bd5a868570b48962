package xrpc

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// A server that restarts tells its clients by HTTP/2 which of their requests it has not
// processed (RFC 9113 §6.8). They go out again, bodies and all, and nobody hears of it.
func TestServerThatRestartsWhileABodyIsSent(t *testing.T) {
	send := func(t *testing.T, body *Body) (received []byte, err error) {
		t.Helper()
		server := newRestarting(t)
		target, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		req, err := NewHTTPRequest(t.Context(), http.MethodPost, target, nil, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := SendHTTP(server.Client().Transport, req, "com.example.upload")
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
	content := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for name, body := range map[string]*Body{
		"bytes":  BytesBody(content, "image/png"),
		"a file": ReaderAtBody(bytes.NewReader(content), int64(len(content)), "image/png"),
	} {
		t.Run("P72 P51 "+name+" arrive, all of them, and once", func(t *testing.T) {
			received, err := send(t, body)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(received, content) {
				t.Errorf("%d bytes of %d arrived", len(received), len(content))
			}
		})
	}
	t.Run("P15 P72 a stream is not sent again", func(t *testing.T) {
		_, err := send(t, StreamBody(bytes.NewReader(content), int64(len(content)), "image/png"))
		if _, ok := errors.AsType[*SendError](err); !ok {
			t.Errorf("got %v", err)
		}
	})
}

// newRestarting returns a server that leaves what comes by its first connection, and echoes
// what comes by the others.
func newRestarting(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	server.EnableHTTP2 = true
	server.Listener = &firstLeft{Listener: server.Listener, leave: func(conn net.Conn) { leave(tls.Server(conn, server.TLS)) }}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// A firstLeft listener hands its first connection to leave.
type firstLeft struct {
	net.Listener
	leave func(net.Conn)
	once  sync.Once
}

func (l *firstLeft) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	first := false
	l.once.Do(func() { first = err == nil })
	if !first {
		return conn, err
	}
	go l.leave(conn)
	return l.Listener.Accept()
}

// leave waits until a part of a body is there and says that the request was not processed.
func leave(conn net.Conn) {
	defer conn.Close()
	const (
		preface  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
		settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		goAway   = "\x00\x00\x08\x07\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // last stream 0, no error
		dataType = 0
	)
	if _, err := io.ReadFull(conn, make([]byte, len(preface))); err != nil {
		return
	}
	io.WriteString(conn, settings)
	header := make([]byte, 9) // RFC 9113 §4.1: length, type, flags, stream
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		length := int64(header[0])<<16 | int64(header[1])<<8 | int64(header[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			return
		}
		if header[3] == dataType {
			io.WriteString(conn, goAway)
			io.Copy(io.Discard, conn) // until the client has read it
			return
		}
	}
}

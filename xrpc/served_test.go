package xrpc

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// served gives f a Caller on a server that handler is, in time that is not real. What f leaves
// behind, a connection or a goroutine, is an error.
func served(t *testing.T, handler http.HandlerFunc, f func(t *testing.T, c *Caller)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: handler}
		go server.Serve(network)
		transport := &http.Transport{DialContext: network.dial}
		client, err := NewClient("http://127.0.0.1", ClientConfig{AllowLoopback: true, UnguardedTransport: transport})
		if err != nil {
			t.Fatal(err)
		}
		f(t, NewCaller(client))
		transport.CloseIdleConnections()
		synctest.Wait()
		if n := network.count(); n > 0 {
			t.Errorf("%d connections are left", n)
			network.cut()
		}
		server.Close()
		time.Sleep(time.Hour) // until the handlers have ended
	})
}

// pipes is a network within the process, without buffers.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}

	mu    sync.Mutex
	open  map[*counted]bool
	dials int
}

// cut closes what is left, so that the server is not waited for.
func (p *pipes) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Conn.Close()
	}
}

func (p *pipes) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.mu.Lock()
	p.dials++
	number := p.dials
	p.mu.Unlock()
	select {
	case p.accepted <- numbered{theirs, number}:
		c := &counted{Conn: ours, pipes: p}
		p.mu.Lock()
		if p.open == nil {
			p.open = make(map[*counted]bool)
		}
		p.open[c] = true
		p.mu.Unlock()
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A counted connection is open until it is closed on our side.
type counted struct {
	net.Conn
	pipes *pipes
	once  sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.pipes.mu.Lock()
		delete(c.pipes.open, c)
		c.pipes.mu.Unlock()
	})
	return c.Conn.Close()
}

// A numbered connection comes from an address of its own.
type numbered struct {
	net.Conn
	number int
}

func (c numbered) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: c.number}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error { close(p.closed); return nil }

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

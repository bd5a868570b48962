package safehttp

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Options are what a Client can be told. The zero value is right for production.
type Options struct {
	// AllowLoopback is for development: it lets requests through to loopback
	// addresses, also by http and on any port.
	AllowLoopback bool

	// RoundTripper, if set, replaces the Client's transport and is used as it is:
	// whom it connects to is its own business. URLs are still checked.
	RoundTripper http.RoundTripper

	// Timeout bounds a Get from start to the last byte, redirects included.
	// The default is 10 seconds.
	Timeout time.Duration
}

// A Client makes guarded requests. It keeps connections: make one and share it.
// It is safe for concurrent use.
type Client struct {
	guard     guard
	transport http.RoundTripper
	timeout   time.Duration
}

const defaultTimeout = 10 * time.Second

// New returns a Client.
func New(o Options) *Client {
	c := &Client{guard: newGuard(o.AllowLoopback), transport: o.RoundTripper, timeout: o.Timeout}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.transport == nil {
		c.transport = newTransport(&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}, c.guard)
	}
	return c
}

// newTransport returns a transport that connects as dialer does, where g allows it.
func newTransport(dialer *net.Dialer, g guard) *http.Transport {
	dialer.Control = g.control
	return &http.Transport{
		// A proxy would resolve names itself, past the guard; so no Proxy field,
		// not even the one of the environment.
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A backstop; those who send requests have shorter limits of their own.
		ResponseHeaderTimeout:  2 * time.Minute,
		MaxResponseHeaderBytes: 256 << 10,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
	}
}

// RoundTripper returns the guarded transport for requests of any kind. It refuses
// what the guard refuses with an error that wraps ErrBlocked; like all round
// trippers it follows no redirects. Apart from connecting it has no time limit to
// speak of: give requests a context that has one.
func (c *Client) RoundTripper() http.RoundTripper { return roundTripper{c} }

type roundTripper struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := r.c.checkURL(req.URL); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	return r.c.transport.RoundTrip(req)
}

// CloseIdleConnections closes the connections that no request uses.
func (r roundTripper) CloseIdleConnections() {
	if t, ok := r.c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// checkURL refuses what can be refused before a name is resolved. It also covers
// requests through a RoundTripper of the user's own.
func (c *Client) checkURL(u *url.URL) error {
	host := u.Hostname()
	loopback := c.guard.allowLoopback && isLoopbackHost(host)
	switch {
	case host == "":
		return fmt.Errorf("%w: the URL has no host", ErrBlocked)
	case u.Scheme == "http" && loopback:
	case u.Scheme != "https":
		return fmt.Errorf("%w: scheme %q instead of https", ErrBlocked, u.Scheme)
	case u.User != nil:
		return fmt.Errorf("%w: the URL has credentials", ErrBlocked)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return c.guard.check(addr)
	}
	return nil
}

// checkPort refuses any port but the scheme's own, loopback in development apart.
func (c *Client) checkPort(u *url.URL) error {
	if port := u.Port(); port == "" || port == "443" || c.guard.allowLoopback && isLoopbackHost(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%w: port %s", ErrBlocked, u.Port())
}

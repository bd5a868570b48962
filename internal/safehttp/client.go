package safehttp

import (
	"context"
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

	// AllowHosts is for development: the names, or addresses without brackets, of hosts
	// that requests go to whatever their address is, also by http and on any port. It is
	// the name in the URL that counts; a host that only has the same address is guarded
	// like any other.
	AllowHosts []string

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
	c := &Client{guard: newGuard(o.AllowLoopback, o.AllowHosts...), transport: o.RoundTripper, timeout: o.Timeout}
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
	free := *dialer
	dialer.Control = g.control
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(address); err == nil && g.allows(host) {
			return free.DialContext(ctx, network, address)
		}
		return dialer.DialContext(ctx, network, address)
	}
	return &http.Transport{
		// A proxy would resolve names itself, past the guard; so no Proxy field,
		// not even the one of the environment.
		DialContext:           dial,
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
	allowed := c.guard.allows(host)
	development := allowed || c.guard.allowLoopback && isLoopbackHost(host)
	switch {
	case host == "":
		return fmt.Errorf("%w: the URL has no host", ErrBlocked)
	case u.Scheme == "http" && development:
	case u.Scheme != "https":
		return fmt.Errorf("%w: scheme %q instead of https", ErrBlocked, u.Scheme)
	case u.User != nil:
		return fmt.Errorf("%w: the URL has credentials", ErrBlocked)
	}
	if addr, err := netip.ParseAddr(host); err == nil && !allowed {
		return c.guard.check(addr)
	}
	return nil
}

// checkPort refuses any port but the scheme's own, but for what development allows.
func (c *Client) checkPort(u *url.URL) error {
	host := u.Hostname()
	if port := u.Port(); port == "" || port == "443" || c.guard.allows(host) || c.guard.allowLoopback && isLoopbackHost(host) {
		return nil
	}
	return fmt.Errorf("%w: port %s", ErrBlocked, u.Port())
}

package safehttp

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/internal/loopback"
)

// Options are the options of a Client. The zero value is good for production.
type Options struct {
	// AllowLoopback, for development, permits requests to loopback addresses, also by http and on
	// any port.
	AllowLoopback bool

	// AllowHosts, for development, are names, or addresses without brackets, of hosts that may have
	// any address, and may use http and any port. The name in the URL counts; another name with the
	// same address gets no exception.
	AllowHosts []string

	// PrivateHosts are servers, as "host:port", that may have any address and may use http. The
	// name and the port in the URL count.
	PrivateHosts []string

	// Proxy is the http or https URL of a proxy for all connections, except those to PrivateHosts
	// and, for development, to this machine. This process resolves names and checks addresses, and
	// tells the proxy to connect to the checked address.
	Proxy *url.URL

	// ProxyResolvesUnchecked lets the Proxy resolve names. The addresses of a name are then not
	// checked.
	ProxyResolvesUnchecked bool

	// RootCAs are the certificate authorities to trust. Nil means the system's.
	RootCAs *x509.CertPool

	// WrapTransport, if set, receives the guarded transport and returns the one to use. The
	// returned transport sees every request; what it sends on is checked too.
	WrapTransport func(http.RoundTripper) http.RoundTripper

	// UnguardedTransport, if set, replaces the Client's transport, and nothing checks the addresses
	// that it connects to. URLs are still checked.
	UnguardedTransport http.RoundTripper

	// Timeout limits a Get from its start to the last byte, with all redirects. The default is 10
	// seconds.
	Timeout time.Duration
}

// Check says which field of o is wrong, and why.
func (o *Options) Check() error {
	for _, entry := range o.PrivateHosts {
		host, port, err := net.SplitHostPort(entry)
		number, notNumber := strconv.ParseUint(port, 10, 16)
		if err != nil || notNumber != nil || number == 0 || host == "" || strings.ContainsAny(host, "/@*?# ") {
			return fmt.Errorf("PrivateHosts: %.100q is not host:port", entry)
		}
	}
	switch {
	case o.Proxy != nil && (o.Proxy.Scheme != "http" && o.Proxy.Scheme != "https" || o.Proxy.Hostname() == ""):
		return fmt.Errorf("%s: %.100q is not an http or https URL", "Proxy", o.Proxy.Redacted()) // as it is called
	case o.ProxyResolvesUnchecked && o.Proxy == nil:
		return errors.New("ProxyResolvesUnchecked is set without Proxy")
	case o.UnguardedTransport != nil && (o.Proxy != nil || o.RootCAs != nil):
		return errors.New("UnguardedTransport takes the place of the transport that Proxy and RootCAs are settings of: set one or the other")
	}
	return nil
}

// A Client makes guarded requests. It keeps connections, so make one and share it. It is safe for
// concurrent use.
type Client struct {
	guard     guard
	transport http.RoundTripper // connects only where the guard allows it
	wrapped   http.RoundTripper // the transport for requests; it wraps guardedTransport
	timeout   time.Duration
	invalid   error // of the Options
	sent      sentForms
}

const defaultTimeout = 10 * time.Second

// New returns a Client. If Options.Check fails, every request fails with that error.
func New(o Options) *Client {
	c := &Client{
		guard:     newGuard(o.AllowLoopback, append(append([]string{}, o.AllowHosts...), o.PrivateHosts...)...),
		transport: o.UnguardedTransport, timeout: cmp.Or(max(o.Timeout, 0), defaultTimeout), invalid: o.Check(),
	}
	if c.transport == nil {
		c.transport = newTransport(&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}, c.guard, o)
	}
	c.wrap(o.WrapTransport)
	return c
}

// Err says what is wrong with the Options; nil means nothing.
func (c *Client) Err() error { return c.invalid }

func (c *Client) wrap(around func(http.RoundTripper) http.RoundTripper) {
	c.wrapped = guardedTransport{c}
	if around == nil {
		return
	}
	if c.wrapped = around(guardedTransport{c}); c.wrapped == nil && c.invalid == nil {
		c.invalid = errors.New("WrapTransport returned nil")
	}
}

// newTransport returns a transport that connects with dialer, where g allows it.
func newTransport(dialer *net.Dialer, g guard, o Options) *http.Transport {
	free := *dialer
	dialer.Control = g.control
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrBlocked, err)
		case g.allows(host, port):
			return free.DialContext(ctx, network, address)
		case o.Proxy != nil && !g.isLocal(host):
			return (&tunnel{proxy: o.Proxy, dialer: &free, guard: g, unchecked: o.ProxyResolvesUnchecked, roots: o.RootCAs}).dial(ctx, host, port)
		}
		return dialer.DialContext(ctx, network, address)
	}
	t := &http.Transport{
		// The transport's own proxy support would let the proxy resolve names, without the guard.
		// So no Proxy field is set, not even from the environment. See tunnel.
		DialContext:           dial,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A last limit; senders of requests have shorter limits of their own.
		ResponseHeaderTimeout:  2 * time.Minute,
		MaxResponseHeaderBytes: 256 << 10,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        90 * time.Second,
	}
	if o.RootCAs != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
	}
	return t
}

// RoundTripper returns the guarded transport for requests of any kind, with the wrapper around it.
// If the guard refuses a request, the error wraps ErrBlocked. Like all round trippers, it follows
// no redirects. It limits only the time to connect, so use a context with a time limit.
func (c *Client) RoundTripper() http.RoundTripper { return roundTripper{c} }

type roundTripper struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := r.c.checkURL(req.URL); err != nil {
		return nil, refuse(req, err)
	}
	return r.c.wrapped.RoundTrip(req)
}

// CloseIdleConnections closes the connections that no request uses.
func (r roundTripper) CloseIdleConnections() { closeIdle(r.c.transport) }

// guardedTransport is the transport that a wrapper receives. It trusts nothing that comes from the
// wrapper.
type guardedTransport struct{ c *Client }

// RoundTrip implements http.RoundTripper.
func (g guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.c.checkURL(req.URL); err != nil {
		return nil, refuse(req, err)
	}
	if err := g.c.sent.first(req); err != nil {
		return nil, refuse(req, err)
	}
	return g.c.transport.RoundTrip(req)
}

// CloseIdleConnections closes the connections that no request uses.
func (g guardedTransport) CloseIdleConnections() { closeIdle(g.c.transport) }

func closeIdle(t http.RoundTripper) {
	if t, ok := t.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// refuse closes the body of a request that is not sent, as round trippers must.
func refuse(req *http.Request, err error) error {
	if req.Body != nil {
		req.Body.Close()
	}
	return err
}

// sentForms remembers which forms were sent. A form with a refresh token or a code works once, so a
// wrapper of the transport must not send it again. Forms are recognised by their proofs, because
// each sending has a new one (RFC 9449 §4.2). The zero value is empty. It is safe for concurrent
// use.
type sentForms struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]bool
	order [rememberedForms][sha256.Size]byte
	next  int
}

// rememberedForms is how many forms that are under way at the same time can be recognised.
const rememberedForms = 4096

// first returns ErrSentTwice for a form that was sent before.
func (s *sentForms) first(req *http.Request) error {
	proof := req.Header.Get("DPoP")
	if req.Method != http.MethodPost || proof == "" {
		return nil
	}
	if media, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type")); media != "application/x-www-form-urlencoded" {
		return nil
	}
	id := sha256.Sum256([]byte(proof))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[id] {
		return ErrSentTwice
	}
	if s.known == nil {
		s.known = make(map[[sha256.Size]byte]bool)
	}
	delete(s.known, s.order[s.next])
	s.known[id], s.order[s.next] = true, id
	s.next = (s.next + 1) % rememberedForms
	return nil
}

// AllowsScheme reports whether requests may use the scheme of u: https, or http to a server in the
// Options or, for development, to this machine.
func (c *Client) AllowsScheme(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && (c.guard.isLocal(u.Hostname()) || c.guard.allows(u.Hostname(), portOf(u)))
}

// Remedy returns the end of an error message: what to do about a URL that AllowsScheme refuses. It
// names settings that exist in every package that uses this one.
func (c *Client) Remedy(u *url.URL) string {
	switch {
	case u.Scheme != "http":
		return ""
	case loopback.IsHost(u.Hostname()):
		return "; AllowLoopback allows http to this machine, for development"
	}
	return fmt.Sprintf("; PrivateHosts with %q allows http to a host of your own network", net.JoinHostPort(u.Hostname(), portOf(u)))
}

// portOf returns the port of a URL, or the default of its scheme.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// checkURL refuses what can be refused before a name is resolved. It also applies to requests
// through the user's own transport.
func (c *Client) checkURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case c.invalid != nil:
		return fmt.Errorf("%w: invalid settings: %w", ErrBlocked, c.invalid)
	case u.Opaque != "":
		// It would be sent as the target, past the host of the connection (P79).
		return fmt.Errorf("%w: the URL has an opaque part", ErrBlocked)
	case host == "":
		return fmt.Errorf("%w: the URL has no host", ErrBlocked)
	case !c.AllowsScheme(u):
		return fmt.Errorf("%w: scheme %.40q instead of https%s", ErrBlocked, u.Scheme, c.Remedy(u))
	case u.User != nil:
		return fmt.Errorf("%w: the URL has credentials", ErrBlocked)
	}
	if !isName(host) {
		if addr, err := netip.ParseAddr(host); err == nil && !c.guard.allows(host, portOf(u)) {
			return c.guard.check(addr)
		}
	}
	return nil
}

// isName reports whether a host is not an address. Every call asks this, and parsing it as an
// address would cost more than the rest of the check.
func isName(host string) bool {
	last := host[len(host)-1]
	return (last < '0' || last > '9') && !strings.Contains(host, ":")
}

// checkPort refuses every port but the scheme's default, except for hosts that are allowed by name.
func (c *Client) checkPort(u *url.URL) error {
	host := u.Hostname()
	if port := u.Port(); port == "" || port == "443" || c.guard.allows(host, port) || c.guard.isLocal(host) {
		return nil
	}
	return fmt.Errorf("%w: port %s; PrivateHosts with %q allows it", ErrBlocked, u.Port(), net.JoinHostPort(host, u.Port()))
}

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

	// PrivateHosts are servers, "host:port", that requests go to whatever their address is, also
	// by http. It is the name and the port in the URL that count.
	PrivateHosts []string

	// Proxy, an http or https URL, is where connections go through, but for those to
	// PrivateHosts and, in development, to this machine. Names are resolved and addresses checked
	// here, and the proxy is told to connect to the address that was checked.
	Proxy *url.URL

	// ProxyResolvesUnchecked lets the Proxy resolve names: no address is checked that a name
	// leads to.
	ProxyResolvesUnchecked bool

	// RootCAs are the certificate authorities to believe. Nil: the system's.
	RootCAs *x509.CertPool

	// WrapTransport, if set, is given the guarded transport and returns what requests go
	// through: it sees each of them, and what it sends on is checked all the same.
	WrapTransport func(http.RoundTripper) http.RoundTripper

	// UnguardedTransport, if set, replaces the Client's transport: whom it
	// connects to is its own business. URLs are still checked.
	UnguardedTransport http.RoundTripper

	// Timeout bounds a Get from start to the last byte, redirects included.
	// The default is 10 seconds.
	Timeout time.Duration
}

// Check says what is wrong with o: which field, and why.
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

// A Client makes guarded requests. It keeps connections: make one and share it.
// It is safe for concurrent use.
type Client struct {
	guard     guard
	transport http.RoundTripper // connects where the guard allows it
	wrapped   http.RoundTripper // what requests go through: around guardedTransport
	timeout   time.Duration
	invalid   error // of the Options
	sent      sentForms
}

const defaultTimeout = 10 * time.Second

// New returns a Client. Where Options.Check fails, so does every request.
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

func (c *Client) wrap(around func(http.RoundTripper) http.RoundTripper) {
	c.wrapped = guardedTransport{c}
	if around == nil {
		return
	}
	if c.wrapped = around(guardedTransport{c}); c.wrapped == nil && c.invalid == nil {
		c.invalid = errors.New("WrapTransport returned nil")
	}
}

// newTransport returns a transport that connects as dialer does, where g allows it.
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
		// Its own way through a proxy has the proxy resolve names, past the guard; so no Proxy
		// field, not even the one of the environment. See tunnel.
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
	if o.RootCAs != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
	}
	return t
}

// RoundTripper returns the guarded transport for requests of any kind, with what was
// wrapped around it. It refuses
// what the guard refuses with an error that wraps ErrBlocked; like all round
// trippers it follows no redirects. Apart from connecting it has no time limit to
// speak of: give requests a context that has one.
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

// guardedTransport is what a wrapper gets: it trusts nothing of what the wrapper was given.
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

// refuse closes the body of a request that is not sent, as round trippers do.
func refuse(req *http.Request, err error) error {
	if req.Body != nil {
		req.Body.Close()
	}
	return err
}

// sentForms remembers which forms were sent: those that spend a refresh token or a code work
// once, and whoever wraps the transport must not send them again. What tells them
// apart is their proof, which is made anew for each sending (RFC 9449 §4.2). The zero value
// is empty; it is safe for concurrent use.
type sentForms struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]bool
	order [rememberedForms][sha256.Size]byte
	next  int
}

// rememberedForms is how many forms may be on their way at the same time, and be told apart.
const rememberedForms = 4096

// first fails with ErrSentTwice for a form that was sent before.
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

// AllowsScheme reports whether the scheme of u is one that requests may have: https, or http
// to a server that is named in the Options or, in development, to this machine.
func (c *Client) AllowsScheme(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && (c.guard.isLocal(u.Hostname()) || c.guard.allows(u.Hostname(), portOf(u)))
}

// Remedy says, as the end of an error message, what to do about a URL that AllowsScheme refuses. The names in it
// are those of the settings in every package that has them.
func (c *Client) Remedy(u *url.URL) string {
	switch {
	case u.Scheme != "http":
		return ""
	case loopback.IsHost(u.Hostname()):
		return "; AllowLoopback allows http to this machine, for development"
	}
	return fmt.Sprintf("; PrivateHosts with %q allows http to a host of your own network", net.JoinHostPort(u.Hostname(), portOf(u)))
}

// portOf is the port of a URL, that of its scheme if it has none.
func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// checkURL refuses what can be refused before a name is resolved. It also covers
// requests through a transport of the user's own.
func (c *Client) checkURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case c.invalid != nil:
		return fmt.Errorf("%w: invalid settings: %w", ErrBlocked, c.invalid)
	case u.Opaque != "":
		// It would be sent as the target, past the host that is connected to (P79).
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

// isName reports whether a host is no address at all: every call asks, and the error that says so otherwise
// costs more than the rest of the check.
func isName(host string) bool {
	last := host[len(host)-1]
	return (last < '0' || last > '9') && !strings.Contains(host, ":")
}

// checkPort refuses any port but the scheme's own, but for what is allowed by name.
func (c *Client) checkPort(u *url.URL) error {
	host := u.Hostname()
	if port := u.Port(); port == "" || port == "443" || c.guard.allows(host, port) || c.guard.isLocal(host) {
		return nil
	}
	return fmt.Errorf("%w: port %s; PrivateHosts with %q allows it", ErrBlocked, u.Port(), net.JoinHostPort(host, u.Port()))
}

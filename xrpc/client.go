package xrpc

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/gimucco/atproto-go/internal/safehttp"
)

// A Client is the plain Doer of a host: it sends requests as they are, without
// credentials. It is safe for concurrent use.
type Client struct {
	origin *url.URL
	rt     http.RoundTripper
}

var _ Follower = (*Client)(nil)

// ClientConfig is what NewClient needs to know. The zero value of each field is
// right for production.
type ClientConfig struct {
	// WrapTransport, if set, is given the transport of requests, which connects to public
	// addresses only, and returns what they go through: for tracing and metrics. It sees every
	// request; what it sends on is checked all the same, and a form that spends a code or a
	// refresh token is not sent a second time. One that does not use what it is given replaces
	// the transport, and with it the checks: see UnguardedTransport.
	WrapTransport func(http.RoundTripper) http.RoundTripper

	// Proxy, an http or https URL, is what connections go through; nil: none, whatever
	// the environment says. Names are resolved and addresses checked here, and the proxy is told (CONNECT)
	// to connect to the address that was checked. Servers of PrivateHosts are connected to directly.
	Proxy *url.URL

	// ProxyResolvesUnchecked lets the Proxy resolve the names of servers, for networks that
	// resolve none of the Internet's. Strangers choose these names: no address that one
	// leads to is checked then, unless the proxy does it.
	ProxyResolvesUnchecked bool

	// RootCAs are the certificate authorities to believe; nil: the system's.
	RootCAs *x509.CertPool

	// PrivateHosts are servers of your own network, "host:port" as in their URLs, such as
	// "pds:2583" of a compose file: they may have a private address, and http. Nothing else is
	// let through by it.
	PrivateHosts []string

	// UnguardedTransport, if set, takes the place of the transport, and with it goes the check of
	// addresses: whom it connects to is its own business. It is for tests, and for networks
	// that guard themselves. It goes without Proxy and RootCAs.
	UnguardedTransport http.RoundTripper

	// AllowLoopback permits servers on loopback addresses and plain http to them. It
	// is for development.
	AllowLoopback bool
}

// String says no more than what it is: a Proxy may have a password.
func (cfg ClientConfig) String() string { return "xrpc.ClientConfig" }

// Format writes what String returns, whatever the verb.
func (cfg ClientConfig) Format(f fmt.State, _ rune) { io.WriteString(f, cfg.String()) }

// LogValue keeps all of it out of logs.
func (cfg ClientConfig) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// NewClient returns the Doer of host, such as "https://public.api.bsky.app". A path
// is ignored: methods live at the root. It fails if host is not an https URL.
func NewClient(host string, cfg ClientConfig) (*Client, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("xrpc: host: %w", err)
	}
	options := safehttp.Options{
		AllowLoopback: cfg.AllowLoopback, PrivateHosts: cfg.PrivateHosts,
		Proxy: cfg.Proxy, ProxyResolvesUnchecked: cfg.ProxyResolvesUnchecked, RootCAs: cfg.RootCAs,
		WrapTransport: cfg.WrapTransport, UnguardedTransport: cfg.UnguardedTransport,
	}
	if err := options.Check(); err != nil {
		return nil, fmt.Errorf("xrpc: ClientConfig.%w", err)
	}
	guard := safehttp.New(options)
	if u.Host == "" || u.User != nil || !guard.AllowsScheme(u) {
		return nil, fmt.Errorf("xrpc: host %.200q is not an https URL%s", u.Redacted(), guard.Remedy(u))
	}
	return &Client{origin: &url.URL{Scheme: u.Scheme, Host: u.Host}, rt: guard.RoundTripper()}, nil
}

// Host returns the origin of the host.
func (c *Client) Host() string { return c.origin.String() }

// Do implements Doer.
func (c *Client) Do(ctx context.Context, req *Request) (*http.Response, error) {
	target := *c.origin
	target.Path, target.RawQuery = "/xrpc/"+string(req.NSID), req.Query
	out, err := NewHTTPRequest(ctx, req.Method, &target, req.Header, req.Body)
	if err != nil {
		return nil, err
	}
	return SendHTTP(c.rt, out, req.NSID)
}

// Follow implements Follower.
func (c *Client) Follow(ctx context.Context, target *url.URL, header http.Header) (*http.Response, error) {
	return FollowHTTP(ctx, c.rt, target, header)
}

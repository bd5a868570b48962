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

// A Client is the plain Doer of a host: it sends requests without credentials. It is safe for
// concurrent use.
type Client struct {
	origin *url.URL
	rt     http.RoundTripper
}

var _ Follower = (*Client)(nil)

// ClientConfig is the configuration of NewClient. The zero value of each field is good for
// production.
type ClientConfig struct {
	// WrapTransport, if set, receives the client's transport and returns the one to use, for
	// example for tracing and metrics. The transport that it receives connects to public addresses
	// only. The returned transport sees every request. If it changes a request, the changed request
	// is checked too.
	//
	// If the returned transport does not use the one that it received, it replaces it, and the
	// address checks are gone: see UnguardedTransport.
	WrapTransport func(http.RoundTripper) http.RoundTripper

	// Proxy is the http or https URL of a proxy for all connections. If it is nil, no proxy is
	// used, whatever the environment says. This process resolves names and checks addresses, and
	// tells the proxy (CONNECT) to connect to the checked address. Connections to servers in
	// PrivateHosts do not use the proxy.
	Proxy *url.URL

	// ProxyResolvesUnchecked lets the Proxy resolve the names of servers. It is for networks that
	// cannot resolve public names. Strangers choose these names, and this process then checks no
	// address. Set it only if the proxy does that check.
	ProxyResolvesUnchecked bool

	// RootCAs are the certificate authorities to trust. If it is nil, the system's are used.
	RootCAs *x509.CertPool

	// PrivateHosts lists servers of your own network, as "host:port" like in their URLs, for
	// example "pds:2583" in a compose file. They may have a private address and may use http. No
	// other server gets these exceptions.
	PrivateHosts []string

	// UnguardedTransport, if set, replaces the client's transport, and nothing checks the addresses
	// that it connects to. It is for tests, and for networks that have their own checks. It cannot
	// be combined with Proxy and RootCAs.
	UnguardedTransport http.RoundTripper

	// AllowLoopback permits servers on loopback addresses, and plain http to them. It is for
	// development.
	AllowLoopback bool
}

// String returns only the type's name, because a Proxy may contain a password.
func (cfg ClientConfig) String() string { return "xrpc.ClientConfig" }

// Format writes the same text as String, for every verb.
func (cfg ClientConfig) Format(f fmt.State, _ rune) { io.WriteString(f, cfg.String()) }

// LogValue gives loggers the type's name only.
func (cfg ClientConfig) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// NewClient returns the Doer of host, such as "https://public.api.bsky.app". A path in host is
// ignored, because methods are at the root. It fails if host is not an https URL.
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

// Host returns the origin of the host, such as "https://public.api.bsky.app".
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

package xrpc

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gimucco/atproto-go/internal/safehttp"
)

// A Client is the plain Doer of a host: it sends requests as they are, without
// credentials. It is safe for concurrent use.
type Client struct {
	origin *url.URL
	rt     http.RoundTripper
}

var _ Doer = (*Client)(nil)

// ClientConfig is what NewClient needs to know. The zero value of each field is
// right for production.
type ClientConfig struct {
	// RoundTripper carries the requests; nil uses a transport that refuses private
	// and other special addresses, redirects and proxies.
	RoundTripper http.RoundTripper
	// AllowLoopback permits servers on loopback addresses and plain http to them. It
	// is for development.
	AllowLoopback bool
}

// NewClient returns the Doer of host, such as "https://public.api.bsky.app". A path
// is ignored: methods live at the root. It fails if host is not an https URL.
func NewClient(host string, cfg ClientConfig) (*Client, error) {
	u, err := url.Parse(host)
	if err != nil {
		return nil, fmt.Errorf("xrpc: host: %w", err)
	}
	name := u.Hostname()
	loopback := name == "localhost" || name == "::1" || strings.HasPrefix(name, "127.")
	if u.Host == "" || u.User != nil || u.Scheme != "https" && !(cfg.AllowLoopback && loopback && u.Scheme == "http") {
		return nil, fmt.Errorf("xrpc: host %q is not an https URL", host)
	}
	guard := safehttp.New(safehttp.Options{AllowLoopback: cfg.AllowLoopback, RoundTripper: cfg.RoundTripper})
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

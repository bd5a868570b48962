package identity

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/internal/safehttp"
)

// DefaultDirectory is the PLC directory that is asked if the Config names none.
const DefaultDirectory = "https://plc.directory"

// Config is how a NetworkResolver reaches the network. The zero value is right for
// production. With settings that contradict each other every question fails with ErrBlocked.
type Config struct {
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

	// LookupTXT returns the TXT records of a DNS name, the chunks of each joined.
	// "There is none" is a *net.DNSError with IsNotFound. Nil: net.DefaultResolver.
	LookupTXT func(ctx context.Context, name string) ([]string, error)

	// Directories are the URLs of PLC directories, asked in order until one has the
	// document, so mirrors stand before what they mirror. A mirror may lag: of several
	// directories the resolver remembers a digest of what they said last, for 10,000 DIDs, and
	// where a document differs from that, it asks the next ones too and believes the log with the
	// latest change. None: DefaultDirectory.
	Directories []string

	// AllowLoopback, for development, lets requests through to loopback addresses,
	// also by http and on any port, and did:web name localhost with a port.
	AllowLoopback bool

	// Timeout bounds the resolution of one handle or one DID. 0: 10 seconds.
	Timeout time.Duration
}

// String returns the directories. The rest may hold the password of a Proxy.
func (cfg Config) String() string { return fmt.Sprintf("identity.Config of %q", cfg.Directories) }

// Format writes what String returns, whatever the verb.
func (cfg Config) Format(f fmt.State, _ rune) { io.WriteString(f, cfg.String()) }

// LogValue keeps everything but the directories out of logs.
func (cfg Config) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// A NetworkResolver asks DNS and web servers. It keeps connections but no answers; of answers of
// several Directories it keeps digests.
// Safe for concurrent use.
type NetworkResolver struct {
	http          *safehttp.Client
	lookupTXT     func(ctx context.Context, name string) ([]string, error)
	directories   directories
	allowLoopback bool
	timeout       time.Duration
}

var _ Resolver = (*NetworkResolver)(nil)

const (
	defaultTimeout = 10 * time.Second
	dnsTimeout     = 5 * time.Second // of it for DNS, so that a dead name server does not hide the web server's answer
)

// NewResolver returns a NetworkResolver.
func NewResolver(cfg Config) *NetworkResolver {
	r := &NetworkResolver{
		lookupTXT:     cfg.LookupTXT,
		allowLoopback: cfg.AllowLoopback,
		timeout:       cfg.Timeout,
	}
	if r.timeout <= 0 {
		r.timeout = defaultTimeout
	}
	if r.lookupTXT == nil {
		r.lookupTXT = func(ctx context.Context, name string) ([]string, error) {
			return net.DefaultResolver.LookupTXT(ctx, name+".") // the dot keeps search domains out
		}
	}
	urls := cfg.Directories
	if len(urls) == 0 {
		urls = []string{DefaultDirectory}
	}
	r.directories = newDirectories(urls)
	r.http = safehttp.New(safehttp.Options{
		AllowLoopback: cfg.AllowLoopback, PrivateHosts: cfg.PrivateHosts,
		Proxy: cfg.Proxy, ProxyResolvesUnchecked: cfg.ProxyResolvesUnchecked, RootCAs: cfg.RootCAs,
		WrapTransport: cfg.WrapTransport, UnguardedTransport: cfg.UnguardedTransport,
		Timeout: r.timeout,
	})
	return r
}

// classify returns the Kind of a failed request: what a server said, what we
// refused, or that nobody answered.
//
// What says that something does not exist is listed, and not what does not: servers
// turn requests away because of who asks, and from where (401, 403, 407, 451), or how
// often (429), and then nobody knows (P63). That a host is not in DNS is nothing that
// a server said: a machine without a network, and a name server that filters, look the
// same.
func classify(err error) error {
	e, ok := errors.AsType[*safehttp.Error](err)
	switch {
	case errors.Is(err, safehttp.ErrBlocked):
		return ErrBlocked
	case !ok || e.Status == 0:
		return ErrUnreachable
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone:
		return ErrNotFound
	case errors.Is(err, safehttp.ErrContentType), errors.Is(err, safehttp.ErrTooLarge), errors.Is(err, safehttp.ErrRedirect):
		return ErrInvalidDocument
	}
	return ErrUnreachable
}

// missingInDNS reports whether a request failed because there is no such host.
func missingInDNS(err error, host string) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound && strings.EqualFold(strings.TrimSuffix(e.Name, "."), host)
}

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

// DefaultDirectory is the PLC directory that is used if the Config names none.
const DefaultDirectory = "https://plc.directory"

// Config says how a NetworkResolver reaches the network. The zero value is good for production. If
// settings contradict each other, every question fails with ErrBlocked.
type Config struct {
	// WrapTransport, if set, receives the resolver's transport and returns the one to use, for
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

	// UnguardedTransport, if set, replaces the resolver's transport, and nothing checks the
	// addresses that it connects to. It is for tests, and for networks that have their own checks.
	// It cannot be combined with Proxy and RootCAs.
	UnguardedTransport http.RoundTripper

	// LookupTXT returns the TXT records of a DNS name; the parts of each record are joined. If
	// there is no record, it returns a *net.DNSError with IsNotFound. Nil means
	// net.DefaultResolver.
	LookupTXT func(ctx context.Context, name string) ([]string, error)

	// Directories are the URLs of PLC directories. They are asked in order until one has the
	// document, so put mirrors before what they mirror. None means DefaultDirectory.
	//
	// A mirror may lag behind. So with several directories, the resolver remembers a digest of
	// their last answer for 10,000 DIDs. If a document differs from that, it asks the next
	// directories too, and believes the one whose log has the latest change.
	Directories []string

	// AllowLoopback, for development, permits requests to loopback addresses, also by http and on
	// any port. It also permits a did:web of localhost with a port.
	AllowLoopback bool

	// Timeout limits the time to resolve one handle or one DID. 0 means 10 seconds.
	Timeout time.Duration
}

// String returns the directories. Other fields may hold the password of a Proxy.
func (cfg Config) String() string { return fmt.Sprintf("identity.Config of %q", cfg.Directories) }

// Format writes the same text as String, for every verb.
func (cfg Config) Format(f fmt.State, _ rune) { io.WriteString(f, cfg.String()) }

// LogValue gives loggers the directories only.
func (cfg Config) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// A NetworkResolver asks DNS and web servers. It keeps connections, but no answers. With several
// Directories it keeps digests of their answers. It is safe for concurrent use.
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
	dnsTimeout     = 5 * time.Second // the part of that for DNS, so that a dead name server does not hide the web server's answer
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
			return net.DefaultResolver.LookupTXT(ctx, name+".") // the final dot turns search domains off
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

// classify returns the Kind of a failed request: what a server said, what this process refused, or
// that nobody answered.
//
// It lists the answers that say that something does not exist. All others do not say that: servers
// refuse requests because of who asks or from where (401, 403, 407, 451), or how often (429), and
// then the result is unknown (P63). A host that is missing in DNS is not an answer of a server: it
// looks the same on a machine without a network, or with a name server that filters.
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

// missingInDNS reports whether a request failed because the host does not exist.
func missingInDNS(err error, host string) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound && strings.EqualFold(strings.TrimSuffix(e.Name, "."), host)
}

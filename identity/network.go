package identity

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/gimucco/atproto-go/internal/safehttp"
)

// DefaultDirectory is the PLC directory that is asked if the Config names none.
const DefaultDirectory = "https://plc.directory"

// Config is how a NetworkResolver reaches the network. The zero value is right for
// production.
type Config struct {
	// RoundTripper sends the HTTP requests. Nil: a transport of our own that
	// connects to public addresses only and uses no proxy.
	RoundTripper http.RoundTripper

	// LookupTXT returns the TXT records of a DNS name, the chunks of each joined.
	// "There is none" is a *net.DNSError with IsNotFound. Nil: net.DefaultResolver.
	LookupTXT func(ctx context.Context, name string) ([]string, error)

	// Directories are the URLs of PLC directories, asked in order until one has the
	// document. None: DefaultDirectory.
	Directories []string

	// AllowLoopback, for development, lets requests through to loopback addresses,
	// also by http and on any port, and did:web name localhost with a port.
	AllowLoopback bool

	// Timeout bounds the resolution of one handle or one DID. 0: 10 seconds.
	Timeout time.Duration
}

// A NetworkResolver asks DNS and web servers. It keeps connections but no answers.
// Safe for concurrent use.
type NetworkResolver struct {
	http          *safehttp.Client
	lookupTXT     func(ctx context.Context, name string) ([]string, error)
	directories   []string
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
		directories:   cfg.Directories,
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
	if len(r.directories) == 0 {
		r.directories = []string{DefaultDirectory}
	}
	r.http = safehttp.New(safehttp.Options{
		AllowLoopback: cfg.AllowLoopback, RoundTripper: cfg.RoundTripper, Timeout: r.timeout,
	})
	return r
}

// classify returns the Kind of a failed request: what a server said, what we
// refused, or that nobody answered.
func classify(err error) error {
	e, ok := errors.AsType[*safehttp.Error](err)
	switch {
	case errors.Is(err, safehttp.ErrBlocked):
		return ErrBlocked
	case !ok || e.Status == 0:
		if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
			return ErrNotFound
		}
		return ErrUnreachable
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusRequestTimeout, e.Status >= 500:
		return ErrUnreachable
	case errors.Is(err, safehttp.ErrStatus):
		return ErrNotFound
	case errors.Is(err, safehttp.ErrContentType), errors.Is(err, safehttp.ErrTooLarge), errors.Is(err, safehttp.ErrRedirect):
		return ErrInvalidDocument
	}
	return ErrUnreachable
}

package apppassword

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A Config describes a client. The zero Config is good for a program that runs once: it keeps
// sessions in memory.
type Config struct {
	// Store keeps sessions. If it is nil, they are kept in memory. A Store needs a Seal. An
	// oauth.Client may use the same Store.
	Store store.Store

	// Seal encrypts what is stored. Use seal.Keys, seal.Passphrase, or seal.Plaintext.
	Seal *seal.Seal

	// WrapTransport, if set, receives the client's transport and returns the one to use, for
	// example for tracing and metrics. The transport that it receives connects to public addresses
	// only. The returned transport sees every request, with its password or tokens. If it changes a
	// request, the changed request is checked too.
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

	// Resolver looks up handles and DIDs. If it is nil, the client uses DNS, HTTPS and the PLC
	// directory with the settings above. If the resolver has a method Fresh() identity.Resolver, as
	// identity.Cache has, the client asks the resolver that Fresh returns: a password must not be
	// sent to a server that the account has left.
	Resolver identity.Resolver

	// Clock returns the current time. If it is nil, time.Now is used.
	Clock func() time.Time

	// Logger receives what an operator needs to know, and never a secret. If it is nil, nothing is
	// logged.
	Logger *slog.Logger

	// OnUpdate, if set, is called when a session has new tokens, from a refresh in this process or
	// in another one. OnEnd, if set, is called when a session has ended: by logout (ErrLoggedOut,
	// also in another process), by the server, or because it was lost. Its cause is always
	// ErrReauthRequired too.
	//
	// The events of one session come one at a time and in order, in a goroutine of their own, so
	// the functions may use the session freely. Only sessions that are live in this process have
	// events, and none follows the end of a session.
	OnUpdate func(ctx context.Context, s *Session)
	// OnEnd is called when a session has ended; see OnUpdate.
	OnEnd func(ctx context.Context, s *Session, cause *Error)

	// AllowLoopback permits servers on loopback addresses, and plain http to them. It is for
	// development.
	AllowLoopback bool

	times keeper.Times // of refreshes; only tests set them
}

// String returns only the type's name, because a Proxy may contain a password.
func (cfg Config) String() string { return "apppassword.Config" }

// Format writes the same text as String, for every verb.
func (cfg Config) Format(f fmt.State, _ rune) { io.WriteString(f, cfg.String()) }

// LogValue gives loggers the type's name only.
func (cfg Config) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// transport is how the client reaches servers.
func (cfg *Config) transport() safehttp.Options {
	return safehttp.Options{
		AllowLoopback: cfg.AllowLoopback, PrivateHosts: cfg.PrivateHosts,
		Proxy: cfg.Proxy, ProxyResolvesUnchecked: cfg.ProxyResolvesUnchecked, RootCAs: cfg.RootCAs,
		WrapTransport: cfg.WrapTransport, UnguardedTransport: cfg.UnguardedTransport,
	}
}

// resolver returns the resolver for accounts.
func (cfg *Config) resolver() identity.Resolver {
	if cached, ok := cfg.Resolver.(interface{ Fresh() identity.Resolver }); ok {
		return cached.Fresh()
	}
	if cfg.Resolver != nil {
		return cfg.Resolver
	}
	return identity.NewResolver(identity.Config{
		WrapTransport: cfg.WrapTransport, UnguardedTransport: cfg.UnguardedTransport,
		Proxy: cfg.Proxy, ProxyResolvesUnchecked: cfg.ProxyResolvesUnchecked, RootCAs: cfg.RootCAs,
		PrivateHosts: cfg.PrivateHosts, AllowLoopback: cfg.AllowLoopback,
	})
}

// validate says which field breaks which rule.
func (cfg *Config) validate() error {
	options := cfg.transport()
	if err := options.Check(); err != nil {
		return &Error{Kind: ErrConfig, Err: fmt.Errorf("Config.%w", err)}
	}
	if cfg.Store != nil && cfg.Seal == nil {
		return configError("Config.Seal", "is nil: a Store needs seal.Keys or seal.Passphrase, or seal.Plaintext if you mean it")
	}
	return nil
}

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

// A Config describes a client. The zero Config is right for a program that runs once: its
// sessions live in memory.
type Config struct {
	// Store keeps sessions; nil keeps them in memory. With a Store, Seal is required. An
	// oauth.Client may use the same Store.
	Store store.Store

	// Seal encrypts what is stored: seal.Keys, seal.Passphrase, or seal.Plaintext.
	Seal *seal.Seal

	// WrapTransport, if set, is given the transport of requests, which connects to public
	// addresses only, and returns what they go through: for tracing and metrics. It sees every
	// request, with its password or tokens; what it sends on is checked all the same. One that does not use
	// what it is given replaces the transport, and with it the checks: see UnguardedTransport.
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

	// Resolver looks up handles and DIDs; nil uses DNS, HTTPS and the PLC directory, under the
	// settings above. Of a resolver with a method Fresh() identity.Resolver, such as identity.Cache,
	// what that returns is asked: a password must not go where the account is no more.
	Resolver identity.Resolver

	// Clock tells the time; nil is time.Now.
	Clock func() time.Time

	// Logger receives what an operator wants to know, and never a secret; nil
	// discards it.
	Logger *slog.Logger

	// OnUpdate, if set, is told that a session has new tokens, by a refresh here or one
	// that another process made. OnEnd is told that it is over: logged out (ErrLoggedOut,
	// also in another process), ended by the server, or lost; every cause is
	// ErrReauthRequired too. Events of a session come one at a time and in order, in a
	// goroutine of their own, so that the functions may use the session as they like.
	// They are told of the sessions that live in this process, and not after it ended.
	OnUpdate func(ctx context.Context, s *Session)
	OnEnd    func(ctx context.Context, s *Session, cause *Error)

	// AllowLoopback permits servers on loopback addresses and plain http to them.
	// It is for development.
	AllowLoopback bool

	times keeper.Times // of refreshes; only tests set them
}

// String says no more than what it is: a Proxy may have a password.
func (cfg Config) String() string { return "apppassword.Config" }

// Format writes what String returns, whatever the verb.
func (cfg Config) Format(f fmt.State, _ rune) { io.WriteString(f, cfg.String()) }

// LogValue keeps all of it out of logs.
func (cfg Config) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// transport is how the client reaches servers.
func (cfg *Config) transport() safehttp.Options {
	return safehttp.Options{
		AllowLoopback: cfg.AllowLoopback, PrivateHosts: cfg.PrivateHosts,
		Proxy: cfg.Proxy, ProxyResolvesUnchecked: cfg.ProxyResolvesUnchecked, RootCAs: cfg.RootCAs,
		WrapTransport: cfg.WrapTransport, UnguardedTransport: cfg.UnguardedTransport,
	}
}

// resolver is who answers for accounts.
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

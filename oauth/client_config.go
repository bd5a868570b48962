package oauth

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/clientmetadata"
	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

// A Config describes an OAuth client. NewClient checks all of it and says which
// field breaks which rule.
type Config struct {
	// ClientID is the URL under which servers fetch the client's metadata, or an
	// http://localhost one for development (see Localhost).
	ClientID string

	// RedirectURIs are where servers may send users back to; the first is used
	// unless WithRedirectURI says otherwise. Each must also be in the metadata.
	RedirectURIs []string

	// Scope is what a login asks for, separated by spaces; it holds "atproto". Package
	// scope writes it.
	Scope string

	// DefaultServer is where logins begin that name no account: the https URL of a PDS or
	// of an authorization server. "": such logins need WithServer.
	DefaultServer string

	// ClientKeys make the client a confidential one, which authenticates by private_key_jwt and
	// has sessions that last as long as they are used. New logins use the first whose time
	// has come; a session stays with the key it was begun with, as servers demand. So a new
	// key goes in front, and an old one stays, and stays published, until no session uses it
	// any more, which Client.SessionsPerClientKey tells: those that still do fail with
	// ErrClientKeyGone once they have to be refreshed. None: a public client.
	ClientKeys []ClientKey

	// ClientKeysURI is where the application publishes Client.KeySet; "" puts the keys into
	// the metadata.
	ClientKeysURI string

	// Info is what users are told about the client.
	Info ClientInfo

	// Store keeps sessions and logins in progress; nil keeps them in memory. With a
	// Store, Seal is required.
	Store store.Store

	// Seal encrypts what is stored: seal.Keys, seal.Passphrase, or seal.Plaintext.
	Seal *seal.Seal

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

	// Resolver looks up handles and DIDs; nil uses DNS, HTTPS and the PLC directory, under
	// the settings above, and keeps answers for five minutes. Who may act for an account is decided by fresh
	// answers only: of a resolver with a method Fresh() identity.Resolver, such as
	// identity.Cache, what that returns is asked.
	Resolver identity.Resolver

	// Clock tells the time; nil is time.Now.
	Clock func() time.Time

	// CorrectClock dates proofs and client assertions by the clock of the server that they
	// are for, as the Date of its answers tells it, where that is more than five seconds
	// away from Clock. Without it, a clock that is wrong is logged, and told by
	// Error.ClockOffset where a server refuses.
	CorrectClock bool

	// Retries is how often one request is sent again for one and the same reason that the
	// server gives: it wants another nonce, or it has seen the proof; and for all reasons
	// together twice as often. 0 means 1. From the second time on there is a pause before,
	// of 100 ms at first, doubled each time up to 2 s, with jitter. A token that the server
	// does not take is renewed once per call, whatever this says.
	Retries int

	// Logger receives what an operator wants to know, and never a secret; nil
	// discards it.
	Logger *slog.Logger

	// OnUpdate, if set, is told that a session has new tokens, by a refresh here or one
	// that another process made. OnEnd is told that it is over: logged out (ErrLoggedOut,
	// also in another process), revoked, expired or lost; every cause is
	// ErrReauthRequired too. Events of a session come one at a time and in order, in a
	// goroutine of their own, so that the functions may use the session as they like.
	// They are told of the sessions that live in this process, and not after it ended.
	OnUpdate func(ctx context.Context, s *Session)
	OnEnd    func(ctx context.Context, s *Session, cause *Error)

	// LiveSessions is how many sessions this process keeps at hand, the most recently used,
	// so that Resume need not read the store; 0 means 16,384. One takes about 8 KB. More may
	// live as long as the application holds on to them.
	LiveSessions int

	// AllowLoopback permits servers on loopback addresses and plain http to them.
	// It is for development.
	AllowLoopback bool

	times keeper.Times // of refreshes; only tests set them
}

// String returns what client this configures. The rest may hold secrets, such as the password of a
// Proxy.
func (cfg Config) String() string { return "oauth.Config of client " + strconv.Quote(cfg.ClientID) }

// Format writes what String returns, whatever the verb.
func (cfg Config) Format(f fmt.State, _ rune) { io.WriteString(f, cfg.String()) }

// LogValue keeps everything but the client's ID out of logs.
func (cfg Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", cfg.ClientID))
}

// Localhost returns the Config of a development client: no metadata needs to be
// published, sessions last two weeks at most. redirectURI is http on 127.0.0.1 or
// [::1]; its port may be any and may change between logins, its path may not. Configs that
// differ in nothing but the port are one client: a program that takes a free port each time
// resumes its sessions, and its cookies stay good.
// An empty scope is "atproto". Complete the Config as you like before NewClient.
//
// See "Localhost Client Development" in the atproto OAuth specification.
func Localhost(redirectURI, scope string) Config {
	if scope == "" {
		scope = "atproto"
	}
	// Some servers compare to the letter, with the first that is declared. Most ignore the port, but
	// only if the declared URI has none.
	declared := []string{redirectURI}
	if bare := clientmetadata.WithoutPort(redirectURI); bare != redirectURI {
		declared = append(declared, bare)
	}
	return Config{
		ClientID:     clientmetadata.LocalhostClientID(declared, scope),
		RedirectURIs: []string{redirectURI},
		Scope:        scope,
	}
}

// configError names a field of Config and the rule it breaks.
func configError(field, format string, args ...any) error {
	return &Error{Kind: ErrConfig, Err: fmt.Errorf("Config."+field+" "+format, args...)}
}

// transport is how the client reaches servers.
func (cfg *Config) transport() safehttp.Options {
	return safehttp.Options{
		AllowLoopback: cfg.AllowLoopback, PrivateHosts: cfg.PrivateHosts,
		Proxy: cfg.Proxy, ProxyResolvesUnchecked: cfg.ProxyResolvesUnchecked, RootCAs: cfg.RootCAs,
		WrapTransport: cfg.WrapTransport, UnguardedTransport: cfg.UnguardedTransport,
	}
}

// validate checks what is not in the document that the client publishes; that is for
// checkDocument.
func (cfg *Config) validate() error {
	options := cfg.transport()
	if err := options.Check(); err != nil {
		return &Error{Kind: ErrConfig, Err: fmt.Errorf("Config.%w", err)}
	}
	if cfg.ClientID == "" {
		return configError("ClientID", "is empty: use the https URL of the client's metadata, or Localhost for development")
	}
	if len(cfg.RedirectURIs) == 0 {
		return configError("RedirectURIs", "is empty: name at least one")
	}
	development := clientmetadata.IsLocalhost(cfg.ClientID)
	if development {
		if err := cfg.validateLocalhost(); err != nil {
			return err
		}
	}
	switch {
	case len(cfg.ClientKeys) > 0 && development:
		return configError("ClientKeys", "are for clients whose metadata is published; the development client is a public one")
	case len(cfg.ClientKeys) > 0 && cfg.applicationType() == clientmetadata.Native:
		return configError("ClientKeys", "are for web clients: servers let native ones authenticate by no key")
	case cfg.ClientKeysURI != "" && len(cfg.ClientKeys) == 0:
		return configError("ClientKeysURI", "is set without ClientKeys")
	}
	if cfg.DefaultServer != "" {
		server, err := url.Parse(cfg.DefaultServer)
		if err != nil || !safehttp.New(cfg.transport()).AllowsScheme(server) || originOf(server) != strings.TrimSuffix(cfg.DefaultServer, "/") {
			return configError("DefaultServer", "%q is not an https origin without path, default port and credentials", cfg.DefaultServer)
		}
	}
	if cfg.LiveSessions < 0 {
		return configError("LiveSessions", "is %d, below 0", cfg.LiveSessions)
	}
	if cfg.Retries < 0 || cfg.Retries > maxRetries {
		return configError("Retries", "is %d, not between 0 and %d", cfg.Retries, maxRetries)
	}
	if cfg.Store != nil && cfg.Seal == nil {
		return configError("Seal", "is nil: a Store needs seal.Keys or seal.Passphrase, or seal.Plaintext if you mean it")
	}
	return nil
}

// validateLocalhost checks that ClientID, which is all that servers know of a development
// client, declares what the client is going to use (O20–O22).
func (cfg *Config) validateLocalhost() error {
	declared, err := clientmetadata.ParseLocalhost(cfg.ClientID)
	if err != nil {
		return configError("ClientID", "%w", err)
	}
	for i, uri := range cfg.RedirectURIs {
		field := fmt.Sprintf("RedirectURIs[%d]", i)
		if err := clientmetadata.CheckLoopbackRedirect(uri); err != nil {
			return configError(field, "%q %w", uri, err)
		}
		if !declared.AllowsRedirect(uri) {
			return configError(field, "%q is not declared in ClientID, which allows %q", uri, declared.RedirectURIs)
		}
		if slices.Contains(cfg.RedirectURIs[:i], uri) {
			return configError(field, "%q is listed twice", uri)
		}
	}
	if err := clientmetadata.CheckScope(cfg.Scope); err != nil {
		return configError("Scope", "%w", err)
	}
	for token := range strings.SplitSeq(cfg.Scope, " ") {
		if !slices.Contains(strings.Split(declared.Scope, " "), token) {
			return configError("Scope", "asks for %q, which ClientID does not declare", token)
		}
	}
	return nil
}

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

// A Config describes an OAuth client. NewClient checks all of it, and its error says which field
// breaks which rule.
type Config struct {
	// ClientID is the URL where servers fetch the client's metadata. For development it is an
	// http://localhost URL (see Localhost).
	ClientID string

	// RedirectURIs are the URLs that servers may send users back to. A login uses the first one,
	// unless WithRedirectURI names another. The metadata must list each of them.
	RedirectURIs []string

	// Scope is what a login asks for: scopes separated by spaces, one of them "atproto". Package
	// scope builds such a string.
	Scope string

	// DefaultServer is where a login begins that names no account: the https URL of a PDS or of an
	// authorization server. If it is "", such a login needs WithServer.
	DefaultServer string

	// ClientKeys make the client confidential: it authenticates with private_key_jwt, and its
	// sessions last as long as they are used. None makes a public client.
	//
	// A new login uses the first key that is valid now. A session always uses the key of
	// its login, because servers demand that. So put a new key first, and keep publishing the old
	// key until no session uses it. Client.SessionsPerClientKey tells you when that is. If you
	// remove a key too early, its sessions fail with ErrClientKeyGone at their next refresh.
	ClientKeys []ClientKey

	// ClientKeysURI is the URL where the application publishes Client.KeySet. If it is "", the
	// metadata contains the keys.
	ClientKeysURI string

	// Info is what the server shows to users about the client.
	Info ClientInfo

	// Store keeps sessions and logins in progress. If it is nil, they are kept in memory. A Store
	// needs a Seal.
	Store store.Store

	// Seal encrypts what is stored. Use seal.Keys, seal.Passphrase, or seal.Plaintext.
	Seal *seal.Seal

	// WrapTransport, if set, receives the client's transport and returns the one to use, for
	// example for tracing and metrics. The transport that it receives connects to public addresses
	// only. The returned transport sees every request. If it changes a request, the changed request
	// is checked too. A form that contains a code or a refresh token is never sent twice.
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
	// directory with the settings above, and keeps answers for five minutes.
	//
	// The decision who may act for an account needs fresh answers. If the resolver has a method
	// Fresh() identity.Resolver, as identity.Cache has, the client asks the resolver that Fresh
	// returns.
	Resolver identity.Resolver

	// Clock returns the current time. If it is nil, time.Now is used.
	Clock func() time.Time

	// CorrectClock makes the client use each server's clock for the times in DPoP proofs and client
	// assertions sent to that server. The client learns that clock from the Date header of the
	// server's answers, and corrects a difference of more than five seconds. If CorrectClock is
	// false, the client only reports a wrong clock: in the log, and in Error.ClockOffset if a
	// server refuses a request.
	CorrectClock bool

	// Retries is how often the client repeats one request for the same reason. The reasons are: the
	// server wants another nonce, or the server has seen the proof before. For all reasons together
	// the limit is twice as high. 0 means 1; the maximum is 10.
	//
	// The first repetition is sent at once. Before each further one there is a pause: 100 ms at
	// first, then twice as long each time, at most 2 s, with jitter. Retries does not change how
	// often a refused access token is renewed: that is once per call.
	Retries int

	// Logger receives what an operator needs to know, and never a secret. If it is nil, nothing is
	// logged.
	Logger *slog.Logger

	// OnUpdate, if set, is called when a session has new tokens, from a refresh in this process or
	// in another one. OnEnd, if set, is called when a session has ended: by logout (ErrLoggedOut,
	// also in another process), or because it was revoked, has expired or was lost. Its cause is
	// always ErrReauthRequired too.
	//
	// The events of one session come one at a time and in order, in a goroutine of their own, so
	// the functions may use the session freely. Only sessions that are live in this process have
	// events, and none follows the end of a session.
	OnUpdate func(ctx context.Context, s *Session)
	// OnEnd is called when a session has ended; see OnUpdate.
	OnEnd func(ctx context.Context, s *Session, cause *Error)

	// LiveSessions is how many sessions this process keeps in memory, so that Resume need not read
	// the store. It keeps those that were used last. 0 means 16,384. One session takes about 8 KB.
	// The application can keep more alive by holding on to them.
	LiveSessions int

	// AllowLoopback permits servers on loopback addresses, and plain http to them. It is for
	// development.
	AllowLoopback bool

	times keeper.Times // of refreshes; only tests set them
}

// String returns the client ID. Other fields may hold secrets, such as the password of a Proxy.
func (cfg Config) String() string { return "oauth.Config of client " + strconv.Quote(cfg.ClientID) }

// Format writes the same text as String, for every verb.
func (cfg Config) Format(f fmt.State, _ rune) { io.WriteString(f, cfg.String()) }

// LogValue gives loggers the client ID only.
func (cfg Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", cfg.ClientID))
}

// Localhost returns the Config of a development client. You need not publish metadata for it. Its
// sessions last at most two weeks. If scope is empty, it is "atproto". You may set other fields of
// the Config before you call NewClient.
//
// redirectURI is an http URL on 127.0.0.1 or [::1]. It may have any port, and the port may change between logins; the path may not. Two Configs that differ only in the port are the same client.
// So a program that takes any free port can resume its sessions, and its cookies stay valid.
//
// See "Localhost Client Development" in the atproto OAuth specification.
func Localhost(redirectURI, scope string) Config {
	if scope == "" {
		scope = "atproto"
	}
	// Some servers compare the whole text with the first declared URI. Most servers ignore the
	// port, but only if the declared URI has no port.
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

// validate checks the fields that are not part of the published document. checkDocument checks the
// document.
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
		return configError("ClientKeys", "cannot be used with the development client, which is a public one: publish metadata and set ClientID to its https URL")
	case len(cfg.ClientKeys) > 0 && cfg.applicationType() == clientmetadata.Native:
		return configError("ClientKeys", "are for web clients only: servers do not accept keys of native clients. Remove the keys, or use https redirect URIs")
	case cfg.ClientKeysURI != "" && len(cfg.ClientKeys) == 0:
		return configError("ClientKeysURI", "is set without ClientKeys: add keys, or leave it empty")
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

// validateLocalhost checks that ClientID declares everything that the client will use. For a
// development client, servers know nothing but its ClientID (O20–O22).
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

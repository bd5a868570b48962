package oauth

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/clientmetadata"
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

	// Keys make the client a confidential one, which authenticates by private_key_jwt and
	// has sessions that last as long as they are used. New logins use the first whose time
	// has come; a session stays with the key it was begun with, as servers demand. So a new
	// key goes in front, and an old one stays, and stays published, until no session uses it
	// any more, which Client.SessionsByKey tells: those that still do fail with
	// ErrClientKeyGone once they have to be refreshed. None: a public client.
	Keys []Key

	// KeysURI is where the application publishes Client.KeySet; "" puts the keys into
	// the metadata.
	KeysURI string

	// Info is what users are told about the client.
	Info ClientInfo

	// Store keeps sessions and logins in progress; nil keeps them in memory. With a
	// Store, Seal is required.
	Store Store

	// Seal encrypts what is stored: SealKeys, SealPassphrase, or Plaintext.
	Seal *Seal

	// RoundTripper carries every request; nil uses a transport that refuses
	// private and other special addresses, redirects and proxies. One of your own
	// is used as it is, with its own policy.
	RoundTripper http.RoundTripper

	// Resolver looks up handles and DIDs; nil uses DNS, HTTPS and the PLC directory, and
	// keeps answers for five minutes. Who may act for an account is decided by fresh
	// answers only: of a resolver with a method Fresh() identity.Resolver, such as
	// identity.Cache, what that returns is asked.
	Resolver identity.Resolver

	// Clock tells the time; nil is time.Now.
	Clock func() time.Time

	// CorrectClock dates proofs and client assertions by the clock of the server that they
	// are for, as the Date of its answers tells it, where that is more than five seconds
	// away from Clock. Without it, a clock that is wrong is logged, and told by
	// Error.ServerAhead where a server refuses.
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

	// AllowLoopback permits servers on loopback addresses and plain http to them.
	// It is for development.
	AllowLoopback bool
}

// Localhost returns the Config of a development client: no metadata needs to be
// published, sessions last two weeks at most. redirectURI is http on 127.0.0.1 or
// [::1]; its port may be any and may change between logins, its path may not.
// An empty scope is "atproto". Complete the Config as you like before NewClient.
//
// See "Localhost Client Development" in the atproto OAuth specification.
func Localhost(redirectURI, scope string) Config {
	if scope == "" {
		scope = "atproto"
	}
	// The servers ignore the port only if the declared URI has none.
	declared := redirectURI
	if u, err := url.Parse(redirectURI); err == nil && u.Port() != "" {
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
		declared = u.String()
	}
	return Config{
		ClientID:     clientmetadata.LocalhostClientID([]string{declared}, scope),
		RedirectURIs: []string{redirectURI},
		Scope:        scope,
	}
}

// configError names a field of Config and the rule it breaks.
func configError(field, format string, args ...any) error {
	return &Error{Kind: ErrConfig, Stage: StageConfiguration, Err: fmt.Errorf("Config."+field+" "+format, args...)}
}

// validate checks what is not in the document that the client publishes; that is for
// checkDocument.
func (cfg *Config) validate() error {
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
	case len(cfg.Keys) > 0 && development:
		return configError("Keys", "are for clients whose metadata is published; the development client is a public one")
	case len(cfg.Keys) > 0 && cfg.applicationType() == clientmetadata.Native:
		return configError("Keys", "are for web clients: servers let native ones authenticate by no key")
	case cfg.KeysURI != "" && len(cfg.Keys) == 0:
		return configError("KeysURI", "is set without Keys")
	}
	if cfg.DefaultServer != "" {
		server, err := url.Parse(cfg.DefaultServer)
		loopback := err == nil && cfg.AllowLoopback && server.Scheme == "http"
		if err != nil || server.Scheme != "https" && !loopback || originOf(server) != strings.TrimSuffix(cfg.DefaultServer, "/") {
			return configError("DefaultServer", "%q is not an https origin without path, default port and credentials", cfg.DefaultServer)
		}
	}
	if cfg.Retries < 0 || cfg.Retries > maxRetries {
		return configError("Retries", "is %d, not between 0 and %d", cfg.Retries, maxRetries)
	}
	if cfg.Store != nil && cfg.Seal == nil {
		return configError("Seal", "is nil: a Store needs SealKeys or SealPassphrase, or Plaintext if you mean it")
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

package oauth

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth/scope"
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
	// has sessions that last as long as they are used. New logins use the first; a
	// session stays with the key it was begun with, as servers demand. So a new key goes
	// in front, and an old one stays, and stays published, until no session uses it any
	// more: those that still do end as ErrClientKeyGone. None: a public client.
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
	// server gives: it wants another nonce, or it has seen the proof. 0 means once. From the
	// second time on there is a pause before, of 100 ms at first, doubled each time up to
	// 2 s, with jitter. A token that the server does not take is renewed once per call,
	// whatever this says.
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

// localhostClientID is the client_id that atproto servers accept without a
// published document; its parameters carry the metadata.
const localhostClientID = "http://localhost"

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
	query := url.Values{"redirect_uri": {declared}, "scope": {scope}}
	return Config{
		ClientID:     localhostClientID + "?" + query.Encode(),
		RedirectURIs: []string{redirectURI},
		Scope:        scope,
	}
}

// configError names a field of Config and the rule it breaks.
func configError(field, format string, args ...any) error {
	return &Error{Kind: ErrConfig, Stage: StageConfiguration, Err: fmt.Errorf("Config."+field+" "+format, args...)}
}

// validate checks the configuration as far as it can be without a network.
func (cfg *Config) validate() error {
	if cfg.ClientID == "" {
		return configError("ClientID", "is empty: use the https URL of the client's metadata, or Localhost for development")
	}
	id, err := url.Parse(cfg.ClientID)
	if err != nil {
		return configError("ClientID", "is not a URL: %w", err)
	}
	if err := checkScope(cfg.Scope); err != nil {
		return configError("Scope", "%w", err)
	}
	if len(cfg.RedirectURIs) == 0 {
		return configError("RedirectURIs", "is empty: name at least one")
	}
	check := checkRedirect
	if id.Scheme == "http" {
		if err := checkLocalhostClientID(id, cfg.Scope); err != nil {
			return err
		}
		check = checkLoopbackRedirect
	} else if err := checkClientID(id); err != nil {
		return err
	}
	for i, uri := range cfg.RedirectURIs {
		field := fmt.Sprintf("RedirectURIs[%d]", i)
		u, err := url.Parse(uri)
		if err != nil {
			return configError(field, "is not a URL: %w", err)
		}
		if err := check(u, id); err != nil {
			return configError(field, "%q %w", uri, err)
		}
		if slices.Contains(cfg.RedirectURIs[:i], uri) {
			return configError(field, "%q is listed twice", uri)
		}
	}
	if cfg.DefaultServer != "" {
		server, err := url.Parse(cfg.DefaultServer)
		loopback := err == nil && cfg.AllowLoopback && server.Scheme == "http"
		if err != nil || server.Scheme != "https" && !loopback || originOf(server) != strings.TrimSuffix(cfg.DefaultServer, "/") {
			return configError("DefaultServer", "%q is not an https origin without path, default port and credentials", cfg.DefaultServer)
		}
	}
	if err := cfg.checkPublished(id); err != nil {
		return err
	}
	if cfg.Retries < 0 || cfg.Retries > maxRetries {
		return configError("Retries", "is %d, not between 0 and %d", cfg.Retries, maxRetries)
	}
	if cfg.Store != nil && cfg.Seal == nil {
		return configError("Seal", "is nil: a Store needs SealKeys or SealPassphrase, or Plaintext if you mean it")
	}
	return nil
}

// checkScope enforces the scope grammar (O121–O129), so that a login does not fail, nor
// succeed with less than was meant. Of a grammar newer than ours it lets resources
// through that are unknown here.
func checkScope(text string) error {
	set, err := scope.Parse(text)
	if err != nil {
		return err
	}
	return set.Validate()
}

// checkClientID enforces the shape of a discoverable client_id (O1).
func checkClientID(id *url.URL) error {
	host := id.Hostname()
	switch {
	case id.Scheme != "https":
		return configError("ClientID", "%q is not an https URL", id)
	case id.User != nil, id.Fragment != "", id.Port() != "":
		return configError("ClientID", "%q has credentials, a fragment or a port", id)
	case !publicHost(host):
		return configError("ClientID", "%q does not name a public host", id)
	case id.Path == "", strings.HasSuffix(id.Path, "/"), id.EscapedPath() != id.JoinPath().EscapedPath():
		return configError("ClientID", "%q needs the path of a document, without '..' and not ending in '/'", id)
	}
	return nil
}

// publicHost reports whether servers take host for one on the public Internet: a name of
// two labels at least, that is not under a name for local or special use (O1, O9).
func publicHost(host string) bool {
	labels := strings.Split(strings.ToLower(host), ".")
	switch labels[len(labels)-1] {
	case "test", "local", "localhost", "invalid", "example", "internal", "arpa", "":
		return false
	}
	return len(labels) > 1 && !slices.Contains(labels, "") && net.ParseIP(host) == nil
}

// checkLocalhostClientID enforces the shape of the development client_id (O20, O21).
func checkLocalhostClientID(id *url.URL, scope string) error {
	if id.Host != "localhost" || id.User != nil || id.Fragment != "" || id.Path != "" && id.Path != "/" {
		return configError("ClientID", "%q: the development client is http://localhost without port and path; use Localhost", id)
	}
	query := id.Query()
	for name := range query {
		if name != "redirect_uri" && name != "scope" {
			return configError("ClientID", "has the parameter %q; only redirect_uri and scope are allowed", name)
		}
	}
	declared := "atproto"
	if query.Has("scope") {
		declared = query.Get("scope")
	}
	for token := range strings.SplitSeq(scope, " ") {
		if !slices.Contains(strings.Split(declared, " "), token) {
			return configError("Scope", "asks for %q, which ClientID does not declare", token)
		}
	}
	return nil
}

// checkRedirect enforces O9–O11: https, or the reversed host of the client as a
// custom scheme.
func checkRedirect(u, id *url.URL) error {
	if u.Scheme == "https" {
		switch {
		case u.User != nil || u.Fragment != "":
			return fmt.Errorf("has credentials or a fragment")
		case u.Port() == "443":
			return fmt.Errorf("names the default port")
		case !publicHost(u.Hostname()):
			return fmt.Errorf("does not name a public host")
		}
		return nil
	}
	labels := strings.Split(id.Hostname(), ".")
	slices.Reverse(labels)
	scheme := strings.Join(labels, ".")
	if u.Scheme != scheme || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.String(), scheme+"://") {
		return fmt.Errorf("must be https, or %s:/path for a native client", scheme)
	}
	return nil
}

// checkLoopbackRedirect enforces O22.
func checkLoopbackRedirect(u, id *url.URL) error {
	if u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "::1" {
		return fmt.Errorf("must be http on 127.0.0.1 or [::1]; the name localhost is not allowed here")
	}
	if u.User != nil || u.Fragment != "" {
		return fmt.Errorf("has credentials or a fragment")
	}
	declared := id.Query()["redirect_uri"]
	if len(declared) == 0 {
		declared = []string{"http://127.0.0.1/", "http://[::1]/"}
	}
	for _, d := range declared {
		if sameLoopbackRedirect(d, u) {
			return nil
		}
	}
	return fmt.Errorf("is not declared in ClientID, which allows %q", declared)
}

// sameLoopbackRedirect compares as servers do: the port counts only if declared.
func sameLoopbackRedirect(declared string, u *url.URL) bool {
	d, err := url.Parse(declared)
	if err != nil {
		return false
	}
	path := func(u *url.URL) string {
		if u.EscapedPath() == "" {
			return "/"
		}
		return u.EscapedPath()
	}
	return d.Scheme == u.Scheme && d.Hostname() == u.Hostname() && path(d) == path(u) && d.RawQuery == u.RawQuery &&
		(d.Port() == "" || d.Port() == u.Port())
}

package oauthtest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/apppassword"
	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An Environment describes a running AT Protocol deployment, sandbox or real, whose
// host names exist in no DNS.
type Environment struct {
	Issuer   string            // the authorization server, "https://pds.test"
	PDS      string            // origin of the PDS
	PLC      string            // PLC directory, "https://plc.directory"
	CA       []byte            // PEM of the authority that signed its certificates
	Hosts    map[string]string // where names are: "pds.test:443" → "127.0.0.1:41234"
	Accounts []Account
}

// An Account is somebody who can log in.
type Account struct {
	Handle   syntax.Handle
	DID      syntax.DID
	Password string
	Email    string
}

// Transport returns a new transport into the environment: it trusts CA, connects to
// what Hosts says, and knows no other name: those fail with a *net.DNSError. Later
// changes to e do not reach it. It may be used like any http.Transport.
func (e *Environment) Transport() *http.Transport {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(e.CA) // one that cannot be read trusts nobody
	hosts := maps.Clone(e.Hosts)
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			target, ok := hosts[strings.ToLower(address)]
			if !ok {
				host, _, _ := net.SplitHostPort(address)
				return nil, &net.DNSError{Err: "no such host in the test environment", Name: host, IsNotFound: true}
			}
			return dialer.DialContext(ctx, network, target)
		},
		TLSClientConfig:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     90 * time.Second,
	}
}

// Resolver returns a resolver for the accounts of the environment. DNS answers it
// that there is no record; well-known files and the PLC directory are asked through
// Transport.
func (e *Environment) Resolver() identity.Resolver { return e.resolver(e.Transport()) }

func (e *Environment) resolver(transport http.RoundTripper) identity.Resolver {
	return identity.NewResolver(identity.Config{
		UnguardedTransport: transport,
		LookupTXT: func(_ context.Context, name string) ([]string, error) {
			return nil, &net.DNSError{Err: "the test environment has no DNS", Name: name, IsNotFound: true}
		},
		Directories:   []string{e.PLC},
		AllowLoopback: true,
	})
}

// Configure makes cfg a client of the environment: it sets UnguardedTransport,
// Resolver and AllowLoopback.
func (e *Environment) Configure(cfg *oauth.Config) {
	transport := e.Transport()
	cfg.UnguardedTransport = transport
	cfg.Resolver = e.resolver(transport)
	cfg.AllowLoopback = true
}

// ConfigureAppPassword does for a client of package apppassword what Configure does for one of package
// oauth.
func (e *Environment) ConfigureAppPassword(cfg *apppassword.Config) {
	transport := e.Transport()
	cfg.UnguardedTransport = transport
	cfg.Resolver = e.resolver(transport)
	cfg.AllowLoopback = true
}

// Account returns the account with the given handle, or with the given first label
// of its handle: "alice" is alice.test. It panics if there is none.
func (e *Environment) Account(name string) Account {
	for _, a := range e.Accounts {
		label, _, _ := strings.Cut(string(a.Handle), ".")
		if string(a.Handle) == name || label == name {
			return a
		}
	}
	panic(fmt.Sprintf("oauthtest: the environment has no account %q", name))
}

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

// An Environment describes a running AT Protocol deployment, sandbox or real, whose host names are
// not in DNS.
type Environment struct {
	Issuer   string            // URL of the authorization server, "https://pds.test"
	PDS      string            // origin of the PDS
	PLC      string            // URL of the PLC directory, "https://plc.directory"
	CA       []byte            // PEM of the authority that signed its certificates
	Hosts    map[string]string // the addresses of host names: "pds.test:443" → "127.0.0.1:41234"
	Accounts []Account         // the accounts that can log in
}

// An Account is an account that can log in.
type Account struct {
	Handle   syntax.Handle // for example "alice.test"
	DID      syntax.DID    // the account's DID
	Password string        // the account's own password
	Email    string        // the account's email address
}

// Transport returns a new transport for the environment. It trusts CA and connects to the addresses
// in Hosts. For any other name it fails with a *net.DNSError. Later changes to e do not affect it.
// Use it like any http.Transport.
func (e *Environment) Transport() *http.Transport {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(e.CA) // a CA that cannot be read is not trusted
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

// Resolver returns a resolver for the accounts of the environment. It finds no record in DNS, and
// asks well-known files and the PLC directory through Transport.
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

// Configure makes cfg a client of the environment. It sets UnguardedTransport, Resolver and
// AllowLoopback.
func (e *Environment) Configure(cfg *oauth.Config) {
	transport := e.Transport()
	cfg.UnguardedTransport = transport
	cfg.Resolver = e.resolver(transport)
	cfg.AllowLoopback = true
}

// ConfigureAppPassword is Configure for a client of package apppassword.
func (e *Environment) ConfigureAppPassword(cfg *apppassword.Config) {
	transport := e.Transport()
	cfg.UnguardedTransport = transport
	cfg.Resolver = e.resolver(transport)
	cfg.AllowLoopback = true
}

// Account returns the account with this handle, or with this first label of its handle: "alice"
// finds alice.test. It panics if there is none.
func (e *Environment) Account(name string) Account {
	for _, a := range e.Accounts {
		label, _, _ := strings.Cut(string(a.Handle), ".")
		if string(a.Handle) == name || label == name {
			return a
		}
	}
	panic(fmt.Sprintf("oauthtest: the environment has no account %q", name))
}

package oauthtest

import (
	"log/slog"
	"time"

	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An Option configures a Server.
type Option func(*options)

type options struct {
	accounts  []Account
	clock     func() time.Time
	address   string
	issuer    string
	signIn    string
	pds       []string
	plc       string
	documents map[string]document
	sets      map[syntax.NSID]*scope.PermissionSet
	grace     time.Duration
	log       *slog.Logger
	dialect
}

func defaultOptions() options {
	return options{
		accounts:  []Account{{Handle: "alice.test"}, {Handle: "bob.test"}},
		clock:     time.Now,
		address:   "127.0.0.1:0",
		issuer:    "pds.test",
		pds:       []string{"pds.test"},
		plc:       "plc.directory",
		documents: make(map[string]document),
		sets:      make(map[syntax.NSID]*scope.PermissionSet),
		grace:     refreshGrace,
	}
}

// WithAccounts replaces the accounts. The default is alice.test and bob.test. Only Handle is
// required; an empty DID, password or email address is filled in.
func WithAccounts(accounts ...Account) Option {
	return func(o *options) { o.accounts = accounts }
}

// WithClock sets the server's clock for everything but TLS: lifetimes of tokens and requests, ages
// of proofs, and nonces. The default is time.Now.
func WithClock(now func() time.Time) Option {
	return func(o *options) { o.clock = now }
}

// WithRequestLog logs every request that the server gets: its method, URL without the query,
// status, and how long it took. The log contains no secret.
func WithRequestLog(log *slog.Logger) Option {
	return func(o *options) { o.log = log }
}

// WithListenAddress sets the address to listen on. The default is 127.0.0.1 and any port.
func WithListenAddress(address string) Option {
	return func(o *options) { o.address = address }
}

// WithIssuer sets the host name of the authorization server. The default is pds.test. With a host
// that is not in WithPDS, the authorization server is separate from the PDS.
func WithIssuer(host string) Option {
	return func(o *options) { o.issuer = host }
}

// WithSignInPage sets the URL of the sign-in page for browsers, such as
// "http://127.0.0.1:8080/sign-in". The program must serve Server.SignInPage there. Without this
// option the page is on the issuer's host, which no browser can reach, and Approve and Deny act as
// the user.
func WithSignInPage(pageURL string) Option {
	return func(o *options) { o.signIn = pageURL }
}

// WithPDS sets the host names of the PDS. The default is pds.test. All hosts serve the same
// accounts. An account is on the first host until MoveAccount moves it.
func WithPDS(host string, more ...string) Option {
	return func(o *options) { o.pds = append([]string{host}, more...) }
}

// WithDocument publishes a document before the server starts; see Server.Publish.
func WithDocument(documentURL string, body []byte) Option {
	return func(o *options) { o.documents[documentURL] = document{contentType: jsonType, body: body} }
}

// WithPermissionSet publishes a permission set before the server starts; see
// Server.PublishPermissionSet.
func WithPermissionSet(document []byte) Option {
	return func(o *options) {
		set := mustPermissionSet(document)
		o.sets[set.ID()] = set
	}
}

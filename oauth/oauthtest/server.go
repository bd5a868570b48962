package oauthtest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/oauth/scope"
	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Server is an authorization server, a PDS and a PLC directory on one loopback listener. All
// methods are safe for concurrent use.
type Server struct {
	clock     func() time.Time
	ahead     atomic.Int64 // how far the server's time is ahead of the clock, in nanoseconds
	authority *authority
	listener  net.Listener
	http      *http.Server
	serving   sync.WaitGroup
	closed    chan struct{} // closing it ends requests that a Fault holds
	close     sync.Once
	log       *slog.Logger // for requests; nil means none

	issuer string // host names
	pds    []string
	plc    string
	signIn string // URL of the sign-in page
	dialect

	mu        sync.Mutex // guards everything below
	accounts  []*account
	documents map[string]document
	sets      map[syntax.NSID]*scope.PermissionSet
	faults    []*fault
	stats     Stats
	nonces    nonceSource
	seen      map[string]time.Time // jti → when it may be forgotten
	sweepAt   int                  // the size of seen at which expired entries are removed
	grants    grants
	legacy    legacy
	repos     map[syntax.DID]*repository
	handled   map[syntax.NSID]handled
	events    []*comatproto.SyncSubscribeReposMessage // of all repositories
	written   chan struct{}                           // closed at the next event
	signedIn  []syntax.DID                            // in browsers that come
	agreed    agreements
	tokenPath string
	left      map[string]int // status for former paths of the token endpoint
}

// An account of the server.
type account struct {
	Account
	pds      string           // host name
	key      *serviceauth.Key // signs its repository and its tokens for services
	document []byte           // replaces the DID document if set
}

// NewServer starts a server. The caller must call Close. It panics if it cannot listen, like
// httptest.NewServer, or if an option makes no sense.
func NewServer(opts ...Option) *Server {
	o := defaultOptions()
	for _, opt := range opts {
		opt(&o)
	}
	if len(o.accounts) == 0 || o.clock == nil {
		panic("oauthtest: a server needs accounts and a clock")
	}
	authority, err := newAuthority()
	if err != nil {
		panic(fmt.Sprintf("oauthtest: %v", err))
	}
	listener, err := net.Listen("tcp", o.address)
	if err != nil {
		panic(fmt.Sprintf("oauthtest: %v", err))
	}
	s := &Server{
		clock:     o.clock,
		log:       o.log,
		authority: authority,
		listener:  listener,
		closed:    make(chan struct{}),
		issuer:    o.issuer,
		pds:       o.pds,
		signIn:    o.signIn,
		plc:       o.plc,
		documents: o.documents,
		sets:      o.sets,
		stats:     newStats(),
		nonces:    newNonceSource(),
		seen:      make(map[string]time.Time),
		grants:    newGrants(),
		legacy:    newLegacy(o.grace),
		repos:     make(map[syntax.DID]*repository),
		handled:   make(map[syntax.NSID]handled),
		written:   make(chan struct{}),
		agreed:    make(agreements),
		dialect:   o.dialect,
		tokenPath: "/oauth/token",
		left:      make(map[string]int),
	}
	if s.signIn == "" {
		s.signIn = "https://" + s.issuer + authorizePath
	}
	for _, a := range o.accounts {
		key, err := newAccountKey()
		if err != nil {
			panic(fmt.Sprintf("oauthtest: %v", err))
		}
		s.accounts = append(s.accounts, &account{Account: completed(a), pds: o.pds[0], key: key})
	}
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		TLSConfig:         &tls.Config{GetCertificate: s.certificate, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0), // clients that hang up are normal here
	}
	s.serving.Go(func() { s.http.ServeTLS(listener, "", "") })
	return s
}

// newAccountKey makes the key of an account, on the curve that most accounts use.
func newAccountKey() (*serviceauth.Key, error) {
	var raw [32]byte
	rand.Read(raw[:])
	return serviceauth.ParseKey(hex.EncodeToString(raw[:]))
}

// completed fills in missing parts of an account.
func completed(a Account) Account {
	if err := a.Handle.Validate(); err != nil {
		panic(fmt.Sprintf("oauthtest: account %q: %v", a.Handle, err))
	}
	label, _, _ := strings.Cut(string(a.Handle), ".")
	if a.DID == "" {
		sum := sha256.Sum256([]byte(a.Handle))
		a.DID = syntax.DID("did:plc:" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:24]))
	}
	if a.Password == "" {
		a.Password = label + "-password"
	}
	if a.Email == "" {
		a.Email = label + "@mail.test"
	}
	return a
}

// Close stops the server: it closes the listener and all connections, and waits until its
// goroutines have ended.
func (s *Server) Close() {
	s.close.Do(func() {
		close(s.closed)
		s.http.Close()
		s.serving.Wait()
	})
}

// Environment describes the server in its current state. It does not contain hosts of documents
// that are published later.
func (s *Server) Environment() *Environment {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &Environment{
		Issuer: "https://" + s.issuer,
		PDS:    "https://" + s.pds[0],
		PLC:    "https://" + s.plc,
		CA:     slices.Clone(s.authority.pem),
		Hosts:  make(map[string]string),
	}
	for host := range s.hosts() {
		e.Hosts[net.JoinHostPort(host, "443")] = s.listener.Addr().String()
	}
	for _, a := range s.accounts {
		e.Accounts = append(e.Accounts, a.Account)
	}
	return e
}

// hosts returns every host name of the server. s.mu is held.
func (s *Server) hosts() map[string]bool {
	hosts := map[string]bool{s.issuer: true, s.plc: true}
	for _, host := range s.pds {
		hosts[host] = true
	}
	if s.downloads.host != "" {
		hosts[s.downloads.host] = true
	}
	for _, a := range s.accounts {
		hosts[string(a.Handle)] = true
	}
	for documentURL := range maps.Keys(s.documents) {
		if u, err := url.Parse(documentURL); err == nil {
			hosts[u.Hostname()] = true
		}
	}
	return hosts
}

// certificate returns the certificate for a host name of the server.
func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host := strings.ToLower(hello.ServerName)
	s.mu.Lock()
	known := s.hosts()[host]
	s.mu.Unlock()
	if !known {
		return nil, fmt.Errorf("no host %q here", host)
	}
	return s.authority.leaf(host)
}

// A document is the content that Publish stored for a URL.
type document struct {
	contentType string
	body        []byte
}

const jsonType = "application/json"

// Publish serves body as application/json at documentURL. The URL must be https and may have any
// host name. Publish the metadata or keys of a client, or something hostile instead of one of the
// server's own documents. A nil body removes the document. The server fetches clients' documents on
// every request, without a cache.
func (s *Server) Publish(documentURL string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if body == nil {
		delete(s.documents, documentURL)
		return
	}
	s.documents[documentURL] = document{contentType: jsonType, body: slices.Clone(body)}
}

// MoveAccount changes the PDS in an account's DID document to one of the hosts of WithPDS.
func (s *Server) MoveAccount(did syntax.DID, host string) {
	if !slices.Contains(s.pds, host) {
		panic(fmt.Sprintf("oauthtest: %q is no host of WithPDS", host))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustAccount(did).pds = host
}

// SetDIDDocument publishes document instead of the account's DID document. nil restores the
// original.
func (s *Server) SetDIDDocument(did syntax.DID, document []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustAccount(did).document = slices.Clone(document)
}

// mustAccount panics if there is no such account, because the author of the test made a mistake.
// s.mu is held.
func (s *Server) mustAccount(did syntax.DID) *account {
	a := s.account(string(did))
	if a == nil {
		panic(fmt.Sprintf("oauthtest: no account %q", did))
	}
	return a
}

// account returns the account with this DID or handle, or nil. s.mu is held.
func (s *Server) account(id string) *account {
	for _, a := range s.accounts {
		if string(a.DID) == id || strings.EqualFold(string(a.Handle), id) {
			return a
		}
	}
	return nil
}

// SetTokenLifetime sets how long new access tokens live. The default is one hour.
func (s *Server) SetTokenLifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants.lifetime = d
}

// Advance sets the server's clock forward, so that tokens, codes and nonces become older at once. A
// client whose Config.Clock is Now has the same time. Any other client then has a wrong clock.
func (s *Server) Advance(d time.Duration) { s.ahead.Add(int64(d)) }

// Now returns the server's time: the time of WithClock plus the sum of all Advance calls.
func (s *Server) Now() time.Time { return s.clock().Add(time.Duration(s.ahead.Load())) }

// RotateNonce makes every DPoP nonce that was sent out invalid.
func (s *Server) RotateNonce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonces.rotate()
}

// RotateNonceAlways(true) makes every answer carry a new nonce, which is then the only valid one.
// By default a nonce lasts one to three minutes.
func (s *Server) RotateNonceAlways(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonces.always = on
}

// RevokeSessions ends every session of an account, as its owner can do on the server's page. It
// returns their number.
func (s *Server) RevokeSessions(did syntax.DID) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants.revokeAll(did)
}

// serve handles every request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.count(r)
	if s.log != nil {
		answered := &answered{ResponseWriter: w}
		w = answered
		defer s.logRequest(r, answered, time.Now())
	}
	w.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat)) // net/http would use the real clock
	if f := s.takeFault(r); f != nil {
		answer := w
		if w = s.inject(f, w, r); w == nil {
			return
		}
		defer f.after(answer)
	}
	s.route(w, r)
}

// route finds the service by the host name.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	host := hostOf(r)
	s.mu.Lock()
	doc, published := s.documents["https://"+host+r.URL.EscapedPath()]
	var owner *account
	for _, a := range s.accounts {
		if string(a.Handle) == host {
			owner = a
		}
	}
	s.mu.Unlock()
	switch {
	case published:
		w.Header().Set("Content-Type", doc.contentType)
		w.Write(doc.body)
	case host == s.issuer && s.serveAuthorization(w, r):
	case slices.Contains(s.pds, host):
		s.servePDS(w, r)
	case host == s.plc:
		s.servePLC(w, r)
	case host == s.downloads.host:
		s.serveDownload(w, r)
	case owner != nil && r.URL.Path == "/.well-known/atproto-did":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, string(owner.DID))
	default:
		http.Error(w, "oauthtest: nothing here: "+host+r.URL.Path, http.StatusNotFound)
	}
}

// hostOf returns the host of a request, without a port.
func hostOf(r *http.Request) string {
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// randomToken returns 256 random bits after a prefix that says what they are for.
func randomToken(prefix string) string {
	var b [32]byte
	rand.Read(b[:])
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

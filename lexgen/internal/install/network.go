package install

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/repo"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Network is how lexicons are fetched. The zero value is right but for tests and development.
type Network struct {
	// LookupTXT returns the TXT records of a DNS name, the chunks of each joined. "There is none" is a *net.DNSError with
	// IsNotFound. Nil: net.DefaultResolver.
	LookupTXT func(ctx context.Context, name string) ([]string, error)
	// Directories are the URLs of PLC directories. None: identity.DefaultDirectory.
	Directories []string
	// AllowLoopback lets requests through to this machine, also by http.
	AllowLoopback bool
	// Transport, if set, takes the place of the transport, and with it goes the check of addresses.
	Transport http.RoundTripper
	// Timeout bounds the fetching of one lexicon. 0: a minute.
	Timeout time.Duration
}

const (
	defaultTimeout = time.Minute
	dnsTimeout     = 10 * time.Second
	// maxProof is how large the proof of a record is: the record, and the path through the tree to it.
	maxProof = 4 << 20
)

// A session is what one run learns of the network. Nothing of it is kept for the next one: changes of DNS records are
// announced nowhere.
type session struct {
	Network
	resolver identity.Resolver

	mu          sync.Mutex
	authorities map[string]func() (syntax.DID, error)
	accounts    map[syntax.DID]func() (*account, error)
}

// An account is one that has lexicons in its repository.
type account struct {
	did    syntax.DID
	key    *identity.PublicKey
	caller *xrpc.Caller
}

func (n Network) begin() *session {
	if n.Timeout <= 0 {
		n.Timeout = defaultTimeout
	}
	if n.LookupTXT == nil {
		n.LookupTXT = func(ctx context.Context, name string) ([]string, error) {
			return net.DefaultResolver.LookupTXT(ctx, name+".") // the dot keeps search domains out
		}
	}
	return &session{
		Network: n,
		resolver: identity.NewResolver(identity.Config{
			LookupTXT: n.LookupTXT, Directories: n.Directories, AllowLoopback: n.AllowLoopback, UnguardedTransport: n.Transport,
		}),
		authorities: make(map[string]func() (syntax.DID, error)),
		accounts:    make(map[syntax.DID]func() (*account, error)),
	}
}

// once returns the question of a key, which is asked once.
func once[K comparable, V any](s *session, questions map[K]func() (V, error), key K, ask func() (V, error)) (V, error) {
	s.mu.Lock()
	question := questions[key]
	if question == nil {
		question = sync.OnceValues(ask)
		questions[key] = question
	}
	s.mu.Unlock()
	return question()
}

// authority finds the account that publishes the lexicons of a domain. One name is asked for, and neither those above
// nor those below it.
func (s *session) authority(ctx context.Context, domain string) (syntax.DID, error) {
	return once(s, s.authorities, domain, func() (syntax.DID, error) {
		did, err := s.lookup(ctx, "_lexicon."+domain)
		if err != nil {
			return "", fmt.Errorf("authority %s: %w", domain, err)
		}
		return did, nil
	})
}

func (s *session) lookup(ctx context.Context, name string) (syntax.DID, error) {
	if len(name) > 253 {
		return "", fmt.Errorf("%s is longer than names in DNS are", name)
	}
	ctx, cancel := context.WithTimeout(ctx, min(dnsTimeout, s.Timeout))
	defer cancel()
	records, err := s.LookupTXT(ctx, name)
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound {
		return "", fmt.Errorf("DNS has no TXT record of %s, by which it would publish lexicons; an at:// URI, a folder or a git repository can be installed without one", name)
	}
	if err != nil {
		return "", fmt.Errorf("DNS: TXT records of %s: %w", name, err)
	}
	found := ""
	for _, record := range records {
		value, ok := strings.CutPrefix(record, "did=")
		switch {
		case !ok || value == found:
		case found != "":
			return "", fmt.Errorf("DNS: the TXT records of %s name two accounts, %.100q and %.100q; there must be one", name, found, value)
		default:
			found = value
		}
	}
	if found == "" {
		return "", fmt.Errorf("DNS: none of the %d TXT records of %s names an account, as did=…", len(records), name)
	}
	did, err := syntax.ParseDID(found)
	if err != nil {
		return "", fmt.Errorf("DNS: TXT record of %s: %w", name, err)
	}
	return did, nil
}

// account finds where the repository of an account is, and the key that signs it.
func (s *session) account(ctx context.Context, did syntax.DID) (*account, error) {
	return once(s, s.accounts, did, func() (*account, error) {
		doc, err := s.resolver.ResolveDID(ctx, did)
		if err != nil {
			return nil, err
		}
		host, err := doc.PDS()
		if err != nil {
			return nil, err
		}
		key, err := doc.SigningKey()
		if err != nil {
			return nil, err
		}
		client, err := xrpc.NewClient(host, xrpc.ClientConfig{AllowLoopback: s.AllowLoopback, UnguardedTransport: s.Transport})
		if err != nil {
			return nil, err
		}
		return &account{did, key, xrpc.NewCaller(client, xrpc.WithUserAgent("lexgen"))}, nil
	})
}

// fetch fetches a lexicon from the repository of an account, and makes sure that the account has signed it.
func (s *session) fetch(ctx context.Context, uri syntax.ATURI) (*lexicon, error) {
	late := fmt.Errorf("it takes longer than %s", s.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, late)
	defer cancel()
	l, err := s.proven(ctx, uri)
	if err != nil && context.Cause(ctx) == late {
		err = fmt.Errorf("%w: %w", late, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", uri, err)
	}
	return l, nil
}

func (s *session) proven(ctx context.Context, uri syntax.ATURI) (*lexicon, error) {
	did, key := syntax.DID(uri.Authority()), uri.RecordKey()
	a, err := s.account(ctx, did)
	if err != nil {
		return nil, err
	}
	method := xrpc.Method{NSID: "com.atproto.sync.getRecord", Output: "application/vnd.ipld.car"}
	// An answer out of a cache would be proven all the same, and old.
	download, err := xrpc.Open(ctx, a.caller, method, recordParams{did, key}, xrpc.Input{}, []xrpc.Option{xrpc.WithHeader("Cache-Control", "no-cache")})
	if err != nil {
		return nil, err
	}
	defer download.Close()
	r, err := repo.Read(ctx, download, repo.WithMaxSize(maxProof), repo.WithMemory(maxProof), repo.WithMaxBlockSize(maxLexicon), repo.WithMaxBlocks(10_000))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if err := r.Verify(did, a.key); err != nil {
		return nil, err
	}
	record, err := r.Get(collection, key)
	if err != nil {
		return nil, err
	}
	return ofRecord(syntax.NSID(key), uri, record)
}

// recordParams are the parameters of com.atproto.sync.getRecord.
type recordParams struct {
	did syntax.DID
	key syntax.RecordKey
}

// EncodeQuery implements xrpc.Params.
func (p recordParams) EncodeQuery(q *xrpc.Query) {
	q.String("did", string(p.did))
	q.String("collection", string(collection))
	q.String("rkey", string(p.key))
}

// maxListed is how many lexicons an account may have.
const maxListed = 10_000

// list names the lexicons that an account has. That is only what its server says; each is proven when it is fetched.
func (s *session) list(ctx context.Context, did syntax.DID) ([]syntax.NSID, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*s.Timeout)
	defer cancel()
	a, err := s.account(ctx, did)
	if err != nil {
		return nil, err
	}
	method := xrpc.Method{NSID: "com.atproto.repo.listRecords", Output: "application/json"}
	var out []syntax.NSID
	cursor := ""
	for {
		page, err := xrpc.Call[listing](ctx, a.caller, method, listParams{did, cursor}, xrpc.Input{}, nil)
		if err != nil {
			return nil, err
		}
		for _, uri := range page.uris {
			if nsid, err := syntax.ParseNSID(string(uri.RecordKey())); err == nil {
				out = append(out, nsid)
			}
		}
		switch {
		case len(out) > maxListed:
			return nil, fmt.Errorf("%s has more than %d lexicons", did, maxListed)
		case page.cursor == "":
			return out, nil
		case page.cursor == cursor || len(page.uris) == 0:
			return nil, fmt.Errorf("%s: the list of its lexicons has no end: the cursor %.100q leads nowhere", did, page.cursor)
		}
		cursor = page.cursor
	}
}

// listParams are the parameters of com.atproto.repo.listRecords.
type listParams struct {
	did    syntax.DID
	cursor string
}

// EncodeQuery implements xrpc.Params.
func (p listParams) EncodeQuery(q *xrpc.Query) {
	q.String("repo", string(p.did))
	q.String("collection", string(collection))
	q.Int("limit", 100)
	if p.cursor != "" {
		q.String("cursor", p.cursor)
	}
}

// A listing is what is read of the output of com.atproto.repo.listRecords.
type listing struct {
	cursor string
	uris   []syntax.ATURI
}

// DecodeLex implements lex.Decodable.
func (l *listing) DecodeLex(d *lex.Decoder) error {
	var rest lex.Extra
	for key := range d.Object {
		switch string(key) {
		case "cursor":
			l.cursor = d.String()
		case "records":
			for range d.Array {
				for key := range d.Object {
					if string(key) == "uri" {
						l.uris = append(l.uris, syntax.ATURI(d.String()))
						continue
					}
					rest = lex.Extra{} // what the records are is not believed
					d.Extra(&rest, key)
				}
			}
		default:
			rest = lex.Extra{}
			d.Extra(&rest, key)
		}
	}
	return d.Err()
}

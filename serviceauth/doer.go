package serviceauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const (
	// spare is how long before its end a token is not used any more: the call has to arrive.
	spare = 10 * time.Second
	// maxKept is how many tokens a Doer keeps, one a method.
	maxKept = 256
)

// A Doer calls a service with tokens that it asks the account's server for, one a method. A token
// is used for all calls of its method until shortly before it runs out. Safe for concurrent
// use.
type Doer struct {
	account  xrpc.Doer
	audience string
	service  xrpc.Doer
	options  options

	mu   sync.Mutex
	kept map[syntax.NSID]keptToken
}

type keptToken struct {
	text string
	ends time.Time
}

type options struct {
	life  time.Duration
	once  bool
	clock func() time.Time
}

// A DoerOption is a setting of NewDoer.
type DoerOption func(*options)

// WithLife asks for tokens that live for d, an hour at most, in place of the minute that servers
// give. What takes long to arrive, such as a video, needs it.
func WithLife(d time.Duration) DoerOption { return func(o *options) { o.life = d } }

// WithFreshTokens asks for a token for each call, for services that take each token once.
func WithFreshTokens() DoerOption { return func(o *options) { o.once = true } }

// WithClock tells the time; without it, it is time.Now.
func WithClock(now func() time.Time) DoerOption { return func(o *options) { o.clock = now } }

var _ xrpc.Doer = (*Doer)(nil)

// NewDoer returns a Doer that calls service, an *xrpc.Client for its host, in the name of account,
// an *oauth.Session. The audience is the DID of the service, with the name that the service has
// in the DID's document: "did:web:feed.example.com#bsky_fg".
func NewDoer(account xrpc.Doer, audience string, service xrpc.Doer, opts ...DoerOption) *Doer {
	d := &Doer{account: account, audience: audience, service: service, kept: make(map[syntax.NSID]keptToken)}
	for _, o := range opts {
		o(&d.options)
	}
	if d.options.clock == nil {
		d.options.clock = time.Now
	}
	return d
}

// Do implements xrpc.Doer. When the service refuses a token that was used before, it is asked
// once more with a new one, if the body can be sent again.
func (d *Doer) Do(ctx context.Context, req *xrpc.Request) (*http.Response, error) {
	text, used, err := d.token(ctx, req.NSID)
	if err != nil {
		return nil, err
	}
	resp, err := d.send(ctx, req, text)
	if err != nil || !used || resp.StatusCode != http.StatusUnauthorized || req.Body != nil && !req.Body.Replayable() {
		return resp, err
	}
	d.forget(req.NSID, text)
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	resp.Body.Close()
	if text, _, err = d.token(ctx, req.NSID); err != nil {
		return nil, err
	}
	return d.send(ctx, req, text)
}

func (d *Doer) send(ctx context.Context, req *xrpc.Request, text string) (*http.Response, error) {
	own := *req
	own.Header = make(http.Header, len(req.Header)+1)
	for name, values := range req.Header {
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Atproto-Proxy": // the service is called itself
		default:
			own.Header[name] = slices.Clone(values)
		}
	}
	own.Header.Set("Authorization", "Bearer "+text)
	return d.service.Do(ctx, &own)
}

var _ xrpc.Follower = (*Doer)(nil)

// Follow implements xrpc.Follower: without a token, which is for the service.
func (d *Doer) Follow(ctx context.Context, target *url.URL, header http.Header) (*http.Response, error) {
	if f, ok := d.service.(xrpc.Follower); ok {
		return f.Follow(ctx, target, header)
	}
	return nil, errors.ErrUnsupported
}

// token returns a token for a method, and whether it was used before.
func (d *Doer) token(ctx context.Context, method syntax.NSID) (text string, used bool, err error) {
	now := d.options.clock()
	d.mu.Lock()
	kept, ok := d.kept[method]
	d.mu.Unlock()
	if ok && !d.options.once && now.Before(kept.ends.Add(-spare)) {
		return kept.text, true, nil
	}
	wanted := Wanted{Audience: d.audience, Method: method}
	if d.options.life > 0 {
		wanted.Expires = now.Add(min(d.options.life, MaxLife-time.Minute)) // the server's clock may be behind
	}
	if text, err = Request(ctx, d.account, wanted); err != nil {
		return "", false, &xrpc.SendError{NSID: method, Sent: xrpc.SentNo, Err: fmt.Errorf("there is no token for it: %w", err)}
	}
	d.keep(method, keptToken{text, expiryOf(text)}, now)
	return text, false, nil
}

func (d *Doer) keep(method syntax.NSID, token keptToken, now time.Time) {
	if d.options.once || !now.Before(token.ends.Add(-spare)) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.kept) >= maxKept {
		for m, old := range d.kept {
			if !now.Before(old.ends.Add(-spare)) {
				delete(d.kept, m)
			}
		}
	}
	if len(d.kept) < maxKept {
		d.kept[method] = token
	}
}

func (d *Doer) forget(method syntax.NSID, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept[method].text == text {
		delete(d.kept, method)
	}
}

// String returns what is called, and no token.
func (d *Doer) String() string { return "tokens for " + d.audience }

// Format writes what String returns, whatever the verb: what is inside is secret.
func (d *Doer) Format(f fmt.State, _ rune) { io.WriteString(f, d.String()) }

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
	// spare is how long before its expiry a token is no longer used, because the call needs time to
	// arrive.
	spare = 10 * time.Second
	// maxKept is how many tokens a Doer keeps; there is one for each method.
	maxKept = 256
)

// A Doer calls a service with tokens that it requests from the account's server, one for each
// method. It uses a token for all calls of the method until shortly before the token expires. It is
// safe for concurrent use.
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

// A DoerOption is an option of NewDoer.
type DoerOption func(*options)

// WithLife requests tokens that live for d, at most an hour. By default servers give them a minute.
// Use it if a request takes long to arrive, such as the upload of a video.
func WithLife(d time.Duration) DoerOption { return func(o *options) { o.life = d } }

// WithFreshTokens requests a new token for each call. Use it for services that accept each token
// only once.
func WithFreshTokens() DoerOption { return func(o *options) { o.once = true } }

// WithClock sets the clock. The default is time.Now.
func WithClock(now func() time.Time) DoerOption { return func(o *options) { o.clock = now } }

var _ xrpc.Doer = (*Doer)(nil)

// NewDoer returns a Doer that calls service for account. service is usually an *xrpc.Client for the
// service's host, and account an *oauth.Session. audience is the DID of the service with the
// service's id in the DID's document: "did:web:feed.example.com#bsky_fg".
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

// Do implements xrpc.Doer. If the service refuses a token that was used before, Do sends the
// request once more with a new token, if the body can be sent again.
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
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be reused
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
		case "Authorization", "Atproto-Proxy": // the service is called directly
		default:
			own.Header[name] = slices.Clone(values)
		}
	}
	own.Header.Set("Authorization", "Bearer "+text)
	return d.service.Do(ctx, &own)
}

var _ xrpc.Follower = (*Doer)(nil)

// Follow implements xrpc.Follower. It sends no token, because the token is for the service.
func (d *Doer) Follow(ctx context.Context, target *url.URL, header http.Header) (*http.Response, error) {
	if f, ok := d.service.(xrpc.Follower); ok {
		return f.Follow(ctx, target, header)
	}
	return nil, errors.ErrUnsupported
}

// token returns a token for a method, and reports whether it was used before.
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
		return "", false, &xrpc.SendError{NSID: method, Sent: xrpc.SentNo, Err: fmt.Errorf("no token for this call: %w", err)}
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

// String returns the audience, and no token.
func (d *Doer) String() string { return "tokens for " + d.audience }

// Format writes the same text as String, for every verb, because the fields hold secrets.
func (d *Doer) Format(f fmt.State, _ rune) { io.WriteString(f, d.String()) }

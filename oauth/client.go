package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/safehttp"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Client logs accounts in and brings their sessions back. Make one per
// application and keep it: it holds the live sessions and what it has learned
// about servers. It is safe for concurrent use.
type Client struct {
	config   Config
	store    Store
	seal     *Seal
	http     *safehttp.Client
	resolver identity.Resolver
	log      *slog.Logger
	now      func() time.Time

	nonces   *nonceTable   // the newest nonce seen from each origin, for sessions that have none
	tickets  atomic.Uint64 // counts requests, to tell newer nonces from older ones
	sessions liveSessions
}

// NewClient checks cfg and returns a Client for it. Errors are ErrConfig and name
// the field and the rule it breaks. No request is made.
func NewClient(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{
		config:   cfg,
		store:    cfg.Store,
		seal:     cfg.Seal,
		http:     safehttp.New(safehttp.Options{AllowLoopback: cfg.AllowLoopback, RoundTripper: cfg.RoundTripper}),
		resolver: cfg.Resolver,
		log:      cfg.Logger,
		now:      cfg.Clock,
		nonces:   new(nonceTable),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.resolver == nil {
		c.resolver = identity.NewResolver(identity.Config{RoundTripper: cfg.RoundTripper, AllowLoopback: cfg.AllowLoopback})
	}
	switch {
	case c.store == nil:
		// Nothing leaves the process, so there is nothing to seal.
		c.store, c.seal = new(MemoryStore), Plaintext()
	case c.seal.err != nil:
		return nil, configError("Seal", "%w", c.seal.err)
	case c.seal.plaintext:
		c.log.Warn("oauth: sessions are stored in plaintext")
	}
	return c, nil
}

// Resume returns the session stored under key. While a *Session for the key lives
// in this process, every Resume returns that one, so that a web handler may call
// it on each request.
//
// It fails with ErrSessionUnknown when there is no such session, ErrStore when the
// store could not be asked, and ErrSealed when the record cannot be opened.
func (c *Client) Resume(ctx context.Context, key SessionKey) (*Session, error) {
	if s := c.sessions.get(key); s != nil {
		return s, nil
	}
	state := new(sessionState)
	r, err := c.load(ctx, key.record(), state)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, &Error{Kind: ErrSessionUnknown, Stage: StageSession, Err: fmt.Errorf("%s, session %q", key.DID, key.ID)}
	case err != nil:
		return nil, err
	case state.ClientID != c.config.ClientID:
		return nil, &Error{Kind: ErrSessionUnknown, Stage: StageSession,
			Err: fmt.Errorf("the session of %s belongs to client %q, not to %q", key.DID, state.ClientID, c.config.ClientID)}
	}
	return c.sessions.intern(key, c.newSession(key, state, r.Revision)), nil
}

// lookup resolves a handle or DID, freshly.
func (c *Client) lookup(ctx context.Context, id syntax.AtIdentifier) (*identity.Identity, error) {
	found, err := identity.Lookup(ctx, c.resolver, id)
	if err != nil {
		return nil, resolutionError(ctx, err)
	}
	if err := c.checkOrigin(found.PDS); err != nil {
		return nil, &Error{Kind: ErrUnresolved, Stage: StageResolution, Err: fmt.Errorf("PDS of %s: %w", found.DID, err)}
	}
	return found, nil
}

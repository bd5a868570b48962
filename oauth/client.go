package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
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
	sealer   *sealer
	http     *safehttp.Client
	resolver identity.Resolver
	fresh    identity.Resolver // resolver without what it keeps
	log      *slog.Logger
	now      func() time.Time

	nonces   *nonceTable   // the newest nonce seen from each origin, for sessions that have none
	tickets  atomic.Uint64 // counts requests, to tell newer nonces from older ones
	clocks   serverClocks
	sessions liveSessions
	keys     []*clientKey // of a confidential client, the one for new logins first

	// A key of this Client's own, for what it gives away where Config.Seal has none.
	ownKeyOnce sync.Once
	ownKey     *sealKey
	ownKeyErr  error
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
	keys, err := prepareKeys(cfg.Keys, c.now())
	if err != nil {
		return nil, err
	}
	c.keys = keys
	if c.resolver == nil {
		network := identity.NewResolver(identity.Config{RoundTripper: cfg.RoundTripper, AllowLoopback: cfg.AllowLoopback})
		c.resolver = identity.NewCache(network, identity.CacheConfig{Clock: c.now})
	}
	c.fresh = c.resolver
	if cached, ok := c.resolver.(interface{ Fresh() identity.Resolver }); ok {
		c.fresh = cached.Fresh()
	}
	if err := c.checkDocument(); err != nil {
		return nil, err
	}
	seal := cfg.Seal
	if c.store == nil {
		// Nothing leaves the process, so there is nothing to seal.
		c.store, seal = new(MemoryStore), Plaintext()
	} else if seal.err != nil {
		return nil, configError("Seal", "%w", seal.err)
	} else if len(seal.sources) == 0 {
		return nil, configError("Seal", "is empty: make it by SealKeys, SealPassphrase or Plaintext")
	} else if written, accepted := seal.plaintext(); written {
		c.log.Warn("oauth: sessions are stored in plaintext")
	} else if accepted {
		c.log.Warn("oauth: sessions that are stored in plaintext are accepted")
	}
	c.sealer = newSealer(seal, c.store)
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
	state, r, current, err := c.loadSession(ctx, key)
	if err != nil {
		return nil, err
	}
	revision := r.Revision
	if !current {
		revision = c.reseal(ctx, key, state, r)
	}
	return c.sessions.intern(key, c.newSession(key, state, revision)), nil
}

// loadSession reads a session of this client.
func (c *Client) loadSession(ctx context.Context, key SessionKey) (state *sessionState, r *Record, current bool, err error) {
	state = new(sessionState)
	r, current, err = c.loadSealed(ctx, key.record(), state)
	switch {
	case errors.Is(err, ErrNotFound):
		err = &Error{Kind: ErrSessionUnknown, Stage: StageSession, Err: fmt.Errorf("%s, session %q", key.DID, key.ID)}
	case err == nil && state.ClientID != c.config.ClientID:
		err = &Error{Kind: ErrSessionUnknown, Stage: StageSession,
			Err: fmt.Errorf("the session of %s belongs to client %q, not to %q", key.DID, state.ClientID, c.config.ClientID)}
	}
	return state, r, current, err
}

// Sessions yields the keys of the sessions of an account, or of all (did ""), that are
// in the store. Some may have expired or be over at the server: Resume and a call tell.
// An error, of kind ErrStore, ends the sequence.
func (c *Client) Sessions(ctx context.Context, did syntax.DID) iter.Seq2[SessionKey, error] {
	return func(yield func(SessionKey, error) bool) {
		for key, err := range c.store.List(ctx, RecordSession, did) {
			if err != nil {
				yield(SessionKey{}, storeError(err))
				return
			}
			if !yield(SessionKey{DID: key.DID, ID: key.ID}, nil) {
				return
			}
		}
	}
}

// Purge removes from the store what is of no more use: logins that nobody finished
// within an hour, and sessions that were not used for so long that the server has ended
// them. It returns how many records went. Call it now and then, such as once an hour.
func (c *Client) Purge(ctx context.Context) (int, error) {
	n, err := c.store.Purge(ctx, c.now())
	if err != nil {
		return n, storeError(err)
	}
	return n, nil
}

// Reseal seals every session anew that is not sealed by the first key of Config.Seal,
// and returns how many it did. After it the other keys can go, once no process seals
// with them any more. It may be called while sessions are in use, by several processes
// too. Sessions that cannot be opened, and those of other clients, are left as they are;
// the error, of kind ErrSealed, names the first that cannot be opened.
func (c *Client) Reseal(ctx context.Context) (int, error) {
	resealed := 0
	err := c.eachSession(ctx, func(key SessionKey, state *sessionState, r *Record, current bool) {
		if !current && c.reseal(ctx, key, state, r) > r.Revision {
			resealed++
		}
	})
	return resealed, err
}

// eachSession calls do for every session of this client in the store, and passes over
// those of others, and those that cannot be opened; the error names the first of the
// latter.
func (c *Client) eachSession(ctx context.Context, do func(key SessionKey, state *sessionState, r *Record, current bool)) error {
	var sealed error
	for key, err := range c.Sessions(ctx, "") {
		if err != nil {
			return err
		}
		state, r, current, err := c.loadSession(ctx, key)
		switch {
		case errors.Is(err, ErrSessionUnknown):
		case errors.Is(err, ErrSealed):
			sealed = cmp.Or(sealed, err)
		case err != nil:
			return err
		default:
			do(key, state, r, current)
		}
	}
	return sealed
}

// reseal writes a record as it is, sealed by the first key, and returns the revision it
// then has. Whoever writes meanwhile seals it himself, and comes first.
func (c *Client) reseal(ctx context.Context, key SessionKey, state *sessionState, r *Record) uint64 {
	err := c.save(ctx, key.record(), r.Revision+1, r.Expires, state)
	if err == nil {
		return r.Revision + 1
	}
	if !errors.Is(err, ErrConflict) {
		c.log.Warn("oauth: session could not be sealed anew", "did", key.DID, "session", key.ID, "error", err)
	}
	return r.Revision
}

// lookup resolves a handle or DID through resolver.
func (c *Client) lookup(ctx context.Context, resolver identity.Resolver, id syntax.AtIdentifier) (*identity.Identity, error) {
	found, err := identity.Lookup(ctx, resolver, id)
	if err != nil {
		return nil, resolutionError(ctx, err)
	}
	if err := c.checkOrigin(found.PDS); err != nil {
		return nil, &Error{Kind: ErrUnresolved, Stage: StageResolution, Err: fmt.Errorf("PDS of %s: %w", found.DID, err)}
	}
	return found, nil
}

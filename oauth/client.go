package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/clientmetadata"
	"github.com/gimucco/atproto-go/internal/dpop"
	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/live"
	"github.com/gimucco/atproto-go/internal/safehttp"
	sealing "github.com/gimucco/atproto-go/internal/seal"
	"github.com/gimucco/atproto-go/internal/serverclock"
	"github.com/gimucco/atproto-go/internal/vault"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Client logs accounts in and brings their sessions back. Make one per application and keep it:
// it holds the live sessions, and what it has learned about servers. It is safe for concurrent use.
type Client struct {
	config   Config
	store    store.Store
	vault    *vault.Vault    // store, and the sealing of its records
	given    *sealing.Sealer // seals what leaves the process; never plaintext
	http     *safehttp.Client
	resolver identity.Resolver
	fresh    identity.Resolver // the resolver without its cache
	log      *slog.Logger
	now      func() time.Time

	nonces    *dpop.Pool
	clocks    serverclock.Clocks
	issuers   issuerCache
	servers   serverCache
	refusals  refusals
	nonceless roll          // origins of servers for which the operator was told that they send no nonces
	keepers   *keeper.Group // they hold the tokens of all sessions
	sessions  *live.Sessions[SessionKey, Session]
	resuming  singleflight.Group // by session key
	callbacks sharedCallbacks
	keys      []*preparedKey // keys of a confidential client; the key for new logins comes first
}

// String returns the client ID, and no secret.
func (c *Client) String() string { return "oauth client " + strconv.Quote(c.config.ClientID) }

// Format writes the same text as String, for every verb. The fields hold secrets, and they change
// while fmt would read them.
func (c *Client) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// NewClient checks cfg and returns a Client for it. It makes no request. An error is ErrConfig, and
// names the field and the rule that it breaks.
func NewClient(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	// The caller may change its slices after this call. The client must not see that.
	cfg.RedirectURIs, cfg.ClientKeys = slices.Clone(cfg.RedirectURIs), slices.Clone(cfg.ClientKeys)
	c := &Client{
		config:   cfg,
		store:    cfg.Store,
		http:     safehttp.New(cfg.transport()),
		resolver: cfg.Resolver,
		log:      cfg.Logger,
	}
	if err := c.http.Err(); err != nil {
		return nil, &Error{Kind: ErrConfig, Err: fmt.Errorf("Config: %w", err)}
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	clock := cfg.Clock
	if clock == nil {
		clock = time.Now
	}
	// Keep the wall clock and drop the monotonic reading. The monotonic clock stops while a machine
	// is suspended, but tokens still expire (P67).
	c.now = func() time.Time { return clock().Round(0) }
	keepers, err := keeper.NewGroup(keeper.SystemClock(c.now), cfg.times, retryAfter)
	if err != nil {
		return nil, configError("times", "%w", err)
	}
	c.keepers, c.sessions = keepers, live.New[SessionKey, Session](cfg.LiveSessions)
	c.nonces = dpop.NewPool(c.now)
	keys, err := prepareKeys(cfg.ClientKeys, c.now())
	if err != nil {
		return nil, err
	}
	c.keys = keys
	if c.resolver == nil {
		network := identity.NewResolver(identity.Config{
			WrapTransport: cfg.WrapTransport, UnguardedTransport: cfg.UnguardedTransport,
			Proxy: cfg.Proxy, ProxyResolvesUnchecked: cfg.ProxyResolvesUnchecked, RootCAs: cfg.RootCAs,
			PrivateHosts: cfg.PrivateHosts, AllowLoopback: cfg.AllowLoopback,
		})
		c.resolver = identity.NewCache(network, identity.CacheConfig{Clock: c.now})
	}
	c.fresh = c.resolver
	if cached, ok := c.resolver.(interface{ Fresh() identity.Resolver }); ok {
		c.fresh = cached.Fresh()
	}
	if err := c.checkDocument(); err != nil {
		return nil, err
	}
	spec := (*sealing.Spec)(cfg.Seal)
	if c.store == nil {
		// Nothing leaves the process, so there is nothing to seal.
		c.store, spec = &store.Memory{Clock: c.now}, sealing.Plaintext()
	} else if err := spec.Err(); err != nil {
		return nil, configError("Seal", "%w", err)
	} else if written, accepted := spec.Plaintext(); written {
		c.log.Warn("oauth: sessions are stored in plaintext")
	} else if accepted {
		c.log.Warn("oauth: sessions that are stored in plaintext are accepted")
	}
	c.vault = vault.New(c.store, spec, vaultWords)
	c.store = c.vault.Store()
	c.given = c.vault.Sealer().Strict()
	return c, nil
}

// Resume returns the session that is stored under key. If a *Session for this key is live in this
// process, every Resume returns that same one. So a web handler may call Resume for each request.
//
// It fails with ErrSessionUnknown if there is no such session, with ErrStore if the store failed,
// and with ErrSealed if the record cannot be opened.
func (c *Client) Resume(ctx context.Context, key SessionKey) (*Session, error) {
	if s := c.sessions.Get(key); s != nil {
		s.lookAgain(ctx)
		if err := s.reason(); err != nil {
			return nil, &Error{Kind: ErrSessionUnknown, Err: err}
		}
		return s, nil
	}
	// Many requests of one browser arrive at the same time, and they share one read. The read does
	// not use the first caller's context, because that caller may leave early.
	arrived := c.resuming.DoChan(string(key.DID)+" "+key.ID, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), vault.Patience)
		defer cancel()
		return c.resume(ctx, key)
	})
	select {
	case result := <-arrived:
		s, _ := result.Val.(*Session)
		return s, result.Err
	case <-ctx.Done():
		return nil, storeError(context.Cause(ctx))
	}
}

// resume reads a session from the store.
func (c *Client) resume(ctx context.Context, key SessionKey) (*Session, error) {
	state, r, current, err := c.loadSession(ctx, key)
	if err != nil {
		return nil, err
	}
	revision := r.Revision
	if !current {
		revision = c.reseal(ctx, key, state, r)
	}
	return c.sessions.Intern(key, c.newSession(key, &state.sessionState, revision)), nil
}

// Shutdown stops new refreshes. Then it waits for the refreshes that are under way, for new tokens
// that the store has not saved yet, and for revocations. Call it after http.Server.Shutdown and
// before the process ends; then the end of the process loses no session. Calls whose tokens are
// still valid continue. A call that needs a refresh fails with ErrShutdown. If ctx ends first, the
// error is ErrShutdown and says what is left.
func (c *Client) Shutdown(ctx context.Context) error {
	if err := c.keepers.Shutdown(ctx); err != nil {
		return &Error{Kind: ErrShutdown, Err: err}
	}
	return nil
}

// Stats counts what happened to the sessions of a Client, for metrics.
type Stats struct {
	Live        int    // sessions that are live in this process now
	Unsaved     int    // sessions whose new tokens the store has not saved yet, now
	Refreshes   uint64 // new tokens that this process got from a server
	Adoptions   uint64 // new tokens that another process got, and this one took from the store
	Takeovers   uint64 // refreshes that another process began and did not finish, and this one took over
	Failures    uint64 // refreshes that failed and will be tried again
	Endings     uint64 // sessions that ended
	StoreErrors uint64 // reads and writes of sessions that failed
}

// Stats returns the counts since the Client was made, and the current numbers of sessions.
func (c *Client) Stats() Stats {
	kept := c.keepers.Stats()
	return Stats{
		Live: c.sessions.Count(), Unsaved: kept.Unsaved,
		Refreshes: kept.Refreshes, Adoptions: kept.Adoptions, Takeovers: kept.Takeovers,
		Failures: kept.Failures, Endings: kept.Endings, StoreErrors: kept.RegisterErrors,
	}
}

// loadSession reads a session of this client.
func (c *Client) loadSession(ctx context.Context, key SessionKey) (state *sessionRecord, r *store.Record, current bool, err error) {
	state = new(sessionRecord)
	r, current, err = c.vault.Load(ctx, key.record(), state)
	switch {
	case errors.Is(err, store.ErrNotFound) && key == (SessionKey{}):
		err = key.check()
	case errors.Is(err, store.ErrNotFound):
		err = &Error{Kind: ErrSessionUnknown, Err: fmt.Errorf("%s, session %q", key.DID, key.ID)}
	case err == nil:
		err = c.ours(key, state)
	}
	return state, r, current, err
}

// ours returns ErrSessionUnknown if the session belongs to another client.
func (c *Client) ours(key SessionKey, state *sessionRecord) error {
	if clientmetadata.SameClient(state.ClientID, c.config.ClientID) {
		return nil
	}
	return &Error{Kind: ErrSessionUnknown,
		Err: fmt.Errorf("the session of %s belongs to client %q, not to %q", key.DID, state.ClientID, c.config.ClientID)}
}

// lookup resolves a handle or DID through resolver.
func (c *Client) lookup(ctx context.Context, resolver identity.Resolver, id syntax.AtIdentifier) (*identity.Identity, error) {
	found, err := identity.Lookup(ctx, resolver, id)
	if err != nil {
		return nil, resolutionError(ctx, err)
	}
	if err := c.checkOrigin(found.PDS); err != nil {
		return nil, &Error{Kind: ErrUnresolved, Err: fmt.Errorf("PDS of %s: %w", found.DID, err)}
	}
	return found, nil
}

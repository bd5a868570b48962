package apppassword

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/internal/keeper"
	"github.com/gimucco/atproto-go/internal/live"
	"github.com/gimucco/atproto-go/internal/safehttp"
	sealing "github.com/gimucco/atproto-go/internal/seal"
	"github.com/gimucco/atproto-go/internal/serverclock"
	"github.com/gimucco/atproto-go/internal/vault"
	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Client logs accounts in and brings their sessions back. Make one per program and keep it,
// because it holds the live sessions. It is safe for concurrent use.
type Client struct {
	config   Config
	vault    *vault.Vault
	http     *safehttp.Client
	resolver identity.Resolver
	log      *slog.Logger
	now      func() time.Time

	clocks   serverclock.Clocks
	keepers  *keeper.Group // they hold the tokens of all sessions
	sessions *live.Sessions[SessionKey, Session]
	resuming singleflight.Group // by session key
}

// String returns only the type's name.
func (c *Client) String() string { return "apppassword client" }

// Format writes the same text as String, for every verb. The fields hold secrets, and they change
// while fmt would read them.
func (c *Client) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// NewClient checks cfg and returns a Client for it. It makes no request. An error is ErrConfig, and
// names the field and the rule that it breaks.
func NewClient(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{
		config: cfg, http: safehttp.New(cfg.transport()), resolver: cfg.resolver(), log: cfg.Logger,
		sessions: live.New[SessionKey, Session](0),
	}
	if err := c.http.Err(); err != nil {
		return nil, configError("Config:", "%w", err)
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
	var err error
	if c.keepers, err = keeper.NewGroup(keeper.SystemClock(c.now), cfg.times, retryAfter); err != nil {
		return nil, configError("Config.times", "%w", err)
	}
	kept, spec := cfg.Store, (*sealing.Spec)(cfg.Seal)
	if kept == nil {
		// Nothing leaves the process, so there is nothing to seal.
		kept, spec = &store.Memory{Clock: c.now}, sealing.Plaintext()
	} else if err := spec.Err(); err != nil {
		return nil, configError("Config.Seal", "%w", err)
	} else if written, accepted := spec.Plaintext(); written {
		c.log.Warn("apppassword: sessions are stored in plaintext")
	} else if accepted {
		c.log.Warn("apppassword: sessions that are stored in plaintext are accepted")
	}
	c.vault = vault.New(kept, spec, vault.Words{StoreFailed: storeError, CannotOpen: sealError})
	return c, nil
}

// Resume returns the session that is stored under key. If a *Session for this key is live in this
// process, every Resume returns that same one. Resume asks no server: if the session has ended
// there, the next call finds out.
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
	// Callers that arrive at the same time share one read. The read does not use the first caller's
	// context, because that caller may leave early.
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

// resume reads a session from the store. If it is sealed with an old key, resume seals it with the
// first key.
func (c *Client) resume(ctx context.Context, key SessionKey) (*Session, error) {
	stored, r, current, err := c.load(ctx, key)
	if err != nil {
		return nil, err
	}
	revision := r.Revision
	if !current {
		switch err := c.vault.Save(ctx, key.record(), revision+1, 0, stored); {
		case err == nil:
			revision++
		case !errors.Is(err, store.ErrConflict):
			c.log.Warn("apppassword: the session could not be sealed with the first key", "did", key.DID, "session", key.ID, "error", err)
		}
	}
	return c.sessions.Intern(key, c.newSession(key, &stored.sessionState, revision)), nil
}

// load reads the record of a session.
func (c *Client) load(ctx context.Context, key SessionKey) (stored *sessionRecord, r *store.Record, current bool, err error) {
	stored = new(sessionRecord)
	r, current, err = c.vault.Load(ctx, key.record(), stored)
	if errors.Is(err, store.ErrNotFound) {
		err = &Error{Kind: ErrSessionUnknown, Err: fmt.Errorf("session %q of %q", key.ID, key.DID)}
	}
	return stored, r, current, err
}

// Sessions yields the keys of the sessions in the store: those of one account, or all if did is "".
// Some sessions may have ended at the server; a call shows that. An error, of kind ErrStore, ends
// the sequence.
func (c *Client) Sessions(ctx context.Context, did syntax.DID) iter.Seq2[SessionKey, error] {
	return func(yield func(SessionKey, error) bool) {
		for key, err := range c.vault.Store().List(ctx, store.RecordAppPassword, did) {
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

// Purge removes records from the store that are no longer of use, such as sessions without a
// refresh for 100 days. It measures time by the store's clock, and returns the number of removed
// records. Call it from time to time.
func (c *Client) Purge(ctx context.Context) (int, error) {
	n, err := c.vault.Store().Purge(ctx)
	if err != nil {
		return n, storeError(err)
	}
	return n, nil
}

// Reseal seals every session again that is not sealed with the first key of Config.Seal. It returns
// the number of sessions that it sealed. When it returns no error, no app-password session in the
// store depends on another key. You may call it while sessions are in use, and more than once. It
// does not touch sessions that cannot be opened; an error of kind ErrSealed names the first. An
// error of kind ErrStore stops it.
func (c *Client) Reseal(ctx context.Context) (int, error) {
	var sealed error
	n := 0
	for key, err := range c.Sessions(ctx, "") {
		if err != nil {
			return n, err
		}
		did, err := c.reseal(ctx, key)
		if did {
			n++
		}
		switch {
		case errors.Is(err, ErrSealed):
			sealed = cmp.Or(sealed, err)
		case err != nil:
			return n, err
		}
	}
	return n, sealed
}

// resealTries is how often a session is sealed again if somebody else writes it meanwhile. That
// write may have used another key, so the record is read again.
const resealTries = 8

// reseal makes sure that a session is sealed with the first key. It reports whether this call did
// it.
func (c *Client) reseal(ctx context.Context, key SessionKey) (did bool, err error) {
	for range resealTries {
		stored, r, current, err := c.load(ctx, key)
		switch {
		case errors.Is(err, ErrSessionUnknown):
			return false, nil // the session has ended meanwhile
		case err != nil || current:
			return false, err
		}
		err = c.vault.Save(ctx, key.record(), r.Revision+1, 0, stored)
		if !errors.Is(err, store.ErrConflict) {
			return err == nil, err
		}
	}
	return false, storeError(store.ErrConflict)
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

// Shutdown stops new refreshes. Then it waits for the refreshes that are under way, and for new
// tokens that the store has not saved yet. Call it before the process ends; then the end of the
// process loses no session. Calls whose tokens are still valid continue. A call that needs a
// refresh fails with ErrShutdown. If ctx ends first, the error is ErrShutdown and says what is
// left.
func (c *Client) Shutdown(ctx context.Context) error {
	if err := c.keepers.Shutdown(ctx); err != nil {
		return &Error{Kind: ErrShutdown, Err: err}
	}
	return nil
}

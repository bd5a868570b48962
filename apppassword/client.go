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

// A Client logs accounts in and brings their sessions back. Make one per program and keep it: it
// holds the live sessions. It is safe for concurrent use.
type Client struct {
	config   Config
	vault    *vault.Vault
	http     *safehttp.Client
	resolver identity.Resolver
	log      *slog.Logger
	now      func() time.Time

	clocks   serverclock.Clocks
	keepers  *keeper.Group // what keeps the tokens of all sessions
	sessions *live.Sessions[SessionKey, Session]
	resuming singleflight.Group // by session key
}

// String says no more than what it is.
func (c *Client) String() string { return "apppassword client" }

// Format writes what String returns, whatever the verb: what is inside is secret, and changes while it
// is read.
func (c *Client) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// NewClient checks cfg and returns a Client for it. Errors are ErrConfig and name the field and the
// rule it breaks. No request is made.
func NewClient(cfg Config) (*Client, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Client{
		config: cfg, http: safehttp.New(cfg.transport()), resolver: cfg.resolver(), log: cfg.Logger,
		sessions: live.New[SessionKey, Session](0),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	clock := cfg.Clock
	if clock == nil {
		clock = time.Now
	}
	// The time of day alone: what counts the time that a machine runs stands still while it is
	// suspended, and tokens die meanwhile (P67).
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

// Resume returns the session stored under key. While a *Session for the key lives in this process,
// every Resume returns that one. No server is asked: a session that is over there is found out by the
// next call.
//
// It fails with ErrSessionUnknown when there is no such session, ErrStore when the store could not be
// asked, and ErrSealed when the record cannot be opened.
func (c *Client) Resume(ctx context.Context, key SessionKey) (*Session, error) {
	if s := c.sessions.Get(key); s != nil {
		s.lookAgain(ctx)
		if err := s.reason(); err != nil {
			return nil, &Error{Kind: ErrSessionUnknown, Err: err}
		}
		return s, nil
	}
	// Those who come at once share one read. It has a time of its own, for the first of them
	// may leave.
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

// resume reads a session from the store, and seals it anew where it is sealed by an old key.
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
			c.log.Warn("apppassword: session could not be sealed anew", "did", key.DID, "session", key.ID, "error", err)
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

// Sessions yields the keys of the sessions of an account, or of all (did ""), that are in the
// store. Some may be over at the server: a call tells. An error, of kind ErrStore, ends the sequence.
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

// Purge removes from the store what is of no more use, such as sessions that were not refreshed for 100
// days, by the store's own clock. It returns how many records went. Call it now and then.
func (c *Client) Purge(ctx context.Context) (int, error) {
	n, err := c.vault.Store().Purge(ctx)
	if err != nil {
		return n, storeError(err)
	}
	return n, nil
}

// Reseal seals every session anew that is not sealed by the first key of Config.Seal, and returns how
// many it did. When it returns no error, no session of an app password is left in the store that another
// key has sealed. It may be called while sessions are in use, and again. Sessions that cannot be opened are
// left as they are; an error of kind ErrSealed names the first. An error of kind ErrStore stops it.
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

// resealTries is how often a session is sealed anew that somebody else writes meanwhile. He may
// have sealed with another key, so it is looked at again.
const resealTries = 8

// reseal makes sure that a session is sealed by the first key. It reports whether it was this call that
// did it.
func (c *Client) reseal(ctx context.Context, key SessionKey) (did bool, err error) {
	for range resealTries {
		stored, r, current, err := c.load(ctx, key)
		switch {
		case errors.Is(err, ErrSessionUnknown):
			return false, nil // it has ended meanwhile
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

// Stats counts what became of a Client's sessions, for metrics.
type Stats struct {
	Live        int    // sessions in this process, now
	Unsaved     int    // sessions whose tokens the store has not taken yet, now
	Refreshes   uint64 // new tokens from a server
	Adoptions   uint64 // new tokens that another process had got
	Takeovers   uint64 // refreshes that another process had left behind
	Failures    uint64 // refreshes that failed and will be tried again
	Endings     uint64 // sessions that were found to be over
	StoreErrors uint64 // reads and writes of sessions that failed
}

// Stats returns the counts since the Client was made.
func (c *Client) Stats() Stats {
	kept := c.keepers.Stats()
	return Stats{
		Live: c.sessions.Count(), Unsaved: kept.Unsaved,
		Refreshes: kept.Refreshes, Adoptions: kept.Adoptions, Takeovers: kept.Takeovers,
		Failures: kept.Failures, Endings: kept.Endings, StoreErrors: kept.RegisterErrors,
	}
}

// Shutdown lets no refresh begin any more, waits for those under way, and for new tokens that the store
// has not taken yet. Call it before the process ends: then no session is lost by its end. Calls whose
// tokens live go on meanwhile; one that needs a refresh fails with ErrShutdown. When ctx ends first, the
// error, of kind ErrShutdown, says what is left.
func (c *Client) Shutdown(ctx context.Context) error {
	if err := c.keepers.Shutdown(ctx); err != nil {
		return &Error{Kind: ErrShutdown, Err: err}
	}
	return nil
}

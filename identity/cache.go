package identity

import (
	"context"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// CacheConfig says how many answers a Cache keeps, and for how long. The zero value is good for
// most programs.
type CacheConfig struct {
	// KeepFound is how long a found DID or document is kept. 0 means five minutes. The
	// specification asks for less than ten minutes where accounts log in.
	KeepFound time.Duration
	// KeepNotFound is how long the Cache remembers that a handle or DID does not exist. 0 means
	// half a minute.
	KeepNotFound time.Duration
	// MaxEntries is how many handles, and how many documents, are kept. The ones that were unused
	// for longest are dropped first. 0 means 1,000.
	MaxEntries int
	// Clock returns the current time. Nil means time.Now.
	Clock func() time.Time
}

// A Cache is a Resolver that keeps the answers of another Resolver in memory. It keeps certain
// answers only: that something exists, or that it does not. It never keeps a failure to find out.
// Callers that ask for the same thing at the same time share one question, which continues if one
// of them leaves. It is safe for concurrent use.
type Cache struct {
	resolver     Resolver
	keepFound    time.Duration
	keepNotFound time.Duration
	now          func() time.Time
	handles      *shelf[syntax.Handle, syntax.DID]
	documents    *shelf[syntax.DID, *Document]
}

var _ Resolver = (*Cache)(nil)

// NewCache returns a Cache for the answers of r.
func NewCache(r Resolver, cfg CacheConfig) *Cache {
	c := &Cache{resolver: r, keepFound: cfg.KeepFound, keepNotFound: cfg.KeepNotFound, now: cfg.Clock}
	if c.keepFound <= 0 {
		c.keepFound = 5 * time.Minute
	}
	if c.keepNotFound <= 0 {
		c.keepNotFound = 30 * time.Second
	}
	if c.now == nil {
		c.now = time.Now
	}
	entries := cfg.MaxEntries
	if entries <= 0 {
		entries = 1000
	}
	c.handles = newShelf[syntax.Handle, syntax.DID](entries)
	c.documents = newShelf[syntax.DID, *Document](entries)
	return c
}

// ResolveHandle implements Resolver.
func (c *Cache) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	h = h.Normalize()
	if a, ok := c.handles.get(h, c.now()); ok {
		return a.value, a.err
	}
	return c.freshHandle(ctx, h)
}

// ResolveDID implements Resolver. Callers share the document and must not change it.
func (c *Cache) ResolveDID(ctx context.Context, did syntax.DID) (*Document, error) {
	if a, ok := c.documents.get(did, c.now()); ok {
		return a.value, a.err
	}
	return c.freshDocument(ctx, did)
}

// Fresh returns a Resolver that asks again, and stores the answers in the Cache. Use it if the
// answer decides who may act for an account.
func (c *Cache) Fresh() Resolver { return fresh{c} }

type fresh struct{ cache *Cache }

func (f fresh) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	return f.cache.freshHandle(ctx, h.Normalize())
}

func (f fresh) ResolveDID(ctx context.Context, did syntax.DID) (*Document, error) {
	return f.cache.freshDocument(ctx, did)
}

func (c *Cache) freshHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	return ask(ctx, c, c.handles, h, string(h), c.resolver.ResolveHandle)
}

func (c *Cache) freshDocument(ctx context.Context, did syntax.DID) (*Document, error) {
	return ask(ctx, c, c.documents, did, string(did), c.resolver.ResolveDID)
}

// ask asks the resolver, or waits for the answer to the same question.
func ask[K comparable, V any](ctx context.Context, c *Cache, s *shelf[K, V], key K, subject string, resolve func(context.Context, K) (V, error)) (V, error) {
	result := s.asking.DoChan(subject, func() (any, error) {
		// If one caller cancels, the others must still get their answer. The resolver has its own
		// time limit.
		value, err := resolve(context.WithoutCancel(ctx), key)
		switch {
		case err == nil:
			s.answers.Add(key, answered[V]{value: value, until: c.now().Add(c.keepFound)})
		case errors.Is(err, ErrNotFound):
			s.answers.Add(key, answered[V]{err: err, until: c.now().Add(c.keepNotFound)})
		default:
			s.answers.Remove(key) // the earlier answer is no longer certain
		}
		return value, err
	})
	select {
	case r := <-result:
		return r.Val.(V), r.Err
	case <-ctx.Done():
		var none V
		return none, &Error{Subject: shorten(subject), Kind: ErrUnreachable, Err: ctx.Err()}
	}
}

// A shelf keeps answers of one kind, those that were used last. The library's lists with a time
// limit have one limit for all entries and no adjustable clock, so each answer carries its own
// limit.
type shelf[K comparable, V any] struct {
	asking  singleflight.Group
	answers *lru.Cache[K, answered[V]]
}

type answered[V any] struct {
	value V
	err   error
	until time.Time
}

// newShelf returns a shelf with room for entries answers, at least one.
func newShelf[K comparable, V any](entries int) *shelf[K, V] {
	answers, _ := lru.New[K, answered[V]](entries) // it only refuses a number below one
	return &shelf[K, V]{answers: answers}
}

func (s *shelf[K, V]) get(key K, now time.Time) (answered[V], bool) {
	a, ok := s.answers.Get(key)
	return a, ok && now.Before(a.until)
}

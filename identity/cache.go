package identity

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// CacheConfig says how much a Cache keeps, and for how long. The zero value is right
// for most programs.
type CacheConfig struct {
	// Life is how long an answer is kept. 0: five minutes; the specification wants
	// less than ten where accounts log in.
	Life time.Duration
	// Missing is how long is kept that a handle or DID does not exist. 0: half a minute.
	Missing time.Duration
	// Entries is how many handles, and how many documents, are kept; the longest
	// unused go first. 0: 1,000.
	Entries int
	// Clock tells the time. Nil: time.Now.
	Clock func() time.Time
}

// A Cache is a Resolver that keeps another's answers in memory. It keeps what is
// certain, that something exists or does not, and never a failure to find out. Callers
// who ask for the same at the same time share one question, which goes on when one of
// them leaves. Safe for concurrent use.
type Cache struct {
	resolver  Resolver
	life      time.Duration
	missing   time.Duration
	now       func() time.Time
	handles   shelf[syntax.Handle, syntax.DID]
	documents shelf[syntax.DID, *Document]
}

var _ Resolver = (*Cache)(nil)

// NewCache returns a Cache in front of r.
func NewCache(r Resolver, cfg CacheConfig) *Cache {
	c := &Cache{resolver: r, life: cfg.Life, missing: cfg.Missing, now: cfg.Clock}
	if c.life <= 0 {
		c.life = 5 * time.Minute
	}
	if c.missing <= 0 {
		c.missing = 30 * time.Second
	}
	if c.now == nil {
		c.now = time.Now
	}
	entries := cfg.Entries
	if entries <= 0 {
		entries = 1000
	}
	c.handles.limit, c.documents.limit = entries, entries
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

// ResolveDID implements Resolver. The document is shared: it must not be changed.
func (c *Cache) ResolveDID(ctx context.Context, did syntax.DID) (*Document, error) {
	if a, ok := c.documents.get(did, c.now()); ok {
		return a.value, a.err
	}
	return c.freshDocument(ctx, did)
}

// Fresh returns a Resolver that asks anew, and leaves the answers to the Cache. Whoever
// decides by the answer who may act for an account asks this one.
func (c *Cache) Fresh() Resolver { return fresh{c} }

type fresh struct{ cache *Cache }

func (f fresh) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	return f.cache.freshHandle(ctx, h.Normalize())
}

func (f fresh) ResolveDID(ctx context.Context, did syntax.DID) (*Document, error) {
	return f.cache.freshDocument(ctx, did)
}

func (c *Cache) freshHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	return ask(ctx, c, &c.handles, h, string(h), c.resolver.ResolveHandle)
}

func (c *Cache) freshDocument(ctx context.Context, did syntax.DID) (*Document, error) {
	return ask(ctx, c, &c.documents, did, string(did), c.resolver.ResolveDID)
}

// ask puts a question to the resolver, or waits for the answer to the same one.
func ask[K comparable, V any](ctx context.Context, c *Cache, s *shelf[K, V], key K, subject string, resolve func(context.Context, K) (V, error)) (V, error) {
	result := s.asking.DoChan(subject, func() (any, error) {
		// Nobody's cancellation may become everybody's answer; the resolver has a time
		// limit of its own.
		value, err := resolve(context.WithoutCancel(ctx), key)
		switch {
		case err == nil:
			s.put(key, answered[V]{value: value, until: c.now().Add(c.life)})
		case errors.Is(err, ErrNotFound):
			s.put(key, answered[V]{err: err, until: c.now().Add(c.missing)})
		default:
			s.drop(key)
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

// A shelf keeps answers of one sort, the most recently used first.
type shelf[K comparable, V any] struct {
	limit  int
	asking singleflight.Group

	mu     sync.Mutex
	places map[K]*list.Element // of placed[K, V]
	recent list.List
}

type answered[V any] struct {
	value V
	err   error
	until time.Time
}

type placed[K comparable, V any] struct {
	key    K
	answer answered[V]
}

func (s *shelf[K, V]) get(key K, now time.Time) (answered[V], bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := s.places[key]
	if place == nil {
		return answered[V]{}, false
	}
	a := place.Value.(placed[K, V]).answer
	if !now.Before(a.until) {
		s.remove(place)
		return answered[V]{}, false
	}
	s.recent.MoveToFront(place)
	return a, true
}

func (s *shelf[K, V]) put(key K, a answered[V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place := s.places[key]; place != nil {
		s.remove(place)
	}
	if s.places == nil {
		s.places = make(map[K]*list.Element)
	}
	s.places[key] = s.recent.PushFront(placed[K, V]{key, a})
	if s.recent.Len() > s.limit {
		s.remove(s.recent.Back())
	}
}

// drop forgets what was known: an answer that turned out to be no longer certain.
func (s *shelf[K, V]) drop(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place := s.places[key]; place != nil {
		s.remove(place)
	}
}

func (s *shelf[K, V]) remove(place *list.Element) {
	delete(s.places, s.recent.Remove(place).(placed[K, V]).key)
}

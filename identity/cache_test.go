package identity_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gimucco/atproto-go/identity"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// An oracle answers as a test says, and counts.
type oracle struct {
	handle func(ctx context.Context, h syntax.Handle) (syntax.DID, error)

	mu    sync.Mutex
	asked int
}

func (o *oracle) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

func (o *oracle) ask() {
	o.mu.Lock()
	o.asked++
	o.mu.Unlock()
}

func (o *oracle) ResolveHandle(ctx context.Context, h syntax.Handle) (syntax.DID, error) {
	o.ask()
	if o.handle == nil {
		return alice, nil
	}
	return o.handle(ctx, h)
}

func (o *oracle) ResolveDID(_ context.Context, did syntax.DID) (*identity.Document, error) {
	o.ask()
	return &identity.Document{ID: did}, nil
}

func failing(kind error) func(context.Context, syntax.Handle) (syntax.DID, error) {
	return func(_ context.Context, h syntax.Handle) (syntax.DID, error) {
		return "", &identity.Error{Subject: string(h), Kind: kind}
	}
}

func TestCache(t *testing.T) {
	t.Run("O33 answers are kept for less than ten minutes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := new(oracle)
			c := identity.NewCache(o, identity.CacheConfig{})
			resolve := func(want int) {
				t.Helper()
				if _, err := c.ResolveHandle(t.Context(), "Alice.test"); err != nil {
					t.Error(err)
				}
				if doc, err := c.ResolveDID(t.Context(), alice); err != nil || doc.ID != alice {
					t.Errorf("got %v, %v", doc, err)
				}
				if got := o.count(); got != want {
					t.Errorf("asked %d times, want %d", got, want)
				}
			}
			resolve(2)
			resolve(2)
			time.Sleep(5*time.Minute - time.Second)
			resolve(2)
			time.Sleep(time.Second)
			resolve(4)
		})
	})
	t.Run("O33 a fresh answer passes by what is kept, and replaces it", func(t *testing.T) {
		did := alice
		o := &oracle{handle: func(context.Context, syntax.Handle) (syntax.DID, error) { return did, nil }}
		c := identity.NewCache(o, identity.CacheConfig{})
		c.ResolveHandle(t.Context(), "alice.test")
		did = bob
		if got, _ := c.ResolveHandle(t.Context(), "alice.test"); got != alice {
			t.Errorf("kept %s", got)
		}
		if got, _ := c.Fresh().ResolveHandle(t.Context(), "alice.test"); got != bob {
			t.Errorf("the fresh answer is %s", got)
		}
		if got, _ := c.ResolveHandle(t.Context(), "alice.test"); got != bob {
			t.Errorf("kept %s", got)
		}
	})
	t.Run("what does not exist is kept for a shorter time, what is not known not at all", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for kind, want := range map[error]int{identity.ErrNotFound: 2, identity.ErrUnreachable: 3, identity.ErrBlocked: 3} {
				o := &oracle{handle: failing(kind)}
				c := identity.NewCache(o, identity.CacheConfig{})
				for range 2 {
					if _, err := c.ResolveHandle(t.Context(), "alice.test"); !errors.Is(err, kind) {
						t.Errorf("got %v", err)
					}
				}
				time.Sleep(30 * time.Second)
				c.ResolveHandle(t.Context(), "alice.test")
				if got := o.count(); got != want {
					t.Errorf("%v: asked %d times, want %d", kind, got, want)
				}
			}
		})
	})
	t.Run("P28 one caller's cancellation is not the others' answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o := &oracle{handle: func(ctx context.Context, _ syntax.Handle) (syntax.DID, error) {
				select {
				case <-ctx.Done():
					return "", ctx.Err()
				case <-time.After(time.Second):
					return alice, nil
				}
			}}
			c := identity.NewCache(o, identity.CacheConfig{})
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan error)
			go func() {
				_, err := c.ResolveHandle(ctx, "alice.test")
				left <- err
			}()
			synctest.Wait()
			stayed := make(chan error)
			go func() {
				did, err := c.ResolveHandle(t.Context(), "alice.test")
				if did != alice {
					err = fmt.Errorf("got %q, %v", did, err)
				}
				stayed <- err
			}()
			synctest.Wait()
			cancel()
			if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, identity.ErrUnreachable) {
				t.Errorf("who left got %v", err)
			}
			if err := <-stayed; err != nil {
				t.Errorf("who stayed got %v", err)
			}
			if o.count() != 1 {
				t.Errorf("asked %d times", o.count())
			}
		})
	})
	t.Run("the longest unused goes first", func(t *testing.T) {
		o := new(oracle)
		c := identity.NewCache(o, identity.CacheConfig{MaxEntries: 2})
		for _, h := range []syntax.Handle{"a.test", "b.test", "a.test", "c.test", "a.test"} {
			c.ResolveHandle(t.Context(), h)
		}
		if o.count() != 3 {
			t.Errorf("asked %d times, want 3", o.count())
		}
		c.ResolveHandle(t.Context(), "b.test")
		if o.count() != 4 {
			t.Error("b.test was kept beyond the limit")
		}
	})
}

func TestChain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		first error
		last  error
		want  error
		asked int
	}{
		{"the first knows", nil, identity.ErrNotFound, nil, 0},
		{"the first finds nothing", identity.ErrNotFound, nil, nil, 1},
		{"the first cannot be asked", identity.ErrUnreachable, nil, nil, 1},
		{"none finds anything", identity.ErrNotFound, identity.ErrNotFound, identity.ErrNotFound, 1},
		{"one cannot say", identity.ErrUnreachable, identity.ErrNotFound, identity.ErrUnreachable, 1},
		{"the other cannot say", identity.ErrNotFound, identity.ErrUnreachable, identity.ErrUnreachable, 1},
		{"several DIDs are an answer", identity.ErrAmbiguous, nil, identity.ErrAmbiguous, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, last := new(oracle), new(oracle)
			if tt.first != nil {
				first.handle = failing(tt.first)
			}
			if tt.last != nil {
				last.handle = failing(tt.last)
			}
			_, err := identity.Chain(first, last).ResolveHandle(t.Context(), "alice.test")
			if !errors.Is(err, tt.want) || last.count() != tt.asked {
				t.Errorf("got %v, the last was asked %d times", err, last.count())
			}
		})
	}
}

func TestChainBehindAWallOfTheHandlesServer(t *testing.T) {
	for _, status := range []int{401, 403, 429, 451} {
		t.Run(fmt.Sprintf("P63 status %d: the next resolver is asked, and no absence is kept", status), func(t *testing.T) {
			first := identity.NewResolver(identity.Config{UnguardedTransport: &web{pages: map[string]page{wellKnown: {status: status}}}, LookupTXT: zone(nil).lookup})
			last := new(oracle)
			last.handle = failing(identity.ErrNotFound)
			cache := identity.NewCache(identity.Chain(first, last), identity.CacheConfig{})
			for range 2 {
				_, err := cache.ResolveHandle(t.Context(), "alice.test")
				checkKind(t, err, "alice.test", identity.ErrUnreachable)
			}
			if last.count() != 2 {
				t.Errorf("the last was asked %d times, want each time", last.count())
			}
			last.handle = nil
			if _, err := cache.ResolveHandle(t.Context(), "alice.test"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestServiceResolver(t *testing.T) {
	const question = "https://api.test/xrpc/com.atproto.identity.resolveHandle?handle=alice.test"
	for _, tt := range []struct {
		name string
		page page
		want error
	}{
		{"the handle", page{kind: "application/json", body: `{"did":"` + string(alice) + `"}`}, nil},
		{"no such handle", page{status: 400, kind: "application/json", body: `{"error":"InvalidRequest"}`}, identity.ErrNotFound},
		{"a service without the method", page{status: 501}, identity.ErrUnreachable},
		{"a service that refuses", page{status: 403}, identity.ErrUnreachable},
		{"P30 no DID", page{kind: "application/json", body: `{"did":7}`}, identity.ErrUnreachable},
		{"P30 no JSON", page{kind: "application/json", body: `{`}, identity.ErrUnreachable},
		{"a redirect", page{status: 302, location: "https://evil.test/"}, identity.ErrUnreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := identity.NewServiceResolver("https://api.test/", identity.Config{UnguardedTransport: &web{pages: map[string]page{question: tt.page}}})
			if err != nil {
				t.Fatal(err)
			}
			did, err := r.ResolveHandle(t.Context(), "Alice.test")
			if !errors.Is(err, tt.want) || tt.want == nil && did != alice {
				t.Errorf("got %q, %v", did, err)
			}
			if tt.want != nil {
				checkKind(t, err, "alice.test", tt.want)
			}
		})
	}
	t.Run("P29 what it says is verified all the same", func(t *testing.T) {
		r, err := identity.NewServiceResolver("https://api.test", identity.Config{UnguardedTransport: &web{pages: map[string]page{
			question:                               {kind: "application/json", body: `{"did":"` + string(bob) + `"}`},
			"https://plc.directory/" + string(bob): {kind: "application/json", body: document(bob, "at://bob.test", "https://pds.test")},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := identity.Lookup(t.Context(), r, "alice.test"); !errors.Is(err, identity.ErrHandleMismatch) {
			t.Errorf("got %v", err)
		}
	})
	for _, service := range []string{"", "api.test", "https://api.test/path", "ftp://api.test"} {
		if _, err := identity.NewServiceResolver(service, identity.Config{}); !errors.Is(err, identity.ErrInvalidService) {
			t.Errorf("%q: got %v", service, err)
		}
	}
}

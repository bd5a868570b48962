package keeper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var errTrouble = errors.New("trouble")

// A fake is a party, and the register that it shares with others. Hooks replace what it does;
// without them everything works at once.
type fake struct {
	*cell
	exchange func(ctx context.Context, held string, fence func(context.Context) error) Answer[string]
	onRead   func(context.Context) error
	onSwap   func(ctx context.Context, e Entry[string], do func() error) error
	prepare  func() error
	orphan   func(string)
	server   func() (time.Time, error)
	known    time.Time

	mu      sync.Mutex
	events  []Event
	orphans []string
	sent    atomic.Int32
	reads   atomic.Int32
	swaps   atomic.Int32
}

type cell struct {
	lock  sync.Mutex
	entry Entry[string]
	gone  *Ending // why it was removed
}

func newCell() *cell { return &cell{entry: Entry[string]{Value: "old", Revision: 1}} }

func (c *cell) get() Entry[string] {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.entry
}

// put writes as another process would.
func (c *cell) put(value string, claim *Claim) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.entry = Entry[string]{Value: value, Claim: claim, Revision: c.entry.Revision + 1}
}

func (c *cell) remove(why *Ending) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.gone = why
}

func (f *fake) Read(ctx context.Context) (Entry[string], error) {
	f.reads.Add(1)
	f.mu.Lock()
	onRead := f.onRead
	f.mu.Unlock()
	if onRead != nil {
		if err := onRead(ctx); err != nil {
			return Entry[string]{}, err
		}
	}
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.gone != nil {
		return Entry[string]{}, ErrGone
	}
	return f.entry, nil
}

func (f *fake) Swap(ctx context.Context, e Entry[string], _ bool) error {
	f.swaps.Add(1)
	do := func() error {
		f.lock.Lock()
		defer f.lock.Unlock()
		if f.gone != nil || e.Revision != f.entry.Revision+1 {
			return ErrConflict
		}
		f.entry = e
		return nil
	}
	f.mu.Lock()
	onSwap := f.onSwap
	f.mu.Unlock()
	if onSwap != nil {
		return onSwap(ctx, e, do)
	}
	return do()
}

func (f *fake) Drop(_ context.Context, revision uint64, why *Ending) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	switch {
	case f.gone != nil:
		return ErrGone
	case f.entry.Revision != revision:
		return ErrConflict
	}
	f.gone = why
	return nil
}

func (f *fake) Prepare(_ context.Context, held string) (string, error) {
	if f.prepare != nil {
		return held, f.prepare()
	}
	return held, nil
}

// Exchange gives new tokens, unless told otherwise.
func (f *fake) Exchange(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
	if f.exchange != nil {
		return f.exchange(ctx, held, fence)
	}
	return f.rotate(ctx, held, fence)
}

func (f *fake) rotate(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
	if err := fence(ctx); err != nil {
		return Answer[string]{Verdict: Unspent, Err: err}
	}
	return Answer[string]{Verdict: Fresh, Value: fmt.Sprintf("%s+%d", held, f.sent.Add(1))}
}

// says answers with a verdict, once the fence is passed.
func (f *fake) says(v Verdict, err error) func(context.Context, string, func(context.Context) error) Answer[string] {
	return func(ctx context.Context, _ string, fence func(context.Context) error) Answer[string] {
		if err := fence(ctx); err != nil {
			return Answer[string]{Verdict: Unspent, Err: err}
		}
		f.sent.Add(1)
		return Answer[string]{Verdict: v, Err: err}
	}
}

func (f *fake) Orphan(_ context.Context, fresh string) {
	f.mu.Lock()
	f.orphans = append(f.orphans, fresh)
	f.mu.Unlock()
	if f.orphan != nil {
		f.orphan(fresh)
	}
}

func (f *fake) ServerTime(context.Context) (time.Time, error) {
	if f.server == nil {
		return time.Time{}, errTrouble
	}
	return f.server()
}

func (f *fake) KnownServerTime() time.Time { return f.known }

func (f *fake) Notice(e Event, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, e)
}

// change changes hooks while the keeper is at work.
func (f *fake) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

func (f *fake) saw(e Event) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, seen := range f.events {
		if seen == e {
			n++
		}
	}
	return n
}

// A setClock is a clock that can be set, and whose machine can be suspended.
type setClock struct {
	start        time.Time
	wall, steady atomic.Int64 // what is added
}

func (c *setClock) Clock() Clock {
	c.start = time.Now()
	return Clock{
		Wall:   func() time.Time { return time.Now().Round(0).Add(time.Duration(c.wall.Load())) },
		Steady: func() time.Duration { return time.Since(c.start) + time.Duration(c.steady.Load()) },
	}
}

func newGroup(t *testing.T, clock Clock) *Group {
	t.Helper()
	g, err := NewGroup(clock, Times{}, func(err error) time.Duration {
		if a, ok := errors.AsType[*after](err); ok {
			return a.d
		}
		return 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// after is an error with a Retry-After.
type after struct{ d time.Duration }

func (*after) Error() string { return "later" }

func same(a, b string) bool { return a == b }

// open returns a keeper of c's entry, in a process of its own.
func open(t *testing.T, c *cell) (*Keeper[string], *fake) {
	t.Helper()
	f := &fake{cell: c}
	e := c.get()
	return New(newGroup(t, SystemClock(nil)), Party[string](f), same, e.Value, e.Revision), f
}

// renew renews what k holds.
func renew(k *Keeper[string]) (bool, error) {
	used, _ := k.Current()
	return k.Renew(context.Background(), used)
}

// wantValue checks what k and the register hold.
func wantValue(t *testing.T, k *Keeper[string], c *cell, want string) {
	t.Helper()
	if v, err := k.Current(); v != want || err != nil {
		t.Errorf("the keeper holds %q, %v; want %q", v, err, want)
	}
	if e := c.get(); e.Value != want {
		t.Errorf("the register holds %+v; want %q", e, want)
	}
}

// wantClaim checks the claim that the register holds: "none", "open" or "standing".
func wantClaim(t *testing.T, c *cell, want string) {
	t.Helper()
	got := "standing"
	switch e := c.get(); {
	case e.Claim == nil:
		got = "none"
	case e.Claim.Open:
		got = "open"
	}
	if got != want {
		t.Errorf("the claim is %s; want %s", got, want)
	}
}

// wantEnding checks how a session ended.
func wantEnding(t *testing.T, err error, gone, ambiguous bool) {
	t.Helper()
	e, ok := errors.AsType[*Ending](err)
	if !ok || e.Gone != gone || e.Ambiguous != ambiguous {
		t.Errorf("%+v; want an ending with gone %v, ambiguous %v", err, gone, ambiguous)
	}
}

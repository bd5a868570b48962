package keeper

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// down lets writes of new tokens fail until it is set to false.
func down(f *fake) *atomic.Bool {
	var is atomic.Bool
	is.Store(true)
	f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
		if is.Load() && e.Value != "old" {
			return errTrouble
		}
		return do()
	}
	return &is
}

func wantUnsaved(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*UnsavedError](err); !ok || !errors.Is(err, errTrouble) {
		t.Errorf("%v; want an UnsavedError", err)
	}
}

func TestSaver(t *testing.T) {
	t.Run("P5 P71 one saver, tokens in use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			is := down(f)
			_, err := renew(k)
			wantUnsaved(t, err)
			if v, err := k.Current(); v != "old+1" || err != nil || k.group.Stats().Unsaved != 1 {
				t.Error(v, err, k.group.Stats())
			}
			for range 200 {
				_, _ = k.Current()
				k.Start("old+1")
				_ = k.Look(t.Context())
			}
			if v, _ := k.Current(); v != "old+1" {
				t.Errorf("the register's %q is in use", v)
			}
			time.Sleep(time.Minute)
			before := f.swaps.Load()
			time.Sleep(time.Minute)
			if n := f.swaps.Load() - before; n < 30 || n > 60 {
				t.Errorf("%d attempts in a minute", n)
			}
			is.Store(false)
			time.Sleep(2 * time.Second) // P114
			wantValue(t, k, f.cell, "old+1")
			if s := k.group.Stats(); s.Unsaved != 0 || s.Refreshes != 1 || f.saw(Saved) != 1 {
				t.Errorf("%+v", s)
			}
			time.Sleep(10 * time.Second)
		})
	})
	t.Run("what is unsaved is not renewed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			is := down(f)
			_, _ = renew(k)
			_, err := renew(k)
			wantUnsaved(t, err)
			if f.sent.Load() != 1 {
				t.Error("a token that was not stored was sent")
			}
			time.Sleep(10 * time.Second)
			time.AfterFunc(time.Second, func() { is.Store(false) })
			if _, err := renew(k); err != nil {
				t.Error(err)
			}
			wantValue(t, k, f.cell, "old+1+2")
		})
	})
	t.Run("P115 one attempt hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			hung := false
			f.onSwap = func(ctx context.Context, e Entry[string], do func() error) error {
				if e.Value != "old" && !hung {
					hung = true
					<-ctx.Done()
					return ctx.Err()
				}
				return do()
			}
			began := time.Now()
			_, err := renew(k)
			if d := time.Since(began); d != 3500*time.Millisecond || err == nil {
				t.Errorf("%v after %v", err, d)
			}
			time.Sleep(time.Second)
			wantValue(t, k, f.cell, "old+1")
		})
	})
	t.Run("it gives up after an hour, and the next use begins another", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			is := down(f)
			_, _ = renew(k)
			time.Sleep(time.Hour + 10*time.Second)
			before := f.swaps.Load()
			time.Sleep(time.Hour)
			if f.swaps.Load() != before {
				t.Error("it goes on")
			}
			is.Store(false)
			_, _ = k.Current()
			time.Sleep(2 * time.Second)
			wantValue(t, k, f.cell, "old+1")
		})
	})
}

func TestCommit(t *testing.T) {
	// meanwhile runs a refresh in which something happens before the commit.
	meanwhile := func(t *testing.T, do func(f *fake)) (*Keeper[string], *fake, error) {
		t.Helper()
		k, f := open(t, newCell())
		f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
			a := f.rotate(ctx, held, fence)
			do(f)
			return a
		}
		_, err := renew(k)
		return k, f, err
	}
	t.Run("on top of another's claim, which is left open", func(t *testing.T) {
		for name, theirs := range map[string]Claim{"standing": {ID: "theirs"}, "open": {ID: "theirs", Open: true}} {
			k, f, err := meanwhile(t, func(f *fake) { f.put("old", &theirs) })
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			wantValue(t, k, f.cell, "old+1")
			wantClaim(t, f.cell, "open")
		}
	})
	t.Run("on top of a new revision", func(t *testing.T) {
		k, f, err := meanwhile(t, func(f *fake) { f.put("old", f.get().Claim) })
		if err != nil {
			t.Error(err)
		}
		wantValue(t, k, f.cell, "old+1")
		wantClaim(t, f.cell, "none")
	})
	t.Run("not over what replaced the same", func(t *testing.T) {
		k, f, err := meanwhile(t, func(f *fake) { f.put("theirs", nil) })
		if err != nil {
			t.Error(err)
		}
		wantValue(t, k, f.cell, "theirs")
	})
	t.Run("P52 the entry is gone", func(t *testing.T) {
		k, f, err := meanwhile(t, func(f *fake) { f.remove(&Ending{Gone: true}) })
		wantEnding(t, err, true, false)
		if len(f.orphans) != 1 || f.orphans[0] != "old+1" || f.saw(Orphaned) != 1 {
			t.Errorf("orphans %q", f.orphans)
		}
		if _, ended := k.Current(); ended == nil {
			t.Error("it goes on")
		}
	})
	t.Run("P52 a logout in the same process", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				a := f.rotate(ctx, held, fence)
				time.Sleep(time.Second)
				return a
			}
			k.Start("old")
			synctest.Wait()
			if !k.End(errTrouble) || k.End(errTrouble) {
				t.Error("ended twice, or not at all")
			}
			f.remove(&Ending{Gone: true})
			if _, err := renew(k); !errors.Is(err, errTrouble) {
				t.Error(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if k.Idle(ctx) == nil {
				t.Error("idle in a refresh")
			}
			if err := k.Idle(t.Context()); err != nil || len(f.orphans) != 1 {
				t.Errorf("%v, orphans %q", err, f.orphans)
			}
		})
	})
	t.Run("P52 the entry goes while tokens are unsaved", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			down(f).Store(true)
			_, _ = renew(k)
			f.change(func() { f.onSwap = nil })
			f.remove(&Ending{Gone: true})
			wantEnding(t, k.Look(t.Context()), true, false)
			time.Sleep(10 * time.Second)
			if f.saw(Orphaned) != 1 || k.group.Stats().Unsaved != 0 {
				t.Errorf("%+v", k.group.Stats())
			}
		})
	})
}

func TestRegisterThatGoesBack(t *testing.T) {
	back := func(f *fake, value string, revision uint64) {
		f.lock.Lock()
		defer f.lock.Unlock()
		f.entry = Entry[string]{Value: value, Revision: revision}
	}
	t.Run("lost tokens are written again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			if _, err := renew(k); err != nil {
				t.Fatal(err)
			}
			back(f, "old", 1)
			if _, err := renew(k); err != nil {
				t.Error(err)
			}
			wantValue(t, k, f.cell, "old+1+2")
		})
	})
	t.Run("with a lost claim nothing is lost", func(t *testing.T) {
		k, f := open(t, newCell())
		f.exchange = f.says(Unspent, &after{0})
		for range 3 {
			_, _ = renew(k)
			k.pace.succeeded()
		}
		back(f, "theirs", 2) // went back to 1, and somebody has refreshed from there
		if _, err := renew(k); err != nil {
			t.Error(err)
		}
		wantValue(t, k, f.cell, "theirs")
	})
	t.Run("a slow read is no proof", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			read, goOn := f.get(), make(chan struct{})
			slow := &slowReader{fake: f, entry: read, goOn: goOn}
			k.party = slow
			done := make(chan error)
			go func() { done <- k.Look(context.Background()) }()
			synctest.Wait()
			slow.off.Store(true)
			if _, err := renew(k); err != nil {
				t.Error(err)
			}
			close(goOn)
			if err := <-done; err != nil || f.saw(Unsaved) != 0 {
				t.Errorf("%v, events %v", err, f.events)
			}
			wantValue(t, k, f.cell, "old+1")
		})
	})
}

// A slowReader returns what lay there when a read began.
type slowReader struct {
	*fake
	entry Entry[string]
	goOn  chan struct{}
	off   atomic.Bool
}

func (s *slowReader) Read(ctx context.Context) (Entry[string], error) {
	if s.off.Load() {
		return s.fake.Read(ctx)
	}
	<-s.goOn
	return s.entry, nil
}

package keeper

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestShutdown(t *testing.T) {
	t.Run("P73 waits for what is under way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				time.Sleep(3 * time.Second)
				return f.rotate(ctx, held, fence)
			}
			k.Start("old")
			synctest.Wait()
			if err := k.group.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			wantValue(t, k, f.cell, "old+1")
			if _, err := renew(k); !errors.Is(err, ErrStopped) || f.sent.Load() != 1 {
				t.Error(err)
			}
			if k.group.Go(func() {}) {
				t.Error("something begins after the end")
			}
			if err := k.group.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("P73 what has not claimed yet ends", func(t *testing.T) {
		for name, wait := range map[string]func(*fake){
			"watching":  func(f *fake) { left(f.cell) },
			"preparing": func(f *fake) { f.prepare = func() error { time.Sleep(time.Second); return nil } },
			"reading":   func(f *fake) { f.onRead = func(context.Context) error { time.Sleep(time.Second); return nil } },
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k, f := open(t, newCell())
					wait(f)
					done := make(chan error, 1)
					go func() { _, err := renew(k); done <- err }()
					time.Sleep(500 * time.Millisecond)
					began := time.Now()
					if err := k.group.Shutdown(t.Context()); err != nil || time.Since(began) > time.Second {
						t.Errorf("%v after %v", err, time.Since(began))
					}
					if err := <-done; !errors.Is(err, ErrStopped) || f.sent.Load() != 0 {
						t.Error(err)
					}
					if k.pace.err != nil {
						t.Error("that is not a failure")
					}
				})
			})
		}
	})
	t.Run("P73 a claim of one's own is let go", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
				_ = do()
				f.onSwap = nil
				go func() { _ = k.group.Shutdown(context.Background()) }()
				time.Sleep(time.Millisecond)
				return ErrConflict
			}
			f.prepare = nil
			if _, err := renew(k); !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		})
	})
	t.Run("P73 waits for unsaved tokens, and says what is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			is := down(f)
			_, _ = renew(k)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := k.group.Shutdown(ctx)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 sessions") {
				t.Error(err)
			}
			time.AfterFunc(time.Second, func() { is.Store(false) })
			if err := k.group.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			wantValue(t, k, f.cell, "old+1")
		})
	})
	t.Run("what runs beside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			g := newGroup(t, SystemClock(nil))
			ran := false
			g.Go(func() { time.Sleep(time.Second); ran = true })
			if err := g.Shutdown(t.Context()); err != nil || !ran {
				t.Error(err, ran)
			}
		})
	})
}

func TestTimes(t *testing.T) {
	for _, bad := range []Times{{Claim: time.Second}, {Send: time.Second}, {Write: -1}, {Retry: -1}} {
		if _, err := NewGroup(SystemClock(nil), bad, nil); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
	g, err := NewGroup(SystemClock(nil), Times{}, nil)
	if err != nil || g.retryAfter(errTrouble) != 0 {
		t.Error(err)
	}
}

func TestSystemClock(t *testing.T) {
	c := SystemClock(nil)
	if a, b := c.Wall(), c.Wall(); a.After(b.Add(time.Second)) || strings.Contains(a.String(), "m=") {
		t.Errorf("%v has a steady part", a)
	}
	for range 100 {
		if d := c.jitter(time.Second); d < time.Second/2 || d > time.Second {
			t.Errorf("jitter %v", d)
		}
	}
}

// An idle keeper is a part of an idle session, which may take 8 KB in all.
func TestIdleKeeperIsSmall(t *testing.T) {
	const n = 10000
	f := &fake{cell: newCell()}
	g := newGroup(t, SystemClock(nil))
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	goroutines := runtime.NumGoroutine()
	before := heap()
	all := make([]*Keeper[string], n)
	for i := range all {
		all[i] = New(g, Party[string](f), same, "old", 1)
		_, _ = all[i].Current()
	}
	if each := (heap() - before) / n; each > 512 {
		t.Errorf("%d bytes each", each)
	}
	if runtime.NumGoroutine() > goroutines {
		t.Error("goroutines")
	}
	runtime.KeepAlive(all)
}

func TestErrorsSayWhatTheyAre(t *testing.T) {
	for err, want := range map[error]string{
		&Ending{Gone: true}:            "keeper: the entry is gone",
		&Ending{Ambiguous: true}:       "keeper: the token was refused after an interrupted refresh",
		&Ending{Err: errTrouble}:       "keeper: the token was refused",
		&Postponed{Err: errTrouble}:    "trouble",
		&UnsavedError{Err: errTrouble}: "keeper: new tokens could not be stored: trouble",
	} {
		if err.Error() != want {
			t.Errorf("%q; want %q", err, want)
		}
	}
}

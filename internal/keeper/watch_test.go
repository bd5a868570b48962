package keeper

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// takeover is how long a watch takes with the times that are set by default.
const takeover = 25500 * time.Millisecond

// left leaves the claim of a process that is gone.
func left(c *cell) { c.put("old", &Claim{ID: "theirs"}) }

// renewAtLast renews again and again, and returns how long that took.
func renewAtLast(t *testing.T, k *Keeper[string]) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < 10*time.Minute {
		if _, err := renew(k); err == nil {
			return time.Since(began)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("never renewed")
	return 0
}

func TestTakeover(t *testing.T) {
	// renewsAfter renews over a claim that was left, and checks how long it took.
	renewsAfter := func(t *testing.T, k *Keeper[string], from, to time.Duration) {
		t.Helper()
		if d := renewAtLast(t, k); d < from || d > to {
			t.Errorf("after %v; want %v to %v", d, from, to)
		}
	}
	const soon = takeover + time.Second
	t.Run("P117 after a claim's life", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			renewsAfter(t, k, takeover, soon)
			if f.saw(TookOver) != 1 || f.saw(Knocked) < 4 || f.saw(Knocked) > 5 || k.group.Stats().Takeovers != 1 {
				t.Errorf("events %v", f.events)
			}
			wantClaim(t, f.cell, "none")
		})
	})
	t.Run("P117 the caller leaves, the watch goes on", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = k.Renew(ctx, "old")
			time.Sleep(soon)
			wantValue(t, k, f.cell, "old+1")
		})
	})
	t.Run("P117 a failed read begins it anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			began := time.Now()
			f.onRead = func(context.Context) error {
				if d := time.Since(began); d > 15*time.Second && d < 16*time.Second {
					return errTrouble
				}
				return nil
			}
			renewsAfter(t, k, 15*time.Second+takeover, 19*time.Second+soon)
		})
	})
	t.Run("P117 a gap begins it anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			began := time.Now()
			f.onRead = func(context.Context) error {
				if d := time.Since(began); d > 15*time.Second && d < 16*time.Second {
					time.Sleep(3 * time.Second)
				}
				return nil
			}
			renewsAfter(t, k, 17*time.Second+takeover, 20*time.Second+soon)
		})
	})
	t.Run("P117 another claim begins it anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			time.AfterFunc(15*time.Second, func() { f.put("old", &Claim{ID: "another"}) })
			renewsAfter(t, k, 15*time.Second+takeover, 15*time.Second+soon)
		})
	})
	t.Run("P117 a new revision does not", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			time.AfterFunc(15*time.Second, func() { f.put("old", &Claim{ID: "theirs"}) })
			renewsAfter(t, k, takeover, soon)
		})
	})
	t.Run("P114 a mark that cannot be written begins it anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			began := time.Now()
			f.onSwap = func(_ context.Context, _ Entry[string], do func() error) error {
				if time.Since(began) < 20*time.Second {
					return errTrouble
				}
				return do()
			}
			renewsAfter(t, k, 16*time.Second+takeover, 24*time.Second+soon)
		})
	})
	t.Run("P114 a mark from before the watch proves nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.put("old", &Claim{ID: "theirs", Knocks: 1})
			renewsAfter(t, k, takeover, soon)
		})
	})
	t.Run("P114 the marks of another watcher will do", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			for i := range 14 {
				time.AfterFunc(time.Duration(i+5)*1500*time.Millisecond, func() { f.put("old", &Claim{ID: "theirs", Knocks: 1 + i}) })
			}
			renewsAfter(t, k, 20*time.Second, 21*time.Second) // 9 s after the first of them, and its own life
			if f.saw(Knocked) != 0 {
				t.Error("a mark more than needed")
			}
		})
	})
	t.Run("P114 the register stops once more behind a mark", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			began := time.Now()
			f.onSwap = func(_ context.Context, _ Entry[string], do func() error) error {
				if d := time.Since(began); d > 17*time.Second && d < 22*time.Second {
					return errTrouble
				}
				return do()
			}
			renewsAfter(t, k, 18*time.Second+takeover, 24*time.Second+soon)
		})
	})
	t.Run("P117 clocks that jump", func(t *testing.T) {
		for name, step := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var clock setClock
					f := &fake{cell: newCell()}
					k := New(newGroup(t, clock.Clock()), Party[string](f), same, "old", 1)
					left(f.cell)
					time.AfterFunc(10*time.Second, func() { clock.wall.Add(int64(step)) })
					// A jump forward looks like a gap. One back counts nothing.
					renewsAfter(t, k, takeover, 11*time.Second+soon)
				})
			})
		}
	})
	t.Run("P117 a machine that was suspended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var clock setClock
			f := &fake{cell: newCell()}
			k := New(newGroup(t, clock.Clock()), Party[string](f), same, "old", 1)
			left(f.cell)
			f.onRead = func(context.Context) error {
				time.Sleep(500 * time.Millisecond)
				clock.steady.Add(-int64(400 * time.Millisecond)) // again and again, for a moment
				return nil
			}
			renewsAfter(t, k, 40*time.Second, 2*time.Minute)
		})
	})
	t.Run("two watchers, one takes over", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCell()
			a, fa := open(t, c)
			b, fb := open(t, c)
			left(c)
			done := make(chan struct{})
			go func() { defer close(done); renewAtLast(t, a) }()
			renewAtLast(t, b)
			<-done
			if fa.sent.Load()+fb.sent.Load() != 1 {
				t.Errorf("sent %d and %d", fa.sent.Load(), fb.sent.Load())
			}
		})
	})
	t.Run("P114 the holder comes first when the register is back", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newCell()
			holder, fh := open(t, c)
			watcher, fw := open(t, c)
			var still atomic.Bool
			writes := func(_ context.Context, _ Entry[string], do func() error) error {
				if still.Load() {
					return errTrouble
				}
				return do()
			}
			fh.onSwap, fw.onSwap = writes, writes
			fh.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				a := fh.rotate(ctx, held, fence)
				time.Sleep(16 * time.Second) // the mark could be there by now
				still.Store(true)
				return a
			}
			time.AfterFunc(2*time.Minute, func() { still.Store(false) })
			time.AfterFunc(time.Second, func() { watcher.Start("old") })
			_, err := renew(holder)
			if _, ok := errors.AsType[*UnsavedError](err); !ok {
				t.Error(err)
			}
			renewAtLast(t, watcher)
			if fw.sent.Load() != 0 {
				t.Error("taken over while the holder had new tokens")
			}
			wantValue(t, watcher, c, "old+1")
		})
	})
}

func TestWatch(t *testing.T) {
	times := Times{}.withDefaults()
	base := moment{time.Unix(1e9, 0), 0}
	at := func(wall, steady time.Duration) moment { return moment{base.wall.Add(wall), base.steady + steady} }
	t.Run("P117 from the end of the first read to the beginning of the last", func(t *testing.T) {
		var w watch
		c := &Claim{ID: "c"}
		see := func(began, ended time.Duration) { w.see(c, at(began, began), at(ended, ended), times.gap()) }
		see(0, time.Second)
		for s := time.Second; s < 26*time.Second; s += time.Second {
			see(s+time.Second/2, s+time.Second)
			if s >= 17*time.Second {
				c = &Claim{ID: "c", Knocks: 1 + int(s/time.Second)}
			}
			// The first mark is seen at 18 s of the watch, by the end of a read, and 9 s have to pass.
			if w.over(times) {
				t.Fatalf("over at %v", s)
			}
		}
		for s := 26 * time.Second; s < 29*time.Second; s += time.Second {
			see(s+time.Second/2, s+time.Second)
			if want := s+time.Second/2-19*time.Second >= times.knock(); w.over(times) != want {
				t.Errorf("over at %v: %v", s, !want)
			}
		}
	})
	for name, tt := range map[string]struct {
		marks func(second int) bool
		over  int // the second in which it is over; 0: never
	}{
		"an unbroken row":      {func(s int) bool { return s >= 17 }, 26},
		"a hole in it":         {func(s int) bool { return s >= 17 && s < 20 || s >= 25 }, 34},
		"a row that has ended": {func(s int) bool { return s >= 17 && s < 20 }, 0},
		"one every 3 seconds":  {func(s int) bool { return s >= 17 && s%3 == 2 }, 26},
	} {
		t.Run("P114 "+name, func(t *testing.T) {
			var w watch
			c, over := &Claim{ID: "c"}, 0
			for s := range 60 {
				if tt.marks(s) {
					c.Knocks++
				}
				d := time.Duration(s) * time.Second
				if w.see(c, at(d, d), at(d, d), times.gap()); over == 0 && w.over(times) {
					over = s
				}
			}
			if over != tt.over {
				t.Errorf("over after %d s, want %d", over, tt.over)
			}
		})
	}
	t.Run("P117 the shorter time", func(t *testing.T) {
		var w watch
		c := &Claim{ID: "c"}
		for i := range 100 {
			d := time.Duration(i) * time.Second
			w.see(c, at(d, d/2), at(d, d/2), times.gap())
		}
		if w.stood != 99*time.Second/2 {
			t.Errorf("stood %v", w.stood)
		}
	})
}

func TestAncientClaims(t *testing.T) {
	for name, tt := range map[string]struct {
		at, now   time.Duration // by the server's clock
		wall      time.Duration // our own clock, against the server's
		noServer  bool
		undated   bool
		takesOver bool
	}{
		"over an hour ago":               {at: -time.Hour - 21*time.Second, takesOver: true},
		"almost an hour ago":             {at: -time.Hour - 19*time.Second},
		"ancient by our own clock alone": {at: -time.Minute, wall: 3 * time.Hour},
		"the server does not answer":     {at: -2 * time.Hour, noServer: true},
		"not dated":                      {undated: true},
	} {
		t.Run("P117 "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var clock setClock
				f := &fake{cell: newCell()}
				k := New(newGroup(t, clock.Clock()), Party[string](f), same, "old", 1)
				clock.wall.Store(int64(tt.wall))
				asked := 0
				f.server = func() (time.Time, error) {
					if asked++; tt.noServer {
						return time.Now().Add(tt.now), errTrouble
					}
					return time.Now().Add(tt.now), nil
				}
				c := &Claim{ID: "theirs"}
				if !tt.undated {
					c.At = time.Now().Add(tt.at)
				}
				f.put("old", c)
				d := renewAtLast(t, k)
				if tt.takesOver != (d < time.Second) || asked > 1 {
					t.Errorf("after %v, the server was asked %d times", d, asked)
				}
				if f.saw(TookOver) != 1 {
					t.Error("not taken over")
				}
			})
		})
	}
}

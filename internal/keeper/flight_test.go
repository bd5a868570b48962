package keeper

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneFlight(t *testing.T) {
	t.Run("P1 many goroutines, one request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.prepare = func() error { time.Sleep(time.Second); return nil }
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if asked, err := k.Renew(t.Context(), "old"); !asked || err != nil {
						t.Errorf("%v, %v", asked, err)
					}
				})
			}
			wg.Wait()
			wantValue(t, k, f.cell, "old+1")
			wantClaim(t, f.cell, "none")
		})
	})
	t.Run("P3 another process was faster", func(t *testing.T) {
		k, f := open(t, newCell())
		f.put("theirs", nil)
		if asked, err := renew(k); asked || err != nil || f.sent.Load() != 0 {
			t.Errorf("%v, %v, sent %d", asked, err, f.sent.Load())
		}
		wantValue(t, k, f.cell, "theirs")
		if asked, err := k.Renew(t.Context(), "old"); asked || err != nil || f.reads.Load() != 1 {
			t.Errorf("what is newer already: %v, %v", asked, err)
		}
	})
	t.Run("P7 a refresh that has brought the tokens is not taken for one that renews them", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, _ string, fence func(context.Context) error) Answer[string] {
				if err := fence(ctx); err != nil {
					t.Error(err)
				}
				f.exchange = nil
				f.put("theirs", nil)
				f.change(func() {
					f.onSwap = func(_ context.Context, _ Entry[string], do func() error) error { // of the mark
						time.Sleep(2 * time.Second)
						return do()
					}
				})
				return Answer[string]{Verdict: Ended, Err: errTrouble}
			}
			k.Start("old")
			time.Sleep(time.Second)
			f.change(func() { f.onSwap = nil })
			if asked, err := k.Renew(t.Context(), "theirs"); !asked || err != nil {
				t.Errorf("%v, %v", asked, err)
			}
			wantValue(t, k, f.cell, "theirs+1")
		})
	})
	t.Run("P107 of a hundred processes that wait one looks things up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			entry := newCell()
			var lookUps atomic.Int32
			var wg sync.WaitGroup
			for range 100 {
				k, f := open(t, entry)
				f.prepare = func() error { lookUps.Add(1); return nil }
				f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
					time.Sleep(5 * time.Second)
					return f.rotate(ctx, held, fence)
				}
				wg.Go(func() {
					if _, err := renew(k); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(10 * time.Millisecond) // those that begin in the same instant may both look
			}
			wg.Wait()
			if n := lookUps.Load(); n != 1 {
				t.Errorf("%d look-ups", n)
			}
		})
	})
	t.Run("P4 the caller leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				a := f.rotate(ctx, held, fence)
				time.Sleep(5 * time.Second)
				if ctx.Err() != nil {
					t.Error("the request has the caller's time")
				}
				return a
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := k.Renew(ctx, "old"); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			time.Sleep(5 * time.Second)
			wantValue(t, k, f.cell, "old+1")
		})
	})
	t.Run("Start waits for nothing", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.onRead = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			began := time.Now()
			k.Start("old")
			k.Start("old")
			if time.Since(began) != 0 {
				t.Error("it waited")
			}
			time.Sleep(10 * time.Second)
			if f.reads.Load() != 1 {
				t.Errorf("%d flights", f.reads.Load())
			}
		})
	})
	t.Run("nobody waits for longer than patience", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			began := time.Now()
			f.onRead = func(context.Context) error { // another claim every time
				if time.Since(began) > 2*time.Minute {
					return errTrouble
				}
				f.put("old", &Claim{ID: time.Now().String()})
				return nil
			}
			_, err := renew(k)
			if p, ok := errors.AsType[*Postponed](err); !ok || p.For <= 0 || !errors.Is(err, ErrBusy) || time.Since(began) > time.Minute {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			time.Sleep(2 * time.Minute)
		})
	})
}

func TestFence(t *testing.T) {
	t.Run("P116 nothing is sent late", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			slow := []time.Duration{12100 * time.Millisecond, 0}
			f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
				err := do()
				if e.Claim != nil && len(slow) > 0 {
					time.Sleep(slow[0]) // the process sleeps with its claim written
					slow = slow[1:]
				}
				return err
			}
			var left time.Duration
			written := time.Now()
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				a := f.rotate(ctx, held, fence)
				if a.Verdict == Fresh {
					left = 20*time.Second - time.Since(written)
				} else {
					written = time.Now() // a new claim comes at once
				}
				return a
			}
			if asked, err := renew(k); !asked || err != nil || left < 8*time.Second {
				t.Errorf("%v, %v, %v left", asked, err, left)
			}
		})
	})
	t.Run("P116 no clock saw the pause, but somebody waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
				f.change(func() { f.onSwap = nil })
				err := do()
				marked := *e.Claim
				marked.Knocks++
				f.put("old", &marked)
				return err
			}
			var refused error
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				f.exchange = nil
				a := f.rotate(ctx, held, fence)
				refused = a.Err
				return a
			}
			if asked, err := renew(k); !asked || err != nil || !errors.Is(refused, errLate) || f.sent.Load() != 1 {
				t.Errorf("%v, %v; the fence said %v; sent %d", asked, err, refused, f.sent.Load())
			}
			wantValue(t, k, f.cell, "old+1")
		})
	})
	t.Run("P116 the register's answer takes the time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				time.Sleep(11 * time.Second)
				f.onRead = func(context.Context) error { time.Sleep(2 * time.Second); return nil }
				defer func() { f.onRead, f.exchange = nil, nil }()
				if err := fence(ctx); !errors.Is(err, errLate) {
					t.Errorf("with 7 s left: %v", err)
				}
				return Answer[string]{Verdict: Unspent, Err: errLate}
			}
			if _, err := renew(k); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("P116 the second sending", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				if err := fence(ctx); err != nil {
					t.Error(err)
				}
				time.Sleep(13 * time.Second)
				reads := f.reads.Load()
				err := fence(ctx)
				if !errors.Is(err, errLate) || f.reads.Load() != reads {
					t.Errorf("with 7 s left: %v", err)
				}
				f.exchange = nil
				return Answer[string]{Verdict: Unspent, Err: err}
			}
			if asked, err := renew(k); !asked || err != nil {
				t.Error(asked, err)
			}
			wantValue(t, k, f.cell, "old+1")
		})
	})
	t.Run("the answer leaves time to write", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				began := time.Now()
				if err := fence(ctx); err != nil {
					t.Error(err)
				}
				<-ctx.Done()
				if d := time.Since(began); d != 16500*time.Millisecond {
					t.Errorf("the request had %v", d)
				}
				return Answer[string]{Err: ctx.Err()}
			}
			if _, err := renew(k); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			wantClaim(t, f.cell, "open")
		})
	})
	t.Run("P53 a process that slept sends nothing", func(t *testing.T) {
		for name, meanwhile := range map[string]func(*fake){
			"new tokens":    func(f *fake) { f.put("theirs", nil) },
			"another claim": func(f *fake) { f.put("old", &Claim{ID: "theirs"}); f.onRead = then(f, "theirs") },
			"no claim":      func(f *fake) { f.put("theirs", nil) },
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k, f := open(t, newCell())
					f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
						meanwhile(f)
						err := fence(ctx)
						if !errors.Is(err, errLost) {
							t.Errorf("fence: %v", err)
						}
						return Answer[string]{Verdict: Unspent, Err: err}
					}
					if asked, err := renew(k); asked || err != nil {
						t.Error(asked, err)
					}
					wantValue(t, k, f.cell, "theirs")
				})
			})
		}
	})
	t.Run("suspended: the longer time counts", func(t *testing.T) {
		for name, move := range map[string]func(c *setClock){
			"steady stands still": func(c *setClock) { c.steady.Add(-int64(13 * time.Second)) },
			"clock set back":      func(c *setClock) { c.wall.Add(-int64(time.Hour)) },
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var clock setClock
					f := &fake{cell: newCell()}
					k := New(newGroup(t, clock.Clock()), Party[string](f), same, "old", 1)
					f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
						time.Sleep(13 * time.Second)
						move(&clock)
						f.exchange = nil
						err := fence(ctx)
						if !errors.Is(err, errLate) {
							t.Errorf("fence: %v", err)
						}
						return Answer[string]{Verdict: Unspent, Err: err}
					}
					if _, err := renew(k); err != nil {
						t.Error(err)
					}
				})
			})
		}
	})
}

// then lets the claim of another stand for three reads, and stores tokens.
func then(f *fake, value string) func(context.Context) error {
	n := 0
	return func(context.Context) error {
		if n++; n == 4 {
			f.put(value, nil)
		}
		return nil
	}
}

func TestOwnClaims(t *testing.T) {
	// fails lets the first writes of a claim happen or not, and says that they failed.
	fails := func(f *fake, err error, happen ...bool) {
		f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
			if e.Claim == nil || e.Claim.Open || len(happen) == 0 {
				return do()
			}
			does := happen[0]
			happen = happen[1:]
			if does {
				if err := do(); err != nil {
					return err
				}
			}
			return err
		}
	}
	quickly := func(t *testing.T, k *Keeper[string]) {
		t.Helper()
		began := time.Now()
		for time.Since(began) < 10*time.Second {
			if _, err := renew(k); err == nil {
				return
			}
			time.Sleep(time.Second)
		}
		t.Error("it waits for a claim of its own")
	}
	t.Run("P75 written, and an error said", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			fails(f, errTrouble, true)
			quickly(t, k)
			wantValue(t, k, f.cell, "old+1")
		})
	})
	t.Run("P75 written, and a conflict said", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			fails(f, ErrConflict, true)
			if asked, err := renew(k); !asked || err != nil {
				t.Error(asked, err)
			}
			if f.swaps.Load() != 2 {
				t.Errorf("%d writes; the claim is there already", f.swaps.Load())
			}
		})
	})
	t.Run("a failed write over a claim of one's own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			fails(f, errTrouble, true, false, false)
			f.prepare = func() error { time.Sleep(13 * time.Second); return nil } // too late for the first
			began := time.Now()
			for range 4 {
				_, _ = renew(k)
				time.Sleep(5 * time.Second)
			}
			if d := time.Since(began); d > 4*19*time.Second || k.value != "old+1" {
				t.Errorf("%q after %v", k.value, d)
			}
		})
	})
	t.Run("one whose release is on the way is not used again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = f.says(Unspent, errTrouble)
			f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
				if e.Claim == nil {
					return errTrouble
				}
				return do()
			}
			if _, err := renew(k); !errors.Is(err, errTrouble) {
				t.Fatal(err)
			}
			first := f.get().Claim.ID
			f.onSwap = nil
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				if f.get().Claim.ID == first {
					t.Error("sent under a claim that may end at any time")
				}
				return f.rotate(ctx, held, fence)
			}
			time.Sleep(2 * time.Second)
			if _, err := renew(k); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("one that another has opened is not used", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			fails(f, errTrouble, true)
			_, _ = renew(k)
			claim := *f.get().Claim
			claim.Open = true
			f.put("old", &claim)
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				if c := f.get().Claim; c.ID == claim.ID || c.Open {
					t.Errorf("sent under %+v", c)
				}
				return f.says(Ended, errTrouble)(ctx, held, fence)
			}
			time.Sleep(2 * time.Second)
			_, err := renew(k)
			wantEnding(t, err, false, true)
		})
	})
	t.Run("a claim that is too slow is let go in the end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, _ string, fence func(context.Context) error) Answer[string] {
				time.Sleep(13 * time.Second)
				return Answer[string]{Verdict: Unspent, Err: fence(ctx)}
			}
			if _, err := renew(k); !errors.Is(err, ErrRegister) {
				t.Error(err)
			}
			wantClaim(t, f.cell, "none")
		})
	})
}

func TestRegisterThatLies(t *testing.T) {
	t.Run("P75 conflicts for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.onSwap = func(context.Context, Entry[string], func() error) error {
				if f.swaps.Load() > 100 {
					return errTrouble
				}
				return ErrConflict
			}
			if _, err := renew(k); !errors.Is(err, ErrRegister) || f.swaps.Load() > 50 {
				t.Errorf("%v after %d writes", err, f.swaps.Load())
			}
		})
	})
	t.Run("P75 conflicts for ever when new tokens come", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
				if e.Value == "old" {
					return do()
				}
				return ErrConflict
			}
			if _, err := renew(k); !errors.Is(err, ErrRegister) || f.swaps.Load() > 50 {
				t.Errorf("%v after %d writes", err, f.swaps.Load())
			}
			f.change(func() { f.onSwap = nil })
			time.Sleep(5 * time.Second)
			wantValue(t, k, f.cell, "old+1")
		})
	})
	t.Run("P75 the commit happened, and a conflict was said", func(t *testing.T) {
		k, f := open(t, newCell())
		f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
			if err := do(); err != nil || e.Value == "old" {
				return err
			}
			return ErrConflict
		}
		if _, err := renew(k); err != nil || k.group.Stats().Refreshes != 1 || f.saw(Adopted) != 0 {
			t.Errorf("%v, %+v", err, k.group.Stats())
		}
		wantValue(t, k, f.cell, "old+1")
	})
	t.Run("P75 everything panics", func(t *testing.T) {
		for name, break_ := range map[string]func(*fake){
			"read":    func(f *fake) { f.onRead = func(context.Context) error { panic("read") } },
			"swap":    func(f *fake) { f.onSwap = func(context.Context, Entry[string], func() error) error { panic("swap") } },
			"prepare": func(f *fake) { f.prepare = func() error { panic("prepare") } },
			"exchange": func(f *fake) {
				f.exchange = func(context.Context, string, func(context.Context) error) Answer[string] { panic("exchange") }
			},
			"commit": func(f *fake) {
				f.onSwap = func(_ context.Context, e Entry[string], do func() error) error {
					if e.Value != "old" {
						panic("commit")
					}
					return do()
				}
			},
			"orphan": func(f *fake) {
				f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
					a := f.rotate(ctx, held, fence)
					f.remove(&Ending{Gone: true})
					return a
				}
				f.orphan = func(string) { panic("orphan") }
			},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k, f := open(t, newCell())
					break_(f)
					_, err := renew(k)
					if _, over := errors.AsType[*Ending](err); !errors.Is(err, ErrRegister) && !over {
						t.Errorf("%v", err)
					}
					time.Sleep(2 * time.Second)
					_ = k.Look(t.Context()) // in the caller's goroutine
					_, _ = renew(k)
					f.change(func() { f.onRead, f.onSwap, f.prepare, f.exchange, f.orphan = nil, nil, nil, nil, nil })
					time.Sleep(time.Minute)
					if _, err := renew(k); (err == nil) == (name == "orphan") {
						t.Error(err)
					}
				})
			})
		}
	})
	t.Run("P75 it hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.onRead = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			began := time.Now()
			if _, err := renew(k); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 4*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		})
	})
}

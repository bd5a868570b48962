package keeper

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutcomes(t *testing.T) {
	t.Run("P62 P119 what nobody knows leaves the claim open", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = f.says(Unknown, errTrouble)
			if asked, err := renew(k); !asked || !errors.Is(err, errTrouble) {
				t.Error(asked, err)
			}
			wantClaim(t, f.cell, "open")
			time.Sleep(time.Minute)
			other, fo := open(t, &cell{entry: f.get()})
			f.exchange, fo.exchange = f.says(Ended, errTrouble), fo.says(Ended, errTrouble)
			for of, k := range map[*fake]*Keeper[string]{f: k, fo: other} {
				began := time.Now()
				_, err := renew(k)
				wantEnding(t, err, false, true)
				if !errors.Is(err, errTrouble) || time.Since(began) > time.Second || of.gone == nil || !of.gone.Ambiguous {
					t.Errorf("%v after %v, dropped because %v", err, time.Since(began), of.gone)
				}
			}
		})
	})
	t.Run("what is proved drops it", func(t *testing.T) {
		k, f := open(t, newCell())
		f.exchange = f.says(Unspent, errTrouble)
		if _, err := renew(k); !errors.Is(err, errTrouble) {
			t.Error(err)
		}
		wantClaim(t, f.cell, "none")
		if k.group.Stats().Failures != 1 {
			t.Errorf("%+v", k.group.Stats())
		}
	})
	t.Run("P119 but not what was open before", func(t *testing.T) {
		k, f := open(t, newCell())
		f.put("old", &Claim{ID: "theirs", Open: true})
		f.exchange = f.says(Unspent, errTrouble)
		_, _ = renew(k)
		wantClaim(t, f.cell, "open")
	})
	t.Run("P10 refused, and nothing was open", func(t *testing.T) {
		k, f := open(t, newCell())
		f.exchange = f.says(Ended, errTrouble)
		_, err := renew(k)
		wantEnding(t, err, false, false)
		if _, again := k.Current(); again != err || f.gone == nil || f.saw(Over) != 1 || k.group.Stats().Endings != 1 {
			t.Errorf("%v, dropped because %v", again, f.gone)
		}
		if _, again := renew(k); again != err || f.sent.Load() != 1 {
			t.Error("asked once more")
		}
	})
	t.Run("P119 refused after a takeover", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			left(f.cell)
			f.exchange = f.says(Ended, errTrouble)
			_, err := renew(k)
			wantEnding(t, err, false, true)
		})
	})
	t.Run("P10 refused, and the conclusion fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				a := f.says(Ended, errTrouble)(ctx, held, fence)
				f.onRead = func(context.Context) error { return errTrouble }
				return a
			}
			if _, err := renew(k); err == nil || k.ended != nil {
				t.Error(err)
			}
			f.onRead = nil
			f.exchange = f.says(Ended, errTrouble)
			time.Sleep(2 * time.Second)
			_, err := renew(k)
			wantEnding(t, err, false, false)
		})
	})
	t.Run("P10 newer tokens come while it is concluded", func(t *testing.T) {
		k, f := open(t, newCell())
		f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
			a := f.says(Ended, errTrouble)(ctx, held, fence)
			f.put("theirs", nil)
			return a
		}
		if asked, err := renew(k); asked || err != nil {
			t.Error(asked, err)
		}
		wantValue(t, k, f.cell, "theirs")
		wantClaim(t, f.cell, "open") // what was sent may have ended it
	})
	t.Run("the entry goes meanwhile", func(t *testing.T) {
		k, f := open(t, newCell())
		f.remove(&Ending{Gone: true})
		_, err := renew(k)
		wantEnding(t, err, true, false)
	})
}

// A process that had lost its claim has sent all the same: it says so to who took it.
func TestReplayIsMarked(t *testing.T) {
	for name, verdict := range map[string]Verdict{"refused": Ended, "without an answer": Unknown} {
		t.Run("P119 "+name+", over a claim", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCell()
				sleeper, fs := open(t, c)
				taker, ft := open(t, c)
				asleep, awake := make(chan struct{}), make(chan struct{})
				fs.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
					a := fs.says(verdict, errTrouble)(ctx, held, fence)
					close(asleep)
					<-awake
					return a
				}
				ft.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
					a := ft.rotate(ctx, held, fence)
					close(awake)
					time.Sleep(2 * time.Second)
					return a
				}
				sleeper.Start("old")
				<-asleep
				if _, err := renew(taker); err != nil {
					t.Error(err)
				}
				wantClaim(t, c, "open")
				time.Sleep(time.Minute)
				wantValue(t, taker, c, "old+1")
				if verdict == Ended {
					wantValue(t, sleeper, c, "old+1")
				}
				ft.exchange = ft.says(Ended, errTrouble)
				_, err := renew(taker)
				wantEnding(t, err, false, true)
			})
		})
		t.Run("P119 "+name+", before the other is refused", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCell()
				k, f := open(t, c)
				f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
					a := f.says(Ended, errTrouble)(ctx, held, fence)
					mine := *c.get().Claim
					mine.Replayed = true
					f.put("old", &mine)
					return a
				}
				_, err := renew(k)
				wantEnding(t, err, false, true)
			})
		})
	}
	t.Run("P119 a mark survives the fence, a release and a commit", func(t *testing.T) {
		for _, when := range []string{"before the fence", "after it"} {
			for verdict, claim := range map[Verdict]string{Unspent: "open", Fresh: "open", Unknown: "open"} {
				k, f := open(t, newCell())
				f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
					mark := func() {
						mine := *f.get().Claim
						mine.Replayed = true
						f.put("old", &mine)
					}
					if when == "before the fence" {
						mark()
					}
					a := f.says(verdict, errTrouble)(ctx, held, fence)
					if a.Value = "new"; when == "after it" {
						mark()
					}
					return a
				}
				_, _ = renew(k)
				wantClaim(t, f.cell, claim)
			}
		}
	})
	t.Run("P119 a marked claim of one's own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.onSwap = func(_ context.Context, e Entry[string], do func() error) error { _ = do(); return errTrouble }
			_, _ = renew(k)
			f.onSwap = nil
			mine := *f.get().Claim
			mine.Replayed = true
			f.put("old", &mine)
			f.exchange = f.says(Ended, errTrouble)
			time.Sleep(5 * time.Second)
			_, err := renew(k)
			wantEnding(t, err, false, true)
		})
	})
}

func TestRelease(t *testing.T) {
	t.Run("P74 on top of a new revision", func(t *testing.T) {
		for verdict, claim := range map[Verdict]string{Unspent: "none", Unknown: "open"} {
			k, f := open(t, newCell())
			f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
				a := f.says(verdict, errTrouble)(ctx, held, fence)
				f.put("old", f.get().Claim) // sealed anew
				return a
			}
			_, _ = renew(k)
			wantClaim(t, f.cell, claim)
		}
	})
	t.Run("not over the claim of another", func(t *testing.T) {
		k, f := open(t, newCell())
		f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
			a := f.says(Unspent, errTrouble)(ctx, held, fence)
			left(f.cell)
			return a
		}
		_, _ = renew(k)
		if c := f.get().Claim; c == nil || c.ID != "theirs" || c.Replayed {
			t.Errorf("%+v", c)
		}
	})
	t.Run("one that fails is not waited for", func(t *testing.T) {
		for verdict, ambiguous := range map[Verdict]bool{Unspent: false, Unknown: true} {
			synctest.Test(t, func(t *testing.T) {
				k, f := open(t, newCell())
				f.exchange = func(ctx context.Context, held string, fence func(context.Context) error) Answer[string] {
					a := f.says(verdict, errTrouble)(ctx, held, fence)
					f.onSwap = func(context.Context, Entry[string], func() error) error { return errTrouble }
					return a
				}
				_, _ = renew(k)
				wantClaim(t, f.cell, "standing")
				f.onSwap, f.exchange = nil, f.says(Ended, errTrouble)
				time.Sleep(2 * time.Second)
				began := time.Now()
				_, err := renew(k)
				wantEnding(t, err, false, ambiguous)
				if time.Since(began) > time.Second {
					t.Errorf("it waited for itself: %v", time.Since(began))
				}
			})
		}
	})
}

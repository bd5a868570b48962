package keeper

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	t.Run("P69 one attempt in a pause that grows", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = f.says(Unspent, errTrouble)
			var last time.Time
			var pauses []time.Duration
			for len(pauses) < 12 {
				before := f.sent.Load()
				_, err := renew(k)
				p, postponed := errors.AsType[*Postponed](err)
				if !errors.Is(err, errTrouble) || !postponed || p.For <= 0 || p.For > time.Minute {
					t.Fatalf("%v", err)
				}
				if f.sent.Load() > before {
					if !last.IsZero() {
						pauses = append(pauses, time.Since(last))
					}
					last = time.Now()
				}
				time.Sleep(50 * time.Millisecond)
			}
			grown := time.Second
			for i, p := range pauses {
				if p < grown/2 || p > grown+100*time.Millisecond {
					t.Errorf("pause %d: %v", i, p)
				}
				grown = min(2*grown, time.Minute)
			}
			if reads := int(f.reads.Load()); reads > 600 {
				t.Errorf("%d reads", reads)
			}
		})
	})
	t.Run("P69 Retry-After", func(t *testing.T) {
		for asked, want := range map[time.Duration]time.Duration{10 * time.Minute: 10 * time.Minute, 48 * time.Hour: time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				k, f := open(t, newCell())
				f.exchange = f.says(Unspent, &after{asked})
				_, _ = renew(k)
				_, err := renew(k)
				if p, ok := errors.AsType[*Postponed](err); !ok || p.For != want {
					t.Errorf("%v", err)
				}
				time.Sleep(want - time.Second)
				if _, err := renew(k); err == nil || f.sent.Load() != 1 {
					t.Errorf("%v: asked too early", err)
				}
				time.Sleep(time.Second)
				f.exchange = nil
				if _, err := renew(k); err != nil {
					t.Error(err)
				}
				if k.pace.left(k.group.clock.now()) != 0 || k.pace.failures != 0 {
					t.Error("a success does not end it")
				}
			})
		}
	})
	t.Run("P69 a register that fails has a pause of seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.onRead = func(context.Context) error { return errTrouble }
			for range 20 {
				_, _ = renew(k)
				if left := k.pace.left(k.group.clock.now()); left > 5*time.Second {
					t.Fatalf("%v", left)
				}
				time.Sleep(5 * time.Second)
			}
			if n := f.reads.Load(); n > 50 {
				t.Errorf("%d reads in 100 s", n)
			}
		})
	})
	t.Run("P69 another's tokens are adopted in a pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = f.says(Unspent, &after{time.Hour})
			_, _ = renew(k)
			f.put("theirs", nil)
			if _, err := renew(k); err == nil {
				t.Error("looked at once")
			}
			time.Sleep(time.Second)
			f.onRead = func(context.Context) error { return errTrouble }
			if _, err := renew(k); err == nil {
				t.Error("adopted blindly")
			}
			f.onRead = nil
			reads := f.reads.Load()
			time.Sleep(4 * time.Second)
			if _, err := renew(k); err == nil || f.reads.Load() != reads {
				t.Error("a register that failed a moment ago is asked")
			}
			time.Sleep(time.Second)
			if asked, err := renew(k); asked || err != nil {
				t.Errorf("%v, %v", asked, err)
			}
			wantValue(t, k, f.cell, "theirs")
		})
	})
	t.Run("the session ends in a pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k, f := open(t, newCell())
			f.exchange = f.says(Unspent, &after{time.Hour})
			_, _ = renew(k)
			f.remove(&Ending{Gone: true})
			time.Sleep(time.Second)
			_, err := renew(k)
			wantEnding(t, err, true, false)
		})
	})
	t.Run("P67 a pause is over when a machine wakes up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var clock setClock
			f := &fake{cell: newCell()}
			k := New(newGroup(t, clock.Clock()), Party[string](f), same, "old", 1)
			f.exchange = f.says(Unspent, &after{time.Hour})
			_, _ = renew(k)
			clock.steady.Add(-int64(2 * time.Hour)) // two hours, and the steady clock stood still
			time.Sleep(2 * time.Hour)
			f.exchange = nil
			if _, err := renew(k); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("a failure before the server is asked", func(t *testing.T) {
		k, f := open(t, newCell())
		f.prepare = func() error { return errTrouble }
		if asked, err := renew(k); asked || !errors.Is(err, errTrouble) || f.swaps.Load() != 0 {
			t.Errorf("%v, %v, %d writes", asked, err, f.swaps.Load())
		}
	})
}

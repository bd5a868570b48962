package oauth

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatch(t *testing.T) {
	t.Run("P84 what does not come in time ends the call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWatch(t.Context(), func() { t.Error("the browser is not late") })
			defer w.stop()
			w.expect(30 * time.Second)
			time.Sleep(29 * time.Second)
			w.expect(60 * time.Second)
			time.Sleep(59 * time.Second)
			synctest.Wait()
			if err := w.ctx.Err(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if !errors.Is(w.why(errors.New("x")), errLate) {
				t.Error(context.Cause(w.ctx))
			}
		})
	})
	t.Run("P84 a browser that stands still is cut off", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cut := false
			w := newWatch(t.Context(), func() { cut = true })
			defer w.stop()
			w.expectBrowser(60 * time.Second)
			time.Sleep(61 * time.Second)
			synctest.Wait()
			if !cut || w.ctx.Err() == nil {
				t.Errorf("cut: %t, %v", cut, w.ctx.Err())
			}
		})
	})
	t.Run("P84 while nothing is expected nothing ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWatch(t.Context(), func() { t.Error("nobody is late") })
			w.expect(time.Second)
			w.expectBrowser(time.Second)
			w.expect(0)
			time.Sleep(time.Hour)
			synctest.Wait()
			if err := w.ctx.Err(); err != nil {
				t.Error(err)
			}
			w.stop()
			if err := w.why(errors.New("x")); errors.Is(err, errLate) {
				t.Error(err)
			}
		})
	})
}

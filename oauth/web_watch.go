package oauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errLate: something did not arrive in time.
var errLate = errors.New("it did not arrive in time")

// A watch ends a context if a server does not send something in time. It cuts the connection to a
// browser that sends nothing or reads nothing.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	cut    func()

	mu    sync.Mutex
	timer *time.Timer
}

func newWatch(ctx context.Context, cut func()) *watch {
	w := &watch{cut: cut}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// expect ends the context after d, unless expect is called again before. With 0, nothing is
// expected.
func (w *watch) expect(d time.Duration) { w.after(d, func() { w.cancel(errLate) }) }

// expectBrowser is expect for something that the browser has to do.
func (w *watch) expectBrowser(d time.Duration) {
	w.after(d, func() {
		w.cancel(errLate)
		w.cut()
	})
}

func (w *watch) after(d time.Duration, late func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if d > 0 {
		w.timer = time.AfterFunc(d, late)
	}
}

// stop ends the context now.
func (w *watch) stop() {
	w.expect(0)
	w.cancel(nil)
}

// why returns err. It adds errLate if that is why the context ended.
func (w *watch) why(err error) error {
	if errors.Is(context.Cause(w.ctx), errLate) {
		return fmt.Errorf("%w: %w", errLate, err)
	}
	return err
}

package xrpc

import (
	"context"
	"os"
	"sync"
	"time"
)

// A timeoutError says that a time limit has passed. It is a net.Error, and errors.Is finds
// context.DeadlineExceeded.
type timeoutError struct{ text string }

// Error implements error.
func (e *timeoutError) Error() string { return e.text }

// Timeout returns true: see net.Error.
func (e *timeoutError) Timeout() bool { return true }

// Temporary returns true: see net.Error.
func (e *timeoutError) Temporary() bool { return true }

// Is reports whether target is an error of a deadline.
func (e *timeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == os.ErrDeadlineExceeded
}

// Causes of a call that took too long. errors.Is also finds each of them as
// context.DeadlineExceeded, and errors.As as a net.Error whose Timeout is true.
var (
	// ErrHeaderTimeout: no answer began within the time of WithHeaderTimeout.
	ErrHeaderTimeout error = &timeoutError{"xrpc: no answer in time"}
	// ErrIdle: no piece of a body arrived or was sent within the time of WithIdleTimeout.
	ErrIdle error = &timeoutError{"xrpc: the body stopped moving"}
	// ErrOutputTimeout: the output was not complete within the time of WithOutputTimeout.
	ErrOutputTimeout error = &timeoutError{"xrpc: the answer was not there in full in time"}
)

// A pace ends an attempt that makes no progress before its answer begins. While the body is being
// sent, the idle time counts. Before and after that, the header time counts (P83).
type pace struct {
	header, idle time.Duration
	cancel       context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	turn  int // a timer of an earlier turn must do nothing
	over  bool
}

// start begins to wait for the answer.
func (p *pace) start() { p.wait(p.header, ErrHeaderTimeout) }

// watch returns the bodyWatch for this attempt. If progress is not nil, it is called with the
// number of bytes that were read.
func (p *pace) watch(progress func(sent int64)) bodyWatch {
	return bodyWatch{
		wanted: func() { p.wait(0, nil) }, // a slow source is not a slow server
		taken: func(sent int64) {
			p.wait(p.idle, ErrIdle)
			if progress != nil {
				progress(sent)
			}
		},
		ended: p.start,
	}
}

// wait ends the attempt with cause after d, unless something happens before. 0 means never.
func (p *pace) wait(d time.Duration, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.stop()
	if d <= 0 {
		return
	}
	turn := p.turn
	p.timer = time.AfterFunc(d, func() {
		p.mu.Lock()
		late := p.turn == turn
		p.mu.Unlock()
		if late {
			p.cancel(cause)
		}
	})
}

// end says that the answer has arrived, or never will.
func (p *pace) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.stop()
}

func (p *pace) stop() {
	p.turn++
	if p.timer != nil {
		p.timer.Stop()
	}
}

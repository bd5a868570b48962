package xrpc

import (
	"context"
	"os"
	"sync"
	"time"
)

// A timeoutError is a time that ran out. It is a net.Error, and context.DeadlineExceeded to
// errors.Is.
type timeoutError struct{ text string }

// Error implements error.
func (e *timeoutError) Error() string { return e.text }

// Timeout is true: see net.Error.
func (e *timeoutError) Timeout() bool { return true }

// Temporary is true: see net.Error.
func (e *timeoutError) Temporary() bool { return true }

// Is finds what deadlines are known as.
func (e *timeoutError) Is(target error) bool {
	return target == context.DeadlineExceeded || target == os.ErrDeadlineExceeded
}

// Causes of a call that took too long; each of them is also context.DeadlineExceeded to errors.Is, and a
// net.Error whose Timeout is true.
var (
	// ErrHeaderTimeout: no answer began within WithHeaderTimeout.
	ErrHeaderTimeout error = &timeoutError{"xrpc: no answer in time"}
	// ErrIdle: no piece of a body moved for WithIdleTimeout.
	ErrIdle error = &timeoutError{"xrpc: the body stopped moving"}
	// ErrOutputTimeout: the output was not there in full within WithOutputTimeout.
	ErrOutputTimeout error = &timeoutError{"xrpc: the answer was not there in full in time"}
)

// A pace ends an attempt that stands still until its answer begins: while a body is being taken the
// idle time counts, before it and behind it that of the header (P83).
type pace struct {
	header, idle time.Duration
	cancel       context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer
	turn  int // a timer of an earlier turn has nothing to say
	over  bool
}

// start begins to wait for the answer.
func (p *pace) start() { p.wait(p.header, ErrHeaderTimeout) }

// watch returns what a body has to tell: progress, if it is not nil, is told how much was taken.
func (p *pace) watch(progress func(sent int64)) bodyWatch {
	return bodyWatch{
		wanted: func() { p.wait(0, nil) }, // a source that is slow is not a server that is
		taken: func(sent int64) {
			p.wait(p.idle, ErrIdle)
			if progress != nil {
				progress(sent)
			}
		},
		ended: p.start,
	}
}

// wait ends the attempt with cause after d, unless something happens before. 0: never.
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

// end says that the answer is there, or never will be.
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

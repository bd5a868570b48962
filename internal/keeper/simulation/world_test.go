package simulation

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gimucco/atproto-go/internal/keeper"
)

// A world is one seed on its way.
type world struct {
	schedule
	start   time.Time
	running sync.WaitGroup

	mu              sync.Mutex
	slots           []*slot
	processes       []*process
	register        register
	server          server
	sendings        []*sending
	orphans         map[int]bool
	cuts            []cutRecord
	registerTrouble time.Duration // until when
	anyTrouble      time.Duration
	loggedOut       bool
	over            bool // no call begins any more
	closing         bool // no process starts any more
	tracing         bool
	names           map[string]string // of claims

	outcome
}

type cutRecord struct {
	slot *slot
	interval
}

// An outcome is what came of a seed.
type outcome struct {
	steps, calls, refreshes, takeovers int
	lost                               string // why the session was lost; "" if it lives
	breaches                           []breach
	trace                              []string
}

// add adds what another seed did.
func (o *outcome) add(other outcome) {
	o.steps += other.steps
	o.calls += other.calls
	o.refreshes += other.refreshes
	o.takeovers += other.takeovers
}

// A breach is a rule that was broken.
type breach struct{ rule, words string }

// The rest is called with w.mu held, but for now.

func (w *world) now() time.Duration { return time.Since(w.start) }

func (w *world) log(who, format string, args ...any) {
	w.steps++
	if w.tracing {
		w.trace = append(w.trace, fmt.Sprintf("%12.6f  %-12s %s", w.now().Seconds(), who, fmt.Sprintf(format, args...)))
	}
}

func (w *world) breach(rule, format string, args ...any) {
	w.log("BREACH", rule+": "+format, args...)
	w.breaches = append(w.breaches, breach{rule, fmt.Sprintf(format, args...)})
}

func (w *world) trouble(d time.Duration) { w.anyTrouble = max(w.anyTrouble, w.now()+d) }

func (w *world) isOver() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// run lives through a schedule, in a bubble of its own.
func run(t *testing.T, s schedule, tracing bool) (o outcome) {
	synctest.Test(t, func(*testing.T) {
		w := &world{schedule: s, start: time.Now(), tracing: tracing, orphans: make(map[int]bool), names: make(map[string]string)}
		w.server = server{living: make(map[int]bool), access: make(map[int]time.Duration), spent: make(map[int]*sending), spentAt: make(map[int]time.Duration)}
		w.register = register{claims: make(map[string]*claimRecord), stored: make(map[int]time.Duration)}
		first := w.issue()
		w.register.entry = keeper.Entry[tokens]{Value: first, Revision: 1}
		w.register.stored[first.gen] = 0
		for i := range s.processes {
			w.slots = append(w.slots, &slot{number: i, counts: make(map[stage]int), offset: s.offsets[i], jumped: -time.Hour})
			w.startProcess(w.slots[i])
		}
		for _, f := range s.faults {
			if f.stage == clockwork {
				time.AfterFunc(f.at, func() {
					w.mu.Lock()
					defer w.mu.Unlock()
					if p := w.slots[f.proc].now; p != nil {
						w.perform(p, f)
					}
				})
			}
		}
		time.Sleep(troubled)
		w.mu.Lock()
		w.faults = nil // nothing new
		w.mu.Unlock()
		time.Sleep(calm)
		w.finish()
		o = w.outcome
	})
	return o
}

// finish looks at what has become of the processes, and ends them.
func (w *world) finish() {
	w.mu.Lock()
	w.over, w.closing = true, true
	w.mu.Unlock()
	time.Sleep(10 * time.Second)
	for i, s := range w.slots {
		w.running.Go(func() { w.lastCall(s, i) })
	}
	time.Sleep(4 * time.Minute)
	w.mu.Lock()
	w.checkEnd()
	w.mu.Unlock()
	synctest.Wait()
	w.running.Wait()
}

// lastCall makes sure that a process works as the session does, and shuts it down.
func (w *world) lastCall(s *slot, number int) {
	w.mu.Lock()
	p := s.now
	w.mu.Unlock()
	if p == nil || p.keeper == nil {
		if p == nil || p.ended == nil {
			w.mu.Lock()
			w.breach("a process does not come back", "process %d", number)
			w.mu.Unlock()
		}
		return
	}
	worked := p.call(w.random(number, 99), false)
	w.mu.Lock()
	if !worked && !w.server.dead && !w.register.gone && p.ended == nil {
		w.breach("a living session does not work", "%v, long after all trouble", p)
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.group.Shutdown(ctx); err != nil {
		w.mu.Lock()
		w.breach("a process does not shut down", "%v: %v", p, err)
		w.mu.Unlock()
	}
}

package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/gimucco/atproto-go/internal/keeper"
)

// A slot is what stays of a process when it dies: its number, and its machine.
type slot struct {
	number   int
	now      *process // nil while there is none
	lives    int
	counts   map[stage]int
	offset   time.Duration // of the wall clock
	jumped   time.Duration // when it was last set
	cutUntil time.Duration // the register cannot be reached
	trouble  time.Duration // until when there was some
}

// A process is one life of a slot.
type process struct {
	world   *world
	slot    *slot
	life    int
	chance  *rand.Rand
	started time.Duration
	group   *keeper.Group
	keeper  *keeper.Keeper[tokens]

	dead       bool
	leaving    bool // Shutdown was called
	asleep     time.Duration
	stops      []interval // sleeps, and the end without end
	suspended  []interval
	hits       []time.Duration // when an operation of its own failed or hung
	savers     int
	quietUntil time.Duration // what the server asked for
	ended      error         // what its calls were told
}

type interval struct{ from, to time.Duration }

const forever = time.Duration(1 << 62)

func (p *process) String() string { return fmt.Sprintf("process %d.%d", p.slot.number, p.life) }

// take counts a stage and returns its fault. w.mu is held.
func (s *slot) take(w *world, p *process, at stage) (op fault) {
	n := s.counts[at]
	s.counts[at]++
	for _, f := range w.faults {
		if f.proc == s.number && f.stage == at && f.n == n {
			switch f.kind {
			case opFails, opLost, opLies, opHangs, nonce, refuses, breaks, answerGo, answerLag, slow:
				w.log(p.String(), "trouble: %s, %v", f.kind, f.d)
				op = f
				if at == beforeRead || at == beforeWrite {
					p.hits = append(p.hits, w.now())
				}
				w.trouble(f.d)
				s.trouble = max(s.trouble, w.now()+f.d)
			default:
				w.perform(p, f)
			}
		}
	}
	return op
}

// at is called where trouble may come.
func (p *process) at(s stage) fault {
	p.wake()
	p.world.mu.Lock()
	op := p.slot.take(p.world, p, s)
	p.world.mu.Unlock()
	p.wake()
	return op
}

// wake returns when the process is awake. In one that is dead nothing goes on.
func (p *process) wake() {
	w := p.world
	for {
		w.mu.Lock()
		dead, left := p.dead, p.asleep-w.now()
		w.mu.Unlock()
		if dead {
			runtime.Goexit()
		}
		if left <= 0 {
			return
		}
		time.Sleep(left)
	}
}

func (p *process) disturbed() {
	p.slot.trouble = max(p.slot.trouble, p.world.now())
	p.world.trouble(0)
}

// sleptWithin reports whether the process stood still, or died, in that time. w.mu is held.
func (p *process) sleptWithin(from, to time.Duration) bool {
	for _, i := range p.stops {
		if i.from <= to && i.to >= from {
			return true
		}
	}
	return false
}

func (p *process) clock() keeper.Clock {
	w := p.world
	return keeper.Clock{
		Wall: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.start.Add(w.now() + p.slot.offset).Round(0)
		},
		Steady: func() time.Duration {
			w.mu.Lock()
			defer w.mu.Unlock()
			t := w.now()
			for _, i := range p.suspended {
				t -= max(0, min(i.to, w.now())-i.from)
			}
			return t
		},
		Jitter: func(d time.Duration) time.Duration {
			w.mu.Lock()
			defer w.mu.Unlock()
			return d/2 + time.Duration(p.chance.Int64N(int64(d/2+1)))
		},
	}
}

// start begins a new life.
func (w *world) startProcess(s *slot) {
	w.mu.Lock()
	if s.now != nil || w.closing {
		w.mu.Unlock()
		return
	}
	s.lives++
	p := &process{world: w, slot: s, life: s.lives, started: w.now(), chance: w.random(s.number, s.lives, 0)}
	s.now = p
	w.processes = append(w.processes, p)
	w.log(p.String(), "starts")
	w.mu.Unlock()
	w.running.Go(p.live)
}

func (w *world) random(numbers ...int) *rand.Rand {
	var n uint64
	for _, i := range numbers {
		n = n<<16 | uint64(i)
	}
	return rand.New(rand.NewPCG(w.seed, n|1<<60))
}

func (p *process) live() {
	w := p.world
	var e keeper.Entry[tokens]
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		var err error
		e, err = p.Read(ctx)
		cancel()
		if err == nil {
			break
		}
		if errors.Is(err, keeper.ErrGone) {
			w.mu.Lock()
			p.ended = err
			w.mu.Unlock()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	group, err := keeper.NewGroup(p.clock(), keeper.Times{}, retryAfter)
	if err != nil {
		panic(err)
	}
	k := keeper.New(group, p, same, e.Value, e.Revision)
	w.mu.Lock()
	p.group, p.keeper = group, k
	w.mu.Unlock()
	for i := range w.goroutines {
		r := w.random(p.slot.number, p.life, 1+i)
		w.running.Go(func() {
			for !w.isOver() {
				time.Sleep(seconds(r, 0.05, 4))
				p.wake()
				p.call(r, w.deadlines && r.IntN(3) == 0)
			}
		})
	}
}

// call does what a session does with a call: it needs a living access token.
func (p *process) call(r *rand.Rand, hasty bool) (worked bool) {
	w := p.world
	ctx := context.Background()
	if hasty {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, seconds(r, 0.01, 6))
		defer cancel()
	}
	began, asked := w.now(), false
	for {
		v, ended := p.keeper.Current()
		if ended != nil {
			w.mu.Lock()
			p.ended = ended
			w.mu.Unlock()
			return false
		}
		if v.expires-w.now() < 3*time.Second && r.IntN(2) == 0 {
			p.keeper.Start(v)
		}
		time.Sleep(latency(r))
		p.wake()
		w.mu.Lock()
		isDown, works := w.now() < w.server.downUntil, w.works(v)
		w.mu.Unlock()
		switch {
		case isDown:
			return false
		case works:
			w.mu.Lock()
			w.calls++
			w.mu.Unlock()
			return true
		case asked:
			return w.failed(p, v, began, errors.New("401 with new tokens"))
		}
		from := w.now()
		a, err := p.keeper.Renew(ctx, v)
		w.mu.Lock()
		p.checkWait(from, ctx)
		w.mu.Unlock()
		p.wake()
		asked = a
		if err == nil {
			continue
		}
		if _, unsaved := errors.AsType[*keeper.UnsavedError](err); unsaved {
			if now, _ := p.keeper.Current(); !same(now, v) {
				continue
			}
		}
		if ctx.Err() != nil {
			return false
		}
		return w.failed(p, v, began, err)
	}
}

// perform makes trouble. w.mu is held.
func (w *world) perform(p *process, f fault) {
	w.log(p.String(), "trouble: %s, %v", f.kind, f.d)
	until := w.now() + f.d
	s := p.slot
	w.trouble(f.d)
	switch f.kind {
	case kill:
		p.die(f.d)
	case stop, suspend, paused:
		from := max(w.now(), p.asleep)
		p.asleep = max(p.asleep, until)
		p.stops = append(p.stops, interval{w.now(), p.asleep})
		if f.kind != stop && p.asleep > from {
			p.suspended = append(p.suspended, interval{from, p.asleep})
			if f.kind == paused {
				s.offset -= p.asleep - from
				s.jumped = w.now()
			}
		}
		s.trouble = max(s.trouble, until)
	case shutdown:
		p.leaving = true
		w.running.Go(func() { p.shutdown(f.d) })
	case jump:
		s.offset += f.d
		s.jumped = w.now()
		if f.d > 0 {
			p.quietUntil = 0 // a pause is over by the clock that says so first
		}
		s.trouble = max(s.trouble, w.now())
	case outage:
		w.register.downUntil = max(w.register.downUntil, until)
	case hanging:
		w.register.hangUntil = max(w.register.hangUntil, until)
	case readOnly:
		w.register.stillUntil = max(w.register.stillUntil, until)
	case stuck:
		w.register.stuckUntil = max(w.register.stuckUntil, until)
	case cutOff:
		s.cutUntil = max(s.cutUntil, until)
		s.trouble = max(s.trouble, until)
		w.cuts = append(w.cuts, cutRecord{s, interval{w.now(), until}})
	case reseal:
		w.register.entry.Revision++
	case down:
		w.server.downUntil = max(w.server.downUntil, until)
	case vanish:
		w.register.gone = true
	case revoke:
		w.end("revoked")
	case logout:
		w.running.Go(p.logout)
	}
	switch f.kind {
	case outage, hanging, readOnly, stuck:
		w.registerTrouble = max(w.registerTrouble, until)
	}
}

// die ends a process, and starts its successor after a while. w.mu is held.
func (p *process) die(pause time.Duration) {
	if p.dead {
		return
	}
	p.dead = true
	p.stops = append(p.stops, interval{p.world.now(), forever})
	p.gone(pause)
}

func (p *process) gone(pause time.Duration) {
	w := p.world
	p.slot.now = nil
	p.slot.trouble = max(p.slot.trouble, w.now()+pause)
	time.AfterFunc(pause, func() { w.startProcess(p.slot) })
}

func (p *process) shutdown(pause time.Duration) {
	w := p.world
	w.mu.Lock()
	group := p.group
	w.mu.Unlock()
	var err error
	if group != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		err = group.Shutdown(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log(p.String(), "is shut down: %v", err)
	switch {
	case p.dead:
	case err != nil:
		p.die(pause)
	default:
		p.dead = true
		p.gone(pause)
	}
}

var errLoggedOut = errors.New("logged out")

func (p *process) logout() {
	w := p.world
	w.mu.Lock()
	k := p.keeper
	w.loggedOut = true
	w.mu.Unlock()
	if k == nil {
		return
	}
	k.End(errLoggedOut)
	for range 5 {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		err := p.operate(ctx, true, func() error { w.register.gone = true; w.log(p.String(), "logs out"); return nil })
		cancel()
		if err == nil {
			break
		}
	}
	w.mu.Lock()
	if p.chance.IntN(2) == 0 {
		w.end("logout")
	}
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := k.Idle(ctx); err != nil && !p.isDead() {
		w.mu.Lock()
		w.breach("a refresh does not end", "%v after its logout: %v", p, err)
		w.mu.Unlock()
	}
}

func (p *process) isDead() bool {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	return p.dead
}

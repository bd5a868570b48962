package simulation

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A stage is a place in the work of a process where trouble can be put.
type stage string

const (
	beforeRead  stage = "before read"
	afterRead   stage = "after read"
	beforeWrite stage = "before write"
	afterWrite  stage = "after write"
	preparing   stage = "preparing"
	fenced      stage = "fence passed" // and nothing sent yet
	sent        stage = "request sent"
	answered    stage = "answer read"   // and nothing written yet
	arriving    stage = "at the server" // of faults of the server
	clockwork   stage = ""              // trouble that comes at a time
)

// A kind of trouble.
type kind string

const (
	kill      kind = "kill"           // SIGKILL; the process comes back after a while
	stop      kind = "stop"           // SIGSTOP, SIGCONT after a while
	suspend   kind = "suspend"        // likewise, and the steady clock stands still
	paused    kind = "machine paused" // likewise, and the wall clock as well
	shutdown  kind = "shut down"      // Shutdown, then a new process
	jump      kind = "clock jump"     // of the wall clock
	outage    kind = "register down"
	hanging   kind = "register hangs" // down, and every attempt takes all of its time
	readOnly  kind = "register takes no writes"
	stuck     kind = "register's writes hang"
	cutOff    kind = "register out of reach" // of one process
	opFails   kind = "operation fails"
	opLost    kind = "operation done, error said"
	opLies    kind = "write done, conflict said"
	opHangs   kind = "operation hangs" // and is done later, also if nobody waits for it any more
	reseal    kind = "entry sealed anew"
	down      kind = "server down"    // with Retry-After
	refuses   kind = "server refuses" // 429 with Retry-After: provably nothing done
	breaks    kind = "server breaks"  // 500, nothing done, which nobody can know
	answerGo  kind = "answer lost"
	answerLag kind = "answer late"
	slow      kind = "answer slow"  // in time, if nothing else takes time
	nonce     kind = "nonce wanted" // nothing done, send it once more
	logout    kind = "logout"
	revoke    kind = "revoked"
	vanish    kind = "entry vanishes" // no day has it: it breaks a rule, to try how that is told
)

// A fault is one trouble: at a time, or when a process comes to a stage for the n-th time.
type fault struct {
	kind  kind
	proc  int
	stage stage
	n     int
	at    time.Duration
	d     time.Duration
}

func (f fault) String() string {
	where := fmt.Sprintf("at %v", f.at)
	if f.stage != clockwork {
		where = fmt.Sprintf("%s %d", f.stage, f.n)
	}
	return fmt.Sprintf("process %d, %s: %s, %v", f.proc, where, f.kind, f.d)
}

// A schedule is what a seed means.
type schedule struct {
	seed       uint64
	processes  int
	goroutines int
	life       time.Duration // of an access token
	grace      time.Duration // in which the server forgives a spent token
	outlives   bool          // an access token lives on when there is a newer one
	dated      bool          // the server's clock is known
	deadlines  bool          // some callers do not wait
	offsets    []time.Duration
	faults     []fault
}

func (s schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d processes × %d goroutines, tokens live %v, grace %v, clocks %v\n",
		s.seed, s.processes, s.goroutines, s.life, s.grace, s.offsets)
	for _, f := range s.faults {
		fmt.Fprintf(&b, "  %v\n", f)
	}
	return b.String()
}

const (
	troubled = 150 * time.Second // in which faults come
	calm     = 150 * time.Second // in which everything has to recover
)

func seconds(r *rand.Rand, from, to float64) time.Duration {
	return time.Duration((from + r.Float64()*(to-from)) * float64(time.Second))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// newSchedule draws what happens.
func newSchedule(seed uint64) schedule {
	r := rand.New(rand.NewPCG(seed, 1))
	s := schedule{
		seed: seed, processes: 2 + r.IntN(3), goroutines: 1 + r.IntN(4),
		life: seconds(r, 12, 50), outlives: r.IntN(2) == 0, dated: r.IntN(2) == 0, deadlines: r.IntN(3) == 0,
	}
	if r.IntN(5) == 0 {
		s.grace = seconds(r, 5, 60)
	}
	for range s.processes {
		s.offsets = append(s.offsets, pick(r, 0, seconds(r, -3, 3), seconds(r, -600, 600), seconds(r, -400000, 400000)))
	}
	// A day has one character more often than all of them: what one trouble does alone is
	// seen best so.
	register := []func(*rand.Rand, int) fault{registerTrouble, registerTrouble, opTrouble, opTrouble, opTrouble, clockTrouble, resealTrouble, refusal}
	all := append([]func(*rand.Rand, int) fault{processTrouble, processTrouble, processTrouble, serverTrouble, serverTrouble, ending, cut}, register...)
	draw, n := all, 1+r.IntN(10)
	switch r.IntN(8) {
	case 0, 1, 2:
		draw = register
	case 3:
		draw = []func(*rand.Rand, int) fault{processTrouble, resealTrouble, clockTrouble}
	case 4:
		draw = []func(*rand.Rand, int) fault{serverTrouble, processTrouble}
	case 5:
		draw = []func(*rand.Rand, int) fault{processTrouble, registerTrouble, opTrouble}
	}
	for range n {
		s.faults = append(s.faults, pick(r, draw...)(r, s.processes))
	}
	if r.IntN(2) == 0 {
		s.faults = append(s.faults, bundle(r, s.processes)...)
	}
	return s
}

// bundle draws troubles that have to come together to do harm: around one request of one
// process.
func bundle(r *rand.Rand, processes int) []fault {
	p, n := r.IntN(processes), r.IntN(3)
	long := fault{proc: p, kind: slow, stage: arriving, n: n, d: pick(r, seconds(r, 13, 20), seconds(r, 1, 16))}
	others := func(f fault) (all []fault) {
		for q := range processes {
			if f.proc = q; q != p {
				all = append(all, f)
			}
		}
		return all
	}
	switch r.IntN(8) {
	case 0: // the answer comes at last, and cannot be written
		return []fault{long, {proc: p, kind: pick(r, readOnly, readOnly, outage, hanging), stage: answered, n: n, d: pick(r, seconds(r, 4, 13), seconds(r, 1, 60))}}
	case 2: // likewise, until a moment before somebody leaves a mark; and then not any more
		return append(others(fault{kind: readOnly, stage: afterWrite, d: pick(r, seconds(r, 28, 32), seconds(r, 15, 45))}),
			fault{proc: p, kind: pick(r, readOnly, stuck), stage: answered, d: seconds(r, 14.5, 17.5)})
	case 3: // likewise, and who left the mark sleeps until the register is back
		d := seconds(r, 8, 12)
		return append(append(others(fault{kind: outage, stage: afterWrite, d: d}), others(fault{kind: stop, stage: afterWrite, d: d + seconds(r, 0, 0.5)})...),
			fault{proc: p, kind: pick(r, readOnly, stuck), stage: answered, d: seconds(r, 14.5, 17.5)})
	case 5: // an attempt to write hangs until after somebody has left a mark
		return []fault{{proc: p, kind: stuck, stage: answered, n: n, d: seconds(r, 14.5, 16.7)}}
	case 6: // the answer comes in the last moment, and can be written when somebody takes over
		answer := pick(r, seconds(r, 12, 16.4), seconds(r, 16.4, 19.5))
		return []fault{{proc: p, kind: slow, stage: arriving, n: n, d: answer},
			{proc: p, kind: readOnly, stage: answered, n: n, d: pick(r, seconds(r, 19.5, 20.5), seconds(r, 25, 26)) - answer}}
	case 4: // a machine is paused with its claim written, and wakes while another is at it
		return append(others(fault{kind: slow, stage: arriving, d: seconds(r, 5, 16)}), fault{proc: p, kind: paused, stage: afterWrite, d: seconds(r, 26, 42)})
	case 1: // a refusal is not written down in time, and the next request takes its time
		write := r.IntN(2*n + 3)
		return []fault{
			{proc: p, kind: refuses, stage: arriving, n: n, d: seconds(r, 0, 2)},
			{proc: p, kind: pick(r, opHangs, opHangs, opLost, opFails), stage: beforeWrite, n: write, d: seconds(r, 3, 12)},
			{proc: p, kind: slow, stage: arriving, n: n + 1, d: seconds(r, 1, 9)},
		}
	}
	// The answer comes at last, and some attempts to write it fail.
	all := []fault{long}
	first := r.IntN(3*n + 3)
	for i := range 1 + r.IntN(4) {
		all = append(all, fault{proc: p, kind: pick(r, opFails, opHangs, opLost), stage: beforeWrite, n: first + i, d: seconds(r, 1, 12)})
	}
	return all
}

func processTrouble(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes)}
	f.kind = pick(r, kill, stop, suspend, paused, shutdown)
	switch f.kind {
	case kill:
		f.d = pick(r, seconds(r, 0.1, 2), seconds(r, 0.1, 40))
	case shutdown:
		f.at, f.d = seconds(r, 1, troubled.Seconds()), seconds(r, 0.1, 10)
		return f
	default:
		f.d = pick(r, seconds(r, 1, 15), seconds(r, 15, 60))
	}
	if r.IntN(6) == 0 {
		f.at = seconds(r, 1, troubled.Seconds())
		return f
	}
	f.stage = pick(r, beforeRead, afterRead, beforeWrite, afterWrite, preparing, fenced, sent, answered, fenced, sent, answered)
	f.n = occurrence(r, f.stage)
	return f
}

// occurrence draws when a stage is meant: reads are many, the rest is rare.
func occurrence(r *rand.Rand, s stage) int {
	switch s {
	case beforeRead, afterRead:
		return pick(r, r.IntN(12), r.IntN(120))
	case beforeWrite, afterWrite:
		return r.IntN(10)
	}
	return r.IntN(4)
}

func registerTrouble(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes), kind: pick(r, outage, hanging, readOnly, readOnly, stuck), d: pick(r, seconds(r, 0.2, 8), seconds(r, 8, 60))}
	if r.IntN(4) == 0 {
		f.at = seconds(r, 1, troubled.Seconds())
		return f
	}
	f.stage = pick(r, beforeRead, beforeWrite, fenced, sent, answered, answered, sent)
	f.n = occurrence(r, f.stage)
	return f
}

func opTrouble(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes), kind: pick(r, opFails, opLost, opHangs, opHangs), stage: pick(r, beforeRead, beforeWrite, beforeWrite, beforeWrite), d: pick(r, seconds(r, 0.1, 3), seconds(r, 3, 12))}
	if f.stage == beforeWrite && r.IntN(4) == 0 {
		f.kind = opLies
	}
	f.n = occurrence(r, f.stage)
	return f
}

func clockTrouble(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes), kind: jump, d: pick(r, seconds(r, -30, 30), seconds(r, -4000, 4000))}
	if r.IntN(2) == 0 {
		f.at = seconds(r, 1, troubled.Seconds())
		return f
	}
	f.stage = pick(r, beforeRead, afterRead, beforeWrite, afterWrite, fenced, sent, answered)
	f.n = occurrence(r, f.stage)
	return f
}

func resealTrouble(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes), kind: reseal, stage: pick(r, beforeRead, afterRead, afterRead, beforeWrite, afterWrite, sent, answered)}
	f.n = occurrence(r, f.stage)
	return f
}

// refusal is what a server says that did nothing, and proves it.
func refusal(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes), d: seconds(r, 0, 25)}
	if r.IntN(4) == 0 {
		f.kind, f.at = down, seconds(r, 1, troubled.Seconds())
		return f
	}
	f.kind, f.stage, f.n = pick(r, refuses, nonce, slow), arriving, r.IntN(4)
	if f.kind == slow {
		f.d = seconds(r, 1, 16)
	}
	return f
}

func serverTrouble(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes), kind: pick(r, breaks, answerGo, answerLag), stage: arriving, n: r.IntN(4), d: seconds(r, 1, 25)}
	if r.IntN(4) == 0 {
		return refusal(r, processes)
	}
	return f
}

func ending(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes), kind: pick(r, logout, logout, revoke), at: seconds(r, 1, troubled.Seconds())}
	if r.IntN(2) == 0 {
		f.stage = pick(r, beforeRead, beforeWrite, fenced, sent, answered)
		f.n = occurrence(r, f.stage)
	}
	return f
}

func cut(r *rand.Rand, processes int) fault {
	f := fault{proc: r.IntN(processes), kind: cutOff, stage: pick(r, fenced, sent, answered), n: r.IntN(4), d: seconds(r, 1, 60)}
	return f
}

package crash

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/longrun"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
)

var (
	runs   = flag.Int("n", 40, "how many processes are stopped")
	report = flag.String("report", "", "the file to write the report to")
	seed   = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the random times")
)

const (
	// What design and documentation promise: after that nobody waits for a claim that
	// was left behind.
	blocked = 30 * time.Second
	// Nobody takes over a claim that was left behind before it has stood still for its life.
	untouched = 20 * time.Second
	// A call that nothing blocks is done within this time, on a busy machine too.
	prompt = 10 * time.Second
	// Random times are spread over this span, in which a process refreshes several
	// times.
	randomSpan = 200 * time.Millisecond
	// What was sent over loopback to a store has been dealt with after that.
	arrival = 100 * time.Millisecond

	// Most of a run is waiting for a claim that was left behind. So many wait side by side, and
	// so many of them have a process that works.
	sideBySide = 48
	working    = 4
	// runLimit bounds a run: it waits for a claim once.
	runLimit = 3 * time.Minute
)

func TestMain(m *testing.M) { longrun.Main(m, child) }

// A run is one process that is stopped, and what becomes of its session.
type run struct {
	kind   string // of store
	signal syscall.Signal
	point  string        // or randomTime
	after  time.Duration // at a random time: when
}

func (r run) String() string {
	return fmt.Sprintf("%s, %s at %s", r.kind, signalNames[r.signal], r.point)
}

var signalNames = map[syscall.Signal]string{
	syscall.SIGKILL: "SIGKILL", syscall.SIGSTOP: "SIGSTOP", syscall.SIGTERM: "SIGTERM",
}

// Random times at which a process was killed are told apart afterwards, by what was claimed
// and what was sent.
const (
	randomTime      = "random time"
	randomNoClaim   = "random time, no claim in the record"
	randomUnsent    = "random time, claimed and not sent"
	randomAfterSent = "random time, sent and not committed"
)

// plan lists n runs: every point with every signal, each time on another store, twice or for
// two fifths of the runs; and random times for the rest, of which every third is a SIGTERM.
func plan(n int, random *rand.Rand) []run {
	var atPoints []run
	for _, p := range points {
		atPoints = append(atPoints, run{signal: syscall.SIGKILL, point: p}, run{signal: syscall.SIGTERM, point: p})
		if p != beforeClaim && p != recordWrote { // a pause there is none
			atPoints = append(atPoints, run{signal: syscall.SIGSTOP, point: p})
		}
	}
	rounds := max(2, n*2/5/len(atPoints))
	var all []run
	for round := range rounds {
		for i, r := range atPoints {
			r.kind = stores.Kinds[(i+round)%len(stores.Kinds)]
			all = append(all, r)
		}
	}
	for i := len(all); i < n; i++ {
		r := run{kind: stores.Kinds[i%len(stores.Kinds)], signal: syscall.SIGKILL, point: randomTime}
		if i%3 == 0 {
			r.signal = syscall.SIGTERM
		}
		r.after = time.Duration(random.Int64N(int64(randomSpan)))
		all = append(all, r)
	}
	return all[:n]
}

// mayEnd are the runs that may cost the session: between the rotation at the server and
// our commit, and a pause in that stretch during which another process refreshes. Nobody who
// is told to end, and may finish, is among them.
func (r run) mayEnd() bool {
	switch r.point {
	case requestSent, answerHeld, answerRead, randomAfterSent:
		return r.signal != syscall.SIGTERM
	}
	return false
}

// leavesClaim reports whether the next process finds a claim that it must not touch at first.
func (r run) leavesClaim() bool {
	switch r.point {
	case claimWritten, rechecked, requestSent, answerHeld, answerRead:
		return r.signal != syscall.SIGTERM
	}
	return false
}

// mayLeaveClaim is leavesClaim, and what nobody knows for certain.
func (r run) mayLeaveClaim() bool {
	return r.leavesClaim() || r.point == randomUnsent || r.point == randomAfterSent
}

// A verdict is what became of a session.
type verdict struct {
	run
	outcome string        // stillLoggedIn or the cause
	waited  time.Duration // by the process that went on
}

const stillLoggedIn = "still logged in"

func TestCrash(t *testing.T) {
	page := longrun.NewReport("Processes that die in a refresh", fmt.Sprintf("make crash N=%d", *runs))
	page.Seed = fmt.Sprint(*seed)
	page.Intro = `A process refreshes a session and is killed (SIGKILL) at a point of the refresh, or at a random time; or it is
stopped (SIGSTOP) there, sleeps past the end of its claim while another process goes on, and wakes up; or it is told to
end (SIGTERM) there, calls Client.Shutdown, and ends when that returns. Then another process takes the session over, by
watching the claim in real time. It has to find every record whole, and either to go on or to say "log in again" with the
cause. Only a kill or a pause between the rotation at the server and our commit may end a session, for the server does not
forgive a refresh token that comes twice; no SIGTERM may, and nobody waits after one. (At random times the process does
nothing but refresh, so these shares are of interrupted refreshes, not of stopped processes.)`
	t.Logf("seed %d", *seed)
	storages := make(map[string]*stores.Store)
	for _, kind := range stores.Kinds {
		s, err := stores.Create(t.Context(), kind, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Remove(context.Background()) })
		storages[kind] = s
	}

	all := plan(*runs, rand.New(rand.NewPCG(*seed, 0)))
	verdicts := make([]*verdict, len(all))
	waiting, busy := make(chan struct{}, sideBySide), make(chan struct{}, working)
	var done sync.WaitGroup
	for i, r := range all {
		waiting <- struct{}{}
		done.Go(func() {
			defer func() { <-waiting }()
			v, err := execute(t.Context(), busy, storages[r.kind], r)
			if err != nil {
				t.Errorf("%v: %v", r, err)
				return
			}
			verdicts[i] = v
		})
	}
	done.Wait()
	// Whatever lies in the storages can be listed and opened.
	b := scenario.StartSandbox(t)
	for kind, kept := range storages {
		if err := sound(t.Context(), b, kept); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	summarize(t, page, verdicts)
	t.Logf("\n%s", page)
	if err := page.Write(*report); err != nil {
		t.Error(err)
	}
}

// A process is a child, and what it says line by line.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	err   strings.Builder
}

func start(ctx context.Context, b scenario.Backend, kept *stores.Store, key oauth.SessionKey, task, point string) (*process, error) {
	cmd, err := longrun.Command(ctx, &longrun.Job{
		Environment: *b.Environment(), Location: kept.Location, Key: key, Task: task,
		Arguments: map[string]string{"point": point},
	})
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd}
	cmd.Stderr = &p.err
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return p, p.expect(saysReady)
}

// say returns the next line.
func (p *process) say() (string, error) {
	if !p.lines.Scan() {
		p.cmd.Wait()
		return "", fmt.Errorf("the process ended: %s", p.err.String())
	}
	return p.lines.Text(), nil
}

func (p *process) expect(word string) error {
	line, err := p.say()
	if err == nil && line != word {
		err = fmt.Errorf("the process said %q, not %q", line, word)
	}
	return err
}

// killed waits for the end of a process that was killed.
func (p *process) killed() error {
	io.Copy(io.Discard, readerOf(p.lines))
	err := p.cmd.Wait()
	failed, _ := errors.AsType[*exec.ExitError](err)
	if failed == nil || failed.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("the process was not killed, it ended with %v: %s", err, p.err.String())
	}
	return nil
}

// ended waits for the end of a process that was told to.
func (p *process) ended() error {
	if err := p.expect(saysEnded); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the process that was told to end: %w: %s", err, p.err.String())
	}
	return nil
}

// readerOf drains a scanner.
func readerOf(s *bufio.Scanner) io.Reader {
	for s.Scan() {
	}
	return strings.NewReader("")
}

// stopped waits until a process has stopped.
func (p *process) stopped(ctx context.Context) error {
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			return err
		}
		// The state comes behind the name, which is in parentheses.
		if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "T") {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// login makes a session of its own for a run.
func login(ctx context.Context, b scenario.Backend, kept *stores.Store) (oauth.SessionKey, error) {
	client, err := longrun.NewClient(b.Environment(), kept)
	if err != nil {
		return oauth.SessionKey{}, err
	}
	s, err := longrun.Login(ctx, b, client)
	if err != nil {
		return oauth.SessionKey{}, err
	}
	return s.Key(), nil
}

// execute is one run from its login to its verdict, at a server of its own. Its processes work
// while it is one of the busy.
func execute(ctx context.Context, busy chan struct{}, kept *stores.Store, r run) (*verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	busy <- struct{}{}
	rest := sync.OnceFunc(func() { <-busy })
	defer rest()
	b := scenario.NewSandbox()
	defer b.Close()
	key, err := login(ctx, b, kept)
	if err != nil {
		return nil, err
	}
	p, err := r.stop(ctx, b, kept, key)
	if p != nil {
		defer p.cmd.Process.Kill()
	}
	if err != nil {
		return nil, err
	}
	written := 0
	if r.point == randomTime {
		time.Sleep(arrival)
		if written, err = writes(ctx, kept, key); err != nil {
			return nil, err
		}
	}
	rest()
	next, err := newSuccessor(b, kept)
	if err != nil {
		return nil, err
	}
	v := &verdict{run: r}
	if v.outcome, v.waited, err = next.succeed(ctx, key); err != nil {
		return nil, err
	}
	if r.point == randomTime {
		// Only now, for what the process had sent has certainly reached the server.
		n, err := refreshes(ctx, b)
		if err != nil {
			return nil, err
		}
		if v.point, err = momentOfDeath(written, n-int(next.sent.Load())); err != nil {
			return nil, err
		}
		if r.signal == syscall.SIGTERM {
			if v.point != randomNoClaim {
				return nil, fmt.Errorf("%s, after a shutdown", v.point)
			}
			v.point = randomTime
		}
	}
	if r.signal == syscall.SIGSTOP {
		if err := v.wake(ctx, p, b, kept, key); err != nil {
			return nil, err
		}
	}
	return v, v.judge()
}

// stop starts the process of a run and sees to its end, or its sleep.
func (r run) stop(ctx context.Context, b scenario.Backend, kept *stores.Store, key oauth.SessionKey) (*process, error) {
	task := taskLoop
	if r.point != randomTime {
		for name, s := range signals {
			if s == r.signal {
				task = name
			}
		}
	}
	p, err := start(ctx, b, kept, key, task, r.point)
	if err != nil {
		return p, err
	}
	if r.point == randomTime {
		time.Sleep(r.after)
		err = p.cmd.Process.Signal(r.signal)
	} else {
		err = p.expect(saysReached)
	}
	if err != nil {
		return p, err
	}
	switch r.signal {
	case syscall.SIGKILL:
		err = p.killed()
	case syscall.SIGTERM:
		err = p.ended()
	default:
		err = p.stopped(ctx)
	}
	return p, err
}

// writes returns how often a session's record was written since the login.
func writes(ctx context.Context, kept *stores.Store, key oauth.SessionKey) (int, error) {
	r, err := kept.Get(ctx, store.RecordKey{Kind: store.RecordSession, DID: key.DID, ID: key.ID})
	if err != nil {
		return 0, err
	}
	return int(r.Revision) - 1, nil
}

// momentOfDeath tells at which moment of its refreshes a process died. Each of them
// writes the record twice, a claim and new tokens, and asks the server once in between. What
// whoever came next has written and sent (a mark on the claim, a claim of its own, a refresh) must
// not be in these counts.
func momentOfDeath(written, sent int) (string, error) {
	switch {
	case written%2 == 0 && sent == written/2:
		return randomNoClaim, nil
	case written%2 == 1 && sent == written/2:
		return randomUnsent, nil
	case written%2 == 1 && sent == written/2+1:
		return randomAfterSent, nil
	}
	return "", fmt.Errorf("the process sent %d refreshes, and wrote the record %d times", sent, written)
}

// refreshes counts what the server got.
func refreshes(ctx context.Context, b scenario.Backend) (int, error) {
	grants, err := b.TokenRequests(ctx)
	return grants["refresh_token"], err
}

// A successor is the process that comes afterwards.
type successor struct {
	client *oauth.Client
	sent   atomic.Int32 // requests to the token endpoint
}

func newSuccessor(b scenario.Backend, kept *stores.Store) (*successor, error) {
	next := new(successor)
	var err error
	next.client, err = longrun.NewClient(b.Environment(), kept, func(cfg *oauth.Config) {
		cfg.UnguardedTransport = countingTransport{cfg.UnguardedTransport, &next.sent}
	})
	return next, err
}

// A countingTransport counts requests to the token endpoint.
type countingTransport struct {
	http.RoundTripper
	n *atomic.Int32
}

func (c countingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if isTokenRequest(req) {
		c.n.Add(1)
	}
	return c.RoundTripper.RoundTrip(req)
}

// succeed refreshes and calls. It returns what became of the session, and how long that took.
func (s *successor) succeed(ctx context.Context, key oauth.SessionKey) (string, time.Duration, error) {
	started := time.Now()
	session, err := s.client.Resume(ctx, key)
	if err == nil {
		err = session.Refresh(ctx)
	}
	if err == nil {
		_, err = comatproto.NewClient(session).Server.GetSession(ctx)
	}
	waited := time.Since(started)
	switch {
	case err == nil:
		return stillLoggedIn, waited, nil
	case errors.Is(err, oauth.ErrAmbiguousRefresh):
		return "log in again: ambiguous refresh", waited, nil
	case errors.Is(err, oauth.ErrReauthRequired):
		return "", waited, fmt.Errorf("the session ended for another cause than the interrupted refresh: %w", err)
	}
	return "", waited, fmt.Errorf("neither logged in nor over: %w", err)
}

// wake lets a stopped process go on, whose claim another one has taken over, and sees that
// it does no harm.
func (v *verdict) wake(ctx context.Context, p *process, b scenario.Backend, kept *stores.Store, key oauth.SessionKey) error {
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	sleeper, err := p.say()
	if err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the process that woke up: %w: %s", err, p.err.String())
	}
	if v.outcome != stillLoggedIn {
		if sleeper == saysRenewed {
			return errors.New("the process that woke up goes on with a session that is over")
		}
		return nil
	}
	// The session is alive: it has to be so for everybody, and afterwards.
	if sleeper != saysRenewed {
		v.outcome = "log in again: after a pause, " + sleeper
		return nil
	}
	next, err := newSuccessor(b, kept)
	if err != nil {
		return err
	}
	again, waited, err := next.succeed(ctx, key)
	switch {
	case err != nil:
		return err
	case waited > prompt:
		return fmt.Errorf("blocked for %v by a process that woke up", waited)
	case again != stillLoggedIn:
		v.outcome = again + ", after a pause"
	}
	return nil
}

// judge tells whether the verdict is one that may be.
func (v *verdict) judge() error {
	limit := prompt
	if v.mayLeaveClaim() {
		limit += blocked
	}
	switch {
	case v.outcome != stillLoggedIn && !v.mayEnd():
		return fmt.Errorf("%s, and that must not be", v.outcome)
	case v.waited > limit:
		return fmt.Errorf("blocked for %v, the limit is %v", v.waited, limit)
	case v.leavesClaim() && v.waited < untouched:
		return fmt.Errorf("took a claim over after %v, before its life was over", v.waited)
	}
	return nil
}

// sound opens every session of a storage.
func sound(ctx context.Context, b scenario.Backend, kept *stores.Store) error {
	client, err := longrun.NewClient(b.Environment(), kept)
	if err != nil {
		return err
	}
	for key, err := range client.Sessions(ctx, "") {
		if err != nil {
			return err
		}
		if _, err := client.Resume(ctx, key); err != nil {
			return fmt.Errorf("a record is not whole: %w", err)
		}
	}
	return nil
}

// A row sums up what is alike.
type row struct {
	runs, alive, over int
	waited            time.Duration // the longest
}

func (r *row) add(v *verdict) {
	r.runs++
	if v.outcome == stillLoggedIn {
		r.alive++
	} else {
		r.over++
	}
	r.waited = max(r.waited, v.waited)
}

func (r *row) String() string {
	return fmt.Sprintf("%d | %d | %d | %.1f s", r.runs, r.alive, r.over, r.waited.Seconds())
}

// summarize writes the tables.
func summarize(t *testing.T, page *longrun.Report, verdicts []*verdict) {
	var all row
	byPoint, byStore := make(map[run]*row), make(map[string]*row)
	for _, v := range verdicts {
		if v == nil {
			continue // it has failed, and said so
		}
		point := run{signal: v.signal, point: v.point}
		if byPoint[point] == nil {
			byPoint[point] = new(row)
		}
		if byStore[v.kind] == nil {
			byStore[v.kind] = new(row)
		}
		all.add(v)
		byPoint[point].add(v)
		byStore[v.kind].add(v)
	}
	if all.runs == 0 {
		t.Fatal("nothing was run")
	}
	page.Printf("%d stops: %d sessions (%.1f %%) are still logged in, %d said \"log in again\" with the cause; no record was damaged.\n",
		all.runs, all.alive, 100*float64(all.alive)/float64(all.runs), all.over)
	page.Printf("The next process waited for %.1f s at most.\n\n", all.waited.Seconds())
	page.Printf("| signal | at | stops | still logged in | log in again | the next process waited, at most |\n|---|---|---|---|---|---|\n")
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTERM} {
		for _, point := range append(points, randomTime, randomNoClaim, randomUnsent, randomAfterSent) {
			if r := byPoint[run{signal: signal, point: point}]; r != nil {
				page.Printf("| %s | %s | %v |\n", signalNames[signal], point, r)
			}
		}
	}
	page.Printf("\n| store | stops | still logged in | log in again | the next process waited, at most |\n|---|---|---|---|---|\n")
	for _, kind := range stores.Kinds {
		if r := byStore[kind]; r != nil {
			page.Printf("| %s | %v |\n", kind, r)
		}
	}
}

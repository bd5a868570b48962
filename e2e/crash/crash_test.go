package crash

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/longrun"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
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
	// A call that nothing blocks is done within this time, on a busy machine too.
	prompt = 10 * time.Second
	// Random times are spread over this span, in which a process refreshes several
	// times.
	randomSpan = 60 * time.Millisecond
	// What was sent over loopback has been dealt with after that.
	arrival = 100 * time.Millisecond
)

func TestMain(m *testing.M) { longrun.Main(m, child) }

// A run is one process that is stopped, and what becomes of its session.
type run struct {
	kind  string // of store
	task  string
	point string // or randomTime
}

// Random times are told apart afterwards, by what was claimed and what was sent.
const (
	randomTime      = "random time"
	randomNoClaim   = "random time, no claim in the record"
	randomUnsent    = "random time, claimed and not sent"
	randomAfterSent = "random time, sent and not committed"
)

// plan lists the runs of one store: every point, the pauses, and random times for the
// rest.
func plan(kind string, n int) []run {
	var all []run
	for range max(1, n/50) {
		for _, point := range points {
			all = append(all, run{kind, taskKill, point})
		}
	}
	pauses := points[1:6] // a pause before or after them is none
	if n < 20 {
		at := slices.Index(stores.Kinds, kind)
		pauses = pauses[at : at+1]
	}
	for range max(1, n/50) {
		for _, point := range pauses {
			all = append(all, run{kind, taskStop, point})
		}
	}
	for len(all) < n {
		all = append(all, run{kind, taskLoop, randomTime})
	}
	return all
}

// mayEnd are the runs that may cost the session: between the rotation at the server and
// our commit, and a pause in that stretch during which another process refreshes.
func (r run) mayEnd() bool {
	switch r.point {
	case requestSent, answerHeld, answerRead, randomAfterSent:
		return true
	}
	return false
}

// A verdict is what became of a session.
type verdict struct {
	run
	outcome string        // "still logged in" or the cause
	waited  time.Duration // by the process that went on
	sleeper string        // what a process that woke up again said
}

func TestCrash(t *testing.T) {
	page := longrun.NewReport("Processes that die in a refresh", fmt.Sprintf("make crash N=%d", *runs))
	page.Seed = fmt.Sprint(*seed)
	page.Intro = `A process refreshes a session and is killed (SIGKILL) at a point of the refresh, or at a random time; or it is
stopped (SIGSTOP) there, sleeps past the end of its claim while another process goes on, and wakes up. Then another
process, half a minute later by its clock, takes the session over. It has to find every record whole, and either to go
on or to say "log in again" with the cause. Only a stop between the rotation at the server and our commit may end a
session, for the server does not forgive a refresh token that comes twice. (At random times the process does nothing but
refresh, so these shares are of interrupted refreshes, not of killed processes.)`
	t.Logf("seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	b := scenario.StartSandbox(t)
	storages := make(map[string]*stores.Store)
	for _, kind := range stores.Kinds {
		s, err := stores.Create(t.Context(), kind, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Remove(context.Background()) })
		storages[kind] = s
	}

	// In real time, and all stores at once: how long somebody is blocked. On a server of
	// their own, for the other one counts.
	unhurried := scenario.StartSandbox(t)
	var waits sync.WaitGroup
	blockedFor := make(map[string]time.Duration)
	var mu sync.Mutex
	for kind, store := range storages {
		waits.Go(func() {
			waited, err := realWait(t.Context(), unhurried, store)
			mu.Lock()
			defer mu.Unlock()
			blockedFor[kind] = waited
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if waited < blocked-15*time.Second || waited > blocked+prompt {
				t.Errorf("%s: a process waited %v for the claim of one that was killed, want up to %v", kind, waited, blocked)
			}
		})
	}

	var verdicts []verdict
	each := max(1, *runs/len(stores.Kinds))
	for _, kind := range stores.Kinds {
		for _, r := range plan(kind, each) {
			v, err := execute(t, b, storages[kind], r, time.Duration(random.Int64N(int64(randomSpan))))
			if err != nil {
				t.Errorf("%s, %s at %s: %v", kind, r.task, r.point, err)
				continue
			}
			verdicts = append(verdicts, *v)
		}
		// Whatever lies in the storage can be listed and opened.
		if err := sound(t.Context(), b, storages[kind]); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	waits.Wait()
	summarize(t, page, verdicts, blockedFor)
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

func start(ctx context.Context, b scenario.Backend, store *stores.Store, key oauth.SessionKey, task, point, clock string) (*process, error) {
	cmd, err := longrun.Command(ctx, &longrun.Job{
		Environment: *b.Environment(), Location: store.Location, Key: key, Task: task,
		Arguments: map[string]string{"point": point, "clock": clock},
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
	return p, p.expect("ready")
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
func login(ctx context.Context, b scenario.Backend, store *stores.Store) (oauth.SessionKey, error) {
	client, err := longrun.NewClient(b.Environment(), store)
	if err != nil {
		return oauth.SessionKey{}, err
	}
	s, err := longrun.Login(ctx, b, client)
	if err != nil {
		return oauth.SessionKey{}, err
	}
	return s.Key(), nil
}

// execute is one run from its login to its verdict.
func execute(t *testing.T, b scenario.Backend, store *stores.Store, r run, after time.Duration) (*verdict, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key, err := login(ctx, b, store)
	if err != nil {
		return nil, err
	}
	before, err := refreshes(ctx, b)
	if err != nil {
		return nil, err
	}
	clock := clock(filepath.Join(t.TempDir(), "clock"))
	p, err := start(ctx, b, store, key, r.task, r.point, string(clock))
	if err != nil {
		return nil, err
	}
	defer p.cmd.Process.Kill()
	switch r.task {
	case taskKill:
		if err := p.expect("reached"); err != nil {
			return nil, err
		}
		if err := p.killed(); err != nil {
			return nil, err
		}
	case taskLoop:
		time.Sleep(after)
		if err := p.cmd.Process.Kill(); err != nil {
			return nil, err
		}
		if err := p.killed(); err != nil {
			return nil, err
		}
	case taskStop:
		if err := p.expect("reached"); err != nil {
			return nil, err
		}
		if err := p.stopped(ctx); err != nil {
			return nil, err
		}
	}
	// Half a minute by the clock, and no time at all for what the process had sent: the
	// server has to get to it before the next one comes, as it would.
	time.Sleep(arrival)
	if r.task == taskLoop {
		if r.point, err = momentOfDeath(ctx, b, store, key, before); err != nil {
			return nil, err
		}
	}
	v := &verdict{run: r}
	if v.outcome, v.waited, err = succeed(ctx, b, store, key, blocked); err != nil {
		return nil, err
	}
	if r.task == taskStop {
		if err := v.wake(ctx, p, clock, b, store, key); err != nil {
			return nil, err
		}
	}
	return v, v.judge()
}

// momentOfDeath tells at which moment of its refreshes a process died. Each of them
// writes the record twice, a claim and new tokens, and asks the server once in between.
func momentOfDeath(ctx context.Context, b scenario.Backend, store *stores.Store, key oauth.SessionKey, before int) (string, error) {
	r, err := store.Get(ctx, oauth.RecordKey{Kind: oauth.RecordSession, DID: key.DID, ID: key.ID})
	if err != nil {
		return "", err
	}
	n, err := refreshes(ctx, b)
	if err != nil {
		return "", err
	}
	written, sent := int(r.Revision)-1, n-before // a login wrote the first revision
	switch {
	case written%2 == 0 && sent == written/2:
		return randomNoClaim, nil
	case written%2 == 1 && sent == written/2:
		return randomUnsent, nil
	case written%2 == 1 && sent == written/2+1:
		return randomAfterSent, nil
	}
	return "", fmt.Errorf("the server got %d refreshes, the record has revision %d", sent, r.Revision)
}

// refreshes counts what the server got.
func refreshes(ctx context.Context, b scenario.Backend) (int, error) {
	grants, err := b.TokenRequests(ctx)
	return grants["refresh_token"], err
}

// succeed is the process that comes afterwards: it refreshes and calls. It returns what
// became of the session, and how long that took.
func succeed(ctx context.Context, b scenario.Backend, store *stores.Store, key oauth.SessionKey, later time.Duration) (string, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, prompt)
	defer cancel()
	client, err := longrun.NewClient(b.Environment(), store, func(cfg *oauth.Config) {
		cfg.Clock = func() time.Time { return time.Now().Add(later) }
	})
	if err != nil {
		return "", 0, err
	}
	started := time.Now()
	s, err := client.Resume(ctx, key)
	if err == nil {
		err = s.Refresh(ctx)
	}
	if err == nil {
		_, err = comatproto.NewClient(s).Server.GetSession(ctx)
	}
	waited := time.Since(started)
	switch {
	case err == nil:
		return "still logged in", waited, nil
	case errors.Is(err, oauth.ErrAmbiguousRefresh):
		return "log in again: ambiguous refresh", waited, nil
	case errors.Is(err, oauth.ErrReauthRequired):
		return "", waited, fmt.Errorf("the session ended for another cause than the interrupted refresh: %w", err)
	}
	return "", waited, fmt.Errorf("neither logged in nor over: %w", err)
}

// wake lets a stopped process go on, half a minute later, and sees that it does no harm.
func (v *verdict) wake(ctx context.Context, p *process, clock clock, b scenario.Backend, store *stores.Store, key oauth.SessionKey) error {
	if err := clock.setAhead(blocked + time.Second); err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	var err error
	if v.sleeper, err = p.say(); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("the process that woke up: %w: %s", err, p.err.String())
	}
	if v.outcome != "still logged in" {
		if v.sleeper == "refreshed" {
			return errors.New("the process that woke up goes on with a session that is over")
		}
		return nil
	}
	// The session is alive: it has to be so for everybody, and afterwards.
	if v.sleeper != "refreshed" {
		v.outcome = "log in again: after a pause, " + v.sleeper
		return nil
	}
	again, _, err := succeed(ctx, b, store, key, blocked+time.Second)
	if err == nil && again != "still logged in" {
		v.outcome = again + ", after a pause"
	}
	return err
}

// judge tells whether the verdict is one that may be.
func (v *verdict) judge() error {
	if v.outcome != "still logged in" && !v.mayEnd() {
		return fmt.Errorf("%s, and nothing was rotated", v.outcome)
	}
	if v.waited > prompt {
		return fmt.Errorf("blocked for %v beyond the claim", v.waited)
	}
	return nil
}

// realWait kills a process whose claim is written, and measures how long another one,
// whose clock is right, waits for it.
func realWait(ctx context.Context, b scenario.Backend, store *stores.Store) (time.Duration, error) {
	key, err := login(ctx, b, store)
	if err != nil {
		return 0, err
	}
	p, err := start(ctx, b, store, key, taskKill, claimWritten, os.DevNull)
	if err != nil {
		return 0, err
	}
	if err := errors.Join(p.expect("reached"), p.killed()); err != nil {
		return 0, err
	}
	started := time.Now()
	next, err := start(ctx, b, store, key, taskWait, "", os.DevNull)
	if err != nil {
		return 0, err
	}
	err = next.expect("refreshed")
	waited := time.Since(started)
	return waited, errors.Join(err, next.cmd.Wait())
}

// sound opens every session of a storage.
func sound(ctx context.Context, b scenario.Backend, store *stores.Store) error {
	client, err := longrun.NewClient(b.Environment(), store)
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

// summarize writes the tables.
func summarize(t *testing.T, page *longrun.Report, verdicts []verdict, blockedFor map[string]time.Duration) {
	type row struct{ runs, alive, over int }
	byPoint := make(map[string]*row)
	var order []string
	byStore := make(map[string]*row)
	alive := 0
	var longest time.Duration
	for _, v := range verdicts {
		signal := "SIGKILL"
		if v.task == taskStop {
			signal = "SIGSTOP"
		}
		point := signal + " | " + v.point
		for _, into := range []struct {
			rows map[string]*row
			name string
		}{{byPoint, point}, {byStore, v.kind}} {
			if into.rows[into.name] == nil {
				into.rows[into.name] = new(row)
				if into.name == point {
					order = append(order, point)
				}
			}
			r := into.rows[into.name]
			r.runs++
			if v.outcome == "still logged in" {
				r.alive++
			} else {
				r.over++
			}
		}
		if v.outcome == "still logged in" {
			alive++
		}
		longest = max(longest, v.waited)
	}
	if len(verdicts) == 0 {
		t.Fatal("nothing was run")
	}
	page.Printf("%d stops: %d sessions (%.1f %%) are still logged in, %d said \"log in again\" with the cause; no record was damaged.\n",
		len(verdicts), alive, 100*float64(alive)/float64(len(verdicts)), len(verdicts)-alive)
	page.Printf("Once the claim was over, the next process took %v at most.\n\n", longest.Round(time.Millisecond))
	page.Printf("| signal | at | stops | still logged in | log in again |\n|---|---|---|---|---|\n")
	for _, point := range order {
		page.Printf("| %s | %d | %d | %d |\n", point, byPoint[point].runs, byPoint[point].alive, byPoint[point].over)
	}
	page.Printf("\n| store | stops | still logged in | log in again | in real time, the next process waited for the claim |\n|---|---|---|---|---|\n")
	for _, kind := range stores.Kinds {
		if r := byStore[kind]; r != nil {
			page.Printf("| %s | %d | %d | %d | %.1f s |\n", kind, r.runs, r.alive, r.over, blockedFor[kind].Seconds())
		}
	}
}

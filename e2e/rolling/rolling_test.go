package rolling

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os/exec"
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
	restarts = flag.Int("restarts", 3, "how often a process is restarted")
	report   = flag.String("report", "", "the file to write the report to")
)

const (
	processes = 3
	sessions  = 60
	// life is that of an access token: every session is refreshed all the time.
	life = 4 * time.Second
	// thinking is how long the server takes for a refresh, so that there are always some under way.
	thinking = 300 * time.Millisecond
	// settled is how long all processes run between two restarts.
	settled = 2 * time.Second
	// absence is how long the database is away.
	absence = 4 * time.Second
	// aftermath is how long after it a call may still fail by what it left behind: nothing is tried
	// before a pause of five seconds at most, and that is chosen at random around it.
	aftermath = 10 * time.Second
	// leftBehind is how long after it a call may still wait: for the claim of a process that could
	// not release it, because it ended while the database was away.
	leftBehind = 30 * time.Second
)

func TestMain(m *testing.M) { longrun.Main(m, child) }

// A process is one that runs now.
type process struct {
	cmd  *exec.Cmd
	says *json.Decoder
	err  strings.Builder
}

func start(job *longrun.Job) (*process, error) {
	cmd, err := longrun.Command(context.Background(), job)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: cmd}
	cmd.Stderr = &p.err
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.says = json.NewDecoder(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.says.Decode(new(string)); err != nil {
		cmd.Wait()
		return nil, fmt.Errorf("a process did not start: %w: %s", err, p.err.String())
	}
	return p, nil
}

// tell tells a process to end.
func (p *process) tell() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// end waits until a process has ended that was told to.
func (p *process) end() (*work, error) {
	done := new(work)
	err := p.says.Decode(done)
	if err := errors.Join(err, p.cmd.Wait()); err != nil {
		return nil, fmt.Errorf("a process did not end well: %w: %s", err, p.err.String())
	}
	if done.Shutdown != "" {
		return nil, fmt.Errorf("a process could not finish: %s", done.Shutdown)
	}
	return done, nil
}

// An outage is when the database was away.
type outage struct{ from, to time.Time }

// explains reports whether a call that failed had to.
func (o outage) explains(f *failure) bool {
	return f.Store && !f.Lost && f.Ended.After(o.from) && f.Began.Before(o.to.Add(aftermath))
}

// delays reports whether a call that began then may have had to wait.
func (o outage) delays(began time.Time) bool {
	return began.After(o.from.Add(-slow)) && began.Before(o.to.Add(leftBehind))
}

func TestRolling(t *testing.T) {
	ctx := t.Context()
	page := longrun.NewReport("A rolling restart", fmt.Sprintf("make rolling RESTARTS=%d", *restarts))
	page.Intro = fmt.Sprintf(`%d processes share one PostgreSQL, and call with %d sessions each, all the time. A token lives for %v, so that each
session is refreshed again and again, which takes the server %v. The processes are restarted in turn, by SIGTERM: each
finishes its calls, calls Client.Shutdown, and ends when that returns. The database is restarted once, and is away for %v
meanwhile, in which a process is told to end. No session may be lost, and no call may fail but those that the absence of the
database explains.`, processes, sessions, life, thinking, absence)

	database, err := newCluster(ctx)
	if database != nil {
		t.Cleanup(func() {
			if err := database.remove(); err != nil {
				t.Error(err)
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("POSTGRES", database.source()) // of the processes, too
	kept, err := stores.Create(ctx, "postgres", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	b := scenario.StartSandbox(t)
	if err := b.SetTokenLifetime(ctx, life); err != nil {
		t.Fatal(err)
	}
	keys := logins(t, b, kept)
	if err := b.Slow(ctx, "/oauth/token", thinking, math.MaxInt); err != nil {
		t.Fatal(err)
	}
	job := &longrun.Job{Environment: *b.Environment(), Location: kept.Location, Keys: keys}

	var running [processes]*process
	var all []*work
	begin := func(i int) {
		t.Helper()
		if running[i], err = start(job); err != nil {
			t.Fatal(err)
		}
		p := running[i]
		t.Cleanup(func() { p.cmd.Process.Kill() })
	}
	tell := func(i int) {
		t.Helper()
		if err := running[i].tell(); err != nil {
			t.Fatal(err)
		}
	}
	end := func(i int) {
		t.Helper()
		done, err := running[i].end()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, done)
	}
	for i := range processes {
		begin(i)
	}
	var away outage
	for n := range *restarts {
		time.Sleep(settled)
		i := n % processes
		if n != *restarts/2 {
			tell(i)
			end(i)
			begin(i)
			continue
		}
		away.from = time.Now()
		if err := database.stop(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(absence / 2)
		tell(i)
		time.Sleep(absence / 2)
		if err := database.start(ctx); err != nil {
			t.Fatal(err)
		}
		away.to = time.Now()
		end(i)
		begin(i)
	}
	time.Sleep(max(settled, time.Until(away.to.Add(aftermath+settled)))) // calls succeed again
	for i := range processes {
		tell(i)
	}
	for i := range processes {
		end(i)
	}
	summarize(t, page, b, away, all)
	survive(t, page, b, kept, keys)
	t.Logf("\n%s", page)
	if err := page.Write(*report); err != nil {
		t.Error(err)
	}
}

// logins makes the sessions.
func logins(t *testing.T, b scenario.Backend, kept *stores.Store) []oauth.SessionKey {
	client, err := longrun.NewClient(b.Environment(), kept)
	if err != nil {
		t.Fatal(err)
	}
	var keys []oauth.SessionKey
	for range sessions {
		s, err := longrun.Login(t.Context(), b, client)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, s.Key())
	}
	return keys
}

// summarize judges what the processes did.
func summarize(t *testing.T, page *longrun.Report, b scenario.Backend, away outage, all []*work) {
	var sum work
	explained := 0
	messages := make(map[string]int) // of what was explained
	for _, w := range all {
		sum.Calls += w.Calls
		sum.Longest = max(sum.Longest, w.Longest)
		sum.Stats.Refreshes += w.Stats.Refreshes
		sum.Stats.Adoptions += w.Stats.Adoptions
		sum.Stats.Takeovers += w.Stats.Takeovers
		sum.Stats.Unsaved += w.Stats.Unsaved
		sum.Stats.Endings += w.Stats.Endings
		for _, f := range w.Failures {
			if away.explains(&f) {
				explained++
				messages[f.Message]++
				continue
			}
			t.Errorf("a call failed for %v, %v after the database had gone: %s", f.Ended.Sub(f.Began), f.Ended.Sub(away.from), f.Message)
		}
		for _, began := range w.Slow {
			if !away.delays(began) {
				t.Errorf("a call took longer than %v; it began %v after the database had gone", slow, began.Sub(away.from))
			}
		}
	}
	if sum.Stats.Unsaved > 0 || sum.Stats.Endings > 0 {
		t.Errorf("tokens of %d sessions were not stored, %d sessions were over", sum.Stats.Unsaved, sum.Stats.Endings)
	}
	grants, err := b.TokenRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sum.Stats.Refreshes < sessions {
		t.Errorf("%d refreshes: the sessions were not used", sum.Stats.Refreshes)
	}
	for message, n := range messages {
		t.Logf("%d × %s", n, message)
	}
	page.Printf("| | |\n|---|---|\n")
	page.Printf("| restarts of a process | %d |\n", *restarts)
	page.Printf("| calls | %d, the longest took %.1f s |\n", sum.Calls, sum.Longest.Seconds())
	page.Printf("| calls that failed because the database was away (for %.1f s) | %d |\n", away.to.Sub(away.from).Seconds(), explained)
	page.Printf("| refreshes | %d, by %d requests to the server |\n", sum.Stats.Refreshes, grants["refresh_token"])
	page.Printf("| new tokens that another process had got | %d |\n", sum.Stats.Adoptions)
	page.Printf("| claims taken over | %d |\n", sum.Stats.Takeovers)
}

// survive refreshes every session once more. Nobody runs any more, so nobody is waited for.
func survive(t *testing.T, page *longrun.Report, b scenario.Backend, kept *stores.Store, keys []oauth.SessionKey) {
	client, err := longrun.NewClient(b.Environment(), kept)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), callLimit)
	defer cancel()
	var mu sync.Mutex
	alive := 0
	var each sync.WaitGroup
	for _, key := range keys {
		each.Go(func() {
			started := time.Now()
			s, err := client.Resume(ctx, key)
			if err == nil {
				err = s.Refresh(ctx)
			}
			if err == nil {
				_, err = comatproto.NewClient(s).Server.GetSession(ctx)
			}
			mu.Lock()
			defer mu.Unlock()
			switch waited := time.Since(started); {
			case err != nil:
				t.Errorf("a session was lost: %v", err)
			case waited > slow:
				t.Errorf("a session had to wait for %v after all", waited)
			default:
				alive++
			}
		})
	}
	each.Wait()
	page.Printf("| sessions that are still logged in | %d of %d |\n", alive, len(keys))
}

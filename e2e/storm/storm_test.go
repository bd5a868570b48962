// Package storm lets four processes with 250 goroutines each find one session expired
// at the same moment, again and again: whatever they share it by, there is one refresh,
// and a thousand calls succeed.
//
//	make storm ROTATIONS=200
package storm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/longrun"
	"github.com/gimucco/atproto-go/e2e/realpds"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/store"
)

var (
	rotations = flag.Int("rotations", 10, "how often the session expires")
	report    = flag.String("report", "", "the file to write the report to")
)

const (
	processes  = 4
	goroutines = 250

	// The real server refuses tokens that live less than a second, and its expires_in has no fraction.
	shortLife = 1250 * time.Millisecond
	longLife  = time.Hour
	callLimit = 2 * time.Minute

	// slow is how far behind the clock is by which the short tokens are dated: the crowd would use tokens of the last
	// minute until the server refuses them.
	slow = 2 * time.Minute
)

func TestMain(m *testing.M) { longrun.Main(m, child) }

// A result is what the calls of one process came to.
type result struct {
	Succeeded int
	Failures  map[string]int // by error message
	Spent     int            // failures that the server's invalid_grant is behind
}

// storm calls from all goroutines at once.
func storm(ctx context.Context, sessions ...*oauth.Session) result {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	start := make(chan struct{})
	var mu sync.Mutex
	r := result{Failures: make(map[string]int)}
	var all sync.WaitGroup
	for _, s := range sessions {
		for range goroutines {
			all.Go(func() {
				<-start
				_, err := comatproto.NewClient(s).Server.GetSession(ctx)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					r.Succeeded++
					return
				}
				r.Failures[err.Error()]++
				if e, ok := errors.AsType[*oauth.Error](err); ok && e.Code == "invalid_grant" {
					r.Spent++
				}
			})
		}
	}
	close(start)
	all.Wait()
	return r
}

// child is a process: each line it reads is the word to begin, each that it writes a
// result.
func child(job *longrun.Job) error {
	ctx := context.Background()
	session, err := job.Resume(ctx)
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(result{}); err != nil { // ready
		return err
	}
	for words := bufio.NewScanner(os.Stdin); words.Scan(); {
		r := result{}
		if words.Text() == "storm" {
			r = storm(ctx, session)
		} else if err := session.Refresh(ctx); err != nil {
			return err
		}
		if err := out.Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// A crowd is whoever storms.
type crowd struct {
	// storm starts all at once and returns what became of it.
	storm func() (result, error)
	// adopt makes everybody take what is in the store: then they know that it has
	// expired. If not, they call with a token that they take for good.
	adopt func() error
}

// crowdOfProcesses starts processes that share a storage.
func crowdOfProcesses(t *testing.T, job *longrun.Job) crowd {
	type process struct {
		words   io.Writer
		results *json.Decoder
	}
	var all []process
	for range processes {
		cmd, err := longrun.Command(context.Background(), job) // it ends with its input
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		words, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		output, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			words.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("a process ended with %v", err)
			}
		})
		p := process{words, json.NewDecoder(output)}
		if err := p.results.Decode(new(result)); err != nil {
			t.Fatalf("a process did not start: %v", err)
		}
		all = append(all, p)
	}
	say := func(word string) (result, error) {
		for _, p := range all {
			if _, err := fmt.Fprintln(p.words, word); err != nil {
				return result{}, err
			}
		}
		sum := result{Failures: make(map[string]int)}
		for _, p := range all {
			var r result
			if err := p.results.Decode(&r); err != nil {
				return sum, err
			}
			sum.Succeeded += r.Succeeded
			sum.Spent += r.Spent
			for message, n := range r.Failures {
				sum.Failures[message] += n
			}
		}
		return sum, nil
	}
	return crowd{
		storm: func() (result, error) { return say("storm") },
		adopt: func() error { _, err := say("adopt"); return err },
	}
}

// crowdOfClients is what can storm a store that no other process sees: clients that
// know nothing of each other.
func crowdOfClients(t *testing.T, b scenario.Backend, kept store.Store, key oauth.SessionKey) crowd {
	var sessions []*oauth.Session
	for range processes {
		client, err := longrun.NewClient(b.Environment(), kept)
		if err != nil {
			t.Fatal(err)
		}
		s, err := client.Resume(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	return crowd{
		storm: func() (result, error) { return storm(t.Context(), sessions...), nil },
		adopt: func() (err error) {
			for _, s := range sessions {
				err = errors.Join(err, s.Refresh(t.Context()))
			}
			return err
		},
	}
}

func TestStorm(t *testing.T) {
	page := longrun.NewReport("Refresh storm", fmt.Sprintf("make storm ROTATIONS=%d", *rotations))
	page.Intro = fmt.Sprintf(`%d processes with %d goroutines each share one session by a store. Its token expires; all of them call at once. In
every other storm they know that it has expired, in the others they take an older one for good and hear of it from the server.
Only one of them may refresh: the server ends a session whose refresh token comes twice. Then the token expires again.
A storm has to end with 1 refresh at the server, %d successful calls and no invalid_grant. (In memory, the processes are
clients in one process that know nothing of each other.)`, processes, goroutines, processes*goroutines)
	page.Printf("| server | store | storms | refreshes | calls that succeeded | calls that failed | invalid_grant | median | longest |\n")
	page.Printf("|---|---|---|---|---|---|---|---|---|\n")
	t.Run("sandbox", func(t *testing.T) {
		b := scenario.StartSandbox(t)
		for _, kind := range append([]string{"memory"}, stores.Kinds...) {
			t.Run(kind, func(t *testing.T) { run(t, page, "sandbox", b, kind, 50*time.Millisecond) })
		}
	})
	t.Run("pds", func(t *testing.T) {
		b := realpds.Start(t)
		for _, kind := range []string{"sqlite", "postgres"} {
			t.Run(kind, func(t *testing.T) { run(t, page, "@atproto/pds", b, kind, shortLife) })
		}
	})
	t.Logf("\n%s", page)
	if err := page.Write(*report); err != nil {
		t.Error(err)
	}
}

// run storms a store as often as was asked for.
func run(t *testing.T, page *longrun.Report, server string, b scenario.Backend, kind string, life time.Duration) {
	ctx := t.Context()
	location := ""
	var kept store.Store = new(store.Memory)
	if kind != "memory" {
		s, err := stores.Create(ctx, kind, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Remove(context.Background()) })
		kept, location = s, s.Location
	}
	client, err := longrun.NewClient(b.Environment(), kept, func(cfg *oauth.Config) {
		cfg.Clock = func() time.Time { return time.Now().Add(-slow) }
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := longrun.Login(ctx, b, client)
	if err != nil {
		t.Fatal(err)
	}
	var crowd crowd
	if location == "" {
		crowd = crowdOfClients(t, b, kept, session.Key())
	} else {
		crowd = crowdOfProcesses(t, &longrun.Job{Environment: *b.Environment(), Location: location, Key: session.Key()})
	}

	var total result
	refreshes, failed := 0, 0
	var times []time.Duration
	for i := range *rotations {
		// A token that lives shortly: the first refresh adopts what the last storm
		// has left, the second is our own.
		if err := b.SetTokenLifetime(ctx, life); err != nil {
			t.Fatal(err)
		}
		for adopted := false; !adopted || session.ExpiresAt().After(time.Now().Add(longLife/2)); adopted = true {
			if err := session.Refresh(ctx); err != nil {
				t.Fatalf("storm %d: before it: %v", i+1, err)
			}
		}
		issued := time.Now()
		if err := b.SetTokenLifetime(ctx, longLife); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			if err := crowd.adopt(); err != nil {
				t.Fatalf("storm %d: before it: %v", i+1, err)
			}
		}
		// Not a moment earlier: the real server deletes the session when a token runs out while a request with it
		// waits for its turn. Outside of this test no token is sent so late.
		time.Sleep(time.Until(issued.Add(life)))

		before := refreshesAt(t, b)
		started := time.Now()
		r, err := crowd.storm()
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, time.Since(started))
		n := refreshesAt(t, b) - before
		if n != 1 || r.Succeeded != processes*goroutines {
			t.Errorf("storm %d: %d refreshes, %d calls succeeded, failures %v", i+1, n, r.Succeeded, r.Failures)
		}
		refreshes += n
		total.Succeeded += r.Succeeded
		total.Spent += r.Spent
		for _, n := range r.Failures {
			failed += n
		}
	}
	slices.Sort(times)
	page.Printf("| %s | %s | %d | %d | %d | %d | %d | %v | %v |\n", server, kind, *rotations, refreshes, total.Succeeded, failed, total.Spent,
		times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond))
}

func refreshesAt(t *testing.T, b scenario.Backend) int {
	t.Helper()
	grants, err := b.TokenRequests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return grants["refresh_token"]
}

package simulation

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seeds  = flag.Int("seeds", 200, "how many days")
	first  = flag.Uint64("seed", 1, "the first of them")
	file   = flag.String("report", "", "write a report there, after a search for every protection that is taken out")
	within = flag.Int("within", 2000, "in how many seeds a protection that is taken out is looked for")
	search = flag.Bool("search", false, "stop at the first seed that breaks a rule, and print its place")
)

// A campaign is a run over many seeds.
type campaign struct {
	mu      sync.Mutex
	next    uint64
	end     uint64
	done    int
	total   outcome
	lost    map[string]int
	failing map[uint64]outcome
}

func TestSimulation(t *testing.T) {
	began := time.Now()
	c := &campaign{next: *first, end: *first + uint64(*seeds), lost: make(map[string]int), failing: make(map[uint64]outcome)}
	t.Run("seeds", func(t *testing.T) {
		for range 2 {
			t.Run("worker", func(t *testing.T) {
				t.Parallel()
				c.work(t)
			})
		}
	})
	t.Logf("%d seeds from %d in %v: %d steps, %d calls, %d refreshes, %d takeovers", c.done, *first, time.Since(began).Round(time.Millisecond),
		c.total.steps, c.total.calls, c.total.refreshes, c.total.takeovers)
	for _, cause := range sorted(c.lost) {
		t.Logf("%6d lost: %s", c.lost[cause], cause)
	}
	if *search {
		if at, ok := c.earliest(); ok {
			t.Errorf("%s%d: %s", foundAt, at-*first+1, c.failing[at].breaches[0].rule)
		}
		return
	}
	c.tell(t)
	if *file != "" {
		if err := writeReport(t.Context(), *file, c, time.Since(began)); err != nil {
			t.Error(err)
		}
	}
}

// work takes one seed after the other.
func (c *campaign) work(t *testing.T) {
	for {
		c.mu.Lock()
		seed := c.next
		c.next++
		stop := seed >= c.end || *search && len(c.failing) > 0
		c.mu.Unlock()
		if stop {
			return
		}
		o := run(t, newSchedule(seed), false)
		c.mu.Lock()
		c.done++
		c.total.add(o)
		if o.lost != "" {
			c.lost[o.lost]++
		}
		if len(o.breaches) > 0 {
			c.failing[seed] = o
		}
		c.mu.Unlock()
	}
}

func sorted[K ~string | ~uint64, V any](m map[K]V) []K {
	var keys []K
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// earliest is the first seed that broke a rule.
func (c *campaign) earliest() (uint64, bool) {
	all := sorted(c.failing)
	if len(all) == 0 {
		return 0, false
	}
	return all[0], true
}

// tell fails the test, with one seed for every rule that was broken.
func (c *campaign) tell(t *testing.T) {
	shown := make(map[string]bool)
	for _, seed := range sorted(c.failing) {
		for _, b := range c.failing[seed].breaches {
			if !shown[b.rule] {
				shown[b.rule] = true
				t.Errorf("%s\n%s", b.rule, shortest(t, newSchedule(seed), b.rule))
			}
		}
	}
	if n := len(c.failing); n > 0 {
		t.Errorf("%d of %d seeds break a rule", n, c.done)
	}
}

// shortest leaves out of a schedule what it breaks the rule without, and tells what happens in
// the rest.
func shortest(t *testing.T, s schedule, rule string) string {
	breaks := func(s schedule) (outcome, bool) {
		o := run(t, s, true)
		return o, slices.ContainsFunc(o.breaches, func(b breach) bool { return b.rule == rule })
	}
	o, ok := breaks(s)
	if !ok {
		return fmt.Sprintf("%vThis happens in some runs of the seed, and not in this one.", s)
	}
	for i := len(s.faults) - 1; i >= 0; i-- {
		fewer := s
		fewer.faults = slices.Delete(slices.Clone(s.faults), i, i+1)
		if shorter, still := breaks(fewer); still {
			s, o = fewer, shorter
		}
	}
	const lines = 60 // before the breach
	trace := slices.DeleteFunc(o.trace, func(line string) bool { return strings.Contains(line, "a call fails") })
	if i := slices.IndexFunc(trace, func(line string) bool { return strings.Contains(line, "BREACH") }); i >= 0 {
		trace = trace[max(0, i-lines) : i+1]
	}
	return fmt.Sprintf("%v%s", s, strings.Join(trace, "\n"))
}

// A seed decides what happens, or a seed that fails would be of little use.
func TestSeedDecides(t *testing.T) {
	different := 0
	for seed := range uint64(40) {
		s := newSchedule(seed + 1)
		if a, b := run(t, s, true), run(t, s, true); !slices.Equal(a.trace, b.trace) {
			different++
		}
	}
	// What comes in the very same moment has no order.
	if different > 4 {
		t.Errorf("%d of 40 seeds went another way the second time", different)
	}
}

// A rule that cannot be broken proves nothing: what fails is shortened to the trouble that
// matters.
func TestShortest(t *testing.T) {
	s := newSchedule(1)
	s.faults = []fault{
		{kind: reseal, stage: afterRead, n: 3},
		{kind: revoke, at: 40 * time.Second},
		{kind: jump, at: 10 * time.Second, d: time.Hour},
	}
	run := run(t, s, true)
	if run.lost != "revoked" || len(run.breaches) > 0 || len(run.trace) == 0 {
		t.Errorf("lost by %q, %v", run.lost, run.breaches)
	}
	s.faults = append(s.faults, fault{kind: vanish, at: 50 * time.Second})
	s.faults[1] = fault{kind: reseal, stage: afterWrite}
	told := shortest(t, s, "a living session dropped")
	if !strings.Contains(told, string(vanish)) || strings.Contains(told, string(jump)) || !strings.Contains(told, "BREACH") {
		t.Errorf("told %s", told)
	}
}

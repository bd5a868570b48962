package million

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gimucco/atproto-go/e2e/longrun"
	"github.com/gimucco/atproto-go/e2e/stores"
	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/internal/scenario"
	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/oauth/seal"
	"github.com/gimucco/atproto-go/oauth/store"
)

var (
	sessions = flag.Int("sessions", 10_000, "how many sessions a database has")
	report   = flag.String("report", "", "the file to write the report to")
)

var oldKey, newKey = bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)

// What is demanded of a store while it is purged, and of a process with many active users.
const (
	// P109 wants 50 ms at p99, which the report holds the figure against. A test does not: what
	// else the machine does comes to as much. This is what no such thing explains.
	purgeDelay   = 250 * time.Millisecond
	readsPerCall = 0.02
	heapPerUser  = 8 << 10
)

// A figures is what was measured of one store.
type figures struct {
	kind                      string
	n                         int
	size                      int64
	put, get, resume, account times
	list, perKey, reseal      time.Duration
	purged                    int
	purge                     time.Duration
	quiet, purging            times
	hot                       string
	active                    int
	reads                     float64
	heap                      int64
	calls                     times
}

func TestMillion(t *testing.T) {
	page := longrun.NewReport("What many sessions cost", fmt.Sprintf("make million SESSIONS=%d REPORT=docs/MILLION.md", *sessions))
	server := scenario.StartSandbox(t)
	if err := server.SetTokenLifetime(t.Context(), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	var all []figures
	for _, part := range []struct {
		kind  string
		share int
	}{{"postgres", 1}, {"sqlite", 1}, {"redis", 5}, {"file", 10}} {
		t.Run(part.kind, func(t *testing.T) {
			all = append(all, one(t, server, part.kind, max(*sessions/part.share, 1000)))
		})
	}
	if t.Failed() {
		return
	}
	write(page, all)
	t.Log("\n" + page.String())
	if err := page.Write(*report); err != nil {
		t.Fatal(err)
	}
}

// one measures one store with n sessions.
func one(t *testing.T, server *scenario.Sandbox, kind string, n int) figures {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	timed := func(f func() error) time.Duration {
		t.Helper()
		begun := time.Now()
		must(f())
		return time.Since(begun)
	}
	m := figures{kind: kind, n: n}
	s, err := stores.Create(ctx, kind, t.TempDir())
	must(err)
	defer func() { must(s.Remove(context.WithoutCancel(ctx))) }()
	kept := &countingStore{Scanner: s.Store.(store.Scanner)}
	client := func(keys ...[]byte) *oauth.Client {
		t.Helper()
		c, err := longrun.NewClient(server.Environment(), kept, func(cfg *oauth.Config) { cfg.Seal = seal.Keys(keys...) })
		must(err)
		return c
	}
	begin, err := s.Size(ctx)
	must(err)

	first, err := longrun.Login(ctx, server, client(oldKey))
	must(err)
	mould, err := newMould(ctx, oldKey, s, first.Key())
	must(err)
	some := min(n, 2_000)
	m.put, err = measure(some, func(i int) error { return mould.put(ctx, s, i) })
	must(err)
	must(mould.fill(ctx, s, some, n))
	m.size, err = s.Size(ctx)
	must(err)
	m.size -= begin

	m.get, err = measure(some, func(int) error {
		k := key(random(n))
		_, err := s.Get(ctx, store.RecordKey{Kind: store.RecordSession, DID: k.DID, ID: k.ID})
		return err
	})
	must(err)
	both := client(newKey, oldKey)
	m.account, err = measure(min(n, 1000), func(int) error {
		k := key(random(n))
		for found, err := range both.Sessions(ctx, k.DID) {
			if err != nil || found != k {
				return fmt.Errorf("found %v, %v", found, err)
			}
		}
		return nil
	})
	must(err)
	m.list = timed(func() error {
		listed := 0
		for _, err := range both.Sessions(ctx, "") {
			if err != nil {
				return err
			}
			listed++
		}
		if listed != n+1 {
			return fmt.Errorf("listed %d of %d", listed, n+1)
		}
		return nil
	})
	m.perKey = timed(func() error {
		counts, err := both.SessionsPerClientKey(ctx)
		if err == nil && counts[""] != n+1 {
			err = fmt.Errorf("counted %v of %d", counts, n+1)
		}
		return err
	})
	m.reseal = timed(func() error {
		resealed, err := both.Reseal(ctx)
		if err == nil && resealed != n+1 {
			err = fmt.Errorf("resealed %d of %d", resealed, n+1)
		}
		return err
	})

	purging(t, s, mould.sealedBy(newKey), &m, n)
	if kind == "postgres" {
		m.hot = hotShare(t, s)
	}
	active(t, kept, client(newKey), &m, min(n, 10_000))
	return m
}

// purging removes many logins that nobody finished, while others write.
func purging(t *testing.T, s *stores.Store, mould *mould, m *figures, n int) {
	t.Helper()
	ctx := t.Context()
	old := max(n*3/10, 1000)
	if _, err := measure(old, func(i int) error {
		return s.Put(ctx, &store.Record{
			Key: store.RecordKey{Kind: store.RecordState, ID: fmt.Sprintf("login-%020d", i)}, Revision: 1, Keep: time.Millisecond,
			Data: make([]byte, 1200),
		})
	}); err != nil {
		t.Fatal(err)
	}
	// A session is read and written, as in a refresh.
	write := func(int) error {
		n := random(n)
		k := key(n)
		old, err := s.Get(ctx, store.RecordKey{Kind: store.RecordSession, DID: k.DID, ID: k.ID})
		if err != nil {
			return err
		}
		r, err := mould.record(ctx, n, old.Revision+1)
		if err != nil {
			return err
		}
		if err = s.Put(ctx, r); errors.Is(err, store.ErrConflict) {
			return nil // another of us was first
		}
		return err
	}
	var err error
	if m.quiet, err = measureBy(1, 500, write); err != nil {
		t.Fatal(err)
	}
	type result struct {
		n    int
		took time.Duration
		err  error
	}
	done := make(chan struct{})
	results := make(chan result, 1)
	go func() {
		begun := time.Now()
		n, err := s.Purge(ctx)
		results <- result{n, time.Since(begun), err}
		close(done)
	}()
	over := func(i int) bool {
		select {
		case <-done:
			return i >= 100
		default:
			return false
		}
	}
	if m.purging, err = measureUntil(1, over, write); err != nil {
		t.Fatal(err)
	}
	r := <-results
	if r.err != nil || r.n < old {
		t.Fatalf("purged %d of %d, %v", r.n, old, r.err)
	}
	m.purged, m.purge = r.n, r.took
	if more := m.purging.at(0.99) - m.quiet.at(0.99); more > purgeDelay {
		t.Errorf("P109 a purge delays a write by %v at p99; more than %v is not the machine's load", more, purgeDelay)
	}
}

// hotShare is how many of all updates PostgreSQL did in place.
func hotShare(t *testing.T, s *stores.Store) string {
	t.Helper()
	_, schema, _ := strings.Cut(s.Location, ":")
	var updates, hot float64
	for updates == 0 { // it tells within a second or so
		if err := s.DB().QueryRowContext(t.Context(), "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = 'records'", schema).Scan(&updates, &hot); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%.1f %% of %.0f", 100*hot/updates, updates)
}

// heap is what is in use after the collector has been everywhere.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// active resumes users in one process, and lets each make calls as a web handler does: it
// resumes on every request.
func active(t *testing.T, kept *countingStore, client *oauth.Client, m *figures, users int) {
	t.Helper()
	ctx := t.Context()
	before := heap()
	var err error
	if m.resume, err = measure(users, func(i int) error { _, err := client.Resume(ctx, key(i)); return err }); err != nil {
		t.Fatal(err)
	}
	m.active, m.heap = users, (heap()-before)/int64(users)
	if live := client.Stats().Live; live != users {
		t.Errorf("P106 %d of %d sessions live", live, users)
	}
	reads := kept.reads.Load()
	calls := min(users, 10_000)
	if m.calls, err = measure(calls, func(int) error {
		s, err := client.Resume(ctx, key(random(users)))
		if err != nil {
			return err
		}
		_, err = comatproto.NewClient(s).Server.GetSession(ctx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	m.reads = float64(kept.reads.Load()-reads) / float64(calls)
	if m.reads > readsPerCall {
		t.Errorf("P106 %.3f reads of the store a call, more than %v", m.reads, readsPerCall)
	}
	if m.heap > heapPerUser {
		t.Errorf("P106 %d bytes of heap a session, more than %d", m.heap, heapPerUser)
	}
	runtime.KeepAlive(client)
}

// write puts the figures into the report.
func write(page *longrun.Report, all []figures) {
	page.Intro = "Sessions of as many accounts in each store, and what is done to them; 8 goroutines call at once, on the machine that the\n" +
		"servers run on. Times are p50 / p99 of single calls, or how long all of it took. A purge removes logins that nobody\n" +
		"finished while somebody else writes; below it is how long a read and a write took there before, and meanwhile."
	if *sessions < 1_000_000 {
		page.Intro += fmt.Sprintf(" This is a\npart of the long form: %d sessions in place of 1,000,000.", *sessions)
	}
	row := func(name string, value func(figures) string) {
		page.Printf("| %s |", name)
		for _, m := range all {
			page.Printf(" %s |", value(m))
		}
		page.Printf("\n")
	}
	row("", func(m figures) string { return m.kind })
	page.Printf("|---|%s\n", strings.Repeat("---|", len(all)))
	row("sessions", func(m figures) string { return fmt.Sprint(m.n) })
	row("bytes a session", func(m figures) string { return fmt.Sprint(m.size / int64(m.n)) })
	row("Put", func(m figures) string { return m.put.String() })
	row("Get", func(m figures) string { return m.get.String() })
	row("Resume", func(m figures) string { return m.resume.String() })
	row("Sessions of one account", func(m figures) string { return m.account.String() })
	row("Sessions of all", func(m figures) string { return short(m.list) })
	row("SessionsPerClientKey", func(m figures) string { return short(m.perKey) })
	row("Reseal", func(m figures) string { return short(m.reseal) })
	row("Purge", func(m figures) string { return fmt.Sprintf("%d in %s", m.purged, short(m.purge)) })
	row("a write before", func(m figures) string { return m.quiet.String() })
	row("a write meanwhile", func(m figures) string { return m.purging.String() })
	row("more at p99 (goal: 50 ms)", func(m figures) string { return short(max(0, m.purging.at(0.99)-m.quiet.at(0.99))) })
	row("updates in place, nearly all by Reseal", func(m figures) string { return m.hot })
	row("active users", func(m figures) string { return fmt.Sprint(m.active) })
	row("heap of each, bytes", func(m figures) string { return fmt.Sprint(m.heap) })
	row("reads of the store a call", func(m figures) string { return fmt.Sprintf("%.4f", m.reads) })
	fleet(page, all)
}

// fleet computes what many servers need of one store.
func fleet(page *longrun.Report, all []figures) {
	const servers, requests, users, life = 100, 1000, 10_000, 3600
	page.Printf("\n## 100 servers with 1,000 requests a second each\n\n"+
		"Computed, not run: %d requests a second, and %d users on each server, who are others on each, whose tokens live for an hour. A refresh\n"+
		"reads three times and writes twice. What a store can do is what it did above, from one process of this machine; more\n"+
		"machines do more where the store is a server.\n\n"+
		"| | reads/s needed | reads/s measured | writes/s needed | writes/s measured | heap of a server's users |\n|---|---|---|---|---|---|\n", servers*requests, users)
	for _, m := range all {
		if m.kind == "file" || m.kind == "sqlite" {
			continue // of one machine
		}
		refreshes := float64(servers*users) / life
		page.Printf("| %s | %.0f | %.0f | %.0f | %.0f | %d MB |\n", m.kind,
			float64(servers*requests)*m.reads+3*refreshes, m.get.perSecond(), 2*refreshes, m.put.perSecond(), m.heap*users>>20)
	}
}

// Package storetest is the contract of oauth.Store as a test suite, for stores of
// one's own:
//
//	func TestStore(t *testing.T) {
//		dir := t.TempDir()
//		storetest.Run(t, storetest.Backend{
//			Open: func(context.Context) (oauth.Store, error) { return mystore.Open(dir) },
//		})
//	}
//
// A store that passes does not lose sessions: writers never overwrite each other, a
// login is taken once, and what is deleted stays deleted.
package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Backend is the storage under test.
type Backend struct {
	// Open returns a handle on the storage, which is the same each time. The suite
	// uses account names of its own and purges nothing that expires after the year
	// 2001, so the storage need not be empty.
	Open func(ctx context.Context) (oauth.Store, error)

	// Location, if set, says that other processes can open the storage too. The suite
	// starts some: they run the same test with Location in the environment, and
	// OpenAt opens it there.
	Location string
	OpenAt   func(ctx context.Context, location string) (oauth.Store, error)
}

// What the suite tells the processes it starts.
const (
	environmentLocation = "STORETEST_LOCATION"
	environmentDID      = "STORETEST_DID"
)

// Child reports whether this process is one that the suite has started: Run then needs
// OpenAt alone.
func Child() bool { return os.Getenv(environmentLocation) != "" }

// Run runs the suite.
func Run(t *testing.T, b Backend) {
	if location := os.Getenv(environmentLocation); location != "" && b.OpenAt != nil {
		child(t, b, location, syntax.DID(os.Getenv(environmentDID)))
		return
	}
	store, err := b.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, oauth.Store, oauth.Store)
	}{
		{"a record comes back as it was written", comesBack},
		{"every write names the revision it replaces", revisions},
		{"delete", deletes},
		{"keys that look alike are different", keys},
		{"list", list},
		{"purge", purge},
		{"a record is taken once", takenOnce},
		{"writers never overwrite each other", counter},
		{"a context that ended stops a write", cancelled},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, store, second) })
	}
	if b.Location != "" {
		t.Run("processes never overwrite each other", func(t *testing.T) { processes(t, b, store) })
	}
}

// newDID makes an account that no other test has.
func newDID() syntax.DID { return syntax.DID("did:plc:" + strings.ToLower(rand.Text())[:24]) }

func record(did syntax.DID, id string, revision uint64, data string) *oauth.Record {
	return &oauth.Record{Key: oauth.RecordKey{Kind: oauth.RecordSession, DID: did, ID: id}, Revision: revision, Data: []byte(data)}
}

func mustPut(t *testing.T, s oauth.Store, r *oauth.Record) {
	t.Helper()
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func comesBack(t *testing.T, store, second oauth.Store) {
	long := newDID()
	long += syntax.DID(strings.Repeat("x", 2048-len(long)))
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, r := range map[string]*oauth.Record{
		"plain":          record(newDID(), "1", 1, "data"),
		"every byte":     record(newDID(), "1", 1, string(every)),
		"no data":        record(newDID(), "1", 1, ""),
		"100 KB":         record(newDID(), "1", 1, strings.Repeat("0123456789", 10_000)),
		"a DID of 2,048": record(long, "1", 1, "data"),
		"odd characters": record(newDID(), "-_.~:A/..%00'\"; DROP", 1, "data"),
		"an expiry":      {Key: oauth.RecordKey{Kind: oauth.RecordSession, DID: newDID(), ID: "1"}, Revision: 1, Expires: time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC), Data: []byte("x")},
		"a state":        {Key: oauth.RecordKey{Kind: oauth.RecordState, ID: rand.Text()}, Revision: 1, Expires: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Data: []byte("x")},
		"a meta record":  {Key: oauth.RecordKey{Kind: oauth.RecordMeta, ID: rand.Text()}, Revision: 1, Data: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			mustPut(t, store, r)
			defer store.Delete(t.Context(), r.Key, 0)
			got, err := second.Get(t.Context(), r.Key)
			if err != nil {
				t.Fatal(err)
			}
			equal := cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })
			data := cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })
			if diff := cmp.Diff(r, got, equal, data); diff != "" {
				t.Errorf("(-put +got):\n%s", diff)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		if _, err := store.Get(t.Context(), record(newDID(), "1", 1, "").Key); !errors.Is(err, oauth.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

func revisions(t *testing.T, store, second oauth.Store) {
	did := newDID()
	for _, step := range []struct {
		name     string
		s        oauth.Store
		revision uint64
		want     error
	}{
		{"an update of nothing", store, 2, oauth.ErrConflict},
		{"revision 0", store, 0, oauth.ErrConflict},
		{"the first", store, 1, nil},
		{"the first again", second, 1, oauth.ErrConflict},
		{"the second", second, 2, nil},
		{"the second again", store, 2, oauth.ErrConflict},
		{"one left out", store, 4, oauth.ErrConflict},
		{"the third", store, 3, nil},
	} {
		err := step.s.Put(t.Context(), record(did, "1", step.revision, step.name))
		if !errors.Is(err, step.want) {
			t.Errorf("%s: got %v, want %v", step.name, err, step.want)
		}
	}
	got, err := second.Get(t.Context(), record(did, "1", 0, "").Key)
	if err != nil || got.Revision != 3 || string(got.Data) != "the third" {
		t.Errorf("stored %+v, %v", got, err)
	}
	expiring := record(did, "2", 1, "x")
	expiring.Expires = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	mustPut(t, store, expiring)
	mustPut(t, store, record(did, "2", 2, "y"))
	if got, err := second.Get(t.Context(), expiring.Key); err != nil || !got.Expires.IsZero() {
		t.Errorf("an expiry that was taken back: %+v, %v", got, err)
	}
}

func deletes(t *testing.T, store, second oauth.Store) {
	did := newDID()
	key := record(did, "1", 0, "").Key
	mustPut(t, store, record(did, "1", 1, "x"))
	mustPut(t, store, record(did, "1", 2, "y"))
	for _, step := range []struct {
		name     string
		revision uint64
		want     error
	}{
		{"an old revision", 1, oauth.ErrConflict},
		{"a revision to come", 3, oauth.ErrConflict},
		{"the present one", 2, nil},
		{"what is gone", 2, oauth.ErrNotFound},
		{"what is gone, at any revision", 0, oauth.ErrNotFound},
	} {
		if err := second.Delete(t.Context(), key, step.revision); !errors.Is(err, step.want) {
			t.Errorf("%s: got %v, want %v", step.name, err, step.want)
		}
	}
	if err := store.Put(t.Context(), record(did, "1", 3, "z")); !errors.Is(err, oauth.ErrConflict) {
		t.Errorf("an update brought a deleted record back: %v", err)
	}
	mustPut(t, store, record(did, "1", 1, "again"))
	if err := second.Delete(t.Context(), key, 0); err != nil {
		t.Errorf("at any revision: %v", err)
	}
	if _, err := store.Get(t.Context(), key); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("after that: %v", err)
	}
}

func keys(t *testing.T, store, second oauth.Store) {
	did := newDID()
	alike := []oauth.RecordKey{
		{Kind: oauth.RecordSession, DID: did, ID: "a"},
		{Kind: oauth.RecordSession, DID: did, ID: "A"},
		{Kind: oauth.RecordSession, DID: did, ID: "a "},
		{Kind: oauth.RecordSession, DID: did, ID: "ä"},
		{Kind: oauth.RecordSession, DID: did + "a", ID: ""},
		{Kind: oauth.RecordSession, DID: did + "A", ID: ""},
		{Kind: oauth.RecordState, DID: did, ID: "a"},
		{Kind: oauth.RecordMeta, DID: did, ID: "a"},
	}
	for i, key := range alike {
		mustPut(t, store, &oauth.Record{Key: key, Revision: 1, Data: []byte{byte(i)}})
	}
	for i, key := range alike {
		got, err := second.Get(t.Context(), key)
		if err != nil || len(got.Data) != 1 || got.Data[0] != byte(i) || got.Key != key {
			t.Errorf("%+v: %+v, %v", key, got, err)
		}
		if err := store.Delete(t.Context(), key, 1); err != nil {
			t.Errorf("%+v: %v", key, err)
		}
	}
}

func list(t *testing.T, store, second oauth.Store) {
	a, b := newDID(), newDID()
	want := make(map[oauth.RecordKey]bool)
	for i := range 250 {
		r := record(a, fmt.Sprintf("session %d", i), 1, "x")
		mustPut(t, store, r)
		want[r.Key] = true
	}
	mustPut(t, store, record(b, "other", 1, "x"))
	mustPut(t, store, &oauth.Record{Key: oauth.RecordKey{Kind: oauth.RecordMeta, DID: a, ID: "other kind"}, Revision: 1})
	collect := func(did syntax.DID) map[oauth.RecordKey]bool {
		t.Helper()
		got := make(map[oauth.RecordKey]bool)
		for key, err := range second.List(t.Context(), oauth.RecordSession, did) {
			if err != nil {
				t.Fatal(err)
			}
			if got[key] {
				t.Errorf("%+v came twice", key)
			}
			got[key] = true
		}
		return got
	}
	if diff := cmp.Diff(want, collect(a)); diff != "" {
		t.Errorf("of one account (-want +got):\n%s", diff)
	}
	all := collect("")
	for key := range want {
		if !all[key] {
			t.Fatalf("%+v is missing from the list of all", key)
		}
	}
	if !all[record(b, "other", 0, "").Key] {
		t.Error("the other account is missing from the list of all")
	}
	if got := collect(newDID()); len(got) != 0 {
		t.Errorf("of an account without sessions: %v", got)
	}
	// Whoever reads a list may write meanwhile, and may stop.
	n := 0
	for key, err := range store.List(t.Context(), oauth.RecordSession, a) {
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), key, 1); err != nil {
			t.Fatal(err)
		}
		if n++; n == 120 {
			break
		}
	}
	if got := collect(a); len(got) != 130 {
		t.Errorf("%d left of 250 after 120 were deleted", len(got))
	}
	for key := range collect(a) {
		store.Delete(t.Context(), key, 0)
	}
}

func purge(t *testing.T, store, second oauth.Store) {
	did := newDID()
	now := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	for id, expires := range map[string]time.Time{
		"long past": now.Add(-time.Hour), "now": now, "to come": time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), "never": {},
	} {
		r := record(did, id, 1, "x")
		r.Expires = expires
		mustPut(t, store, r)
	}
	// A store may have removed what has expired by itself.
	there := 0
	for _, id := range []string{"long past", "now"} {
		if _, err := store.Get(t.Context(), record(did, id, 0, "").Key); err == nil {
			there++
		}
	}
	n, err := second.Purge(t.Context(), now)
	if err != nil || n < there {
		t.Errorf("purged %d, %v; want %d", n, err, there)
	}
	var left []string
	for key, err := range store.List(t.Context(), oauth.RecordSession, did) {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, key.ID)
		defer store.Delete(t.Context(), key, 0)
	}
	if len(left) != 2 || strings.Contains(strings.Join(left, " "), "past") || strings.Contains(strings.Join(left, " "), "now") {
		t.Errorf("left: %q", left)
	}
}

func takenOnce(t *testing.T, store, second oauth.Store) {
	for range 20 {
		key := oauth.RecordKey{Kind: oauth.RecordState, ID: rand.Text()}
		mustPut(t, store, &oauth.Record{Key: key, Revision: 1, Data: []byte("state")})
		var won atomic.Int32
		var takers sync.WaitGroup
		for i := range 16 {
			s := store
			if i%2 == 1 {
				s = second
			}
			takers.Go(func() {
				switch err := s.Delete(t.Context(), key, 1); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, oauth.ErrNotFound) && !errors.Is(err, oauth.ErrConflict):
					t.Error(err)
				}
			})
		}
		takers.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 16 took it", won.Load())
		}
	}
}

// increment adds one to the number that a record holds, against whoever does the same.
func increment(ctx context.Context, s oauth.Store, key oauth.RecordKey) error {
	for {
		r, err := s.Get(ctx, key)
		if err != nil {
			return err
		}
		var n int
		if err := json.Unmarshal(r.Data, &n); err != nil {
			return err
		}
		next := *r
		next.Revision++
		next.Data, _ = json.Marshal(n + 1)
		switch err := s.Put(ctx, &next); {
		case err == nil:
			return nil
		case !errors.Is(err, oauth.ErrConflict):
			return err
		}
	}
}

func number(t *testing.T, s oauth.Store, key oauth.RecordKey) int {
	t.Helper()
	r, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := json.Unmarshal(r.Data, &n); err != nil {
		t.Fatal(err)
	}
	if r.Revision != uint64(n)+1 {
		t.Errorf("revision %d after %d writes", r.Revision, n)
	}
	return n
}

func counter(t *testing.T, store, second oauth.Store) {
	r := record(newDID(), "counter", 1, "0")
	mustPut(t, store, r)
	defer store.Delete(t.Context(), r.Key, 0)
	const writers, each = 8, 12
	var all sync.WaitGroup
	for i := range writers {
		s := store
		if i%2 == 1 {
			s = second
		}
		all.Go(func() {
			for range each {
				if err := increment(t.Context(), s, r.Key); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if n := number(t, second, r.Key); n != writers*each {
		t.Errorf("%d of %d writes are there", n, writers*each)
	}
}

func cancelled(t *testing.T, store, second oauth.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := record(newDID(), "1", 1, "x")
	if err := store.Put(ctx, r); err == nil || errors.Is(err, oauth.ErrConflict) {
		t.Errorf("Put: %v", err)
	}
	if _, err := second.Get(t.Context(), r.Key); !errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("it was written all the same: %v", err)
	}
	if _, err := store.Get(ctx, r.Key); err == nil || errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	if err := store.Delete(ctx, r.Key, 0); err == nil || errors.Is(err, oauth.ErrNotFound) {
		t.Errorf("Delete: %v", err)
	}
}

// What each process does.
const (
	processCount     = 4
	processWrites    = 25
	processTakeables = 40
)

func takeable(did syntax.DID, i int) oauth.RecordKey {
	return oauth.RecordKey{Kind: oauth.RecordState, DID: did, ID: fmt.Sprint("take ", i)}
}

// processes runs the same test in other processes, all at once.
func processes(t *testing.T, b Backend, store oauth.Store) {
	did := newDID()
	r := record(did, "counter", 1, "0")
	mustPut(t, store, r)
	for i := range processTakeables {
		mustPut(t, store, &oauth.Record{Key: takeable(did, i), Revision: 1})
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	var outputs [processCount]bytes.Buffer
	var children [processCount]*exec.Cmd
	for i := range children {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+name+"$", "-test.v")
		cmd.Env = append(os.Environ(), environmentLocation+"="+b.Location, environmentDID+"="+string(did))
		cmd.Stdout, cmd.Stderr = &outputs[i], &outputs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children[i] = cmd
	}
	took := 0
	for i, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, outputs[i].Bytes())
		}
		for line := range strings.Lines(outputs[i].String()) {
			if _, after, ok := strings.Cut(line, "storetest took "); ok {
				n := 0
				fmt.Sscan(after, &n)
				took += n
			}
		}
	}
	if n := number(t, store, r.Key); n != processCount*processWrites {
		t.Errorf("%d of %d writes are there", n, processCount*processWrites)
	}
	if took != processTakeables {
		t.Errorf("%d processes took %d of %d records", processCount, took, processTakeables)
	}
	store.Delete(t.Context(), r.Key, 0)
}

// child is what a process does that processes has started.
func child(t *testing.T, b Backend, location string, did syntax.DID) {
	store, err := b.OpenAt(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	key := record(did, "counter", 0, "").Key
	for range processWrites {
		if err := increment(t.Context(), store, key); err != nil {
			t.Fatal(err)
		}
	}
	took := 0
	for i := range processTakeables {
		switch err := store.Delete(t.Context(), takeable(did, i), 1); {
		case err == nil:
			took++
		case !errors.Is(err, oauth.ErrNotFound) && !errors.Is(err, oauth.ErrConflict):
			t.Fatal(err)
		}
	}
	if c, ok := store.(io.Closer); ok {
		c.Close()
	}
	fmt.Println("storetest took", took)
}

// Package storetest is the contract of store.Store as a test suite. Use it to test a store of your
// own:
//
//	func TestStore(t *testing.T) {
//		dir := t.TempDir()
//		storetest.Run(t, storetest.Backend{
//			Open: func(context.Context) (store.Store, error) { return mystore.Open(dir) },
//		})
//	}
//
// A store that passes does not lose sessions: writers never overwrite each other, a login is taken
// once, and what was deleted stays deleted.
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

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Backend is the storage to test.
type Backend struct {
	// Open returns a handle on the storage, which is the same each time. The storage need not be
	// empty: the suite uses account names of its own. It purges expired records.
	Open func(ctx context.Context) (store.Store, error)

	// Location, if set, says that other processes can open the storage too. The suite then starts
	// some. They run the same test with Location in their environment, and OpenAt opens the storage
	// there.
	Location string
	// OpenAt opens the storage at a Location, in another process.
	OpenAt func(ctx context.Context, location string) (store.Store, error)

	// Block, if set, makes every write of the record wait until release is called, as if another
	// process were in the middle of a write. The suite then checks that the waiting writers obey
	// their contexts.
	Block func(t *testing.T, key store.RecordKey) (release func())
}

// The environment variables for the processes that the suite starts.
const (
	environmentLocation = "STORETEST_LOCATION"
	environmentDID      = "STORETEST_DID"
	environmentTask     = "STORETEST_TASK"

	taskCounter, taskHistory = "counter", "history"
)

// Child reports whether the suite has started this process. Run then needs only OpenAt.
func Child() bool { return os.Getenv(environmentLocation) != "" }

// Run runs the suite.
func Run(t *testing.T, b Backend) {
	if location := os.Getenv(environmentLocation); location != "" && b.OpenAt != nil {
		child(t, b, location, syntax.DID(os.Getenv(environmentDID)))
		return
	}
	first, err := b.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store, store.Store)
	}{
		{"a record comes back as it was written", comesBack},
		{"every write names the revision it replaces", revisions},
		{"delete", deletes},
		{"keys that look alike are different", keys},
		{"keys may hold any bytes", anyBytes},
		{"list", list},
		{"whole records by pages", scan},
		{"purge", purge},
		{"a record is kept as long as it is said", keeps},
		{"an update wins over a purge", updateBeforePurge},
		{"a record is taken once", takenOnce},
		{"writers never overwrite each other", counter},
		{"a context that ended stops a write", cancelled},
		{"an order explains what all writers saw", linearizable},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, first, second) })
	}
	if b.Block != nil {
		t.Run("a deadline ends the wait for another writer", func(t *testing.T) { deadline(t, b, first) })
	}
	if b.Location != "" {
		t.Run("processes never overwrite each other", func(t *testing.T) { processes(t, b, first) })
		t.Run("an order explains what all processes saw", func(t *testing.T) { linearizableProcesses(t, b, first) })
	}
}

// newDID makes an account that no other test uses.
func newDID() syntax.DID { return syntax.DID("did:plc:" + strings.ToLower(rand.Text())[:24]) }

func record(did syntax.DID, id string, revision uint64, data string) *store.Record {
	return &store.Record{Key: store.RecordKey{Kind: store.RecordSession, DID: did, ID: id}, Revision: revision, Data: []byte(data)}
}

func mustPut(t *testing.T, s store.Store, r *store.Record) {
	t.Helper()
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func comesBack(t *testing.T, first, second store.Store) {
	long := newDID()
	long += syntax.DID(strings.Repeat("x", 2048-len(long)))
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, r := range map[string]*store.Record{
		"plain":          record(newDID(), "1", 1, "data"),
		"every byte":     record(newDID(), "1", 1, string(every)),
		"no data":        record(newDID(), "1", 1, ""),
		"100 KB":         record(newDID(), "1", 1, strings.Repeat("0123456789", 10_000)),
		"a DID of 2,048": record(long, "1", 1, "data"),
		"odd characters": record(newDID(), "-_.~:A/..%00'\"; DROP", 1, "data"),
		"kept for days":  {Key: store.RecordKey{Kind: store.RecordSession, DID: newDID(), ID: "1"}, Revision: 1, Keep: 100 * 24 * time.Hour, Data: []byte("x")},
		"a state":        {Key: store.RecordKey{Kind: store.RecordState, ID: rand.Text()}, Revision: 1, Keep: time.Hour, Data: []byte("x")},
		"a meta record":  {Key: store.RecordKey{Kind: store.RecordMeta, ID: rand.Text()}, Revision: 1, Keep: store.Forever, Data: []byte("x")},
	} {
		t.Run(name, func(t *testing.T) {
			mustPut(t, first, r)
			defer first.Delete(t.Context(), r.Key, 0)
			got, err := second.Get(t.Context(), r.Key)
			if err != nil {
				t.Fatal(err)
			}
			want := *r
			want.Keep = 0 // Get does not return it
			data := cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })
			if diff := cmp.Diff(&want, got, data); diff != "" {
				t.Errorf("(-put +got):\n%s", diff)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		if _, err := first.Get(t.Context(), record(newDID(), "1", 1, "").Key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
	})
}

func revisions(t *testing.T, first, second store.Store) {
	did := newDID()
	for _, step := range []struct {
		name     string
		s        store.Store
		revision uint64
		want     error
	}{
		{"an update of nothing", first, 2, store.ErrConflict},
		{"revision 0", first, 0, store.ErrConflict},
		{"the first", first, 1, nil},
		{"the first again", second, 1, store.ErrConflict},
		{"the second", second, 2, nil},
		{"the second again", first, 2, store.ErrConflict},
		{"one left out", first, 4, store.ErrConflict},
		{"the third", first, 3, nil},
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
}

func deletes(t *testing.T, first, second store.Store) {
	did := newDID()
	key := record(did, "1", 0, "").Key
	mustPut(t, first, record(did, "1", 1, "x"))
	mustPut(t, first, record(did, "1", 2, "y"))
	for _, step := range []struct {
		name     string
		revision uint64
		want     error
	}{
		{"an old revision", 1, store.ErrConflict},
		{"a revision to come", 3, store.ErrConflict},
		{"the present one", 2, nil},
		{"what is gone", 2, store.ErrNotFound},
		{"what is gone, at any revision", 0, store.ErrNotFound},
	} {
		if err := second.Delete(t.Context(), key, step.revision); !errors.Is(err, step.want) {
			t.Errorf("%s: got %v, want %v", step.name, err, step.want)
		}
	}
	if err := first.Put(t.Context(), record(did, "1", 3, "z")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an update brought a deleted record back: %v", err)
	}
	mustPut(t, first, record(did, "1", 1, "again"))
	if err := second.Delete(t.Context(), key, 0); err != nil {
		t.Errorf("at any revision: %v", err)
	}
	if _, err := first.Get(t.Context(), key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after that: %v", err)
	}
}

func keys(t *testing.T, first, second store.Store) {
	did := newDID()
	alike := []store.RecordKey{
		{Kind: store.RecordSession, DID: did, ID: "a"},
		{Kind: store.RecordSession, DID: did, ID: "A"},
		{Kind: store.RecordSession, DID: did, ID: "a "},
		{Kind: store.RecordSession, DID: did, ID: "ä"},
		{Kind: store.RecordSession, DID: did + "a", ID: ""},
		{Kind: store.RecordSession, DID: did + "A", ID: ""},
		{Kind: store.RecordState, DID: did, ID: "a"},
		{Kind: store.RecordMeta, DID: did, ID: "a"},
	}
	for i, key := range alike {
		mustPut(t, first, &store.Record{Key: key, Revision: 1, Data: []byte{byte(i)}})
	}
	for i, key := range alike {
		got, err := second.Get(t.Context(), key)
		if err != nil || len(got.Data) != 1 || got.Data[0] != byte(i) || got.Key != key {
			t.Errorf("%+v: %+v, %v", key, got, err)
		}
		if err := first.Delete(t.Context(), key, 1); err != nil {
			t.Errorf("%+v: %v", key, err)
		}
	}
}

func anyBytes(t *testing.T, first, second store.Store) {
	did := newDID()
	every := make([]byte, 255)
	for i := range every {
		every[i] = byte(i)
	}
	want := make(map[store.RecordKey]bool)
	for _, odd := range []string{
		"\x00", "a\x00b", "\n", "\r\n", "\t", "\xff\xfe", "\xc3", "\xed\xa0\x80", "\u2028", "{", "}", "{}", "{a}", "*", "?", "[a-z]", "\\", `\x00`,
		"%", "%00", "%25", "'", `"`, "`", ";", ":", "1:a", " ", "  ", "/", "../..", ".", "..", "-", "+inf", "(1", "NULL", string(every), "",
	} {
		want[store.RecordKey{Kind: store.RecordSession, DID: did, ID: odd}] = true
		want[store.RecordKey{Kind: store.RecordSession, DID: did + syntax.DID("/"+odd), ID: "1"}] = true
	}
	for key := range want {
		mustPut(t, first, &store.Record{Key: key, Revision: 1, Keep: time.Hour, Data: []byte(key.ID)})
	}
	all := make(map[store.RecordKey]bool)
	for key, err := range second.List(t.Context(), store.RecordSession, "") {
		if err != nil {
			t.Fatal(err)
		}
		all[key] = true
	}
	for key := range want {
		got, err := second.Get(t.Context(), key)
		if err != nil || got.Key != key || string(got.Data) != key.ID {
			t.Errorf("%q: got %+v, %v", key, got, err)
		}
		if !all[key] {
			t.Errorf("%q is missing from the list of all", key)
		}
		found := false
		for listed, err := range second.List(t.Context(), store.RecordSession, key.DID) {
			if err != nil {
				t.Fatal(err)
			}
			if listed.DID != key.DID {
				t.Errorf("%q is in the list of %q", listed, key.DID)
			}
			found = found || listed == key
		}
		if !found {
			t.Errorf("%q is missing from the list of its account", key)
		}
		if err := second.Put(t.Context(), &store.Record{Key: key, Revision: 2}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	for key := range want {
		if err := second.Delete(t.Context(), key, 2); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func list(t *testing.T, first, second store.Store) {
	a, b := newDID(), newDID()
	want := make(map[store.RecordKey]bool)
	for i := range 250 {
		r := record(a, fmt.Sprintf("session %d", i), 1, "x")
		mustPut(t, first, r)
		want[r.Key] = true
	}
	mustPut(t, first, record(b, "other", 1, "x"))
	mustPut(t, first, &store.Record{Key: store.RecordKey{Kind: store.RecordMeta, DID: a, ID: "other kind"}, Revision: 1})
	collect := func(did syntax.DID) map[store.RecordKey]bool {
		t.Helper()
		got := make(map[store.RecordKey]bool)
		for key, err := range second.List(t.Context(), store.RecordSession, did) {
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
	// Whoever reads a list may write or stop meanwhile.
	n := 0
	for key, err := range first.List(t.Context(), store.RecordSession, a) {
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Delete(t.Context(), key, 1); err != nil {
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
		first.Delete(t.Context(), key, 0)
	}
}

// scan reads in pages, if the store can do that, and compares the result with List and Get.
func scan(t *testing.T, first, second store.Store) {
	pager, ok := first.(store.Scanner)
	if !ok {
		return // the store need not be a Scanner
	}
	a, b := newDID(), newDID()
	want := make(map[store.RecordKey]string)
	for i := range 33 {
		for _, r := range []*store.Record{
			record(a, fmt.Sprint(i), 1, fmt.Sprint("of a ", i)),
			record(b+syntax.DID(fmt.Sprint(":", i)), "1", 1, fmt.Sprint("of b ", i)),
			record(a, "\xff\x00:"+fmt.Sprint(i), 1, ""),
		} {
			r.Keep = time.Hour
			mustPut(t, second, r)
			want[r.Key] = string(r.Data)
		}
	}
	other := &store.Record{Key: store.RecordKey{Kind: store.RecordState, ID: rand.Text()}, Revision: 1, Keep: time.Hour}
	mustPut(t, second, other)
	defer second.Delete(t.Context(), other.Key, 0)
	for _, limit := range []int{1, 7, 99, 100_000} {
		seen := make(map[store.RecordKey]bool)
		handles, pages := []store.Store{first, second}, 0
		for after, begun := "", false; !begun || after != ""; begun = true {
			// Another handle continues where this one stopped.
			pager, ok = handles[pages%2].(store.Scanner)
			if pages++; !ok {
				t.Fatal("the second handle is no Scanner")
			}
			page, next, err := pager.Scan(t.Context(), store.RecordSession, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit || next != "" && next == after {
				t.Fatalf("%d records on a page of %d, and from %q on to %q", len(page), limit, after, next)
			}
			for _, r := range page {
				data, ours := want[r.Key]
				switch {
				case r.Key.Kind != store.RecordSession:
					t.Errorf("%+v is of another kind", r.Key)
				case seen[r.Key]:
					t.Errorf("%+v came twice", r.Key)
				case ours && (r.Revision != 1 || string(r.Data) != data):
					t.Errorf("%+v: revision %d, %q; want 1, %q", r.Key, r.Revision, r.Data, data)
				}
				seen[r.Key] = true
			}
			after = next
		}
		for key := range want {
			if !seen[key] {
				t.Errorf("by pages of %d, %+v is missing", limit, key)
			}
		}
	}
	// Whoever reads a page may remove its records, and write, before reading the next.
	gone := 0
	for after, begun := "", false; !begun || after != ""; begun = true {
		page, next, err := pager.Scan(t.Context(), store.RecordSession, after, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if _, ours := want[r.Key]; ours {
				if err := second.Delete(t.Context(), r.Key, 1); err != nil {
					t.Errorf("%+v: %v", r.Key, err)
				}
				gone++
			}
		}
		after = next
	}
	if gone != len(want) {
		t.Errorf("%d of %d came while each page was removed", gone, len(want))
	}
	if _, _, err := pager.Scan(t.Context(), store.RecordSession, "no place", 10); err == nil {
		t.Error("a place that is none was taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := pager.Scan(ctx, store.RecordSession, "", 10); err == nil {
		t.Error("a context that ended did not stop it")
	}
}

// past purges until a record is gone. It repeats the purge, because stores may round times up.
func past(t *testing.T, s store.Store, key store.RecordKey) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); ; {
		if _, err := s.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := s.Get(t.Context(), key)
		if errors.Is(err, store.ErrNotFound) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatalf("%+v is still there", key)
		}
	}
}

func purge(t *testing.T, first, second store.Store) {
	did := newDID()
	for id, keep := range map[string]time.Duration{
		"past": time.Millisecond, "past as well": 1, "to come": time.Hour, "never": store.Forever, "not said": 0,
	} {
		r := record(did, id, 1, "x")
		r.Keep = keep
		mustPut(t, first, r)
		defer second.Delete(t.Context(), r.Key, 0)
	}
	past(t, second, record(did, "past", 0, "").Key)
	past(t, second, record(did, "past as well", 0, "").Key)
	// A record may have expired between the purge and the list: a list may contain it until the
	// next purge.
	if _, err := second.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := make(map[string]bool)
	for key, err := range first.List(t.Context(), store.RecordSession, did) {
		if err != nil {
			t.Fatal(err)
		}
		left[key.ID] = true
	}
	if diff := cmp.Diff(map[string]bool{"to come": true, "never": true, "not said": true}, left); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if n, err := first.Purge(t.Context()); err != nil || n < 0 {
		t.Errorf("a purge of nothing: %d, %v", n, err)
	}
}

// keeps writes records twice, and checks which of them are gone after the time of the first write.
func keeps(t *testing.T, first, second store.Store) {
	for name, tt := range map[string]struct {
		before, then time.Duration
		gone         bool
	}{
		"0 leaves an end as it is":              {0, 0, true}, // 0 before: the time that the test waits for
		"a time shortens":                       {time.Hour, time.Millisecond, true},
		"a time ends what was for ever":         {store.Forever, time.Millisecond, true},
		"a time prolongs":                       {0, time.Hour, false},
		"for ever takes the end away":           {0, store.Forever, false},
		"0 leaves a time to come as it is":      {time.Hour, 0, false},
		"0 leaves what is for ever as it is":    {store.Forever, 0, false},
		"for ever, from an end that is to come": {time.Hour, store.Forever, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for wait := 250 * time.Millisecond; ; wait *= 2 {
				did := newDID()
				r, mark := record(did, "1", 1, "x"), record(did, "mark", 1, "x")
				if r.Keep = tt.before; r.Keep == 0 {
					r.Keep = wait
				}
				mark.Keep = wait
				mustPut(t, first, r)
				next := *r
				next.Revision, next.Keep = 2, tt.then
				err := second.Put(t.Context(), &next)
				if errors.Is(err, store.ErrConflict) && wait < time.Minute {
					continue // the time had passed before: this machine is slow
				}
				if err != nil {
					t.Fatal(err)
				}
				// Its time began after the first one of r, so it ends after that.
				mustPut(t, second, mark)
				past(t, first, mark.Key)
				if tt.gone {
					past(t, first, r.Key)
					return
				}
				if got, err := first.Get(t.Context(), r.Key); err != nil || got.Revision != 2 {
					t.Errorf("got %+v, %v", got, err)
				}
				first.Delete(t.Context(), r.Key, 0)
				return
			}
		})
	}
	t.Run("less than 0 is an error", func(t *testing.T) {
		r := record(newDID(), "1", 1, "x")
		r.Keep = -1
		if err := first.Put(t.Context(), r); err == nil || errors.Is(err, store.ErrConflict) {
			t.Errorf("got %v", err)
		}
		if _, err := second.Get(t.Context(), r.Key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it was written all the same: %v", err)
		}
	})
}

// updateBeforePurge extends expired records while they are purged. Each must be extended or gone,
// as Put reported.
func updateBeforePurge(t *testing.T, first, second store.Store) {
	did := newDID()
	const records, writers = 120, 4
	for i := range records {
		r := record(did, fmt.Sprint(i), 1, "x")
		r.Keep = time.Millisecond
		mustPut(t, first, r)
	}
	var prolonged [records]bool
	var writing, purging sync.WaitGroup
	done := make(chan struct{})
	purging.Go(func() {
		for {
			if _, err := second.Purge(t.Context()); err != nil {
				t.Error(err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for w := range writers {
		writing.Go(func() {
			for i := w; i < records; i += writers {
				r := record(did, fmt.Sprint(i), 2, "y")
				r.Keep = time.Hour
				switch err := first.Put(t.Context(), r); {
				case err == nil:
					prolonged[i] = true
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(done)
	purging.Wait()
	for i, was := range prolonged {
		key := record(did, fmt.Sprint(i), 0, "").Key
		_, err := first.Get(t.Context(), key)
		if was && err != nil {
			t.Errorf("record %d was prolonged, and then: %v", i, err)
		}
		if !was && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("record %d could not be written, and then: %v", i, err)
		}
		first.Delete(t.Context(), key, 0)
	}
}

func takenOnce(t *testing.T, first, second store.Store) {
	for range 20 {
		key := store.RecordKey{Kind: store.RecordState, ID: rand.Text()}
		mustPut(t, first, &store.Record{Key: key, Revision: 1, Data: []byte("state")})
		var won atomic.Int32
		var takers sync.WaitGroup
		for i := range 16 {
			s := first
			if i%2 == 1 {
				s = second
			}
			takers.Go(func() {
				switch err := s.Delete(t.Context(), key, 1); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict):
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

// increment adds one to the number in a record, against others who do the same.
func increment(ctx context.Context, s store.Store, key store.RecordKey) error {
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
		case !errors.Is(err, store.ErrConflict):
			return err
		}
	}
}

func number(t *testing.T, s store.Store, key store.RecordKey) int {
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

func counter(t *testing.T, first, second store.Store) {
	r := record(newDID(), "counter", 1, "0")
	mustPut(t, first, r)
	defer first.Delete(t.Context(), r.Key, 0)
	const writers, each = 8, 12
	var all sync.WaitGroup
	for i := range writers {
		s := first
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

func cancelled(t *testing.T, first, second store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := record(newDID(), "1", 1, "x")
	if err := first.Put(ctx, r); err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("Put: %v", err)
	}
	if _, err := second.Get(t.Context(), r.Key); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it was written all the same: %v", err)
	}
	if _, err := first.Get(ctx, r.Key); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	if err := first.Delete(ctx, r.Key, 0); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Delete: %v", err)
	}
}

// deadline makes writers wait for another writer. The first of them has no deadline, so that the
// others also wait behind it.
func deadline(t *testing.T, b Backend, first store.Store) {
	r := record(newDID(), "1", 1, "x")
	r.Keep = time.Hour
	mustPut(t, first, r)
	defer first.Delete(t.Context(), r.Key, 0)
	release := sync.OnceFunc(b.Block(t, r.Key))
	defer release()
	next := *r
	next.Revision = 2
	patient := make(chan error, 1)
	go func() { patient <- first.Put(t.Context(), &next) }()
	for range 3 {
		hasty := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			hasty <- first.Put(ctx, &next)
		}()
		select {
		case err := <-hasty:
			if err == nil || errors.Is(err, store.ErrConflict) {
				t.Errorf("a write went past another one: %v", err)
			}
		case err := <-patient:
			t.Fatalf("a write did not wait: %v", err)
		case <-time.After(2 * time.Second):
			t.Fatal("a write with 50 ms to go was still waiting after 2 s")
		}
	}
	release()
	// A server may have carried out one of the abandoned writes after all.
	if err := <-patient; err != nil && !errors.Is(err, store.ErrConflict) {
		t.Errorf("the one that waited: %v", err)
	}
	if got, err := first.Get(t.Context(), r.Key); err != nil || got.Revision != 2 {
		t.Errorf("after that: %+v, %v", got, err)
	}
}

// The work of each process.
const (
	processCount     = 4
	processWrites    = 25
	processTakeables = 40
)

func takeable(did syntax.DID, i int) store.RecordKey {
	return store.RecordKey{Kind: store.RecordState, DID: did, ID: fmt.Sprint("take ", i)}
}

// processes makes other processes count and take, all at once.
func processes(t *testing.T, b Backend, first store.Store) {
	did := newDID()
	r := record(did, "counter", 1, "0")
	mustPut(t, first, r)
	for i := range processTakeables {
		mustPut(t, first, &store.Record{Key: takeable(did, i), Revision: 1})
	}
	took := 0
	for _, output := range start(t, b, did, taskCounter) {
		for line := range strings.Lines(output) {
			if _, after, ok := strings.Cut(line, "storetest took "); ok {
				n := 0
				fmt.Sscan(after, &n)
				took += n
			}
		}
	}
	if n := number(t, first, r.Key); n != processCount*processWrites {
		t.Errorf("%d of %d writes are there", n, processCount*processWrites)
	}
	if took != processTakeables {
		t.Errorf("%d processes took %d of %d records", processCount, took, processTakeables)
	}
	first.Delete(t.Context(), r.Key, 0)
}

// start runs the same test in other processes, all at once, and returns what they wrote.
func start(t *testing.T, b Backend, did syntax.DID, task string) (outputs [processCount]string) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	var written [processCount]bytes.Buffer
	var children [processCount]*exec.Cmd
	for i := range children {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+name+"$", "-test.v")
		cmd.Env = append(os.Environ(), environmentLocation+"="+b.Location, environmentDID+"="+string(did), environmentTask+"="+task)
		cmd.Stdout, cmd.Stderr = &written[i], &written[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		children[i] = cmd
	}
	for i, cmd := range children {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, written[i].Bytes())
		}
		outputs[i] = written[i].String()
	}
	return outputs
}

// child is the work of a process that start has started.
func child(t *testing.T, b Backend, location string, did syntax.DID) {
	first, err := b.OpenAt(t.Context(), location)
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := first.(io.Closer); ok {
		defer c.Close()
	}
	if os.Getenv(environmentTask) == taskHistory {
		historyChild(t, first, did)
		return
	}
	key := record(did, "counter", 0, "").Key
	for range processWrites {
		if err := increment(t.Context(), first, key); err != nil {
			t.Fatal(err)
		}
	}
	took := 0
	for i := range processTakeables {
		switch err := first.Delete(t.Context(), takeable(did, i), 1); {
		case err == nil:
			took++
		case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrConflict):
			t.Fatal(err)
		}
	}
	fmt.Println("storetest took", took)
}

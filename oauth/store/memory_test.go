package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestMemoryWritesByRevision(t *testing.T) {
	ctx := t.Context()
	key := RecordKey{Kind: RecordSession, DID: "did:plc:a", ID: "1"}
	put := func(m *Memory, revision uint64, data string) error {
		return m.Put(ctx, &Record{Key: key, Revision: revision, Data: []byte(data)})
	}
	m := new(Memory)
	for _, step := range []struct {
		name     string
		revision uint64
		want     error
	}{
		{"an update of nothing", 2, ErrConflict},
		{"revision 0 is never written", 0, ErrConflict},
		{"the first", 1, nil},
		{"the first again", 1, ErrConflict},
		{"the second", 2, nil},
		{"one left out", 4, ErrConflict},
	} {
		if err := put(m, step.revision, "x"); !errors.Is(err, step.want) {
			t.Errorf("%s: got %v, want %v", step.name, err, step.want)
		}
	}
	if err := m.Delete(ctx, key, 1); !errors.Is(err, ErrConflict) {
		t.Errorf("delete of an old revision: %v", err)
	}
	if err := m.Delete(ctx, key, 0); err != nil {
		t.Errorf("delete of any revision: %v", err)
	}
	if err := m.Delete(ctx, key, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete of nothing: %v", err)
	}
	if _, err := m.Get(ctx, key); !errors.Is(err, ErrNotFound) {
		t.Errorf("get of nothing: %v", err)
	}
	if err := put(m, 3, "x"); !errors.Is(err, ErrConflict) {
		t.Errorf("an update of a deleted record: %v", err)
	}
}

func TestMemoryGivesARecordToOneOfManyTakers(t *testing.T) {
	ctx := t.Context()
	m := new(Memory)
	key := RecordKey{Kind: RecordState, ID: "s"}
	if err := m.Put(ctx, &Record{Key: key, Revision: 1}); err != nil {
		t.Fatal(err)
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if m.Delete(ctx, key, 1) == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d takers won", won.Load())
	}
}

func TestMemoryKeepsItsOwnBytes(t *testing.T) {
	ctx := t.Context()
	m := new(Memory)
	r := &Record{Key: RecordKey{Kind: RecordMeta, ID: "m"}, Revision: 1, Data: []byte("abc")}
	if err := m.Put(ctx, r); err != nil {
		t.Fatal(err)
	}
	r.Data[0] = 'X'
	got, err := m.Get(ctx, r.Key)
	if err != nil {
		t.Fatal(err)
	}
	got.Data[1] = 'Y'
	again, err := m.Get(ctx, r.Key)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("abc", string(again.Data)); diff != "" {
		t.Error(diff)
	}
}

func TestMemoryListsAndPurges(t *testing.T) {
	ctx := t.Context()
	now := time.Unix(1000, 0)
	m := &Memory{Clock: func() time.Time { return now }}
	for _, r := range []Record{
		{Key: RecordKey{RecordSession, "did:plc:a", "1"}, Keep: Forever},
		{Key: RecordKey{RecordSession, "did:plc:a", "2"}, Keep: time.Hour},
		{Key: RecordKey{RecordSession, "did:plc:b", "1"}, Keep: time.Hour + 1},
		{Key: RecordKey{RecordState, "", "1"}, Keep: 1},
	} {
		r.Revision = 1
		if err := m.Put(ctx, &r); err != nil {
			t.Fatal(err)
		}
	}
	list := func(kind RecordKind, did syntax.DID) int {
		n := 0
		for _, err := range m.List(ctx, kind, did) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if got := []int{list(RecordSession, ""), list(RecordSession, "did:plc:a"), list(RecordState, ""), list(RecordMeta, "")}; !cmp.Equal(got, []int{3, 2, 1, 0}) {
		t.Errorf("listed %v", got)
	}
	now = now.Add(time.Hour)
	purged, err := m.Purge(ctx)
	if err != nil || purged != 2 {
		t.Errorf("purged %d, %v; want 2", purged, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := m.Get(cancelled, RecordKey{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Get: %v", err)
	}
}

// A machine that sleeps stops its monotonic clock, and the sessions go on to age.
func TestMemoryCountsTheTimeThatAMachineSleeps(t *testing.T) {
	t.Run("P67 the wall clock alone counts", func(t *testing.T) {
		// Afterwards the clock shows a day more. Were the monotonic part of the first time
		// kept, it could be compared with that of later ones, which stood still.
		began := time.Now()
		var asleep time.Duration
		m := &Memory{Clock: func() time.Time {
			if asleep == 0 {
				return began
			}
			return began.Round(0).Add(asleep)
		}}
		if err := m.Put(t.Context(), &Record{Key: RecordKey{Kind: RecordState, ID: "1"}, Revision: 1, Keep: time.Hour}); err != nil {
			t.Fatal(err)
		}
		for _, r := range m.records {
			if strings.Contains(r.until.String(), "m=") {
				t.Errorf("what is kept has a monotonic part: %v", r.until)
			}
		}
		asleep = 24 * time.Hour
		if n, err := m.Purge(t.Context()); n != 1 || err != nil {
			t.Errorf("purged %d, %v", n, err)
		}
	})
}

package oauth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestMemoryStoreWritesByRevision(t *testing.T) {
	ctx := t.Context()
	key := RecordKey{Kind: RecordSession, DID: "did:plc:a", ID: "1"}
	put := func(m *MemoryStore, revision uint64, data string) error {
		return m.Put(ctx, &Record{Key: key, Revision: revision, Data: []byte(data)})
	}
	m := new(MemoryStore)
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

func TestMemoryStoreGivesARecordToOneOfManyTakers(t *testing.T) {
	ctx := t.Context()
	m := new(MemoryStore)
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

func TestMemoryStoreKeepsItsOwnBytes(t *testing.T) {
	ctx := t.Context()
	m := new(MemoryStore)
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

func TestMemoryStoreListsAndPurges(t *testing.T) {
	ctx := t.Context()
	m := new(MemoryStore)
	now := time.Unix(1000, 0)
	for _, r := range []Record{
		{Key: RecordKey{RecordSession, "did:plc:a", "1"}},
		{Key: RecordKey{RecordSession, "did:plc:a", "2"}, Expires: now},
		{Key: RecordKey{RecordSession, "did:plc:b", "1"}, Expires: now.Add(1)},
		{Key: RecordKey{RecordState, "", "1"}, Expires: now.Add(-1)},
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
	purged, err := m.Purge(ctx, now)
	if err != nil || purged != 2 {
		t.Errorf("purged %d, %v; want 2", purged, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := m.Get(cancelled, RecordKey{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Get: %v", err)
	}
}

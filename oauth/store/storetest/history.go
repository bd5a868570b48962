package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// These tests compare what several writers saw on a few keys with a model of one register. There
// must be an order of all calls, each at a moment between its begin and its end, in which a
// register with compare-and-swap would have given the same answers. An interrupted call has no end:
// it may have been carried out at any later time, or never.
//
// The checker is porcupine. Only programs that run this suite link it.

// An operation is a call and its result. Processes exchange operations as JSON.
type operation struct {
	Key          int
	Kind         string // one of kinds
	Revision     uint64 // the revision to write, or to delete
	Write        string `json:",omitempty"` // the written data; no two writes have the same
	Begin, End   int64  // by the wall clock, which the processes of a machine share
	Outcome      string // one of outcomes
	ReadRevision uint64 `json:",omitempty"`
	Read         string `json:",omitempty"`
}

const (
	get, put, del = "get", "put", "delete"

	done, notFound, conflict, unknown = "done", "not found", "conflict", "unknown"
)

// The size of a history: keys, writers in a process, calls of each writer, and how many calls of a
// hundred are interrupted.
const (
	historyKeys, historyWriters, historyCalls, historyCuts = 3, 4, 60, 6
)

func historyKey(did syntax.DID, i int) store.RecordKey {
	return store.RecordKey{Kind: store.RecordSession, DID: did, ID: fmt.Sprint("register ", i)}
}

// history makes several writers call a store at random, and returns what they saw.
func history(ctx context.Context, did syntax.DID, name string, handles ...store.Store) []operation {
	var mu sync.Mutex
	var all []operation
	var writers sync.WaitGroup
	for w := range historyWriters {
		s := handles[w%len(handles)]
		writers.Go(func() {
			var seen [historyKeys]uint64 // the revision that this writer expects
			for call := range historyCalls {
				op := operation{Key: rand.IntN(historyKeys), Write: fmt.Sprint(name, " ", w, " ", call)}
				switch n := rand.IntN(10); {
				case n < 3:
					op.Kind = get
				case n < 8:
					op.Kind, op.Revision = put, seen[op.Key]+1
				default:
					op.Kind, op.Revision = del, seen[op.Key]
				}
				if rand.IntN(12) == 0 {
					op.Revision = rand.Uint64N(4) // this may be 0 in a Put too
				}
				perform(ctx, s, historyKey(did, op.Key), &op)
				switch {
				case op.Kind == get && op.Outcome == done:
					seen[op.Key] = op.ReadRevision
				case op.Kind == put && op.Outcome == done:
					seen[op.Key] = op.Revision
				case op.Outcome == notFound || op.Kind == del && op.Outcome == done:
					seen[op.Key] = 0
				case op.Outcome == conflict:
					seen[op.Key]++
				}
				mu.Lock()
				all = append(all, op)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	return all
}

// perform makes the call and notes its result.
func perform(ctx context.Context, s store.Store, key store.RecordKey, op *operation) {
	if rand.IntN(100) < historyCuts {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
		defer cancel()
	}
	op.Begin = time.Now().UnixNano()
	var err error
	switch op.Kind {
	case get:
		var r *store.Record
		if r, err = s.Get(ctx, key); err == nil {
			op.ReadRevision, op.Read = r.Revision, string(r.Data)
		}
	case put:
		err = s.Put(ctx, &store.Record{Key: key, Revision: op.Revision, Keep: time.Hour, Data: []byte(op.Write)})
	case del:
		err = s.Delete(ctx, key, op.Revision)
	}
	op.End = time.Now().UnixNano()
	switch {
	case err == nil:
		op.Outcome = done
	case errors.Is(err, store.ErrNotFound):
		op.Outcome = notFound
	case errors.Is(err, store.ErrConflict):
		op.Outcome = conflict
	default:
		op.Outcome = unknown
	}
}

// A register is the state of the model; revision 0 means nothing.
type register struct {
	revision uint64
	data     string
}

// step reports whether the model could give the store's answer, and returns its next state.
func step(before register, op operation) (bool, register) {
	outcome, after := done, before
	switch {
	case op.Kind == get && before.revision == 0, op.Kind == del && before.revision == 0:
		outcome = notFound
	case op.Kind == put && (op.Revision == 0 || op.Revision != before.revision+1),
		op.Kind == del && op.Revision != 0 && op.Revision != before.revision:
		outcome = conflict
	case op.Kind == put:
		after = register{op.Revision, op.Write}
	case op.Kind == del:
		after = register{}
	}
	if op.Outcome == unknown {
		return true, after // carried out now; a call that never was comes after all others
	}
	if op.Kind == get && outcome == done && before != (register{op.ReadRevision, op.Read}) {
		return false, before
	}
	return op.Outcome == outcome, after
}

// explainable fails the test if the model cannot explain a history.
func explainable(t *testing.T, all []operation) {
	t.Helper()
	histories := make([][]porcupine.Operation, historyKeys)
	cut := 0
	for i, op := range all {
		end := op.End
		if op.Outcome == unknown {
			if op.Kind == get {
				continue // it tells nothing
			}
			end = math.MaxInt64
			cut++
		}
		histories[op.Key] = append(histories[op.Key], porcupine.Operation{ClientId: i, Input: op, Call: op.Begin, Output: op, Return: end})
	}
	model := porcupine.Model{
		Init:  func() any { return register{} },
		Step:  func(state, input, _ any) (bool, any) { return step(state.(register), input.(operation)) },
		Equal: func(a, b any) bool { return a == b },
	}
	for key, h := range histories {
		if result := porcupine.CheckOperationsTimeout(model, h, time.Minute); result != porcupine.Ok {
			t.Errorf("register %d: %s: no order explains %d calls", key, result, len(h))
			for _, op := range h {
				text, _ := json.Marshal(op.Input)
				t.Logf("%s", text)
			}
		}
	}
	t.Logf("%d calls, %d of them cut off", len(all), cut)
}

func linearizable(t *testing.T, first, second store.Store) {
	for range 3 {
		did := newDID()
		explainable(t, history(t.Context(), did, "one process", first, second))
		forget(t, first, did)
	}
}

// forget removes the records of a history.
func forget(t *testing.T, s store.Store, did syntax.DID) {
	for i := range historyKeys {
		if err := s.Delete(t.Context(), historyKey(did, i), 0); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	}
}

const historyLine = "storetest history "

// linearizableProcesses is linearizable with writers in several processes.
func linearizableProcesses(t *testing.T, b Backend, first store.Store) {
	did := newDID()
	var all []operation
	for _, output := range start(t, b, did, taskHistory) {
		for line := range strings.Lines(output) {
			_, text, found := strings.Cut(line, historyLine)
			if !found {
				continue
			}
			var some []operation
			if err := json.Unmarshal([]byte(text), &some); err != nil {
				t.Fatal(err)
			}
			all = append(all, some...)
		}
	}
	if len(all) != processCount*historyWriters*historyCalls {
		t.Errorf("the processes report %d calls", len(all))
	}
	explainable(t, all)
	forget(t, first, did)
}

// historyChild is the work of a process that linearizableProcesses has started.
func historyChild(t *testing.T, s store.Store, did syntax.DID) {
	text, err := json.Marshal(history(t.Context(), did, fmt.Sprint("process ", rand.Uint64()), s))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(historyLine + string(text))
}

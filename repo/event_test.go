package repo

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const nextRev = syntax.TID("3lhhxj2u5wr2d")

// commitTo makes the event of a server for the change from one state to another: with the blocks
// that are new, and the nodes that lead to what changed and to its neighbours.
func (s *sample) commitTo(t testing.TB, after *sample) *CommitEvent {
	t.Helper()
	e := &CommitEvent{DID: s.did, Rev: nextRev, Since: rev, Commit: after.root.text(), PrevData: s.data.text()}
	need := make(map[cid]bool)
	all := make(heap)
	for _, b := range after.blocks {
		need[b.id] = true
		all[b.id] = b.data
	}
	for _, b := range s.blocks {
		delete(need, b.id)
	}
	tree, err := openTree(after.data, func(id cid) ([]byte, error) { need[id] = true; return all.load(id) })
	if err != nil {
		t.Fatal(err)
	}
	paths := slices.Sorted(maps.Keys(after.records))
	lead := func(i int) {
		if i < 0 || i >= len(paths) {
			return
		}
		if _, err := tree.get(paths[i]); err != nil {
			t.Fatal(err)
		}
	}
	both := maps.Clone(s.records)
	maps.Copy(both, after.records)
	for _, path := range slices.Sorted(maps.Keys(both)) {
		before, now := s.records[path], after.records[path]
		op := EventOp{Action: Update, Path: path, CID: now.text(), Prev: before.text()}
		switch {
		case before == now:
			continue
		case before.none():
			op.Action = Create
		case now.none():
			op.Action = Delete
		}
		e.Ops = append(e.Ops, op)
		if !now.none() {
			need[now] = true
		}
		i, found := slices.BinarySearch(paths, path)
		if _, err := tree.get(path); err != nil {
			t.Fatal(err)
		}
		lead(i - 1)
		if found {
			i++
		}
		lead(i)
	}
	e.Blocks = writeCAR(t, after.root, slices.DeleteFunc(slices.Clone(after.blocks), func(b block) bool { return !need[b.id] })...)
	return e
}

// changed returns notes of which some are removed, changed and added.
func changed(r *rand.Rand, notes map[string]string, n int) map[string]string {
	after := maps.Clone(notes)
	paths := slices.Sorted(maps.Keys(notes))
	for range n {
		switch r.IntN(3) {
		case 0:
			after[fmt.Sprintf("com.example.note/%07dx", r.IntN(1000))] = fmt.Sprint("new ", r.Uint64())
		case 1:
			if len(paths) > 0 {
				delete(after, paths[r.IntN(len(paths))])
			}
		default:
			if len(paths) > 0 {
				after[paths[r.IntN(len(paths))]] = fmt.Sprint("changed ", r.Uint64())
			}
		}
	}
	return after
}

func TestChanges(t *testing.T) {
	account := newSigner(t, alice)
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 2))
		notes := manyNotes(r.IntN(60) * r.IntN(8))
		before := newSample(t, account, rev, notes)
		now := changed(r, notes, 1+r.IntN(12))
		after := newSample(t, account, nextRev, now)
		event := before.commitTo(t, after)

		got := maps.Clone(notes)
		for op, err := range Operations(event) {
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if op.Prev != before.records[op.Path()].text() {
				t.Errorf("seed %d: %s was %s, want %s", seed, op.Path(), op.Prev, before.records[op.Path()].text())
			}
			if op.Action == Delete {
				delete(got, op.Path())
				continue
			}
			var n note
			if err := op.Record.As(&n); err != nil {
				t.Fatal(err)
			}
			got[op.Path()] = n.text
		}
		if diff := cmp.Diff(now, got); diff != "" {
			t.Errorf("seed %d (-want +got):\n%s", seed, diff)
		}

		change, err := ReadChange(event)
		if err != nil {
			t.Fatal(err)
		}
		if err := change.Verify(account.key); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		state := State{Rev: rev, Data: before.data.text()}
		if state, err = state.Next(change); err != nil || state != (State{Rev: nextRev, Data: after.data.text()}) {
			t.Errorf("seed %d: the next state is %v (%v)", seed, state, err)
		}

		t.Run("an operation is left out", func(t *testing.T) {
			for i := range event.Ops {
				short := *event
				short.Ops = slices.Delete(slices.Clone(event.Ops), i, i+1)
				change, err := ReadChange(&short)
				if err != nil {
					t.Fatal(err)
				}
				// The tree that comes of it is not the one of before, or cannot be made: nobody can hide an operation.
				if err := change.Verify(account.key); !errors.Is(err, ErrIncomplete) && !errors.Is(err, ErrMissingBlock) {
					t.Errorf("seed %d, without operation %d: %v", seed, i, err)
				}
			}
		})
		checkDiff(t, before, after)
	}
}

// checkDiff holds Diff to the records of two repositories.
func checkDiff(t *testing.T, before, after *sample) {
	t.Helper()
	var want, got []string
	both := maps.Clone(before.records)
	maps.Copy(both, after.records)
	for _, path := range slices.Sorted(maps.Keys(both)) {
		if a, b := before.records[path], after.records[path]; a != b {
			want = append(want, fmt.Sprint(path, " ", a.text(), " ", b.text()))
		}
	}
	for op, err := range Diff(open(t, before.car(t)), open(t, after.car(t))) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(op.Path(), " ", op.Prev, " ", op.CID))
		action := Update
		switch {
		case op.Prev == "":
			action = Create
		case op.CID == "":
			action = Delete
		}
		if op.Action != action || (op.Record == nil) != (action == Delete) || op.Record != nil && (op.Record.CID != op.CID || op.Record.Path() != op.Path()) {
			t.Errorf("%s is a %s with the record %v", op.Path(), op.Action, op.Record)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Diff (-want +got):\n%s", diff)
	}
}

func TestDiff(t *testing.T) {
	account := newSigner(t, alice)
	notes := manyNotes(3000)
	before := newSample(t, account, rev, notes)
	t.Run("what is the same is not read", func(t *testing.T) {
		now := maps.Clone(notes)
		now["com.example.note/0001500"] = "changed"
		delete(now, "com.example.note/0000001")
		after := newSample(t, account, nextRev, now)
		event := before.commitTo(t, after)
		slice := open(t, event.Blocks)
		whole := open(t, before.car(t))
		n := 0
		for _, err := range Diff(whole, slice) { // the slice has hardly more than what changed
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != 2 {
			t.Errorf("%d operations, want 2", n)
		}
		for range Diff(whole, slice) {
			break // the loop can be left
		}
	})
	t.Run("from and to nothing", func(t *testing.T) {
		none := newSample(t, account, rev, nil)
		checkDiff(t, none, before)
		checkDiff(t, before, none)
		checkDiff(t, before, before)
		n := 0
		for op, err := range Diff(nil, open(t, before.car(t))) {
			if err != nil || op.Action != Create {
				t.Fatal(op, err)
			}
			n++
		}
		for op, err := range Diff(open(t, before.car(t)), nil) {
			if err != nil || op.Action != Delete {
				t.Fatal(op, err)
			}
			n--
		}
		if n != 0 {
			t.Errorf("%d more are created of nothing than deleted to nothing", n)
		}
		for range Diff(nil, nil) {
			t.Error("nothing differs from nothing")
		}
	})
	t.Run("a tree without its blocks", func(t *testing.T) {
		commit := open(t, writeCAR(t, before.root, before.blocks[0]))
		for _, pair := range [][2]*Repository{{nil, commit}, {commit, open(t, before.car(t))}} {
			var last error
			for _, err := range Diff(pair[0], pair[1]) {
				last = err
			}
			failsWith(t, last, ErrMissingBlock)
		}
	})
}

func TestBadEvents(t *testing.T) {
	account := newSigner(t, alice)
	notes := manyNotes(200)
	before := newSample(t, account, rev, notes)
	now := maps.Clone(notes)
	const created, updated, deleted = "com.example.note/new", "com.example.note/0000101", "com.example.note/0000033"
	now[created], now[updated] = "new", "changed"
	delete(now, deleted)
	after := newSample(t, account, nextRev, now)
	good := before.commitTo(t, after)
	if len(good.Ops) != 3 {
		t.Fatal(good.Ops)
	}
	const del, upd, cre = 0, 1, 2 // in the order of their paths
	without := func(id cid) []byte {
		return writeCAR(t, after.root, slices.DeleteFunc(slices.Clone(after.blocks), func(b block) bool { return b.id == id })...)
	}
	others := newSample(t, newSigner(t, "did:plc:malloryaaaaaaaaaaaaaaaaa"), nextRev, now)
	stranger := newSample(t, newSigner(t, alice), nextRev, now)

	for _, c := range []struct {
		name   string
		change func(e *CommitEvent)
		read   error // by ReadChange
		op     error // by one of Operations
		verify error // by Verify
	}{
		{"nothing is wrong", func(e *CommitEvent) {}, nil, nil, nil},
		{"the first commit of an account", func(e *CommitEvent) { e.Since = "" }, nil, nil, nil},
		{"it says that it is too big", func(e *CommitEvent) { e.TooBig = true }, ErrTooBig, nil, nil},
		{"it has 201 operations", func(e *CommitEvent) { e.Ops = make([]EventOp, 201) }, ErrLimit, nil, nil},
		{"it has 2,000,001 bytes", func(e *CommitEvent) { e.Blocks = make([]byte, 2_000_001) }, ErrLimit, nil, nil},
		{"its blocks are none", func(e *CommitEvent) { e.Blocks = nil }, ErrTruncated, nil, nil},
		{"its blocks are cut", func(e *CommitEvent) { e.Blocks = e.Blocks[:len(e.Blocks)-1] }, ErrTruncated, nil, nil},
		{"its rev is another", func(e *CommitEvent) { e.Rev = "3lhhxj2u5wr2e" }, ErrEvent, nil, nil},
		{"its rev is not after the one before", func(e *CommitEvent) { e.Since = nextRev }, ErrEvent, nil, nil},
		{"its account is another", func(e *CommitEvent) { e.DID = "did:plc:malloryaaaaaaaaaaaaaaaaa" }, ErrEvent, nil, nil},
		{"its commit is another", func(e *CommitEvent) { e.Commit = before.root.text() }, ErrEvent, nil, nil},
		{"its blocks are of another account", func(e *CommitEvent) { e.Blocks, e.Commit = others.car(t), others.root.text() }, ErrEvent, nil, nil},
		{"somebody else has signed it", func(e *CommitEvent) { e.Blocks, e.Commit = stranger.car(t), stranger.root.text() }, nil, nil, ErrSignature},
		{"an action that is none", func(e *CommitEvent) { e.Ops[cre].Action = "purge" }, nil, ErrEvent, ErrEvent},
		{"a path that is none", func(e *CommitEvent) { e.Ops[cre].Path = "new" }, nil, ErrEvent, ErrEvent},
		{"a CID that is none", func(e *CommitEvent) { e.Ops[cre].CID = "bafy" }, nil, ErrEvent, ErrEvent},
		{"no CID of what is created", func(e *CommitEvent) { e.Ops[cre].CID = "" }, nil, ErrEvent, ErrEvent},
		{"a CID of a record that is not in the tree", func(e *CommitEvent) { e.Ops[cre].CID = e.Ops[upd].CID }, nil, ErrEvent, ErrEvent},
		{"a creation that did not happen", func(e *CommitEvent) { e.Ops[cre].Path += "er" }, nil, ErrEvent, ErrEvent},
		{"a deletion that did not happen", func(e *CommitEvent) { e.Ops[del].Path = "com.example.note/0000034" }, nil, ErrEvent, ErrEvent},
		{"a CID of what is deleted", func(e *CommitEvent) { e.Ops[del].CID = e.Ops[cre].CID }, nil, ErrEvent, ErrEvent},
		{"something before what is created", func(e *CommitEvent) { e.Ops[cre].Prev = e.Ops[cre].CID }, nil, nil, ErrEvent},
		{"an update said to be a creation", func(e *CommitEvent) { e.Ops[upd].Action, e.Ops[upd].Prev = Create, "" }, nil, nil, ErrIncomplete},
		{"an update of another record", func(e *CommitEvent) { e.Ops[upd].Prev = e.Ops[cre].CID }, nil, nil, ErrIncomplete},
		{"before an update there was no CID", func(e *CommitEvent) { e.Ops[upd].Prev = "bafy" }, nil, nil, ErrEvent},
		{"before it the tree was another", func(e *CommitEvent) { e.PrevData = after.data.text() }, nil, nil, ErrIncomplete},
		{"a record is missing", func(e *CommitEvent) { e.Blocks = without(after.records[created]) }, nil, ErrMissingBlock, ErrMissingBlock},
		{"the tree is missing", func(e *CommitEvent) { e.Blocks = without(after.data) }, nil, ErrMissingBlock, ErrMissingBlock},
		{"an old server does not say what the tree was", func(e *CommitEvent) { e.PrevData = "" }, nil, nil, ErrNotInductive},
		{"an old server does not say what was updated", func(e *CommitEvent) { e.Ops[upd].Prev = "" }, nil, nil, ErrNotInductive},
		{"an old server does not say what was deleted", func(e *CommitEvent) { e.Ops[del].Prev = "" }, nil, nil, ErrNotInductive},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := *good
			e.Ops = slices.Clone(good.Ops)
			c.change(&e)
			var of error
			ops := 0
			for op, err := range Operations(&e) {
				if err == nil {
					ops++
				} else if of = err; op != nil {
					t.Errorf("there is an operation %v as well", op)
				}
			}
			if want := first(c.read, c.op); want == nil && of != nil || want != nil && !errors.Is(of, want) {
				t.Errorf("Operations: %v, want %v", of, want)
			} else if c.op != nil && ops != len(e.Ops)-1 && c.name != "the tree is missing" {
				t.Errorf("%d other operations are read, want %d", ops, len(e.Ops)-1)
			}
			change, err := ReadChange(&e)
			if c.read != nil {
				failsWith(t, err, c.read)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			switch err := change.Verify(account.key); {
			case c.verify == nil && err != nil:
				t.Error(err)
			case c.verify != nil:
				failsWith(t, err, c.verify)
			}
		})
	}

	t.Run("the first commit of a repository", func(t *testing.T) {
		event := func() *CommitEvent {
			e := newSample(t, account, rev, nil).commitTo(t, newSample(t, account, nextRev, map[string]string{"com.example.note/a": "a", "com.example.note/b": "b"}))
			e.Since, e.PrevData = "", ""
			return e
		}
		for _, c := range []struct {
			name   string
			change func(e *CommitEvent)
			want   error
		}{
			{"is verified", func(*CommitEvent) {}, nil},
			{"has nothing in it that is not said", func(e *CommitEvent) { e.Ops = e.Ops[1:] }, ErrNotInductive},
			{"can delete nothing", func(e *CommitEvent) {
				e.Ops = append(e.Ops, EventOp{Action: Delete, Path: "com.example.note/c", Prev: e.Ops[0].CID})
			}, ErrNotInductive},
		} {
			t.Run(c.name, func(t *testing.T) {
				e := event()
				c.change(e)
				change, err := ReadChange(e)
				if err != nil {
					t.Fatal(err)
				}
				err = change.Verify(account.key)
				if c.want == nil && err != nil {
					t.Error(err)
				} else if c.want != nil {
					failsWith(t, err, c.want)
				}
				if next, err := (State{}).Next(change); err != nil || next != change.Commit().State() {
					t.Errorf("then %+v, %v", next, err)
				}
			})
		}
	})
	t.Run("a server leaves out nodes that it has sent before", func(t *testing.T) {
		// Of the tree there is what leads to some records.
		slice := func(paths ...string) []byte {
			need := map[cid]bool{after.root: true, after.data: true}
			all := make(heap)
			for _, b := range after.blocks {
				all[b.id] = b.data
			}
			tree, err := openTree(after.data, func(id cid) ([]byte, error) { need[id] = true; return all.load(id) })
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range paths {
				if _, err := tree.get(path); err != nil {
					t.Fatal(err)
				}
			}
			need[after.records[created]], need[after.records[updated]] = true, true
			return writeCAR(t, after.root, slices.DeleteFunc(slices.Clone(after.blocks), func(b block) bool { return !need[b.id] })...)
		}
		for _, c := range []struct {
			blocks   []byte
			prevData syntax.CID
			verify   error
		}{
			{slice(), good.PrevData, ErrMissingBlock},
			{slice(), "", ErrMissingBlock}, // or a record that is not the account's could be said to be
			{slice(created), "", ErrMissingBlock},
			{slice(created, updated), good.PrevData, ErrMissingBlock},
			{slice(created, updated), "", ErrNotInductive},
			{slice(created, updated, deleted), "", ErrNotInductive},
		} {
			e := *good
			e.Blocks, e.PrevData = c.blocks, c.prevData
			for op, err := range Operations(&e) {
				if err != nil {
					t.Error(err)
				} else if op.Action != Delete && op.Record == nil {
					t.Errorf("%s has no record", op.Path())
				}
			}
			change, err := ReadChange(&e)
			if err != nil {
				t.Fatal(err)
			}
			failsWith(t, change.Verify(account.key), c.verify)
		}
	})
}

// Servers have several operations on one record in events of batches.
func TestSeveralOperationsOnOneRecord(t *testing.T) {
	account := newSigner(t, alice)
	const path = "com.example.note/0000007"
	notes := manyNotes(20)
	with, without, changed := newSample(t, account, rev, notes), maps.Clone(notes), maps.Clone(notes)
	delete(without, path)
	changed[path] = "changed"
	none := newSample(t, account, rev, without)
	was := with.records[path].text()
	is := noteOf(t, "changed").id.text()
	between := noteOf(t, "between").id.text() // which no event has
	create, update, remove := EventOp{Create, path, is, ""}, EventOp{Update, path, is, was}, EventOp{Delete, path, "", was}
	for _, c := range []struct {
		name          string
		before, after *sample
		ops           []EventOp
		want          []Operation
	}{
		{"created and deleted", none, newSample(t, account, nextRev, without), []EventOp{{Create, path, between, ""}, {Delete, path, "", ""}}, nil},
		{"created, deleted and created", none, newSample(t, account, nextRev, changed), []EventOp{{Create, path, between, ""}, {Delete, path, "", ""}, create},
			[]Operation{{Action: Create, CID: is}}},
		{"created and updated", none, newSample(t, account, nextRev, changed), []EventOp{{Create, path, between, ""}, {Update, path, is, ""}},
			[]Operation{{Action: Create, CID: is}}},
		{"updated twice", with, newSample(t, account, nextRev, changed), []EventOp{{Update, path, between, was}, update},
			[]Operation{{Action: Update, CID: is, Prev: was}}},
		{"updated and deleted", with, newSample(t, account, nextRev, without), []EventOp{{Update, path, between, was}, remove},
			[]Operation{{Action: Delete, Prev: was}}},
		{"deleted and created", with, newSample(t, account, nextRev, changed), []EventOp{remove, {Create, path, is, was}},
			[]Operation{{Action: Update, CID: is, Prev: was}}},
		{"deleted, created and deleted", with, newSample(t, account, nextRev, without), []EventOp{remove, {Create, path, between, was}, remove},
			[]Operation{{Action: Delete, Prev: was}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := c.before.commitTo(t, c.after)
			// There is another operation behind them.
			other := EventOp{Update, "com.example.note/0000009", "bafy", ""}
			e.Ops = append(slices.Clone(c.ops), other)
			var got []Operation
			others := 0
			for op, err := range Operations(e) {
				if err != nil {
					others++
					failsWith(t, err, ErrEvent) // that one is none
					continue
				}
				if (op.Record == nil) != (op.CID == "") || op.Path() != path {
					t.Errorf("%s of %s has the record %v", op.Action, op.Path(), op.Record)
				}
				got = append(got, Operation{Action: op.Action, CID: op.CID, Prev: op.Prev})
			}
			if diff := cmp.Diff(c.want, got); diff != "" || others != 1 {
				t.Errorf("(-want +got), and %d others:\n%s", others, diff)
			}
			e.Ops = c.ops
			change, err := ReadChange(e)
			if err != nil {
				t.Fatal(err)
			}
			if err := change.Verify(account.key); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("an action that is none beside others", func(t *testing.T) {
		e := none.commitTo(t, newSample(t, account, nextRev, changed))
		e.Ops = []EventOp{{"nothing", path, is, ""}, create, {"", path, is, ""}}
		bad, good := 0, 0
		for _, err := range Operations(e) {
			if good++; err != nil {
				good--
				bad++
				failsWith(t, err, ErrEvent)
			}
		}
		if good != 1 || bad != 2 {
			t.Errorf("%d good and %d bad operations, want 1 and 2", good, bad)
		}
	})
}

// first returns the first error.
func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func TestStates(t *testing.T) {
	account := newSigner(t, alice)
	before, after := newSample(t, account, rev, manyNotes(50)), newSample(t, account, nextRev, manyNotes(51))
	for _, c := range []struct {
		name  string
		known State
		event func(e *CommitEvent)
		want  error
	}{
		{"it follows", State{rev, before.data.text()}, nil, nil},
		{"it follows what an old server has sent", State{rev, before.data.text()}, func(e *CommitEvent) { e.PrevData = "" }, nil},
		{"the first of an account", State{}, func(e *CommitEvent) { e.Since = "" }, nil},
		{"it is known", State{nextRev, after.data.text()}, nil, ErrStale},
		{"it is old", State{"3lhhxk2u5wr2d", after.data.text()}, nil, ErrStale},
		{"nothing is known", State{}, nil, ErrGap},
		{"one between them is missing", State{"3lhhxi2u5wr2d", before.data.text()}, nil, ErrGap},
		{"it does not say what it follows", State{rev, before.data.text()}, func(e *CommitEvent) { e.Since = "" }, ErrGap},
		{"the tree was another", State{rev, after.data.text()}, nil, ErrGap},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := before.commitTo(t, after)
			if c.event != nil {
				c.event(e)
			}
			change, err := ReadChange(e)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.known.Next(change)
			if c.want != nil {
				failsWith(t, err, c.want)
				if got != c.known {
					t.Errorf("the state is %v", got)
				}
			} else if err != nil || got != change.Commit().State() {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestSyncEvents(t *testing.T) {
	s := newSample(t, newSigner(t, alice), rev, manyNotes(50))
	car := writeCAR(t, s.root, s.blocks[0])
	c, err := ReadSync(&SyncEvent{DID: alice, Rev: rev, Blocks: car})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Verify(alice, s.key); err != nil {
		t.Error(err)
	}
	if want := (State{rev, s.data.text()}); c.State() != want {
		t.Errorf("%v, want %v", c.State(), want)
	}
	for name, c := range map[string]struct {
		event SyncEvent
		kind  error
	}{
		"another account": {SyncEvent{"did:plc:malloryaaaaaaaaaaaaaaaaa", rev, car}, ErrEvent},
		"another rev":     {SyncEvent{alice, nextRev, car}, ErrEvent},
		"no commit":       {SyncEvent{alice, rev, writeCAR(t, s.root, s.blocks[1])}, ErrMissingBlock},
		"too large":       {SyncEvent{alice, rev, append(slices.Clone(car), strings.Repeat("a", 10_000)...)}, ErrLimit},
	} {
		_, err := ReadSync(&c.event)
		t.Run(name, func(t *testing.T) { failsWith(t, err, c.kind) })
	}
}

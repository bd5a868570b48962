package repo

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

// Whatever bytes come as a CAR, they are read or refused with an error of this package, alike from
// memory, from a temporary file and in their place.
func FuzzRead(f *testing.F) {
	s := newSample(f, newSigner(f, alice), rev, manyNotes(12))
	car := s.car(f)
	for _, seed := range [][]byte{nil, car, car[:len(car)-3], readFixture(f, "repo/greenground.repo.car"), writeCAR(f, s.root, s.blocks[0])} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, car []byte) {
		limits := []Option{WithMaxBlockSize(1 << 16), WithMaxBlocks(1000), WithTempDir(dir)}
		read := func(opts ...Option) (*Repository, error) {
			return Read(t.Context(), bytes.NewReader(car), slices.Concat(limits, opts)...)
		}
		inMemory, err := read()
		inFile, errFile := read(WithMemory(1))
		inPlace, errPlace := Open(t.Context(), bytes.NewReader(car), int64(len(car)), limits...)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("not an *Error: %v", err)
			}
			if errFile == nil || errPlace == nil || err.Error() != errPlace.Error() {
				t.Errorf("in memory: %v; in a file: %v; in its place: %v", err, errFile, errPlace)
			}
			return
		}
		if errFile != nil || errPlace != nil {
			t.Fatalf("in memory: no error; in a file: %v; in its place: %v", errFile, errPlace)
		}
		defer inFile.Close()
		var want []*Record
		for i, r := range []*Repository{inMemory, inFile, inPlace} {
			var got []*Record
			for record, err := range r.Records() {
				if err != nil {
					if _, ok := errors.AsType[*Error](err); !ok {
						t.Errorf("not an *Error: %v", err)
					}
					break
				}
				got = append(got, record)
			}
			if i == 0 {
				want = got
			}
			if len(got) != len(want) {
				t.Errorf("%d records one way, %d another", len(want), len(got))
			}
		}
	})
}

// A node that is read is the one way to write what is in it.
func FuzzNode(f *testing.F) {
	records := make(map[string]cid)
	for path := range manyNotes(200) {
		records[path] = cidOf(codecDAGCBOR, []byte(path))
	}
	_, nodes := grow(f, records)
	for _, n := range nodes[:min(8, len(nodes))] {
		f.Add(n.data)
	}
	f.Add([]byte("\xa2ae\x80al\xf6"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := decodeNode(cidOf(codecDAGCBOR, data), data)
		if err != nil {
			if !errors.Is(err, ErrTree) {
				t.Errorf("%v is not %v", err, ErrTree)
			}
			return
		}
		var again []byte
		if _, err := (subtree{node: n}).store(func(_ cid, block []byte) { again = block }); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, data) {
			t.Errorf("%x is read, and written as %x", data, again)
		}
	})
}

// A tree that is read, whatever its nodes are, is the one that its records have.
func FuzzTree(f *testing.F) {
	for _, n := range []int{0, 1, 5, 40} {
		var seed []byte
		for i := range n {
			seed = append(seed, byte(i*37))
		}
		f.Add(seed)
	}
	f.Add([]byte{1, 0, 2, 0xff, 0xff, 3, 2, 1, 0, 9, 8, 7, 6, 5})
	value := cidOf(codecDAGCBOR, []byte("a record"))
	f.Fuzz(func(t *testing.T, script []byte) {
		// The script puts nodes on a heap, of paths and of nodes before: trees of any shape.
		h := make(heap)
		var made []lex.CIDLink
		next := func() (b byte) {
			if len(script) > 0 {
				b, script = script[0], script[1:]
			}
			return b
		}
		kid := func() *lex.CIDLink {
			if b := int(next()); len(made) > 0 && b%3 > 0 {
				return &made[len(made)-1-b/3%len(made)]
			}
			return nil
		}
		for len(script) > 0 && len(made) < 50 {
			n := nodeData{left: kid()}
			last := ""
			for range next() % 4 {
				path := pathOf(int(next()%3), last)
				prefix := commonPrefix(last, path)
				n.entries = append(n.entries, nodeEntry{prefix: int64(prefix), suffix: lex.Bytes(path[prefix:]), value: lex.CIDLink(value.text()), right: kid()})
				last = path
			}
			made = append(made, *h.add(t, n))
		}
		for _, root := range made {
			records, err := h.walk(root)
			if err != nil {
				if !errors.Is(err, ErrTree) {
					t.Errorf("%v is not %v", err, ErrTree)
				}
				continue
			}
			if want, _ := grow(t, records); string(want.text()) != string(root) {
				t.Errorf("a tree of %d records with the root %s is read, and theirs is %s", len(records), root, want.text())
			}
		}
	})
}

// An event is read or refused, and what a node does to operations panics nowhere.
func FuzzEvent(f *testing.F) {
	account := newSigner(f, alice)
	before := newSample(f, account, rev, manyNotes(30))
	now := manyNotes(33)
	delete(now, "com.example.note/0000003")
	after := newSample(f, account, nextRev, now)
	good := before.commitTo(f, after)
	f.Add(uint64(0), uint16(0), "com.example.note/0000003")
	f.Add(uint64(1<<63), uint16(700), "com.example.note/x")
	f.Fuzz(func(t *testing.T, missing uint64, ops uint16, path string) {
		e := *good
		all := slices.Clone(after.blocks)
		i := 0
		e.Blocks = writeCAR(t, after.root, slices.DeleteFunc(all, func(b block) bool {
			i++
			return b.id != after.root && missing>>(i%64)&1 == 1
		})...)
		e.Ops = slices.Clone(good.Ops)
		for j := range e.Ops {
			if ops>>(j%16)&1 == 1 {
				e.Ops[j].Path = path
			}
		}
		for op, err := range Operations(&e) {
			if (op == nil) == (err == nil) {
				t.Errorf("the operation %v and the error %v", op, err)
			}
		}
		change, err := ReadChange(&e)
		if err != nil {
			t.Fatal(err)
		}
		err = change.Verify(account.key)
		if _, ok := errors.AsType[*Error](err); err != nil && !ok {
			t.Errorf("not an *Error: %v", err)
		}
		if err == nil && !slices.Equal(e.Ops, good.Ops) {
			t.Errorf("%v is verified", e.Ops)
		}
	})
}

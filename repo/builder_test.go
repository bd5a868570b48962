package repo

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/serviceauth"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// builderOf returns an empty repository of alice, and its key.
func builderOf(t testing.TB, s *signer) *Builder {
	t.Helper()
	key, err := serviceauth.NewKey(s.private)
	if err != nil {
		t.Fatal(err)
	}
	return NewBuilder(s.did, key)
}

// revs returns revisions that grow.
func revs() func() syntax.TID {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() syntax.TID {
		at = at.Add(time.Second)
		return syntax.TIDOf(at, 0)
	}
}

func writeNote(t testing.TB, path, text string) Write {
	t.Helper()
	return Write{path, noteOf(t, text).data}
}

// What a Builder writes is what readers believe: each commit as an event that can be taken back, and the whole.
func TestBuilderWritesWhatIsRead(t *testing.T) {
	s, next, random := newSigner(t, alice), revs(), rand.New(rand.NewPCG(1, 2))
	b := builderOf(t, s)
	var known State
	want := make(map[string]string)
	for i := range 120 {
		var writes []Write
		for range random.IntN(9) {
			path := fmt.Sprintf("com.example.note/%03d", random.IntN(300))
			text := fmt.Sprintf("%d %d", i, len(writes))
			if slicesContain(writes, path) {
				continue
			}
			if _, is := want[path]; is && random.IntN(2) == 0 {
				writes = append(writes, Write{Path: path})
				delete(want, path)
				continue
			}
			writes = append(writes, writeNote(t, path, text))
			want[path] = text
		}
		event, err := b.Commit(next(), writes...)
		if err != nil {
			t.Fatal(err)
		}
		change, err := ReadChange(event)
		if err != nil {
			t.Fatal(err)
		}
		if err := change.Verify(s.key); err != nil {
			t.Fatalf("commit %d of %d writes: %v", i, len(writes), err)
		}
		if i > 0 {
			if known, err = known.Next(change); err != nil {
				t.Fatal(err)
			}
		} else {
			known = change.Commit().State()
		}
		n := 0
		for op, err := range change.Operations() {
			if err != nil || op.Action != Delete && op.Record == nil {
				t.Errorf("operation %v, %v", op, err)
			}
			n++
		}
		if n != len(writes) {
			t.Errorf("%d operations of %d writes", n, len(writes))
		}
	}

	var car bytes.Buffer
	n, err := b.WriteTo(&car)
	if err != nil || n != int64(car.Len()) {
		t.Fatalf("%d of %d bytes, %v", n, car.Len(), err)
	}
	r := open(t, car.Bytes())
	if err := r.Verify(alice, s.key); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, texts(t, r)); diff != "" {
		t.Error(diff)
	}
	if len(b.blocks) > 3*len(want)+200 {
		t.Errorf("%d blocks are kept for %d records", len(b.blocks), len(want))
	}
}

func slicesContain(writes []Write, path string) bool {
	for _, w := range writes {
		if w.Path == path {
			return true
		}
	}
	return false
}

// The trees of real repositories, made of their records again, have the same root.
func TestBuilderMakesTheTreesOfRealRepositories(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(fixtures, "repo", "*.repo.car"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, next, records := open(t, data), revs(), 0
			b := builderOf(t, newSigner(t, alice))
			var writes []Write
			flush := func() {
				if _, err := b.Commit(next(), writes...); err != nil {
					t.Fatal(err)
				}
				writes = nil
			}
			for record, err := range r.Records() {
				if err != nil {
					t.Fatal(err)
				}
				records++
				if writes = append(writes, Write{record.Path(), bytes.Clone(record.CBOR)}); len(writes) == maxOps {
					flush()
				}
			}
			flush()
			if b.Head().Data != r.Commit().Data {
				t.Errorf("of %d records the tree is %s, and was %s", records, b.Head().Data, r.Commit().Data)
			}
		})
	}
}

func TestBuilderProves(t *testing.T) {
	s, next := newSigner(t, alice), revs()
	b := builderOf(t, s)
	for i := range 100 {
		if _, err := b.Commit(next(), writeNote(t, fmt.Sprintf("com.example.note/%03d", 2*i), "there")); err != nil {
			t.Fatal(err)
		}
	}
	var whole bytes.Buffer
	if _, err := b.WriteTo(&whole); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		key   string
		there bool
	}{{"000", true}, {"042", true}, {"198", true}, {"043", false}, {"999", false}} {
		t.Run(tc.key, func(t *testing.T) {
			car, err := b.Proof("com.example.note/" + tc.key)
			if err != nil {
				t.Fatal(err)
			}
			r := open(t, car)
			if err := r.Verify(alice, s.key); err != nil {
				t.Error(err)
			}
			record, err := r.Get("com.example.note", syntax.RecordKey(tc.key))
			if tc.there && err != nil || !tc.there && !errors.Is(err, ErrNotFound) {
				t.Errorf("%v, %v", record, err)
			}
			if len(car)*5 > whole.Len() {
				t.Errorf("a proof takes %d bytes of %d", len(car), whole.Len())
			}
		})
	}
}

func TestBuilderRefuses(t *testing.T) {
	next := revs()
	b := builderOf(t, newSigner(t, alice))
	_, first := b.Commit(next(), writeNote(t, "com.example.note/a", "a"))
	if first != nil {
		t.Fatal(first)
	}
	before := *b.Head()
	many := make([]Write, maxOps+1)
	for i := range many {
		many[i] = writeNote(t, fmt.Sprintf("com.example.note/%d", i), "x")
	}
	for _, tc := range []struct {
		name   string
		rev    syntax.TID
		writes []Write
		kind   error
	}{
		{"a rev that is none", "soon", nil, ErrEvent},
		{"a rev that is not larger", before.Rev, nil, ErrEvent},
		{"two writes to one path", next(), []Write{writeNote(t, "com.example.note/b", "1"), writeNote(t, "com.example.note/b", "2")}, ErrEvent},
		{"a deletion of nothing", next(), []Write{{Path: "com.example.note/b"}}, ErrEvent},
		{"a path without a key", next(), []Write{writeNote(t, "com.example.note", "1")}, ErrEvent},
		{"a path with a space", next(), []Write{writeNote(t, "com.example.note/a b", "1")}, ErrEvent},
		{"more writes than a commit may have", next(), many, ErrLimit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := b.Commit(tc.rev, tc.writes...)
			failsWith(t, err, tc.kind)
			if diff := cmp.Diff(before.CID, b.Head().CID); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a key that cannot sign", func(t *testing.T) {
		b.key = brokenKey{}
		_, err := b.Commit(next())
		failsWith(t, err, ErrSignature)
		if b.Head().CID != before.CID {
			t.Error("the commit has changed")
		}
	})
	t.Run("nothing to write yet", func(t *testing.T) {
		empty := builderOf(t, newSigner(t, alice))
		_, err := empty.WriteTo(new(bytes.Buffer))
		failsWith(t, err, ErrCommit)
		_, err = empty.Proof("com.example.note/a")
		failsWith(t, err, ErrCommit)
	})
	t.Run("a writer that fails", func(t *testing.T) {
		if _, err := b.WriteTo(full{}); !errors.Is(err, errFull) {
			t.Errorf("got %v", err)
		}
	})
}

func TestBuilderShowsNoKey(t *testing.T) { // P78
	b := NewBuilder(alice, shownKey{"secret"})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if text := fmt.Sprintf(verb, b); text != "repository of "+string(alice) {
			t.Errorf("%s: %s", verb, text)
		}
	}
}

type shownKey struct{ Key string }

func (shownKey) Sign([]byte) ([]byte, error) { return nil, errFull }

type brokenKey struct{}

func (brokenKey) Sign([]byte) ([]byte, error) { return nil, errFull }

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// A first commit may be of an empty repository, and a repository may become empty again.
func TestBuilderOfNothing(t *testing.T) {
	s, next := newSigner(t, alice), revs()
	b := builderOf(t, s)
	for _, writes := range [][]Write{nil, {writeNote(t, "com.example.note/a", "a")}, {{Path: "com.example.note/a"}}, nil} {
		event, err := b.Commit(next(), writes...)
		if err != nil {
			t.Fatal(err)
		}
		change, err := ReadChange(event)
		if err != nil {
			t.Fatal(err)
		}
		if err := change.Verify(s.key); err != nil {
			t.Errorf("after %d writes: %v", len(writes), err)
		}
	}
	if b.Head().Data != emptyTree {
		t.Errorf("the tree is %s", b.Head().Data)
	}
	if _, err := lex.MarshalCBOR(b.Head()); err != nil {
		t.Error(err)
	}
}

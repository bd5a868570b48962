package repo

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

func TestRead(t *testing.T) {
	notes := manyNotes(500)
	s := newSample(t, newSigner(t, alice), rev, notes)
	shuffled := slices.Clone(s.blocks)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	backwards := slices.Clone(s.blocks)
	slices.Reverse(backwards)
	unused := append(slices.Clone(s.blocks), block{cidOf(codecRaw, []byte("a picture")), []byte("a picture")}, noteOf(t, "deleted"))

	for _, c := range []struct {
		name   string
		blocks []block
	}{
		{"in the order of the tree", s.blocks},
		{"in any order", shuffled},
		{"the commit last", backwards},
		{"some twice", append(slices.Clone(s.blocks), s.blocks[3:40]...)},
		{"some that nobody asks for", unused},
	} {
		t.Run(c.name, func(t *testing.T) {
			car := writeCAR(t, s.root, c.blocks...)
			opened, err := Open(t.Context(), bytes.NewReader(car), int64(len(car)))
			if err != nil {
				t.Fatal(err)
			}
			for name, r := range map[string]*Repository{
				"memory": open(t, car), "a temporary file": open(t, car, WithMemory(1000), WithTempDir(t.TempDir())), "the file itself": opened,
			} {
				if err := r.Verify(alice, s.key); err != nil {
					t.Error(name, err)
				}
				if diff := cmp.Diff(notes, texts(t, r)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			slow, err := Read(t.Context(), iotest.OneByteReader(bytes.NewReader(car)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(notes, texts(t, slow)); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}

	t.Run("a record that two paths share", func(t *testing.T) {
		twins := map[string]string{"com.example.note/a": "same", "com.example.note/b": "same"}
		if diff := cmp.Diff(twins, texts(t, open(t, newSample(t, s.signer, rev, twins).car(t)))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("no record", func(t *testing.T) {
		r := open(t, newSample(t, s.signer, rev, nil).car(t))
		if diff := cmp.Diff(map[string]string{}, texts(t, r)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		_, err := r.Get("com.example.note", "a")
		failsWith(t, err, ErrNotFound)
	})
}

func TestCollection(t *testing.T) {
	notes := manyNotes(300)
	s := newSample(t, newSigner(t, alice), rev, notes)
	r := open(t, s.car(t))
	for _, collection := range []syntax.NSID{"com.example.note", "com.example.note2", "com.example.not", "com.example"} {
		want := maps.Clone(notes)
		maps.DeleteFunc(want, func(path, _ string) bool {
			c, _ := split(path)
			return c != collection
		})
		got := make(map[string]string)
		for record, err := range r.Collection(collection) {
			if err != nil {
				t.Fatal(err)
			}
			got[record.Path()] = notes[record.Path()]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", collection, diff)
		}
	}
	for range r.Records() {
		break // the loop can be left
	}
}

// A CAR of com.atproto.sync.getRecord proves one record, or that there is none.
func TestProofs(t *testing.T) {
	s := newSample(t, newSigner(t, alice), rev, manyNotes(2000))
	proof := func(path string) (car []byte, blocks int) {
		need := map[cid]bool{s.root: true}
		whole := open(t, s.car(t))
		tree, err := openTree(s.data, func(id cid) ([]byte, error) { need[id] = true; return whole.blocks.load(id) })
		if err != nil {
			t.Fatal(err)
		}
		id, err := tree.get(path)
		if err != nil {
			t.Fatal(err)
		}
		need[id] = true
		some := slices.DeleteFunc(slices.Clone(s.blocks), func(b block) bool { return !need[b.id] })
		return writeCAR(t, s.root, some...), len(some)
	}
	car, blocks := proof("com.example.note/0001234")
	if blocks > 20 {
		t.Errorf("the proof has %d blocks", blocks)
	}
	r := open(t, car)
	if err := r.Verify(alice, s.key); err != nil {
		t.Error(err)
	}
	record, err := r.Get("com.example.note", "0001234")
	if err != nil {
		t.Fatal(err)
	}
	if want := s.records["com.example.note/0001234"].text(); record.CID != want {
		t.Errorf("the record is %s, want %s", record.CID, want)
	}
	_, err = r.Get("com.example.note", "0000001")
	failsWith(t, err, ErrMissingBlock)
	failsWith(t, lastError(r), ErrMissingBlock)

	car, _ = proof("com.example.note/0001234x")
	_, err = open(t, car).Get("com.example.note", "0001234x")
	failsWith(t, err, ErrNotFound)
}

// lastError reads all records.
func lastError(r *Repository) (last error) {
	for _, err := range r.Records() {
		last = err
	}
	return last
}

func TestBadCARs(t *testing.T) {
	s := newSample(t, newSigner(t, alice), rev, manyNotes(30))
	good := s.car(t)
	header := good[:1+good[0]]
	replaced := func(i int, with block) []byte {
		blocks := slices.Clone(s.blocks)
		blocks[i] = with
		return writeCAR(t, s.root, blocks...)
	}
	headerLike := func(fields string) []byte { return append([]byte{byte(len(fields))}, fields...) }
	withSection := func(section ...byte) []byte { return append(slices.Clone(good), section...) }
	cidV0 := append([]byte{36, 0x12, 0x20}, make([]byte, 34)...)
	sha512 := append([]byte{68, 1, codecDAGCBOR, 0x13, 64}, make([]byte, 64)...)

	for _, c := range []struct {
		name string
		car  []byte
		kind error
		opts []Option
	}{
		{"nothing", nil, ErrTruncated, nil},
		{"a page of HTML", []byte("<!doctype html><title>Bad gateway</title>"), ErrTruncated, nil},
		{"a header of no bytes", []byte{0}, ErrCAR, nil},
		{"a header that is no map", headerLike("\x01"), ErrCAR, nil},
		{"a header without roots", headerLike("\xa1gversion\x01"), ErrCAR, nil},
		{"a header with no root", headerLike("\xa2eroots\x80gversion\x01"), ErrCAR, nil},
		{"a CAR of version 2", headerLike("\xa1gversion\x02"), ErrCAR, nil},
		{"a header of version 2", slices.Concat(header[:len(header)-1], []byte{2}, good[len(header):]), ErrCAR, nil},
		{"a header of a gigabyte", binary.AppendUvarint(nil, 1<<30), ErrCAR, nil},
		{"a header of 60,000 levels", append(binary.AppendUvarint(nil, 60_000), bytes.Repeat([]byte{0x81}, 60_000)...), ErrCAR, nil},
		{"a header whose roots have 60,000 levels", append(append(binary.AppendUvarint(nil, 60_000), "\xa2eroots"...), bytes.Repeat([]byte{0x81}, 59_993)...), ErrCAR, nil},
		{"a length of 10 bytes", withSection(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01), ErrCAR, nil},
		{"a length that could be shorter", withSection(0xa4, 0x00), ErrCAR, nil},
		{"a section without room for a CID", withSection(3, 1, 2, 3), ErrCAR, nil},
		{"padding", withSection(0, 0, 0), ErrCAR, nil},
		{"a CID of version 0", withSection(cidV0...), ErrCAR, nil},
		{"a CID of SHA-512", withSection(sha512...), ErrCAR, nil},
		{"a block that lies", replaced(9, block{s.blocks[9].id, []byte("other bytes")}), ErrHash, nil},
		{"a commit that lies", replaced(0, block{s.blocks[0].id, s.blocks[1].data}), ErrHash, nil},
		{"a lie of the codec", replaced(0, block{cid{codecRaw, s.root.digest}, s.blocks[0].data}), ErrMissingBlock, nil},
		{"no commit", writeCAR(t, s.root, s.blocks[1:]...), ErrMissingBlock, nil},
		{"a commit that is a record", writeCAR(t, s.blocks[20].id, s.blocks...), ErrCommit, nil},
		{"a block of a gigabyte", withSection(binary.AppendUvarint(nil, 1<<30)...), ErrLimit, nil},
		{"a block larger than allowed", good, ErrLimit, []Option{WithMaxBlockSize(40)}},
		{"more blocks than allowed", good, ErrLimit, []Option{WithMaxBlocks(int64(len(s.blocks) - 1))}},
		{"more bytes than allowed", good, ErrLimit, []Option{WithMaxSize(int64(len(good) - 1))}},
		{"no place for a temporary file", good, ErrStorage, []Option{WithMemory(1), WithTempDir(filepath.Join(t.TempDir(), "none"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which waits for goroutines, if any were left
				_, err := Read(t.Context(), bytes.NewReader(c.car), c.opts...)
				failsWith(t, err, c.kind)
				if c.kind != ErrStorage {
					_, err = Open(t.Context(), bytes.NewReader(c.car), int64(len(c.car)), c.opts...)
					failsWith(t, err, c.kind)
				}
			})
		})
	}
	t.Run("exactly what is allowed", func(t *testing.T) {
		open(t, good, WithMaxBlocks(int64(len(s.blocks))), WithMaxSize(int64(len(good))))
	})
	t.Run("no limit is the default", func(t *testing.T) {
		open(t, good, WithMaxBlocks(0), WithMaxSize(0), WithMaxBlockSize(-1), WithMemory(0), WithTempDir(""))
	})
	t.Run("truncated anywhere", func(t *testing.T) {
		whole := map[int]bool{len(header): true} // where a section ends
		at := len(header)
		for _, b := range s.blocks {
			at += len(section(b))
			whole[at] = true
		}
		for n := range len(good) {
			r, err := Read(t.Context(), bytes.NewReader(good[:n]))
			switch {
			case err == nil:
				err = lastError(r)
				failsWith(t, err, ErrMissingBlock)
			case whole[n]:
				failsWith(t, err, ErrMissingBlock)
			default:
				failsWith(t, err, ErrTruncated)
				if !errors.Is(err, io.ErrUnexpectedEOF) && n > 0 {
					t.Errorf("at %d: %v", n, err)
				}
			}
		}
	})
	t.Run("the place is told", func(t *testing.T) {
		_, err := Read(t.Context(), bytes.NewReader(withSection(3, 1, 2, 3)))
		if e, ok := errors.AsType[*Error](err); !ok || e.Offset != int64(len(good)) {
			t.Errorf("%v, want byte %d", err, len(good))
		}
	})
}

func TestReadersAndContexts(t *testing.T) {
	car := newSample(t, newSigner(t, alice), rev, manyNotes(30)).car(t)
	broken := errors.New("connection reset")
	_, err := Read(t.Context(), io.MultiReader(bytes.NewReader(car[:700]), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) || errors.Is(err, ErrTruncated) {
		t.Errorf("%v, want %v", err, broken)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, bytes.NewReader(car)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	s := newSample(t, newSigner(t, alice), rev, manyNotes(200))
	car := s.car(t)
	count := func() int {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	r, err := Read(t.Context(), bytes.NewReader(car), WithMemory(5000), WithTempDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	records := r.Records()
	first := true
	for record, err := range records {
		if first && err == nil {
			first = false
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		failsWith(t, err, ErrClosed)
		if record != nil {
			t.Errorf("there is a record %s as well", record.Path())
		}
	}
	if err := r.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	failsWith(t, lastError(r), ErrClosed)
	if n := count(); n != 0 {
		t.Errorf("%d files are left", n)
	}
	if _, err := Read(t.Context(), bytes.NewReader(car[:len(car)-1]), WithMemory(5000), WithTempDir(dir)); err == nil {
		t.Error("a truncated CAR is read")
	}
	if n := count(); n != 0 {
		t.Errorf("%d files are left after a failure", n)
	}

	t.Run("a Repository of nobody", func(t *testing.T) {
		var r Repository
		failsWith(t, lastError(&r), ErrClosed)
		failsWith(t, r.Verify(alice, s.key), ErrClosed)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a file that somebody changes", func(t *testing.T) {
		changing := slices.Clone(car)
		r, err := Open(t.Context(), bytes.NewReader(changing), int64(len(changing)))
		if err != nil {
			t.Fatal(err)
		}
		changing[len(changing)-1] ^= 1
		failsWith(t, lastError(r), ErrHash)
	})
	t.Run("a file that somebody cuts", func(t *testing.T) {
		name := filepath.Join(dir, "repo.car")
		if err := os.WriteFile(name, car, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r, err := Open(t.Context(), f, int64(len(car)))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(int64(len(car) - 10)); err != nil {
			t.Fatal(err)
		}
		failsWith(t, lastError(r), ErrStorage)
	})
}

func TestManyReadersOfOneRepository(t *testing.T) {
	notes := manyNotes(400)
	car := newSample(t, newSigner(t, alice), rev, notes).car(t)
	opened, err := Open(t.Context(), bytes.NewReader(car), int64(len(car)))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*Repository{"memory": open(t, car), "a file": open(t, car, WithMemory(1)), "its place": opened} {
		var readers sync.WaitGroup
		for range 8 {
			readers.Go(func() {
				n := 0
				for record, err := range r.Records() {
					if err != nil {
						t.Error(name, err)
						return
					}
					if again, err := r.Get(record.Collection, record.Key); err != nil || again.CID != record.CID {
						t.Error(name, again, err)
					}
					n++
				}
				if n != len(notes) {
					t.Errorf("%s: %d records, want %d", name, n, len(notes))
				}
			})
		}
		readers.Wait()
	}
}

// A spool gives back what was written, however it was cut.
func TestSpool(t *testing.T) {
	data := make([]byte, 3*chunkSize+17)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	for _, limit := range []int64{1 << 30, int64(len(data)), int64(len(data)) - 1, chunkSize, 0} {
		s := &spool{limit: limit, dir: t.TempDir()}
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+len(rest)%50_000)
			if _, err := s.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := s.finish(); err != nil {
			t.Fatal(err)
		}
		if inFile := s.file != nil; inFile != (limit < int64(len(data))) {
			t.Errorf("limit %d: in a file: %v", limit, inFile)
		}
		for _, at := range []int{0, 1, chunkSize - 1, chunkSize, 2*chunkSize - 5, len(data) - 20} {
			got := make([]byte, min(2*chunkSize, len(data)-at))
			if _, err := s.ReadAt(got, int64(at)); err != nil || !bytes.Equal(got, data[at:at+len(got)]) {
				t.Errorf("limit %d: other bytes at %d (%v)", limit, at, err)
			}
		}
		if _, err := s.ReadAt(make([]byte, 21), int64(len(data)-20)); err != io.EOF {
			t.Errorf("limit %d: %v behind the end, want %v", limit, err, io.EOF)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

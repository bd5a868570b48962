//go:build !race

package repo

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// largeCAR writes the CAR of a repository of n notes of about 400 bytes into a file, the records
// first: the order in which the least can be thrown away.
func largeCAR(t testing.TB, n int) (name string, size int64) {
	t.Helper()
	account := newSigner(t, alice)
	records := make(map[string]cid, n)
	var sections bytes.Buffer
	padding := strings.Repeat("a note that is about as long as a post. ", 9)
	for i := range n {
		b := noteOf(t, fmt.Sprint(i, padding))
		records[fmt.Sprintf("com.example.note/%013d", i)] = b.id
		sections.Write(section(b))
	}
	data, nodes := grow(t, records)
	for _, b := range nodes {
		sections.Write(section(b))
	}
	commit := account.commit(t, data, rev)
	name = filepath.Join(t.TempDir(), "large.car")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(writeCAR(t, commit.id, commit)); err != nil {
		t.Fatal(err)
	}
	if _, err := sections.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return name, info.Size()
}

// heapNow is what the heap holds that is still in use.
func heapNow() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A reader that tells from time to time what the heap holds.
type watched struct {
	io.Reader
	peak *int64
	left int
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if w.left -= n; w.left < 0 {
		w.left = 4 << 20
		*w.peak = max(*w.peak, heapNow())
	}
	return n, err
}

// The race detector has memory of its own, which must not count.
func TestMemoryOf100000Records(t *testing.T) {
	const records = 100_000
	name, size := largeCAR(t, records)
	if size < 40<<20 {
		t.Fatalf("the CAR has %d bytes", size)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := heapNow()
	for _, c := range []struct {
		name  string
		read  func(peak *int64) (*Repository, error)
		limit int64 // bytes
	}{
		// 16 MiB of blocks, or the list of places.
		{"as it comes", func(peak *int64) (*Repository, error) {
			return Read(t.Context(), &watched{Reader: bufio.NewReader(file), peak: peak}, WithTempDir(t.TempDir()))
		}, 26 << 20},
		{"in its place", func(peak *int64) (*Repository, error) { return Open(t.Context(), file, size) }, 12 << 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			var peak int64
			r, err := c.read(&peak)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if kept := heapNow() - before; kept > 12<<20 {
				t.Errorf("when it is read, it takes %d bytes of memory", kept)
			}
			n := 0
			for _, err := range r.Records() {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n%(records/4) == 0 {
					peak = max(peak, heapNow())
				}
			}
			if n != records {
				t.Errorf("%d records, want %d", n, records)
			}
			t.Logf("a CAR of %d MB takes %d MB of memory", size>>20, (peak-before)>>20)
			if peak-before > c.limit {
				t.Errorf("%d bytes of memory, and %d are allowed", peak-before, c.limit)
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	name, size := largeCAR(b, 100_000)
	file, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for _, c := range []struct {
		name string
		read func() (*Repository, error)
	}{
		{"file", func() (*Repository, error) { return Read(b.Context(), io.NewSectionReader(file, 0, size)) }},
		{"memory", func() (*Repository, error) {
			return Read(b.Context(), io.NewSectionReader(file, 0, size), WithMemory(size))
		}},
		{"place", func() (*Repository, error) { return Open(b.Context(), file, size) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				r, err := c.read()
				if err != nil {
					b.Fatal(err)
				}
				for _, err := range r.Records() {
					if err != nil {
						b.Fatal(err)
					}
				}
				r.Close()
			}
		})
	}
}

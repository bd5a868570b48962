// Package filestore keeps records in files, for programs on one machine: command-line
// tools, bots, small servers of several processes.
//
//	store, err := filestore.Open("/var/lib/app/sessions")
//	…
//	config.Store, config.Seal = store, seal.Keys(key)
//
// Each record is a file of mode 0600, in a folder for its account, of mode 0700. A write is
// a new file that takes the old one's place, with everything on disk before it does, so
// that a crash leaves one of the two and never a part. Processes take turns by flock, only
// while one compares and replaces, and for ten seconds at most; nothing is held while a
// Client talks to a server.
//
// The directory has to be on a local file system: network file systems may not keep
// what flock and rename promise.
package filestore

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Store is a store.Store in a directory. It is safe for concurrent use, by several
// processes too. Records are kept by the wall clock of this machine.
type Store struct {
	dir   string // absolute
	clock func() time.Time
	disk  disk

	// In front of the file locks: goroutines of one process queue here instead of
	// asking the system again and again. Who has put a value into the channel has the turn.
	turns [shards]chan struct{}
}

// An Option changes a Store.
type Option func(*Store)

// WithClock sets what tells the time instead of time.Now, for tests.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.clock = now } }

var _ store.Scanner = (*Store)(nil)

// Open returns the store in dir, which it makes with mode 0700 if it is not there. It
// fails if others than the owner may enter the directory.
func Open(dir string, opts ...Option) (*Store, error) {
	// A program may change its directory later, and on Windows its drive; and paths of any
	// length work there if they are absolute.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	s := &Store{dir: dir, clock: time.Now, disk: system}
	for _, d := range []string{dir, s.locks(), s.records()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("filestore: %w", err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, fmt.Errorf("filestore: %s has mode %04o: others may enter it; chmod 700", dir, mode)
	}
	for i := range s.turns {
		s.turns[i] = make(chan struct{}, 1)
	}
	for _, opt := range opts {
		opt(s)
	}
	return s, nil
}

// A header is the first line of a file; the data follows. The parts of the key are
// escaped as in a URL's path: they may hold bytes that JSON does not.
type header struct {
	Format   int        `json:"format"` // 1
	Kind     string     `json:"kind"`
	DID      string     `json:"did,omitempty"`
	ID       string     `json:"id"`
	Revision uint64     `json:"revision"`
	Until    *time.Time `json:"until,omitempty"` // nil: for ever
	Size     int        `json:"size"`            // of the data, in bytes
}

const format = 1

// read returns header and data in a file, or store.ErrNotFound. The header is returned also
// where the data is damaged.
func (s *Store) read(ctx context.Context, file string) (*header, []byte, error) {
	f, err := s.open(ctx, file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return readAll(file, f)
}

// readAll is read of an open file. Its errors are those of a damaged one.
func readAll(file string, f *os.File) (*header, []byte, error) {
	r := bufio.NewReader(f)
	h, err := readHeader(r)
	if err != nil {
		return nil, nil, fmt.Errorf("filestore: %s: %w", file, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return h, nil, fmt.Errorf("filestore: %s: %w", file, err)
	}
	if len(data) != h.Size {
		return h, nil, fmt.Errorf("filestore: %s: %d bytes of data, the header says %d", file, len(data), h.Size)
	}
	return h, data, nil
}

// open opens a file to be read, or fails with store.ErrNotFound.
func (s *Store) open(ctx context.Context, file string) (f *os.File, err error) {
	err = s.patiently(ctx, func() error { f, err = s.disk.open(file); return err })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	return f, nil
}

func readHeader(r *bufio.Reader) (*header, error) {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("no header: %w", err)
	}
	h := new(header)
	if err := json.Unmarshal(line, h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if h.Format != format {
		return nil, fmt.Errorf("format %d is not known", h.Format)
	}
	return h, nil
}

func (h *header) key() (store.RecordKey, error) {
	kind, kindErr := url.PathUnescape(h.Kind)
	did, didErr := url.PathUnescape(h.DID)
	id, idErr := url.PathUnescape(h.ID)
	return store.RecordKey{Kind: store.RecordKind(kind), DID: syntax.DID(did), ID: id}, cmp.Or(kindErr, didErr, idErr)
}

// past reports whether the record's time is over.
func (h *header) past(now time.Time) bool { return h.Until != nil && !h.Until.After(now) }

// until is the end of a record's time that is written now, over one that ended at old.
func (s *Store) until(keep time.Duration, old *time.Time) *time.Time {
	switch keep {
	case 0:
		return old
	case store.Forever:
		return nil
	}
	return new(s.clock().UTC().Add(keep)) // its monotonic part is not written
}

// Get implements store.Store. It takes no turn: a file is always complete.
func (s *Store) Get(ctx context.Context, key store.RecordKey) (*store.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file := s.path(key).file
	h, data, err := s.read(ctx, file)
	if err != nil {
		return nil, err
	}
	if found, err := h.key(); err != nil || found != key {
		return nil, fmt.Errorf("filestore: %s holds another record", file)
	}
	return &store.Record{Key: key, Revision: h.Revision, Data: data}, nil
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, r *store.Record) error {
	if r.Keep < 0 {
		return errors.New("filestore: Keep is less than 0")
	}
	at := s.path(r.Key)
	unlock, err := s.lock(ctx, at.shard)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := s.stored(ctx, at.file)
	if err != nil {
		return err
	}
	if r.Revision == 0 || current.Revision != r.Revision-1 {
		return store.ErrConflict
	}
	if err := s.replace(ctx, at.file, r, s.until(r.Keep, current.Until)); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// stored returns the header in a file, an empty one if there is none.
func (s *Store) stored(ctx context.Context, file string) (*header, error) {
	h, _, err := s.read(ctx, file)
	if errors.Is(err, store.ErrNotFound) {
		return new(header), nil
	}
	return h, err
}

// replace puts a record into file: complete and on disk, or not at all.
func (s *Store) replace(ctx context.Context, file string, r *store.Record, until *time.Time) (err error) {
	h := header{
		Format: format, Kind: url.PathEscape(string(r.Key.Kind)), DID: url.PathEscape(string(r.Key.DID)), ID: url.PathEscape(r.Key.ID),
		Revision: r.Revision, Until: until, Size: len(r.Data),
	}
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	folder := filepath.Dir(file)
	if r.Revision == 1 {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(folder, temporary) // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(bytes.Join([][]byte{line, r.Data}, []byte{'\n'})); err != nil {
		return err
	}
	if err := s.disk.sync(f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := s.patiently(ctx, func() error { return s.disk.rename(f.Name(), file) }); err != nil {
		return err
	}
	if err := s.disk.syncDir(folder); err != nil || r.Revision > 1 {
		return err
	}
	// The folders above may be new, and made by somebody who has not synced them yet.
	for folder != s.records() {
		folder = filepath.Dir(folder)
		if err := s.disk.syncDir(folder); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, key store.RecordKey, rev uint64) error {
	at := s.path(key)
	unlock, err := s.lock(ctx, at.shard)
	if err != nil {
		return err
	}
	defer unlock()
	if rev != 0 {
		switch current, err := s.stored(ctx, at.file); {
		case err != nil:
			return err
		case current.Revision == 0:
			return store.ErrNotFound
		case current.Revision != rev:
			return store.ErrConflict
		}
	}
	if err := s.remove(ctx, at.file); err != nil {
		return err
	}
	folder := filepath.Dir(at.file)
	if err := s.disk.syncDir(folder); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	os.Remove(folder) // which fails unless it is empty
	return nil
}

// remove removes a file, which is not on disk before its folder is synced.
func (s *Store) remove(ctx context.Context, file string) error {
	err := s.patiently(ctx, func() error { return s.disk.remove(file) })
	if errors.Is(err, fs.ErrNotExist) {
		return store.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

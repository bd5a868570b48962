// Package filestore keeps records in files. It is for programs on one machine: command-line tools,
// bots, and small servers with several processes.
//
//	store, err := filestore.Open("/var/lib/app/sessions")
//	…
//	config.Store, config.Seal = store, seal.Keys(key)
//
// Each record is a file with mode 0600, in a folder for its account with mode 0700. A write makes a
// new file, syncs it to disk, and then renames it to the old file's name. So after a crash there is
// the old file or the new one, and never a part. Processes take turns with flock. They hold the
// lock only while they compare and replace, for ten seconds at most, and never while a Client talks
// to a server.
//
// The directory must be on a local file system: on network file systems, flock and rename may not
// be reliable.
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

// A Store is a store.Store in a directory. It is safe for concurrent use, also by several
// processes. The wall clock of this machine decides how long records are kept.
type Store struct {
	dir   string // an absolute path
	clock func() time.Time
	disk  disk

	// Goroutines of this process queue here before they use the file locks, so that they do not ask
	// the system again and again. The goroutine that has put a value into the channel has the turn.
	turns [shards]chan struct{}
}

// An Option changes a Store.
type Option func(*Store)

// WithClock sets a clock for tests. The default is time.Now.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.clock = now } }

var _ store.Scanner = (*Store)(nil)

// Open returns the store in dir. If dir does not exist, Open makes it with mode 0700. It fails if
// other users than the owner may enter dir.
func Open(dir string, opts ...Option) (*Store, error) {
	if dir == "" {
		return nil, errors.New("filestore: Open needs the path of a folder")
	}
	// A program may change its directory later, and on Windows its drive. And on Windows only
	// absolute paths may have any length.
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
		return nil, fmt.Errorf("filestore: %s has mode %04o: others may enter it; chmod 700, or name a folder that does not exist yet", dir, mode)
	}
	for i := range s.turns {
		s.turns[i] = make(chan struct{}, 1)
	}
	for _, opt := range opts {
		opt(s)
	}
	return s, nil
}

// A header is the first line of a file; the data follows. The parts of the key are escaped like a
// URL path, because they may contain bytes that JSON cannot hold.
type header struct {
	Format   int        `json:"format"` // always 1
	Kind     string     `json:"kind"`
	DID      string     `json:"did,omitempty"`
	ID       string     `json:"id"`
	Revision uint64     `json:"revision"`
	Until    *time.Time `json:"until,omitempty"` // nil means for ever
	Size     int        `json:"size"`            // of the data, in bytes
}

const format = 1

// read returns the header and the data of a file, or store.ErrNotFound. It returns the header even
// if the data is damaged.
func (s *Store) read(ctx context.Context, file string) (*header, []byte, error) {
	f, err := s.open(ctx, file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return readAll(file, f)
}

// readAll is read for an open file. It fails if the file is damaged.
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
		return h, nil, fmt.Errorf("filestore: %s: damaged: it has %d bytes of data, but its header says %d", file, len(data), h.Size)
	}
	return h, data, nil
}

// open opens a file for reading, or fails with store.ErrNotFound.
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
		return nil, fmt.Errorf("unknown format %d: a newer version may have written it", h.Format)
	}
	return h, nil
}

func (h *header) key() (store.RecordKey, error) {
	kind, kindErr := url.PathUnescape(h.Kind)
	did, didErr := url.PathUnescape(h.DID)
	id, idErr := url.PathUnescape(h.ID)
	return store.RecordKey{Kind: store.RecordKind(kind), DID: syntax.DID(did), ID: id}, cmp.Or(kindErr, didErr, idErr)
}

// past reports whether the record's time has passed.
func (h *header) past(now time.Time) bool { return h.Until != nil && !h.Until.After(now) }

// until returns the end of a record's time for a write now, if the earlier end was old.
func (s *Store) until(keep time.Duration, old *time.Time) *time.Time {
	switch keep {
	case 0:
		return old
	case store.Forever:
		return nil
	}
	return new(s.clock().UTC().Add(keep)) // the monotonic part is not written
}

// Get implements store.Store. It needs no lock, because a file is always complete.
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

// stored returns the header of a file, or an empty one if there is no file.
func (s *Store) stored(ctx context.Context, file string) (*header, error) {
	h, _, err := s.read(ctx, file)
	if errors.Is(err, store.ErrNotFound) {
		return new(header), nil
	}
	return h, err
}

// replace writes a record to file: completely and durably, or not at all.
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
	// The folders above may be new, and their maker may not have synced them yet.
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
	os.Remove(folder) // fails unless the folder is empty
	return nil
}

// remove removes a file. The removal is durable only after its folder is synced.
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

// Package filestore keeps records in files, for programs on one machine: command-line
// tools, bots, small servers of several processes.
//
//	store, err := filestore.Open("/var/lib/app/sessions")
//	…
//	config.Store, config.Seal = store, oauth.SealKeys(key)
//
// Each record is a file of mode 0600 in a directory of mode 0700. A write is a new file
// that takes the old one's place, with everything on disk before it does, so that a
// crash leaves one of the two and never a part. Processes take turns by flock, only
// while one compares and replaces; nothing is held while a Client talks to a server.
//
// The directory has to be on a local file system: network file systems may not keep
// what flock and rename promise.
package filestore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/gimucco/atproto-go/oauth"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Store is an oauth.Store in a directory. It is safe for concurrent use, by several
// processes too.
type Store struct {
	dir string

	// In front of the file locks: goroutines of one process queue here instead of
	// asking the system again and again.
	turns [shards]sync.Mutex
}

var _ oauth.Store = (*Store)(nil)

const (
	shards    = 64 // lock files; records share them by the hash of their key
	recordEnd = ".record"
	temporary = ".new-"
	lockPause = 2 * time.Millisecond
	leftover  = time.Hour // after which a temporary file was left by a crash
)

// Open returns the store in dir, which it makes with mode 0700 if it is not there. It
// fails if others than the owner may enter the directory.
func Open(dir string) (*Store, error) {
	for _, d := range []string{dir, filepath.Join(dir, "locks"), filepath.Join(dir, "records")} {
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
	return &Store{dir: dir}, nil
}

// A header is the first line of a file; the data follows.
type header struct {
	Format   int              `json:"format"` // 1
	Kind     oauth.RecordKind `json:"kind"`
	DID      syntax.DID       `json:"did,omitempty"`
	ID       string           `json:"id"`
	Revision uint64           `json:"revision"`
	Expires  *time.Time       `json:"expires,omitempty"`
	Size     int              `json:"size"` // of the data, in bytes
}

const format = 1

// path returns the file of a record. Keys are hashed: they may be long, and differ in
// letter case alone.
func (s *Store) path(key oauth.RecordKey) (file string, shard int) {
	h := sha256.New()
	for _, part := range []string{string(key.Kind), string(key.DID), key.ID} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	sum := h.Sum(nil)
	return filepath.Join(s.dir, "records", hex.EncodeToString(sum)+recordEnd), int(sum[0]) % shards
}

// lock takes the turn of a shard, in this process and among processes.
func (s *Store) lock(ctx context.Context, shard int) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.turns[shard].Lock()
	file := flock.New(filepath.Join(s.dir, "locks", fmt.Sprintf("%02d", shard)), flock.SetPermissions(0o600))
	locked, err := file.TryLockContext(ctx, lockPause)
	if err != nil || !locked {
		s.turns[shard].Unlock()
		return nil, fmt.Errorf("filestore: lock: %w", err)
	}
	return func() {
		file.Close()
		s.turns[shard].Unlock()
	}, nil
}

// read returns the record in a file, or oauth.ErrNotFound.
func read(file string) (*oauth.Record, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, oauth.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	h, err := readHeader(r)
	if err != nil {
		return nil, fmt.Errorf("filestore: %s: %w", file, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("filestore: %s: %w", file, err)
	}
	if len(data) != h.Size {
		return nil, fmt.Errorf("filestore: %s: %d bytes of data, the header says %d", file, len(data), h.Size)
	}
	return &oauth.Record{Key: h.key(), Revision: h.Revision, Expires: h.expires(), Data: data}, nil
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

func (h *header) key() oauth.RecordKey {
	return oauth.RecordKey{Kind: h.Kind, DID: h.DID, ID: h.ID}
}

func (h *header) expires() time.Time {
	if h.Expires == nil {
		return time.Time{}
	}
	return *h.Expires
}

// replace puts a record into file: complete and on disk, or not at all.
func replace(file string, r *oauth.Record) (err error) {
	h := header{Format: format, Kind: r.Key.Kind, DID: r.Key.DID, ID: r.Key.ID, Revision: r.Revision, Size: len(r.Data)}
	if !r.Expires.IsZero() {
		h.Expires = new(r.Expires.UTC())
	}
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, temporary) // mode 0600
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
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename or removal last.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Get implements oauth.Store. It takes no turn: a file is always complete.
func (s *Store) Get(ctx context.Context, key oauth.RecordKey) (*oauth.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, _ := s.path(key)
	r, err := read(file)
	if err == nil && r.Key != key {
		return nil, fmt.Errorf("filestore: %s holds another record", file)
	}
	return r, err
}

// Put implements oauth.Store.
func (s *Store) Put(ctx context.Context, r *oauth.Record) error {
	file, shard := s.path(r.Key)
	unlock, err := s.lock(ctx, shard)
	if err != nil {
		return err
	}
	defer unlock()
	current, err := revision(file)
	if err != nil {
		return err
	}
	if r.Revision == 0 || current != r.Revision-1 {
		return oauth.ErrConflict
	}
	if err := replace(file, r); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// revision returns the revision in a file, 0 if there is none.
func revision(file string) (uint64, error) {
	r, err := read(file)
	if errors.Is(err, oauth.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return r.Revision, nil
}

// Delete implements oauth.Store.
func (s *Store) Delete(ctx context.Context, key oauth.RecordKey, rev uint64) error {
	file, shard := s.path(key)
	unlock, err := s.lock(ctx, shard)
	if err != nil {
		return err
	}
	defer unlock()
	if rev != 0 {
		switch current, err := revision(file); {
		case err != nil:
			return err
		case current == 0:
			return oauth.ErrNotFound
		case current != rev:
			return oauth.ErrConflict
		}
	}
	return remove(file)
}

func remove(file string) error {
	err := os.Remove(file)
	if errors.Is(err, fs.ErrNotExist) {
		return oauth.ErrNotFound
	}
	if err == nil {
		err = syncDir(filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// headers yields the header of every record. A record that goes away meanwhile, or
// that is damaged, is left out; an error ends the sequence.
func (s *Store) headers(ctx context.Context) iter.Seq2[*header, error] {
	return func(yield func(*header, error) bool) {
		entries, err := os.ReadDir(filepath.Join(s.dir, "records"))
		if err != nil {
			yield(nil, fmt.Errorf("filestore: %w", err))
			return
		}
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !strings.HasSuffix(entry.Name(), recordEnd) {
				continue
			}
			f, err := os.Open(filepath.Join(s.dir, "records", entry.Name()))
			if err != nil {
				continue
			}
			h, err := readHeader(bufio.NewReader(f))
			f.Close()
			if err == nil && !yield(h, nil) {
				return
			}
		}
	}
}

// List implements oauth.Store. It reads the header of every record.
func (s *Store) List(ctx context.Context, kind oauth.RecordKind, did syntax.DID) iter.Seq2[oauth.RecordKey, error] {
	return func(yield func(oauth.RecordKey, error) bool) {
		for h, err := range s.headers(ctx) {
			if err != nil {
				yield(oauth.RecordKey{}, err)
				return
			}
			if h.Kind != kind || did != "" && h.DID != did {
				continue
			}
			if !yield(h.key(), nil) {
				return
			}
		}
	}
}

// Purge implements oauth.Store. It also removes what crashes have left behind.
func (s *Store) Purge(ctx context.Context, now time.Time) (int, error) {
	purged := 0
	expired := func(r *oauth.Record) bool { return !r.Expires.IsZero() && !r.Expires.After(now) }
	for h, err := range s.headers(ctx) {
		if err != nil {
			return purged, err
		}
		if h.Expires == nil || h.Expires.After(now) {
			continue
		}
		file, shard := s.path(h.key())
		unlock, err := s.lock(ctx, shard)
		if err != nil {
			return purged, err
		}
		// Once more, now that nobody writes.
		if r, err := read(file); err == nil && expired(r) {
			if err := remove(file); err != nil {
				unlock()
				return purged, err
			}
			purged++
		}
		unlock()
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "records", temporary+"*"))
	if err != nil {
		return purged, fmt.Errorf("filestore: %w", err)
	}
	for _, file := range left {
		if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > leftover {
			os.Remove(file)
		}
	}
	return purged, nil
}

package filestore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gimucco/atproto-go/oauth/store"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// leftover is the age of a temporary file from which on it must come from a crash.
const leftover = time.Hour

// walk yields the paths of files below dir, in order: those that are exactly levels deep and come
// after after, if after has that many names. It skips what is removed meanwhile.
func walk(ctx context.Context, dir string, levels int, after []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { descend(ctx, dir, levels, after, yield) }
}

// descend reports whether walk should go on.
func descend(ctx context.Context, dir string, levels int, after []string, yield func(string, error) bool) bool {
	if err := ctx.Err(); err != nil {
		yield("", err)
		return false
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		yield("", fmt.Errorf("filestore: %w", err))
		return false
	}
	for _, entry := range entries {
		name, below := filepath.Join(dir, entry.Name()), []string(nil)
		if len(after) > 0 {
			switch order := strings.Compare(entry.Name(), after[0]); {
			case order < 0 || order == 0 && levels == 1:
				continue
			case order == 0:
				below = after[1:]
			}
		}
		switch {
		case levels == 1 && !yield(name, nil):
			return false
		case levels > 1 && entry.IsDir() && !descend(ctx, name, levels-1, below, yield):
			return false
		}
	}
	return true
}

// there fails if the folder of all records is gone, because that is not an empty store.
func (s *Store) there() error {
	if _, err := os.Stat(s.records()); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// header returns the header and the key in a file. there is false if the file is damaged or gone.
// An error means that this is unknown.
func (s *Store) header(ctx context.Context, file string) (h *header, key store.RecordKey, there bool, err error) {
	f, err := s.open(ctx, file)
	if errors.Is(err, store.ErrNotFound) {
		return nil, key, false, nil
	}
	if err != nil {
		return nil, key, false, err
	}
	defer f.Close()
	h, damage := readHeader(bufio.NewReader(f))
	if damage == nil {
		key, damage = h.key()
	}
	return h, key, damage == nil, nil
}

// List implements store.Store. It reads the header of every record of the account, or of the kind.
// It leaves out damaged records.
func (s *Store) List(ctx context.Context, kind store.RecordKind, did syntax.DID) iter.Seq2[store.RecordKey, error] {
	return func(yield func(store.RecordKey, error) bool) {
		if err := s.there(); err != nil {
			yield(store.RecordKey{}, err)
			return
		}
		dir, levels := s.ofKind(kind), depth-1
		if did != "" {
			dir, _ = s.ofAccount(kind, did, "")
			levels = 1
		}
		for file, err := range walk(ctx, dir, levels, nil) {
			if err != nil {
				yield(store.RecordKey{}, err)
				return
			}
			if !strings.HasSuffix(file, recordEnd) {
				continue
			}
			_, key, ok, err := s.header(ctx, file)
			if err != nil {
				yield(store.RecordKey{}, err)
				return
			}
			if ok && key.Kind == kind && (did == "" || key.DID == did) && !yield(key, nil) {
				return
			}
		}
	}
}

// Scan implements store.Scanner. It leaves out a record with a damaged header. A record with
// damaged data has no Data.
func (s *Store) Scan(ctx context.Context, kind store.RecordKind, after string, limit int) (page []*store.Record, next string, err error) {
	if err := s.there(); err != nil {
		return nil, "", err
	}
	var from []string
	if after != "" {
		if from = strings.Split(after, "/"); len(from) != depth-1 {
			return nil, "", fmt.Errorf("filestore: %q is not a place among records", after)
		}
	}
	dir := s.ofKind(kind)
	for file, err := range walk(ctx, dir, depth-1, from) {
		if err != nil {
			return nil, "", err
		}
		if !strings.HasSuffix(file, recordEnd) {
			continue
		}
		f, err := s.open(ctx, file)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		h, data, _ := readAll(file, f)
		f.Close()
		if h == nil {
			continue
		}
		key, damage := h.key()
		if damage != nil || key.Kind != kind {
			continue
		}
		page = append(page, &store.Record{Key: key, Revision: h.Revision, Data: data})
		if len(page) >= limit {
			place, err := filepath.Rel(dir, file)
			if err != nil {
				return nil, "", fmt.Errorf("filestore: %w", err)
			}
			return page, filepath.ToSlash(place), nil
		}
	}
	return page, "", nil
}

// Purge implements store.Store. It takes one lock at a time, for one file. It also removes
// temporary files that crashes have left behind.
func (s *Store) Purge(ctx context.Context) (int, error) {
	if err := s.there(); err != nil {
		return 0, err
	}
	now := s.clock().Round(0)
	purged := 0
	for file, err := range walk(ctx, s.records(), depth, nil) {
		if err != nil {
			return purged, err
		}
		if strings.HasPrefix(filepath.Base(file), temporary) {
			if info, err := os.Stat(file); err == nil && time.Since(info.ModTime()) > leftover {
				os.Remove(file)
			}
			continue
		}
		h, key, ok, err := s.header(ctx, file)
		if err != nil {
			return purged, err
		}
		if !ok || !h.past(now) {
			continue
		}
		n, err := s.purge(ctx, s.path(key), now)
		purged += n
		if err != nil {
			return purged, err
		}
	}
	return purged, nil
}

// purge removes a record that has expired, and its folder if that is now empty. The removal need
// not be durable: after a crash it is simply done again.
func (s *Store) purge(ctx context.Context, at place, now time.Time) (int, error) {
	unlock, err := s.lock(ctx, at.shard)
	if err != nil {
		return 0, err
	}
	defer unlock()
	// Checked again, now that nobody else can write.
	if current, err := s.stored(ctx, at.file); err != nil || !current.past(now) {
		return 0, nil
	}
	if err := s.remove(ctx, at.file); err != nil {
		return 0, err
	}
	os.Remove(filepath.Dir(at.file)) // fails unless the folder is empty
	return 1, nil
}

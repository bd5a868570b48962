package filestore

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

const (
	shards    = 64 // number of lock files; the hash of a folder chooses one
	lockPause = 2 * time.Millisecond
	lockLimit = 10 * time.Second // a writer normally holds a lock for milliseconds
)

// lock takes the lock of a shard, in this process and among processes. It waits until ctx ends, and
// at most lockLimit: a process that holds a lock for so long was stopped.
func (s *Store) lock(ctx context.Context, shard int) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockLimit, fmt.Errorf("another process has held the lock for %v; if it is stopped, end it: %w", lockLimit, context.DeadlineExceeded))
	defer cancel()
	select {
	case s.turns[shard] <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("filestore: wait for other writers: %w", context.Cause(ctx))
	}
	file := flock.New(filepath.Join(s.locks(), fmt.Sprintf("%02d", shard)), flock.SetPermissions(0o600))
	locked, err := file.TryLockContext(ctx, lockPause)
	if err != nil || !locked {
		<-s.turns[shard]
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("filestore: lock: %w", err)
	}
	return func() {
		file.Close()
		<-s.turns[shard]
	}, nil
}

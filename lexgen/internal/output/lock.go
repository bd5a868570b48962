package output

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// lockEvery is how often a lock that another run holds is tried again.
const lockEvery = 20 * time.Millisecond

// lock waits until no other run works in a folder, and makes it if another run has just taken it away. The lock is on the folder itself, so that nothing
// is left of it; on Windows, where folders cannot be locked, it is on a file among the temporary ones.
func lock(ctx context.Context, dir string) (release func() error, err error) {
	if runtime.GOOS == "windows" {
		name := fmt.Sprintf("lexgen-%x.lock", sha256.Sum256([]byte(dir)))
		l := flock.New(filepath.Join(os.TempDir(), name))
		_, err := l.TryLockContext(ctx, lockEvery)
		return l.Close, err
	}
	for {
		// A run that failed removes a folder that it made.
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		l := flock.New(dir, flock.SetFlag(os.O_RDONLY))
		_, err := l.TryLockContext(ctx, lockEvery)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		// Another folder may be in its place by now.
		held, err := l.Stat()
		if err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
		if there, err := os.Stat(dir); err == nil && os.SameFile(held, there) {
			return l.Close, nil
		}
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("lock: %w", err)
		}
	}
}

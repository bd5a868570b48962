package filestore

import (
	"errors"
	"syscall"
)

// The errors of Windows if another process has a file open, or is removing it.
const (
	accessDenied     = syscall.Errno(5)
	sharingViolation = syscall.Errno(32)
	lockViolation    = syscall.Errno(33)
)

// inUse reports whether err may pass as soon as another process closes the file. Windows also
// denies access to a file that is being replaced. If access is denied for another reason, this
// costs only a wait.
func inUse(err error) bool {
	return errors.Is(err, accessDenied) || errors.Is(err, sharingViolation) || errors.Is(err, lockViolation)
}

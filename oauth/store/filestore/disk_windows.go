package filestore

import (
	"errors"
	"syscall"
)

// What Windows answers where another process has a file open, or is removing it.
const (
	accessDenied     = syscall.Errno(5)
	sharingViolation = syscall.Errno(32)
	lockViolation    = syscall.Errno(33)
)

// inUse reports whether err may pass as soon as another process closes the file. Access is
// denied, too, to a file that is being replaced; where it is denied for good, this costs a wait.
func inUse(err error) bool {
	return errors.Is(err, accessDenied) || errors.Is(err, sharingViolation) || errors.Is(err, lockViolation)
}

//go:build !windows

package filestore

// inUse reports whether err may pass as soon as another process closes the file. Here no process
// can block another in this way.
func inUse(error) bool { return false }

// Package output puts generated files where they belong, and touches no others.
//
// Files that lexgen wrote begin with emit.Header, and only such files are replaced or removed. A run holds a lock on each
// folder. It writes every file beside its place, in all folders; only then does the first take its place by renaming, and
// what is stale goes last. While names change, a folder has the file .lexgen-unfinished: a run that is killed leaves it,
// and the next one finishes the work and says so.
package output

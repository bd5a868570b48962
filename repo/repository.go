package repo

import (
	"context"
	"io"
	"iter"
	"sync/atomic"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Repository is what is in the CAR of one: a commit, the tree of records, and the records. The
// CAR may be a slice, which has only a part of them. Read and Open make one. Safe for concurrent
// use.
type Repository struct {
	commit *Commit
	data   cid // the root of the tree
	blocks blocks
	closer io.Closer
	closed atomic.Bool
}

// Read reads a CAR to its end, such as the output of com.atproto.sync.getRepo or getRecord, and
// checks all of its blocks by their hashes. Their order does not matter. Nothing of it is believed
// before Verify. Close the Repository to remove the temporary file that a large one has.
//
// The reader is read as fast as it gives, so that a slow consumer of records does not stop a
// download. ctx ends the work between blocks; a reader that may stand still needs a time limit of
// its own, as an xrpc.Download has.
//
// Errors: ErrCAR, ErrTruncated, ErrHash, ErrLimit, ErrMissingBlock for the commit, ErrCommit,
// ErrStorage; else those of the reader and of ctx.
func Read(ctx context.Context, r io.Reader, opts ...Option) (*Repository, error) {
	l := settings(opts)
	keep := &spool{limit: l.memory, dir: l.dir}
	repository, err := read(ctx, newCARReader(r, l, chunkSize), keep, keep)
	if err != nil {
		keep.Close()
		return nil, err
	}
	repository.closer = keep
	return repository, nil
}

// Open is Read for a CAR of a size that can be read anywhere, such as an *os.File or a
// *bytes.Reader. It needs no temporary file: blocks are read again where they lie, and checked
// again. The CAR has to stay until the Repository is not used any more; Close leaves it open.
func Open(ctx context.Context, r io.ReaderAt, size int64, opts ...Option) (*Repository, error) {
	car := newCARReader(io.NewSectionReader(r, 0, size), settings(opts), size)
	return read(ctx, car, nil, r)
}

func read(ctx context.Context, car *carReader, keep *spool, source io.ReaderAt) (*Repository, error) {
	root, places, err := index(ctx, car, keep)
	if err != nil {
		return nil, err
	}
	if keep != nil {
		if err := keep.finish(); err != nil {
			return nil, stored(err)
		}
	}
	r := &Repository{blocks: blocks{source: source, places: places}}
	block, err := r.blocks.load(root)
	if err != nil {
		return nil, err
	}
	if r.commit, r.data, err = readCommit(root, block); err != nil {
		return nil, err
	}
	return r, nil
}

// Close removes the temporary file, if there is one. What was read before stays good.
func (r *Repository) Close() error {
	if r.closed.Swap(true) || r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

// Commit returns the commit, which must not be changed.
func (r *Repository) Commit() *Commit { return r.commit }

// Verify makes sure that the repository is the one of an account: see Commit.Verify. After it,
// every record that Records and Get return is one that the account has written.
func (r *Repository) Verify(did syntax.DID, key Key) error {
	if r.commit == nil {
		return failure(ErrClosed, "make one by Read or Open")
	}
	return r.commit.Verify(did, key)
}

// tree opens the tree of records.
func (r *Repository) tree() (*tree, error) {
	if r.commit == nil || r.closed.Load() {
		return nil, failure(ErrClosed, "make one by Read or Open, and close it when all is read")
	}
	return openTree(r.data, r.blocks.load)
}

// Records returns all records in the order of their paths. An error is final: ErrTree,
// ErrMissingBlock where the CAR is a slice, ErrStorage, ErrClosed.
func (r *Repository) Records() iter.Seq2[*Record, error] { return r.between("", "") }

// Collection returns the records of one collection in the order of their keys, and needs no blocks
// of others. Errors are those of Records.
func (r *Repository) Collection(collection syntax.NSID) iter.Seq2[*Record, error] {
	// The character behind the slash bounds what begins with the collection and a slash.
	return r.between(string(collection)+"/", string(collection)+"0")
}

func (r *Repository) between(from, to string) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		t, err := r.tree()
		if err != nil {
			yield(nil, err)
			return
		}
		stopped := false
		err = t.walk(from, to, func(path string, id cid) bool {
			record, err := r.record(path, id)
			stopped = !yield(record, err) || err != nil
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// located adds the record to an error of its block.
func located(err error, path string) error {
	if e, ok := err.(*Error); ok {
		return e.about(path)
	}
	return err
}

// Get returns a record. It needs only the blocks that lead to it: the CAR that
// com.atproto.sync.getRecord gives has them. After Verify, the record is proven to be in the
// repository, and so is with ErrNotFound that it is not.
//
// Errors: ErrNotFound, ErrMissingBlock, ErrTree, ErrStorage, ErrClosed.
func (r *Repository) Get(collection syntax.NSID, key syntax.RecordKey) (*Record, error) {
	t, err := r.tree()
	if err != nil {
		return nil, err
	}
	path := string(collection) + "/" + string(key)
	id, err := t.get(path)
	if err != nil {
		return nil, located(err, path)
	}
	if id.none() {
		return nil, failure(ErrNotFound, "the tree has a place for it, which is empty").about(path)
	}
	return r.record(path, id)
}

// record returns the record that is stored under id.
func (r *Repository) record(path string, id cid) (*Record, error) {
	block, err := r.blocks.load(id)
	if err != nil {
		return nil, located(err, path)
	}
	return newRecord(path, id, block), nil
}

package repo

import (
	"context"
	"io"
	"iter"
	"sync/atomic"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Repository is the content of a repository's CAR: a commit, the tree of records, and the
// records. The CAR may be a slice, which has only a part of them. Read and Open return one. It is
// safe for concurrent use.
type Repository struct {
	commit *Commit
	data   cid // the root of the tree
	blocks blocks
	closer io.Closer
	closed atomic.Bool
}

// Read reads a CAR to its end, such as the output of com.atproto.sync.getRepo or getRecord, and
// checks all its blocks by their hashes. The order of the blocks does not matter. Trust nothing in
// it before Verify. Call Close to remove the temporary file of a large repository.
//
// Read reads r at full speed, so a slow consumer of records does not slow a download down. ctx ends
// the work between blocks. A reader that may block needs its own time limit; an xrpc.Download has
// one.
//
// Errors: ErrCAR, ErrTruncated, ErrHash, ErrLimit, ErrMissingBlock for the commit, ErrCommit,
// ErrStorage; otherwise those of the reader and of ctx.
func Read(ctx context.Context, r io.Reader, opts ...Option) (*Repository, error) {
	if r == nil {
		return nil, failure(ErrCAR, "the reader is nil")
	}
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

// Open is Read for a CAR that can be read at any position, such as an *os.File or a *bytes.Reader.
// It needs no temporary file: it reads blocks again from the CAR, and checks them again. The CAR
// must stay available while you use the Repository; Close does not close it.
func Open(ctx context.Context, r io.ReaderAt, size int64, opts ...Option) (*Repository, error) {
	if r == nil {
		return nil, failure(ErrCAR, "the reader is nil")
	}
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

// Close removes the temporary file, if there is one. Records that were read before stay valid.
func (r *Repository) Close() error {
	if r.closed.Swap(true) || r.closer == nil {
		return nil
	}
	return r.closer.Close()
}

// Commit returns the commit. Do not change it.
func (r *Repository) Commit() *Commit { return r.commit }

// Verify checks that the repository belongs to an account: see Commit.Verify. After that, the
// account has written every record that Records and Get return.
func (r *Repository) Verify(did syntax.DID, key Key) error {
	if r.commit == nil {
		return failure(ErrClosed, "make one with Read or Open")
	}
	return r.commit.Verify(did, key)
}

// tree opens the tree of records.
func (r *Repository) tree() (*tree, error) {
	if r.commit == nil || r.closed.Load() {
		return nil, failure(ErrClosed, "make one with Read or Open, and close it after reading")
	}
	return openTree(r.data, r.blocks.load)
}

// Records returns all records in the order of their paths. An error is final: ErrTree,
// ErrMissingBlock if the CAR is a slice, ErrStorage, ErrClosed.
func (r *Repository) Records() iter.Seq2[*Record, error] { return r.between("", "") }

// Collection returns the records of one collection in the order of their keys. It needs no blocks
// of other collections. Errors are those of Records.
func (r *Repository) Collection(collection syntax.NSID) iter.Seq2[*Record, error] {
	// "0" is the character after "/", so this is the end of all paths in the collection.
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

// Get returns a record. It needs only the blocks on the way to it; the CAR of
// com.atproto.sync.getRecord has them. After Verify, the result is proven: that the record is in
// the repository, and, with ErrNotFound, that it is not.
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
		return nil, failure(ErrNotFound, "its place in the tree is empty").about(path)
	}
	return r.record(path, id)
}

// record returns the record with this CID.
func (r *Repository) record(path string, id cid) (*Record, error) {
	block, err := r.blocks.load(id)
	if err != nil {
		return nil, located(err, path)
	}
	return newRecord(path, id, block), nil
}

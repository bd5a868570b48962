package repo

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sort"
)

// A place is the position of a block. There may be millions of them. Each takes 48 bytes in a
// sorted list, half of what a map takes.
type place struct {
	at   int64
	size uint32
	id   cid
}

// blocks finds blocks by their CIDs. It does not change after it is made.
type blocks struct {
	source io.ReaderAt
	places []place // sorted by CID, each once
}

// index reads a CAR to its end and returns its root and the places of its blocks. The places are
// offsets in keep, which gets all blocks one after the other. If keep is nil, they are offsets in
// the CAR.
func index(ctx context.Context, car *carReader, keep *spool) (root cid, places []place, err error) {
	root, err = car.root()
	for err == nil {
		if err = ctx.Err(); err != nil {
			break
		}
		var p place
		var block []byte
		p.id, block, p.at, err = car.next()
		if err != nil {
			break
		}
		if keep != nil {
			p.at = keep.size
			if _, err := keep.Write(block); err != nil {
				return cid{}, nil, stored(err)
			}
		}
		p.size = uint32(len(block))
		places = append(places, p)
	}
	if err != io.EOF {
		return cid{}, nil, err
	}
	slices.SortFunc(places, func(a, b place) int { return a.id.compare(&b.id) })
	places = slices.CompactFunc(places, func(a, b place) bool { return a.id == b.id })
	return root, slices.Clip(places), nil
}

// stored returns an error of the temporary file.
func stored(err error) error {
	return failure(ErrStorage, "free space in the folder for temporary files, set another folder with WithTempDir, or allow more memory with WithMemory").because(err)
}

// load returns a block in its own memory. If there is none, the error is ErrMissingBlock.
func (b *blocks) load(id cid) ([]byte, error) {
	i := sort.Search(len(b.places), func(i int) bool { return b.places[i].id.compare(&id) >= 0 })
	if i == len(b.places) || b.places[i].id != id {
		return nil, failure(ErrMissingBlock, "the CAR does not contain it").of(id)
	}
	block := make([]byte, b.places[i].size)
	if _, err := b.source.ReadAt(block, b.places[i].at); err != nil && !(err == io.EOF && cidOf(id.codec, block) == id) {
		if errors.Is(err, os.ErrClosed) {
			return nil, failure(ErrClosed, "read it before Close").of(id)
		}
		return nil, failure(ErrStorage, "a block cannot be read any more").of(id).because(err)
	}
	// Others can change a file between the first reading and this one.
	if cidOf(id.codec, block) != id {
		return nil, failure(ErrHash, "its bytes have changed since the first reading").of(id)
	}
	return block, nil
}

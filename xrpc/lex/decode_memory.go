package lex

import "unsafe"

// Strings and raw JSON are cut from chunks, so that a document of many short ones costs few allocations. A string that is
// kept pins its chunk, 1 KiB at most, whatever the size of the document: what is longer than half of that has memory of its
// own. Optional strings, which are pointers, are cells of slabs, and all that a slab points into is one chunk: such a
// pointer pins slab and chunk, 1.25 KiB. A pointer to a number or boolean pins a slab of at most 1 KiB, without pointers. Who
// keeps one short string of each of very many documents can strings.Clone it.
const (
	chunkSize     = 1 << 10
	longString    = chunkSize / 2
	smallestSlab  = 4             // in cells
	largestSlab   = 1 << 10 / 8   // of numbers; it is 1 KiB
	stringSlab    = 16            // of strings; few chunks hold more
	smallDocument = 2 * chunkSize // there is little to pin in one
)

// keep copies b into memory of its own.
func (d *Decoder) keep(b []byte) string {
	if len(b) == 0 {
		return "" // which pins nothing
	}
	kept := d.keepBytes(b)
	// This part of the chunk is never written again.
	return unsafe.String(unsafe.SliceData(kept), len(kept))
}

// keepBytes copies b into memory of its own, without room behind it.
func (d *Decoder) keepBytes(b []byte) []byte {
	switch {
	case len(b) > longString:
		return append(make([]byte, 0, len(b)), b...)
	case len(d.chunk)+len(b) > cap(d.chunk):
		// No more than can still come.
		d.chunk = make([]byte, 0, min(chunkSize, len(b)+len(d.data)-d.pos))
		d.strings = nil // its cells point into the chunk before
	}
	start, end := len(d.chunk), len(d.chunk)+len(b)
	d.chunk = append(d.chunk, b...)
	return d.chunk[start:end:end]
}

// cell returns a place for one optional number or boolean. Places come from slabs that grow: few allocations where there
// are many, little waste where there are few.
func cell[T int64 | bool](slab *[]T) *T {
	if len(*slab) == cap(*slab) {
		*slab = make([]T, 0, min(max(smallestSlab, 2*cap(*slab)), largestSlab))
	}
	*slab = (*slab)[:len(*slab)+1]
	return &(*slab)[len(*slab)-1]
}

// stringCell returns a place for one optional string that was cut from the chunk.
func (d *Decoder) stringCell() *string {
	if len(d.strings) == cap(d.strings) {
		size := stringSlab
		if len(d.data) <= smallDocument {
			size = smallestSlab
		}
		d.strings = make([]string, 0, size)
	}
	d.strings = d.strings[:len(d.strings)+1]
	return &d.strings[len(d.strings)-1]
}

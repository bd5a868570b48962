package lex

import "unsafe"

// Strings and raw JSON are cut from chunks, so that a document of many short strings needs few
// allocations. A string keeps its chunk alive, which is at most 1 KiB, whatever the size of the
// document; a string longer than half of that has its own memory. Optional strings are pointers
// into slabs, and all strings of a slab are in one chunk, so such a pointer keeps 1.25 KiB alive. A
// pointer to a number or boolean keeps a slab of at most 1 KiB alive, without pointers. A program
// that keeps one short string from each of very many documents can copy it with strings.Clone.
const (
	chunkSize     = 1 << 10
	longString    = chunkSize / 2
	smallestSlab  = 4             // in cells
	largestSlab   = 1 << 10 / 8   // for numbers; 1 KiB
	stringSlab    = 16            // for strings; few chunks hold more
	smallDocument = 2 * chunkSize // it can keep little memory alive
)

// keep copies b into other memory.
func (d *Decoder) keep(b []byte) string {
	if len(b) == 0 {
		return "" // it keeps nothing alive
	}
	kept := d.keepBytes(b)
	// This part of the chunk never changes again.
	return unsafe.String(unsafe.SliceData(kept), len(kept))
}

// keepBytes copies b into its own memory, without spare capacity.
func (d *Decoder) keepBytes(b []byte) []byte {
	switch {
	case len(b) > longString:
		return append(make([]byte, 0, len(b)), b...)
	case len(d.chunk)+len(b) > cap(d.chunk):
		// No more than the rest of the document.
		d.chunk = make([]byte, 0, min(chunkSize, len(b)+len(d.data)-d.pos))
		d.strings = nil // its cells point into the chunk before
	}
	start, end := len(d.chunk), len(d.chunk)+len(b)
	d.chunk = append(d.chunk, b...)
	return d.chunk[start:end:end]
}

// cell returns a place for one optional number or boolean. Places come from growing slabs: few
// allocations for many values, and little waste for few.
func cell[T int64 | bool](slab *[]T) *T {
	if len(*slab) == cap(*slab) {
		*slab = make([]T, 0, min(max(smallestSlab, 2*cap(*slab)), largestSlab))
	}
	*slab = (*slab)[:len(*slab)+1]
	return &(*slab)[len(*slab)-1]
}

// stringCell returns a place for one optional string from the chunk.
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

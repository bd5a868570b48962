package lex

import "unsafe"

// Strings are cut from chunks, so that a document of many short strings costs few
// allocations. A string that is kept pins its chunk, so chunks are small and never
// shared by two elements of an outermost list; longer strings have their own memory.
const (
	chunkSize     = 1 << 10
	smallestSize  = 1 << 6
	longString    = chunkSize / 4
	smallDocument = 2 * chunkSize // there is little to pin in one
)

// keep copies b into memory of its own.
func (d *Decoder) keep(b []byte) string {
	switch {
	case len(b) == 0:
		return ""
	case len(b) > longString:
		return string(b)
	case len(d.chunk)+len(b) > cap(d.chunk):
		// As much as the element before took, but no more than can still come.
		size := chunkSize
		if d.expected > 0 {
			size = max(min(size, d.expected-d.spent), smallestSize)
		}
		d.chunk = make([]byte, 0, max(len(b), min(size, len(b)+len(d.data)-d.pos)))
	}
	start := len(d.chunk)
	d.chunk = append(d.chunk, b...)
	d.spent += len(b)
	// This part of the chunk is never written again.
	return unsafe.String(&d.chunk[start], len(b))
}

// beginElement starts the memory of another element of an outermost list.
func (d *Decoder) beginElement() {
	d.inList = true
	if len(d.data) <= smallDocument {
		return
	}
	d.expected = d.spent + d.spent/8
	d.spent, d.chunk, d.strings = 0, nil, nil
}

// endList leaves an outermost list.
func (d *Decoder) endList() {
	d.beginElement()
	d.inList, d.expected = false, 0
}

// cell returns a place for one optional scalar. Places come from slabs that grow:
// few allocations where there are many, little waste where there are few.
func cell[T any](slab *[]T) *T {
	if len(*slab) == cap(*slab) {
		*slab = make([]T, 0, min(max(4, 2*cap(*slab)), 32))
	}
	*slab = (*slab)[:len(*slab)+1]
	return &(*slab)[len(*slab)-1]
}

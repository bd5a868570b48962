package lex

import "strconv"

// space skips white space.
func (d *Decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek returns the first byte of the next value, or 0 at the end.
func (d *Decoder) peek() byte {
	if d.pos < len(d.data) {
		if c := d.data[d.pos]; c > ' ' {
			return c
		}
	}
	d.space()
	if d.pos < len(d.data) {
		return d.data[d.pos]
	}
	return 0
}

// Object reads an object: for key := range d.Object { … }. The loop's body must read the value of
// each key, and must not keep the key. Leaving the loop early is an error, unless something has
// failed before.
func (d *Decoder) Object(yield func(key []byte) bool) {
	if d.err != nil {
		return
	}
	known := d.variant
	d.variant = variant{}
	if d.cbor {
		d.cborObject(known, yield)
		return
	}
	typed := known.inside // the $type was read already
	if !known.inside {
		if d.peek() != '{' {
			d.unexpected("an object")
			return
		}
		d.pos++
	}
	if !d.enter() {
		return
	}
	first := !known.inside
	for {
		switch c := d.peek(); {
		case c == '}':
			d.pos++
			d.depth--
			return
		case first:
			first = false
		case c == ',':
			d.pos++
			d.peek()
		default:
			d.fail(ErrSyntax, "want ',' or '}' in an object")
			return
		}
		key := d.key()
		if d.err != nil {
			return
		}
		if known.union && string(key) == "$type" {
			if typed {
				d.fail(ErrDuplicate, "key %q comes twice", key)
				return
			}
			typed = true
			d.skip()
		} else if !yield(key) {
			d.fail(ErrSyntax, "the rest of the object was not read")
		}
		if d.null {
			d.noteNull(key)
		}
		if d.err != nil {
			d.err.under(string(key))
			return
		}
	}
}

// key reads a key and the colon after it.
func (d *Decoder) key() []byte {
	if d.peek() != '"' {
		d.unexpected("a key")
		return nil
	}
	key := d.stringBytes()
	if d.err != nil {
		return nil
	}
	if d.peek() != ':' {
		d.fail(ErrSyntax, "want ':' after key %.40q", key)
		return nil
	}
	d.pos++
	return key
}

// Array reads an array: for i := range d.Array { … }. The loop's body must read one element; i
// counts from 0. Leaving the loop early is an error.
func (d *Decoder) Array(yield func(i int) bool) {
	if d.err != nil {
		return
	}
	n := 0
	if d.cbor {
		n = d.entries(majorArray, "an array", 1)
	} else if d.peek() != '[' {
		d.unexpected("an array")
	} else {
		d.pos++
	}
	if d.err != nil || !d.enter() {
		return
	}
	for i := 0; ; i++ {
		if d.cbor {
			if i == n {
				break
			}
		} else if c := d.peek(); c == ']' {
			d.pos++
			break
		} else if i > 0 {
			if c != ',' {
				d.fail(ErrSyntax, "want ',' or ']' in an array")
				return
			}
			d.pos++
		}
		if !yield(i) {
			d.fail(ErrSyntax, "the rest of the array was not read")
		}
		if d.err != nil {
			d.err.under("[" + strconv.Itoa(i) + "]")
			return
		}
	}
	d.depth--
}

// enter goes one level down, if the limit allows it.
func (d *Decoder) enter() bool {
	if d.depth++; d.depth > d.maxNesting {
		d.fail(ErrDepth, "more than %d levels", d.maxNesting)
		return false
	}
	return true
}

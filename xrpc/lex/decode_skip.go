package lex

import (
	"bytes"
	"slices"
)

// skip reads any value and drops it. It checks the grammar, UTF-8, the depth, and that no key comes
// twice.
func (d *Decoder) skip() {
	if d.err != nil {
		return
	}
	if d.cbor {
		d.cborSkip()
		return
	}
	switch d.peek() {
	case '"':
		d.stringBytes()
	case 't':
		d.literal("true")
	case 'f':
		d.literal("false")
	case 'n':
		d.literal("null")
	case '{':
		if d.strict {
			d.checkObject()
			return
		}
		base := len(d.keys)
		for key := range d.Object {
			d.keys = append(d.keys, key)
			d.skip()
		}
		d.distinct(base)
	case '[':
		for range d.Array {
			d.skip()
		}
	default:
		if c := d.peek(); c != '-' && (c < '0' || c > '9') {
			d.unexpected("a value")
			return
		}
		if d.strict {
			if n := d.Int(); d.bounded && (n > maxInteger || n < -maxInteger) {
				d.fail(ErrRange, "%d has more than 53 bits", n)
			}
			return
		}
		d.number()
	}
}

// fewKeys is the number of keys up to which comparing all pairs is fastest.
const fewKeys = 8

// distinct fails if two keys of an object, those from base on, are equal. It drops them.
func (d *Decoder) distinct(base int) {
	keys := d.keys[base:]
	d.keys = d.keys[:base]
	if d.err != nil {
		return
	}
	if len(keys) > fewKeys {
		slices.SortFunc(keys, bytes.Compare)
	}
	for i, key := range keys {
		from := 0
		if len(keys) > fewKeys {
			from = max(i-1, 0)
		}
		for _, other := range keys[from:i] {
			if bytes.Equal(key, other) {
				d.fail(ErrDuplicate, "key comes twice")
				d.err.under(string(key))
				return
			}
		}
	}
}

// raw reads any value and returns a copy of its JSON, without spare capacity.
func (d *Decoder) raw() []byte {
	if d.err != nil {
		return nil
	}
	if d.cbor {
		return d.json()
	}
	d.peek()
	start := d.pos
	d.skip()
	return d.copyFrom(start)
}

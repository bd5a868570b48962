package lex

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/internal/cidform"
)

// MarshalCBOR encodes v as DAG-CBOR: the bytes from which a record's CID is computed. Errors are
// *Error and say where.
func MarshalCBOR(v Encodable) ([]byte, error) {
	e := encoders.Get().(*Encoder)
	defer e.release()
	e.cbor = true
	if err := e.document(v); err != nil {
		return nil, err
	}
	out := make([]byte, len(e.buf))
	copy(out, e.buf)
	return out, nil
}

// appendHead appends the head of a value: its major type, and a number or length in the shortest
// form.
func appendHead(b []byte, major byte, n uint64) []byte {
	switch major <<= 5; {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

// head appends the head of a value. It appends to the field directly, which writes no pointer if
// there is room.
func (e *Encoder) head(major byte, n uint64) {
	if n < 24 {
		e.buf = append(e.buf, major<<5|byte(n))
		return
	}
	var room [9]byte
	e.buf = append(e.buf, appendHead(room[:0], major, n)...)
}

// cborInt is Int for DAG-CBOR.
func (e *Encoder) cborInt(v int64) {
	if v < 0 {
		e.head(majorNegative, uint64(-1-v))
		return
	}
	e.head(majorUnsigned, uint64(v))
}

// cborString is String for DAG-CBOR.
func (e *Encoder) cborString(s string) {
	if !utf8.ValidString(s) {
		e.fail(ErrSyntax, "string %.40q is not UTF-8", s)
		return
	}
	e.cborText(s)
}

// cborText writes the head of a text and the text in one piece, where the head is one byte.
func (e *Encoder) cborText(s string) {
	if len(s) >= 24 {
		e.head(majorText, uint64(len(s)))
		e.buf = append(e.buf, s...)
		return
	}
	at := len(e.buf)
	b := e.grow(len(s) + 1)
	b[at] = majorText<<5 | byte(len(s))
	copy(b[at+1:], s)
}

// cborLink is CIDLink for DAG-CBOR.
func (e *Encoder) cborLink(c CIDLink) {
	var room [cidform.MaxSize]byte
	b, wrong := cidform.Append(room[:0], c)
	if wrong != "" {
		e.fail(ErrType, "link %.80q %s", string(c), wrong)
		return
	}
	e.head(majorTag, linkTag)
	e.head(majorBytes, uint64(len(b)+1))
	e.buf = append(e.buf, 0)
	e.buf = append(e.buf, b...)
}

// cborKey is Field for DAG-CBOR. It compares each key with the one before. Generated code writes
// fields in the order of DAG-CBOR, so nothing has to be sorted.
func (e *Encoder) cborKey(name string) {
	top := e.top()
	if top.awaiting && (len(name) > len(typeKey) || len(name) == len(typeKey) && name >= typeKey) {
		e.cborType(top)
	}
	if n := len(e.fields); n > top.fields && !top.unsorted {
		top.unsorted = !e.before(e.fields[n-1], name)
	}
	e.fields = append(e.fields, field{from: len(e.buf)})
	e.cborText(name)
}

// before reports whether f comes before a field with this name.
func (e *Encoder) before(f field, name string) bool {
	if size := int(e.buf[f.from] & 31); size < 24 && size < len(name) {
		return true
	}
	key := e.cborKeyOf(f)
	return len(key) < len(name) || len(key) == len(name) && string(key) < name
}

const typeKey = "$type"

// cborType writes the pending $type of the innermost object.
func (e *Encoder) cborType(top *level) {
	top.awaiting = false
	last := len(e.kinds) - 1
	kind := e.kinds[last]
	e.kinds = e.kinds[:last]
	e.cborKey(typeKey)
	e.cborString(kind)
}

// cborKeyOf returns the key of a field, as a part of the buffer.
func (e *Encoder) cborKeyOf(f field) []byte {
	if n := int(e.buf[f.from] & 31); n < 24 {
		return e.buf[f.from+1 : f.from+1+n]
	}
	d := Decoder{data: e.buf, pos: f.from, cbor: true}
	return d.span(majorText, "a key")
}

// cborFinish ends an object or array. It sorts the fields, and writes their number into the place
// that begin has left.
func (e *Encoder) cborFinish() {
	top := e.top()
	major, n := byte(majorArray), top.index
	if top.object {
		if top.awaiting {
			e.cborType(top)
		}
		major, n = majorMap, len(e.fields)-top.fields
	}
	start, fields, unsorted := top.start, e.fields[top.fields:], top.unsorted
	e.fields = e.fields[:top.fields]
	e.open = e.open[:len(e.open)-1]
	if unsorted && e.err == nil {
		e.sort(fields)
	}
	if n < 24 {
		e.buf[start] = major<<5 | byte(n)
		return
	}
	var room [9]byte
	head := appendHead(room[:0], major, uint64(n))
	e.buf[start] = head[0]
	e.buf = slices.Insert(e.buf, start+1, head[1:]...)
}

// sort sorts fields, which were written last, into the order of DAG-CBOR.
func (e *Encoder) sort(fields []field) {
	first := fields[0].from
	for i := range fields[1:] {
		fields[i].to = fields[i+1].from
	}
	fields[len(fields)-1].to = len(e.buf)
	slices.SortFunc(fields, func(a, b field) int { return compareKeys(e.cborKeyOf(a), e.cborKeyOf(b)) })
	e.scratch = e.scratch[:0]
	for i, f := range fields {
		if i > 0 && bytes.Equal(e.cborKeyOf(fields[i-1]), e.cborKeyOf(f)) {
			e.fail(ErrDuplicate, "key %q comes twice", e.cborKeyOf(f))
			return
		}
		e.scratch = append(e.scratch, e.buf[f.from:f.to]...)
	}
	copy(e.buf[first:], e.scratch)
}

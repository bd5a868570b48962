package lex

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/internal/cidform"
)

// MarshalCBOR encodes v as DAG-CBOR: the bytes that a record's CID is made of. Errors
// are *Error and say where.
func MarshalCBOR(v Encodable) ([]byte, error) {
	e := encoders.Get().(*Encoder)
	defer e.release()
	e.cbor = true
	if err := e.document(v); err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(e.buf)), e.buf...), nil
}

// head appends the head of a value: its major type, and a number or length in the
// shortest form.
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

// cborInt is Int.
func (e *Encoder) cborInt(v int64) {
	if v < 0 {
		e.buf = appendHead(e.buf, majorNegative, uint64(-1-v))
		return
	}
	e.buf = appendHead(e.buf, majorUnsigned, uint64(v))
}

// cborString is String.
func (e *Encoder) cborString(s string) {
	if !utf8.ValidString(s) {
		e.fail(ErrSyntax, "string %.40q is not UTF-8", s)
		return
	}
	e.buf = append(appendHead(e.buf, majorText, uint64(len(s))), s...)
}

// cborLink is CIDLink.
func (e *Encoder) cborLink(c CIDLink) {
	var room [cidform.MaxSize]byte
	b, wrong := cidform.Append(room[:0], c)
	if wrong != "" {
		e.fail(ErrType, "link %.80q %s", string(c), wrong)
		return
	}
	e.buf = appendHead(e.buf, majorTag, linkTag)
	e.buf = append(appendHead(e.buf, majorBytes, uint64(len(b)+1)), 0)
	e.buf = append(e.buf, b...)
}

// An entry is a field that was written: where it begins, its key, and, once they are
// sorted, where it ends.
type entry struct {
	from, to int
	key      []byte
}

// cborFinish ends an object or array: it sorts the fields and writes how many there
// are into the place that begin left.
func (e *Encoder) cborFinish(top level) {
	major, n := byte(majorArray), top.index
	if top.object {
		major, n = majorMap, len(e.entries)-top.entries
		e.sort(top)
		e.entries = e.entries[:top.entries]
	}
	var room [9]byte
	head := appendHead(room[:0], major, uint64(n))
	e.buf[top.start] = head[0]
	if len(head) > 1 {
		e.buf = slices.Insert(e.buf, top.start+1, head[1:]...)
	}
}

// sort puts the fields of the object into the order of DAG-CBOR. They often are.
func (e *Encoder) sort(top level) {
	if e.err != nil {
		return
	}
	entries := e.entries[top.entries:]
	sorted := true
	for i := range entries {
		en := &entries[i]
		d := Decoder{data: e.buf, pos: en.from, cbor: true}
		en.key = d.cborText("a key")
		en.to = len(e.buf)
		if i > 0 {
			entries[i-1].to = en.from
			sorted = sorted && compareKeys(entries[i-1].key, en.key) < 0
		}
	}
	if sorted {
		return
	}
	slices.SortFunc(entries, func(a, b entry) int { return compareKeys(a.key, b.key) })
	for i := 1; i < len(entries); i++ {
		if compareKeys(entries[i-1].key, entries[i].key) == 0 {
			e.fail(ErrDuplicate, "key %q comes twice", entries[i].key)
			return
		}
	}
	e.scratch = e.scratch[:0]
	for _, en := range entries {
		e.scratch = append(e.scratch, e.buf[en.from:en.to]...)
	}
	copy(e.buf[len(e.buf)-len(e.scratch):], e.scratch)
}

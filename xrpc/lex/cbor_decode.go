package lex

import (
	"bytes"
	"math"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/internal/cidform"
	"github.com/gimucco/atproto-go/internal/nilvalue"
)

// MaxCBORNesting is how deep objects and arrays may nest in DAG-CBOR. Records stay far below it.
// JSON has another limit.
const MaxCBORNesting = 256

// UnmarshalCBOR decodes a DAG-CBOR document into v. It is strict: integers and lengths in their
// shortest form, keys in order and without repetition, links as tag 42 and no other tags, no
// floats, nothing of indefinite length, and nothing after the document. Errors are *Error and say
// where.
//
// v does not refer to data. See https://atproto.com/specs/data-model and
// https://dasl.ing/drisl.html.
func UnmarshalCBOR(data []byte, v Decodable, opts ...DecodeOption) error {
	if nilvalue.Is(v) {
		return newError(ErrMissing, 0, "there is nothing to decode into, but a nil %T", v)
	}
	d := decoders.Get().(*Decoder)
	d.data, d.maxNesting, d.cbor = data, MaxCBORNesting, true
	for _, opt := range opts {
		opt(d)
	}
	err := v.DecodeLex(d)
	if err == nil {
		err = d.end()
	}
	d.release()
	return err
}

// CutCBOR decodes the DAG-CBOR document at the beginning of data into v, like UnmarshalCBOR. rest
// is the part of data after it. A frame of an event stream is two such documents, one after the
// other (https://atproto.com/specs/event-stream).
func CutCBOR(data []byte, v Decodable, opts ...DecodeOption) (rest []byte, err error) {
	d := decoders.Get().(*Decoder)
	d.data, d.maxNesting, d.cbor = data, MaxCBORNesting, true
	for _, opt := range opts {
		opt(d)
	}
	if err = v.DecodeLex(d); err == nil {
		rest = data[d.pos:]
	}
	d.release()
	return rest, err
}

// The major types of CBOR (RFC 8949, section 3.1).
const (
	majorUnsigned = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

const (
	cborFalse = majorSimple<<5 | 20
	cborTrue  = majorSimple<<5 | 21
	cborNull  = majorSimple<<5 | 22

	linkTag = 42
)

// major returns the major type of the next value, or -1 at the end.
func (d *Decoder) major() int {
	if d.pos >= len(d.data) {
		return -1
	}
	return int(d.data[d.pos] >> 5)
}

// head decodes the head of a value of a major type: a number or a length.
func (d *Decoder) head(major int, want string) uint64 {
	if d.err != nil {
		return 0
	}
	if d.major() != major {
		d.unexpectedCBOR(want)
		return 0
	}
	info := d.data[d.pos] & 31
	if info < 24 {
		d.pos++
		return uint64(info)
	}
	size := 1 << (info - 24)
	if info > 27 {
		d.fail(ErrSyntax, "a length that is indefinite or reserved")
		return 0
	}
	if len(d.data)-d.pos <= size {
		d.fail(ErrSyntax, "the document ends within a number")
		return 0
	}
	var n uint64
	for _, b := range d.data[d.pos+1 : d.pos+1+size] {
		n = n<<8 | uint64(b)
	}
	if n < 24 || size > 1 && n>>(size*4) == 0 {
		d.fail(ErrSyntax, "a number that is not in its shortest form")
		return 0
	}
	d.pos += 1 + size
	return n
}

// unexpectedCBOR fails because the next value is of the wrong kind.
func (d *Decoder) unexpectedCBOR(want string) {
	switch d.major() {
	case -1:
		d.fail(ErrSyntax, "the document ends where %s should be", want)
	case majorUnsigned, majorNegative:
		d.fail(ErrType, "a number where %s should be", want)
	case majorBytes:
		d.fail(ErrType, "bytes where %s should be", want)
	case majorText:
		d.fail(ErrType, "a string where %s should be", want)
	case majorArray:
		d.fail(ErrType, "an array where %s should be", want)
	case majorMap:
		d.fail(ErrType, "an object where %s should be", want)
	case majorTag:
		d.fail(ErrType, "a tag where %s should be", want)
	default:
		switch d.data[d.pos] {
		case cborFalse, cborTrue:
			d.fail(ErrType, "a boolean where %s should be", want)
		case cborNull:
			d.fail(ErrType, "null where %s should be", want)
		default:
			d.fail(ErrType, "a float or another simple value where %s should be", want)
		}
	}
}

// span decodes bytes or a text: a length, and then that many bytes.
func (d *Decoder) span(major int, want string) []byte {
	n := d.head(major, want)
	if d.err != nil {
		return nil
	}
	if n > uint64(len(d.data)-d.pos) {
		d.fail(ErrSyntax, "the document ends within %s", want)
		return nil
	}
	b := d.data[d.pos : d.pos+int(n)]
	d.pos += int(n)
	return b
}

// cborText decodes a text.
func (d *Decoder) cborText(want string) []byte {
	start := d.pos
	b := d.span(majorText, want)
	if !utf8.Valid(b) {
		d.pos = start
		d.fail(ErrSyntax, "string is not UTF-8")
		return nil
	}
	return b
}

// entries decodes the head of an array or object. Each entry takes at least size bytes.
func (d *Decoder) entries(major int, want string, size uint64) int {
	n := d.head(major, want)
	if d.err == nil && n > uint64(len(d.data)-d.pos)/size {
		d.fail(ErrSyntax, "the document ends within %s", want)
		return 0
	}
	return int(n)
}

// cborObject is Object for DAG-CBOR.
func (d *Decoder) cborObject(known variant, yield func(key []byte) bool) {
	n := d.entries(majorMap, "an object", 2)
	if d.err != nil || !d.enter() {
		return
	}
	var last []byte
	for i := range n {
		start := d.pos
		key := d.cborText("a key")
		if d.err != nil {
			return
		}
		if i > 0 {
			switch order := compareKeys(last, key); {
			case order == 0:
				d.pos = start
				d.fail(ErrDuplicate, "key %q comes twice", key)
				return
			case order > 0:
				d.pos = start
				d.fail(ErrSyntax, "key %.40q is not in order", key)
				return
			}
		}
		last = key
		if known.union && string(key) == "$type" {
			d.skip()
		} else if !yield(key) {
			d.fail(ErrSyntax, "the rest of the object was not read")
		}
		d.noteNull(key)
		if d.err != nil {
			d.err.under(string(key))
			return
		}
	}
	d.depth--
}

// compareKeys compares keys in the order of DAG-CBOR: first by length, then by bytes.
func compareKeys(a, b []byte) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// cborInt is Int for DAG-CBOR.
func (d *Decoder) cborInt() int64 {
	start := d.pos
	negative := d.major() == majorNegative
	major := majorUnsigned
	if negative {
		major = majorNegative
	}
	n := d.head(major, "an integer")
	if n > math.MaxInt64 {
		d.pos = start
		d.fail(ErrRange, "the integer does not fit into 64 bits")
		return 0
	}
	if negative && d.err == nil {
		return -1 - int64(n)
	}
	return int64(n)
}

// cborBool is Bool for DAG-CBOR.
func (d *Decoder) cborBool() bool {
	if d.pos < len(d.data) && (d.data[d.pos] == cborTrue || d.data[d.pos] == cborFalse) {
		d.pos++
		return d.data[d.pos-1] == cborTrue
	}
	d.unexpectedCBOR("a boolean")
	return false
}

// cborLink is CIDLink for DAG-CBOR.
func (d *Decoder) cborLink() CIDLink {
	start := d.pos
	if tag := d.head(majorTag, "a link"); d.err == nil && tag != linkTag {
		d.pos = start
		d.fail(ErrType, "tag %d where a link should be", tag)
	}
	b := d.span(majorBytes, "a link")
	if d.err != nil {
		return ""
	}
	// A CID in binary form has a zero byte in front, in place of the multibase.
	if len(b) == 0 || b[0] != 0 {
		d.pos = start
		d.fail(ErrType, "a link without a zero in front")
		return ""
	}
	if wrong := cidform.Check(b[1:]); wrong != "" {
		d.pos = start
		d.fail(ErrType, "the link %s", wrong)
		return ""
	}
	var room [2 * cidform.MaxSize]byte
	return CIDLink(d.keep(cidform.AppendText(room[:0], b[1:])))
}

// cborType finds the $type of the next object, without consuming the object.
func (d *Decoder) cborType() string {
	start := d.pos
	n := d.entries(majorMap, "an object with a $type", 2)
	for range n {
		key := d.cborText("a key")
		if d.err != nil {
			return ""
		}
		order := compareKeys(key, []byte("$type"))
		if order == 0 {
			kind := d.keepType(d.cborText("a $type"))
			d.pos = start
			d.variant = variant{union: true, start: start, kind: kind}
			return kind
		}
		if order > 0 {
			break // keys are in order, so it would have come before
		}
		d.skip()
	}
	d.fail(ErrMissing, "a member of a union has no $type")
	return ""
}

// cborSkip is skip for DAG-CBOR.
func (d *Decoder) cborSkip() {
	switch d.major() {
	case majorUnsigned, majorNegative:
		d.cborInt()
	case majorBytes:
		d.span(majorBytes, "bytes")
	case majorText:
		d.cborText("a string")
	case majorArray:
		for range d.Array {
			d.skip()
		}
	case majorMap:
		for range d.Object {
			d.skip()
		}
	case majorTag:
		d.cborLink()
	default:
		switch {
		case d.Null():
		case d.kind() == kindBool:
			d.cborBool()
		default:
			d.unexpectedCBOR("a value")
		}
	}
}

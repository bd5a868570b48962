package lex

import (
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
	"unsafe"

	"github.com/gimucco/atproto-go/internal/nilvalue"
)

// An Encodable writes itself to an Encoder. Generated types implement it on their pointers.
type Encodable interface {
	// EncodeLex writes the value. It returns the first error of e.
	EncodeLex(e *Encoder) error
}

// A Decodable reads itself from a Decoder. Generated types implement it on their
// pointers.
type Decodable interface {
	// DecodeLex reads the value. It returns the first error of d.
	DecodeLex(d *Decoder) error
}

// An Encoder writes one document, value by value. Generated code calls it. It hides the document's
// format. Errors are sticky. An Encoder is not safe for concurrent use.
type Encoder struct {
	buf     []byte
	err     *Error
	cbor    bool     // the document is DAG-CBOR, not JSON
	fields  []field  // fields of the open objects, those of the innermost last
	scratch []byte   // for sorting fields
	open    []level  // the open objects and arrays
	kinds   []string // each $type of the open objects that is not written yet
	variant string   // the $type for the next object
}

// A level is an open object or array. Like a field, it contains no pointers.
type level struct {
	start    int  // where it begins
	fields   int  // the number of fields of the outer levels
	index    int  // index of the current element, plus 1; 0 in an object
	typed    bool // it has a $type
	awaiting bool // the last of kinds is its $type, and comes after the fields so far
	object   bool
	unsorted bool // the fields are not in the order of DAG-CBOR
}

// A field is a written field, or the one that is being written: where it begins, and, if it will be
// sorted, where it ends. It contains no pointers, so a list of fields costs the garbage collector
// nothing.
type field struct{ from, to int }

var encoders = sync.Pool{New: func() any { return new(Encoder) }}

// maxPooled is the largest buffer that is kept for the next document.
const maxPooled = 1 << 20

// MarshalJSON encodes v as JSON. It refuses strings that are not UTF-8, and empty unions where a
// member is required. Errors are *Error and say where.
func MarshalJSON(v Encodable) ([]byte, error) {
	e := encoders.Get().(*Encoder)
	defer e.release()
	if err := e.document(v); err != nil {
		return nil, err
	}
	out := make([]byte, len(e.buf))
	copy(out, e.buf)
	return out, nil
}

// AppendJSON appends v as JSON to dst. After an error it returns dst unchanged.
func AppendJSON(dst []byte, v Encodable) ([]byte, error) {
	e := encoders.Get().(*Encoder)
	pooled := e.buf
	e.buf = dst
	err := e.document(v)
	out := e.buf
	e.buf = pooled
	e.release()
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (e *Encoder) document(v Encodable) error {
	if nilvalue.Is(v) {
		e.fail(ErrMissing, "there is no value, but a nil %T", v)
		return e.Err()
	}
	start := len(e.buf)
	if err := v.EncodeLex(e); err != nil {
		return err
	}
	if len(e.buf) == start || len(e.open) > 0 {
		e.fail(ErrSyntax, "%T did not write one whole value", v)
	}
	return e.Err()
}

func (e *Encoder) release() {
	if cap(e.buf) > maxPooled {
		e.buf = nil
	}
	if cap(e.scratch) > maxPooled {
		e.scratch = nil
	}
	if cap(e.fields) > maxPooledEntries {
		e.fields = nil
	}
	*e = Encoder{buf: e.buf[:0], open: e.open[:0], fields: e.fields[:0], kinds: e.kinds[:0], scratch: e.scratch[:0]}
	encoders.Put(e)
}

// Err returns the first error.
func (e *Encoder) Err() error {
	if e.err == nil {
		return nil
	}
	return e.err
}

// fail notes an error, with the path to the current value.
func (e *Encoder) fail(kind error, format string, args ...any) {
	if e.err != nil {
		return
	}
	e.err = newError(kind, -1, format, args...)
	fields := e.fields
	for _, l := range slices.Backward(e.open) {
		switch {
		case l.index > 0:
			e.err.under("[" + strconv.Itoa(l.index-1) + "]")
		case len(fields) > l.fields:
			e.err.under(string(e.keyOf(fields[len(fields)-1])))
		}
		fields = fields[:l.fields]
	}
}

// failKey is fail for a key that cannot be written. The path ends at the object.
func (e *Encoder) failKey(name string) {
	fields := e.fields
	e.fields = fields[:e.top().fields]
	e.fail(ErrSyntax, "key %.40q is not UTF-8", name)
	e.fields = fields
}

// keyOf returns the key of a field. If it has no escapes, it is a part of the buffer.
func (e *Encoder) keyOf(f field) []byte {
	if e.cbor {
		return e.cborKeyOf(f)
	}
	d := Decoder{data: e.buf, pos: f.from + 1} // after the comma
	return d.stringBytes()
}

// top returns the innermost object or array. For code that begins what it ends, there is always
// one.
func (e *Encoder) top() *level {
	if len(e.open) == 0 {
		e.outside()
	}
	return &e.open[len(e.open)-1]
}

func (e *Encoder) outside() {
	e.fail(ErrSyntax, "a field, an element or an end outside of any object or array")
	e.begin(false)
}

// BeginObject begins an object. A member of a union gets its $type: in JSON at the beginning, for
// readers that need it first; in DAG-CBOR in its place in the order.
func (e *Encoder) BeginObject() {
	kind := e.variant
	e.variant = ""
	e.begin(true)
	if kind == "" {
		return
	}
	top := e.top()
	top.typed = true
	if e.cbor {
		top.awaiting = true
		e.kinds = append(e.kinds, kind)
		return
	}
	e.Field(typeKey).String(kind)
}

// BeginRecord begins a record. A record always has its $type.
func (e *Encoder) BeginRecord(nsid string) {
	e.variant = nsid
	e.BeginObject()
}

// begin notes where an object or array begins. In JSON, each part is written with a comma in front,
// and the first comma becomes the bracket at the end. In CBOR, one byte is reserved for the head.
func (e *Encoder) begin(object bool) {
	limit := DefaultMaxNesting
	if e.cbor {
		limit = MaxCBORNesting
	}
	if len(e.open) >= limit {
		e.fail(ErrDepth, "more than %d levels: does the value hold itself?", limit)
	}
	e.open = append(e.open, level{start: len(e.buf), object: object, fields: len(e.fields)})
	if e.cbor {
		e.buf = append(e.buf, 0)
	}
}

func (e *Encoder) finish(opening, closing byte) {
	if e.cbor {
		e.cborFinish()
		return
	}
	top := e.top()
	start := top.start
	e.fields = e.fields[:top.fields]
	e.open = e.open[:len(e.open)-1]
	if len(e.buf) == start {
		e.buf = append(e.buf, opening)
	} else {
		e.buf[start] = opening
	}
	e.buf = append(e.buf, closing)
}

// Key begins a field. The next write is its value. Fields may come in any order. DAG-CBOR has its
// own order, by length and then by bytes; fields in this order need no sorting.
func (e *Encoder) Key(name string) *Encoder {
	switch {
	case plain(name):
		return e.Field(name)
	case !utf8.ValidString(name):
		e.failKey(name)
		return e
	case e.cbor:
		return e.Field(name)
	}
	e.top()
	e.fields = append(e.fields, field{from: len(e.buf)})
	e.buf = append(e.buf, ',')
	e.String(name)
	e.buf = append(e.buf, ':')
	return e
}

// Field is Key for a name that is known to be plain: printable ASCII without quotes and
// backslashes. It does not check the name.
func (e *Encoder) Field(name string) *Encoder {
	if e.cbor {
		e.cborKey(name)
		return e
	}
	e.top()
	at := len(e.buf)
	b := e.grow(len(name) + 4)
	b[at], b[at+1] = ',', '"'
	copy(b[at+2:], name)
	b[len(b)-2], b[len(b)-1] = '"', ':'
	e.fields = append(e.fields, field{from: at})
	return e
}

// grow makes room for n more bytes and returns the longer buffer.
func (e *Encoder) grow(n int) []byte {
	if cap(e.buf)-len(e.buf) < n {
		e.buf = slices.Grow(e.buf, n)
	}
	e.buf = e.buf[:len(e.buf)+n]
	return e.buf
}

// plain reports whether a name needs no escapes; most need none.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// EndObject writes the fields of extra, if there are any, and ends the object.
func (e *Encoder) EndObject(extra *Extra) error {
	if extra != nil && extra.fields != nil {
		e.extra(extra.fields)
	}
	e.finish('{', '}')
	return e.Err()
}

// extra writes the fields that are not in the lexicon, and those that were null and have no value
// now. It looks only at the keys, whatever the size of the values.
func (e *Encoder) extra(x *extraFields) {
	top := *e.top()
	written := len(e.fields)
	for i, name := range x.names {
		if name == "$type" && top.typed {
			continue
		}
		e.Key(name).raw(x.values[i])
	}
	for _, name := range x.nulls {
		if x.find(name) < 0 && !slices.ContainsFunc(e.fields[top.fields:written], func(f field) bool { return string(e.keyOf(f)) == name }) {
			e.Key(name).Null()
		}
	}
}

// BeginArray begins an array; EndArray ends it.
func (e *Encoder) BeginArray() { e.begin(false) }

// Element begins an element of an array. The next write is its value.
func (e *Encoder) Element() *Encoder {
	e.top().index++
	if !e.cbor {
		e.buf = append(e.buf, ',')
	}
	return e
}

// EndArray ends an array.
func (e *Encoder) EndArray() { e.finish('[', ']') }

// Null writes a null.
func (e *Encoder) Null() {
	if e.cbor {
		e.buf = append(e.buf, cborNull)
		return
	}
	e.buf = append(e.buf, "null"...)
}

// Bool writes a boolean.
func (e *Encoder) Bool(v bool) {
	switch {
	case !e.cbor:
		e.buf = strconv.AppendBool(e.buf, v)
	case v:
		e.buf = append(e.buf, cborTrue)
	default:
		e.buf = append(e.buf, cborFalse)
	}
}

// Int writes an integer.
func (e *Encoder) Int(v int64) {
	if e.cbor {
		e.cborInt(v)
		return
	}
	e.buf = strconv.AppendInt(e.buf, v, 10)
}

// String writes a string.
func (e *Encoder) String(s string) {
	if e.cbor {
		e.cborString(s)
		return
	}
	text := unsafe.Slice(unsafe.StringData(s), len(s)) // only read
	if end, ascii := scanString(text, 0); end == len(s) && (ascii || utf8.Valid(text)) {
		at := len(e.buf)
		b := e.grow(len(s) + 2)
		b[at] = '"'
		copy(b[at+1:], s)
		b[len(b)-1] = '"'
		return
	}
	b := append(e.buf, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				e.fail(ErrSyntax, "string %.40q is not UTF-8", s)
				return
			}
			i += n
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			const digits = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		from = i
	}
	b = append(b, s[from:]...)
	e.buf = append(b, '"')
}

// Value writes v.
func (e *Encoder) Value(v Encodable) {
	if e.err != nil {
		return // this also ends a value that contains itself
	}
	e.variant = ""
	if err := v.EncodeLex(e); err != nil && e.err == nil {
		e.fail(err, "%v", err)
	}
}

// Variant writes a member of a union, with its $type.
func (e *Encoder) Variant(v Typed) error {
	if nilvalue.Is(v) {
		e.fail(ErrMissing, "a required union has no member: set its Value")
		return e.Err()
	}
	if e.err != nil {
		return e.Err()
	}
	e.variant = v.LexType()
	if err := v.EncodeLex(e); err != nil && e.err == nil {
		e.fail(err, "%v", err)
	}
	return e.Err()
}

// raw writes JSON that is known to be well-formed.
func (e *Encoder) raw(json []byte) {
	if e.cbor {
		e.cborOf(json)
		return
	}
	e.buf = append(e.buf, json...)
}

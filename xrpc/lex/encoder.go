package lex

import (
	"reflect"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
	"unsafe"
)

// An Encodable writes itself to an Encoder. Generated types implement it on their
// pointers.
type Encodable interface {
	EncodeLex(e *Encoder) error
}

// A Decodable reads itself from a Decoder. Generated types implement it on their
// pointers.
type Decodable interface {
	DecodeLex(d *Decoder) error
}

// An Encoder writes one document, value by value. Generated code drives it; it hides
// the format the document is in. Errors are sticky. An Encoder is not safe for
// concurrent use.
type Encoder struct {
	buf     []byte
	err     *Error
	cbor    bool    // the document is DAG-CBOR, not JSON
	entries []entry // of the objects that are open, in CBOR
	scratch []byte  // fields that are being sorted
	open    []level // the objects and arrays that are open
	variant string  // the $type that the next object has to carry
}

// A level is an object or array that is open.
type level struct {
	start   int  // where it begins
	key     int  // where the field that is being written begins, plus 1; 0 before the first
	index   int  // of the element that is being written, plus 1; 0 in an object
	entries int  // where its own begin
	typed   bool // it carries a $type already
	object  bool
}

var encoders = sync.Pool{New: func() any { return new(Encoder) }}

// maxPooled is the largest buffer that is kept for the next document.
const maxPooled = 1 << 20

// MarshalJSON encodes v as JSON. It refuses strings that are not UTF-8 and unions
// that are empty where they may not be. Errors are *Error and say where.
func MarshalJSON(v Encodable) ([]byte, error) {
	e := encoders.Get().(*Encoder)
	defer e.release()
	if err := e.document(v); err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(e.buf)), e.buf...), nil
}

// AppendJSON appends v as JSON to dst. After an error dst is returned as it was.
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
	if v == nil {
		e.fail(ErrMissing, "there is no value")
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
	clear(e.entries[:cap(e.entries)]) // keys are windows of the document
	*e = Encoder{buf: e.buf[:0], open: e.open[:0], entries: e.entries[:0], scratch: e.scratch[:0]}
	encoders.Put(e)
}

// Err returns the first error.
func (e *Encoder) Err() error {
	if e.err == nil {
		return nil
	}
	return e.err
}

// fail notes an error, with the path to what is being written.
func (e *Encoder) fail(kind error, format string, args ...any) {
	if e.err != nil {
		return
	}
	e.err = newError(kind, -1, format, args...)
	for _, l := range slices.Backward(e.open) {
		switch {
		case l.index > 0:
			e.err.under("[" + strconv.Itoa(l.index-1) + "]")
		case l.key > 0:
			e.err.under(e.keyAt(l.key - 1))
		}
	}
}

// keyAt returns the key of the field that begins at an offset.
func (e *Encoder) keyAt(offset int) string {
	d := Decoder{data: e.buf, pos: offset, cbor: e.cbor}
	if e.cbor {
		return string(d.cborText("a key"))
	}
	d.pos++ // the comma
	return string(d.stringBytes())
}

// top is the innermost object or array. There is always one for code that begins
// what it ends.
func (e *Encoder) top() *level {
	if len(e.open) == 0 {
		e.fail(ErrSyntax, "a field, an element or an end outside of any object or array")
		e.begin(false)
	}
	return &e.open[len(e.open)-1]
}

// BeginObject begins an object. As a member of a union it carries its $type.
func (e *Encoder) BeginObject() {
	kind := e.variant
	e.variant = ""
	e.begin(true)
	e.top().typed = kind != ""
	if kind != "" {
		e.Key("$type").String(kind)
	}
}

// BeginRecord begins a record, which always carries its $type.
func (e *Encoder) BeginRecord(nsid string) {
	e.variant = nsid
	e.BeginObject()
}

// begin notes where an object or array begins. In JSON, each part is written with a
// comma in front; the first comma becomes the bracket in the end. In CBOR, a byte is
// left for the head.
func (e *Encoder) begin(object bool) {
	limit := DefaultMaxNesting
	if e.cbor {
		limit = MaxCBORNesting
	}
	if len(e.open) >= limit {
		e.fail(ErrDepth, "more than %d levels: does the value hold itself?", limit)
	}
	e.open = append(e.open, level{start: len(e.buf), object: object, entries: len(e.entries)})
	if e.cbor {
		e.buf = append(e.buf, 0)
	}
}

func (e *Encoder) finish(opening, closing byte) {
	top := *e.top()
	start := top.start
	e.open = e.open[:len(e.open)-1]
	if e.cbor {
		e.cborFinish(top)
		return
	}
	if len(e.buf) == start {
		e.buf = append(e.buf, opening)
	} else {
		e.buf[start] = opening
	}
	e.buf = append(e.buf, closing)
}

// Key begins a field. What is written next is its value.
func (e *Encoder) Key(name string) *Encoder {
	// Until it is written, there is no key to tell of: it may not be UTF-8.
	top, at := e.top(), len(e.buf)
	top.key = 0
	switch {
	case e.cbor:
		e.entries = append(e.entries, entry{from: at})
		e.cborString(name)
	case !plain(name):
		e.buf = append(e.buf, ',')
		e.String(name)
		e.buf = append(e.buf, ':')
	default:
		b := e.grow(len(name) + 4)
		b[at], b[at+1] = ',', '"'
		copy(b[at+2:], name)
		b[len(b)-2], b[len(b)-1] = '"', ':'
	}
	top.key = at + 1
	return e
}

// grow makes room for n bytes and returns the buffer with them.
func (e *Encoder) grow(n int) []byte {
	if cap(e.buf)-len(e.buf) < n {
		e.buf = slices.Grow(e.buf, n)
	}
	e.buf = e.buf[:len(e.buf)+n]
	return e.buf
}

// plain reports whether a name is the same within quotes, as nearly all are.
func plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// EndObject writes the fields of extra, if any, and ends the object.
func (e *Encoder) EndObject(extra *Extra) error {
	if extra != nil && extra.fields != nil {
		typed := e.top().typed
		for i, name := range extra.fields.names {
			if name == "$type" && typed {
				continue
			}
			e.Key(name).raw(extra.fields.values[i])
		}
		for _, name := range extra.fields.nulls {
			if !e.wrote(name) { // it may have got a value since
				e.Key(name).Null()
			}
		}
	}
	e.finish('{', '}')
	return e.Err()
}

// wrote reports whether the innermost object has a field of this name already.
func (e *Encoder) wrote(name string) bool {
	top := e.top()
	if e.cbor {
		return slices.ContainsFunc(e.entries[top.entries:], func(en entry) bool {
			d := Decoder{data: e.buf, pos: en.from, cbor: true}
			return string(d.cborText("a key")) == name
		})
	}
	d := Decoder{data: e.buf, pos: top.start, maxNesting: DefaultMaxNesting}
	for d.err == nil && d.pos < len(d.data) {
		d.pos++ // the comma
		if string(d.key()) == name {
			return true
		}
		d.skip()
	}
	return false
}

// BeginArray begins an array; EndArray ends it.
func (e *Encoder) BeginArray() { e.begin(false) }

// Element begins an element of an array. What is written next is its value.
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
	text := unsafe.Slice(unsafe.StringData(s), len(s)) // read only
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
		return // also the end of a value that holds itself
	}
	e.variant = ""
	if err := v.EncodeLex(e); err != nil && e.err == nil {
		e.fail(err, "%v", err)
	}
}

// Variant writes a member of a union, with its $type.
func (e *Encoder) Variant(v Typed) error {
	if v == nil || isNil(v) {
		e.fail(ErrMissing, "a union that may not be empty is empty")
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

// isNil reports whether v is a nil pointer: types of lexicons are pointers.
func isNil(v Typed) bool {
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && p.IsNil()
}

// raw writes JSON that is known to be well-formed.
func (e *Encoder) raw(json []byte) {
	if e.cbor {
		e.cborOf(json)
		return
	}
	e.buf = append(e.buf, json...)
}

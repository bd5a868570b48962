package lex

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"
	"unsafe"
)

// DefaultMaxNesting is how deep objects and arrays may nest unless MaxNesting says
// otherwise. Threads of posts are deep.
const DefaultMaxNesting = 4096

// A Decoder reads one document, value by value. Generated code drives it; it hides
// the format the document is in.
//
// Errors are sticky: after the first, every method returns a zero value and loops
// end, so that code may read a whole object and ask Err once. A Decoder is not safe
// for concurrent use.
type Decoder struct {
	data []byte
	pos  int
	err  *Error
	cbor bool // the document is DAG-CBOR, not JSON

	depth      int
	maxNesting int

	variant variant   // what Type has learned about the object that comes next
	index   typeIndex // where the $type of objects is, for unions that do not begin with it

	kinds    [8]string // values of $type met lately
	nextKind int

	null  bool        // the field that is being read was a null that stands for nothing
	nulls []nullField // such fields of the objects that are open

	keys    [][]byte // of the objects that are being skipped
	strict  bool     // what is skipped has to be of the data model in all its parts
	bounded bool     // and integers in it may have 53 bits

	nullLists bool // a list that has to be there may be null

	chunk    []byte // that strings are cut from
	inList   bool   // within an element of an outermost list
	spent    int    // bytes cut for this element
	expected int    // bytes that the element before took, 0 if there was none
	integers []int64
	booleans []bool
	strings  []string
}

// A DecodeOption changes how a document is decoded.
type DecodeOption func(*Decoder)

// MaxNesting bounds how deep objects and arrays may nest. 0 or less is
// DefaultMaxNesting.
func MaxNesting(levels int) DecodeOption {
	return func(d *Decoder) {
		if levels > 0 {
			d.maxNesting = levels
		}
	}
}

// NullLists takes a null for an empty list where a list is required: servers write that of a list that they
// never made. It is for the outputs of methods; a record that says it is no record.
func NullLists() DecodeOption {
	return func(d *Decoder) { d.nullLists = true }
}

// nullList reads a null that stands for an empty list.
func (d *Decoder) nullList() bool { return d.nullLists && d.Null() }

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// UnmarshalJSON decodes a JSON document into v. It refuses what the data model does
// not have: floats, invalid UTF-8, lone surrogates, duplicate keys, and anything
// behind the document. Errors are *Error and say where.
//
// v keeps nothing of data.
func UnmarshalJSON(data []byte, v Decodable, opts ...DecodeOption) error {
	d := decoders.Get().(*Decoder)
	d.data, d.maxNesting = data, DefaultMaxNesting
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

// maxPooledEntries is how long a list may be to be kept for the next document.
const maxPooledEntries = 1 << 12

// release hands d back. Text and slabs belong to what was decoded.
func (d *Decoder) release() {
	var next Decoder
	if cap(d.index.entries) <= maxPooledEntries {
		next.index.entries = d.index.entries[:0]
	}
	if cap(d.keys) <= maxPooledEntries {
		clear(d.keys[:cap(d.keys)]) // they are windows of the document
		next.keys = d.keys[:0]
	}
	next.nulls = d.nulls[:0]
	*d = next
	decoders.Put(d)
}

// Err returns the first error.
func (d *Decoder) Err() error {
	if d.err == nil {
		return nil
	}
	return d.err
}

// end refuses anything behind the document.
func (d *Decoder) end() error {
	if d.err == nil {
		if !d.cbor {
			d.space()
		}
		if d.pos < len(d.data) {
			d.fail(ErrSyntax, "data behind the document")
		}
	}
	return d.Err()
}

// fail notes an error at the current position.
func (d *Decoder) fail(kind error, format string, args ...any) {
	if d.err == nil {
		d.err = newError(kind, d.pos, format, args...)
	}
}

// unexpected fails because another kind of value was wanted.
func (d *Decoder) unexpected(want string) {
	if d.pos >= len(d.data) {
		d.fail(ErrSyntax, "the document ends where %s should be", want)
		return
	}
	switch c := d.data[d.pos]; {
	case c == '"':
		d.fail(ErrType, "a string where %s should be", want)
	case c == '{':
		d.fail(ErrType, "an object where %s should be", want)
	case c == '[':
		d.fail(ErrType, "an array where %s should be", want)
	case c == 't' || c == 'f':
		d.fail(ErrType, "a boolean where %s should be", want)
	case c == 'n':
		d.fail(ErrType, "null where %s should be", want)
	case c == '-' || '0' <= c && c <= '9':
		d.fail(ErrType, "a number where %s should be", want)
	default:
		d.fail(ErrSyntax, "%q where %s should be", c, want)
	}
}

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

// peek returns the first byte of what comes next, 0 at the end.
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

// Object reads an object: for key := range d.Object { … }. The body reads the value
// of each key. It must not keep the key, nor leave the loop early unless something
// has failed: that is an error.
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
	typed := known.inside // the $type has been read already
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

// key reads a key and the colon behind it.
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
		d.fail(ErrSyntax, "want ':' behind key %.40q", key)
		return nil
	}
	d.pos++
	return key
}

// Array reads an array: for range d.Array { … }. The body reads one element; i
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

// enter goes one level down, if that is allowed.
func (d *Decoder) enter() bool {
	if d.depth++; d.depth > d.maxNesting {
		d.fail(ErrDepth, "more than %d levels", d.maxNesting)
		return false
	}
	return true
}

// Null reads a null and reports whether there was one. Anything else is left alone.
func (d *Decoder) Null() bool {
	if d.err != nil {
		return false
	}
	if d.cbor {
		if d.pos < len(d.data) && d.data[d.pos] == cborNull {
			d.pos++
			return true
		}
		return false
	}
	return d.peek() == 'n' && d.literal("null")
}

func (d *Decoder) literal(word string) bool {
	if !bytes.HasPrefix(d.data[d.pos:], []byte(word)) {
		d.fail(ErrSyntax, "want %s", word)
		return false
	}
	d.pos += len(word)
	return true
}

// Bool reads a boolean.
func (d *Decoder) Bool() bool {
	if d.err != nil {
		return false
	}
	if d.cbor {
		return d.cborBool()
	}
	switch d.peek() {
	case 't':
		return d.literal("true")
	case 'f':
		d.literal("false")
	default:
		d.unexpected("a boolean")
	}
	return false
}

// Int reads an integer. 123.0 and 1e3 are integers too (they are so in JSON);
// anything with a fraction, or beyond 64 bits, is refused.
func (d *Decoder) Int() int64 {
	if d.err != nil {
		return 0
	}
	if d.cbor {
		return d.cborInt()
	}
	c := d.peek()
	if c != '-' && (c < '0' || c > '9') {
		d.unexpected("an integer")
		return 0
	}
	text := d.number()
	if d.err != nil {
		return 0
	}
	n, err := parseInteger(text)
	if err != "" {
		d.pos -= len(text)
		d.fail(ErrRange, "%.40s %s", text, err)
		return 0
	}
	return n
}

// number scans a number by the grammar of JSON.
func (d *Decoder) number() []byte {
	start, data, i := d.pos, d.data, d.pos
	digits := func() bool {
		from := i
		for i < len(data) && '0' <= data[i] && data[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(data) && data[i] == '-' {
		i++
	}
	ok := true
	if i < len(data) && data[i] == '0' {
		i++
	} else {
		ok = digits()
	}
	if ok && i < len(data) && data[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		ok = digits()
	}
	d.pos = i
	if !ok {
		d.fail(ErrSyntax, "malformed number")
		return nil
	}
	return data[start:i]
}

// parseDigits reads a number of few digits and nothing else, as nearly all are.
func parseDigits(text []byte) (n int64, ok bool) {
	digits := text
	if text[0] == '-' {
		digits = text[1:]
	}
	if len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if text[0] == '-' {
		n = -n
	}
	return n, true
}

// parseInteger reads a JSON number exactly, in decimal. It says what is wrong with
// one that is not an integer of 64 bits.
func parseInteger(text []byte) (n int64, wrong string) {
	if n, ok := parseDigits(text); ok {
		return n, ""
	}
	s := string(text)
	mantissa, exponent := s, int64(0)
	if i := bytes.IndexAny(text, "eE"); i >= 0 {
		mantissa = s[:i]
		// One that does not fit comes back as the largest or smallest that does. Half
		// of the range is far beyond any integer, and leaves room to add lengths to it.
		exponent, _ = strconv.ParseInt(s[i+1:], 10, 64)
		exponent = min(max(exponent, math.MinInt64/2), math.MaxInt64/2)
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	digits := mantissa
	if i := bytes.IndexByte([]byte(mantissa), '.'); i >= 0 {
		digits = mantissa[:i] + mantissa[i+1:]
		exponent -= int64(len(mantissa) - i - 1)
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
		exponent++
	}
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	switch {
	case digits == "":
		return 0, ""
	case exponent < 0:
		return 0, "is not an integer"
	case exponent > 19-int64(len(digits)):
		return 0, "does not fit into 64 bits"
	}
	b := append([]byte(sign), digits...)
	for range exponent {
		b = append(b, '0')
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, "does not fit into 64 bits"
	}
	return n, ""
}

// String reads a string.
func (d *Decoder) String() string {
	if d.err != nil {
		return ""
	}
	return d.keep(d.text("a string"))
}

// text reads a string that is not kept.
func (d *Decoder) text(want string) []byte {
	if d.cbor {
		return d.cborText(want)
	}
	if d.peek() != '"' {
		d.unexpected(want)
		return nil
	}
	return d.stringBytes()
}

// stringBytes reads a string. Without escapes it is a window of the input.
func (d *Decoder) stringBytes() []byte {
	start := d.pos + 1
	i, ascii := scanString(d.data, start)
	if i == len(d.data) || d.data[i] != '"' {
		return d.escapedString(start)
	}
	s := d.data[start:i]
	if !ascii && !utf8.Valid(s) {
		d.fail(ErrSyntax, "string is not UTF-8")
		return nil
	}
	d.pos = i + 1
	return s
}

const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// scanString finds the first byte from i on that does not simply belong to a string:
// a quote, a backslash, a control character or the end. It looks at eight bytes at a
// time, and says whether all it passed were ASCII.
func scanString(data []byte, i int) (end int, ascii bool) {
	var seen uint64
	for ; i+8 <= len(data); i += 8 {
		w := binary.LittleEndian.Uint64(data[i:])
		quote, slash := w^(low*'"'), w^(low*'\\')
		// The lowest marked byte is exact; marks above it may be carries.
		stop := ((quote-low) & ^quote | (slash-low) & ^slash | (w-low*0x20) & ^w) & high
		if stop != 0 {
			n := bits.TrailingZeros64(stop) / 8
			seen |= w & (1<<(8*n) - 1)
			return i + n, seen&high == 0
		}
		seen |= w
	}
	for ; i < len(data); i++ {
		c := data[i]
		if c == '"' || c == '\\' || c < 0x20 {
			break
		}
		seen |= uint64(c)
	}
	return i, seen&high == 0
}

// escapedString reads a string that has escapes, or something wrong with it.
func (d *Decoder) escapedString(start int) []byte {
	out := make([]byte, 0, 64)
	for i := start; i < len(d.data); {
		switch c := d.data[i]; {
		case c == '"':
			if !utf8.Valid(out) {
				d.fail(ErrSyntax, "string is not UTF-8")
				return nil
			}
			d.pos = i + 1
			return out
		case c < 0x20:
			d.pos = i
			d.fail(ErrSyntax, "control character in a string")
			return nil
		case c != '\\':
			out = append(out, c)
			i++
		default:
			r, n := unescape(d.data[i:])
			if n == 0 {
				d.pos = i
				d.fail(ErrSyntax, "malformed escape, or half of a surrogate pair")
				return nil
			}
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	d.pos = len(d.data)
	d.fail(ErrSyntax, "the document ends within a string")
	return nil
}

// unescape reads one escape; n is its length, 0 if it is malformed.
func unescape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		first, ok := hex4(b[2:])
		switch {
		case !ok, 0xDC00 <= first && first <= 0xDFFF:
			return 0, 0
		case first < 0xD800 || first > 0xDFFF:
			return first, 6
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return 0, 0
		}
		second, ok := hex4(b[8:])
		if !ok || second < 0xDC00 || second > 0xDFFF {
			return 0, 0
		}
		return (first-0xD800)<<10 | (second - 0xDC00) + 0x10000, 12
	}
	return 0, 0
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

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

// OptionalString reads a string; null is nil.
func (d *Decoder) OptionalString() *string {
	if !d.present() {
		return nil
	}
	p := cell(&d.strings)
	*p = d.String()
	return p
}

// OptionalInt reads an integer; null is nil.
func (d *Decoder) OptionalInt() *int64 {
	if !d.present() {
		return nil
	}
	p := cell(&d.integers)
	*p = d.Int()
	return p
}

// OptionalBool reads a boolean; null is nil.
func (d *Decoder) OptionalBool() *bool {
	if !d.present() {
		return nil
	}
	p := cell(&d.booleans)
	*p = d.Bool()
	return p
}

// skip reads any value and throws it away. It checks the grammar, UTF-8, that keys
// are distinct, and the depth.
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

// fewKeys is up to how many keys comparing each with each is cheapest.
const fewKeys = 8

// distinct refuses an object whose keys, those from base on, are not distinct, and
// drops them.
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

// raw reads any value and returns a copy of its JSON, without room behind it.
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

// Once notes in seen that the field of this bit was read, and refuses a second one.
func (d *Decoder) Once(seen *uint64, bit uint64) {
	if *seen&bit != 0 {
		d.fail(ErrDuplicate, "key comes twice")
	}
	*seen |= bit
}

// Optional is Once for a field that may be left out: it also reads a null, which
// means the same as leaving it out, and reports whether there is a value to read.
func (d *Decoder) Optional(seen *uint64, bit uint64) bool {
	d.Once(seen, bit)
	return d.present()
}

// Nullable is Once for a field that may be null, and reports whether there is a value
// to read.
func (d *Decoder) Nullable(seen *uint64, bit uint64) bool {
	d.Once(seen, bit)
	return !d.Null() && d.err == nil
}

// present reads a null that stands for nothing and reports whether something else
// comes. The lexicon does not allow the null; that it was there is kept in Extra.
func (d *Decoder) present() bool {
	d.null = d.Null()
	return !d.null && d.err == nil
}

// A nullField is a field that was null although its lexicon does not say it may be.
type nullField struct {
	depth int // of the object
	name  string
}

// noteNull notes that the field of this key was such a null, if it was.
func (d *Decoder) noteNull(key []byte) {
	if d.null {
		d.nulls = append(d.nulls, nullField{d.depth, string(key)})
	}
	d.null = false
}

// End ends an object of which all fields have been read, and returns the first error.
func (d *Decoder) End(x *Extra) error {
	if len(d.nulls) == 0 || d.err != nil {
		return d.Err()
	}
	depth := d.depth + 1 // the object was left when its last field had been read
	first := slices.IndexFunc(d.nulls, func(n nullField) bool { return n.depth == depth })
	if first < 0 {
		return nil
	}
	if x.fields == nil {
		x.fields = new(extraFields)
	}
	for _, n := range d.nulls[first:] {
		x.fields.nulls = append(x.fields.nulls, n.name)
	}
	d.nulls = d.nulls[:first]
	return nil
}

// Missing fails because required fields were not read: names[i] is the field of
// bit i.
func (d *Decoder) Missing(seen uint64, names ...string) {
	for i, name := range names {
		if seen&(1<<i) == 0 {
			d.fail(ErrMissing, "required field %q is missing", name)
			return
		}
	}
}

package lex

import (
	"sync"

	"github.com/gimucco/atproto-go/internal/nilvalue"
)

// DefaultMaxNesting is how deep objects and arrays may nest if MaxNesting sets no other limit.
// Threads of posts are deep.
const DefaultMaxNesting = 4096

// A Decoder reads one document, value by value. Generated code calls it. It hides the document's
// format.
//
// Errors are sticky: after the first error, every method returns a zero value and loops end. So
// code may read a whole object and call Err once. A Decoder is not safe for concurrent use.
type Decoder struct {
	data []byte
	pos  int
	err  *Error
	cbor bool // the document is DAG-CBOR, not JSON

	depth      int
	maxNesting int

	variant variant   // what Type has learned about the next object
	index   typeIndex // the $type of objects, for unions that do not begin with it

	kinds    [8]string // values of $type that came lately
	nextKind int

	null  bool        // the current field is a null that counts as missing
	nulls []nullField // such fields of the open objects

	keys    [][]byte // keys of the objects that are being skipped
	strict  bool     // skipped values must be valid in the data model in all their parts
	bounded bool     // and their integers are limited to 53 bits

	nullLists bool // a required list may be null

	chunk    []byte // strings are cut from it
	integers []int64
	booleans []bool
	strings  []string
}

// A DecodeOption changes how a document is decoded.
type DecodeOption func(*Decoder)

// MaxNesting limits how deep objects and arrays may nest. 0 or less means DefaultMaxNesting.
func MaxNesting(levels int) DecodeOption {
	return func(d *Decoder) {
		if levels > 0 {
			d.maxNesting = levels
		}
	}
}

// NullLists accepts a null where a list is required, and reads it as an empty list: some servers
// write null for a list that they never filled. It is for the outputs of methods. A record with
// such a null is not valid.
func NullLists() DecodeOption {
	return func(d *Decoder) { d.nullLists = true }
}

// nullList reads a null that means an empty list.
func (d *Decoder) nullList() bool { return d.nullLists && d.Null() }

var decoders = sync.Pool{New: func() any { return new(Decoder) }}

// UnmarshalJSON decodes a JSON document into v. It refuses what is not in the data model: floats,
// invalid UTF-8, lone surrogates, duplicate keys, and anything after the document. Errors are
// *Error and say where.
//
// v does not refer to data.
func UnmarshalJSON(data []byte, v Decodable, opts ...DecodeOption) error {
	if nilvalue.Is(v) {
		return newError(ErrMissing, 0, "there is nothing to decode into, but a nil %T", v)
	}
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

// maxPooledEntries is the largest list that is kept for the next document.
const maxPooledEntries = 1 << 12

// release puts d back into the pool. Text and slabs belong to the decoded values.
func (d *Decoder) release() {
	var next Decoder
	if cap(d.index.entries) <= maxPooledEntries {
		next.index.entries = d.index.entries[:0]
	}
	if cap(d.keys) <= maxPooledEntries {
		clear(d.keys[:cap(d.keys)]) // they are parts of the document
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

// end fails if anything follows the document.
func (d *Decoder) end() error {
	if d.err == nil {
		if !d.cbor {
			d.space()
		}
		if d.pos < len(d.data) {
			d.fail(ErrSyntax, "data after the document")
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

// unexpected fails because the next value is of the wrong kind.
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

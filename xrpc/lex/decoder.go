package lex

import "sync"

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

package lex

import (
	"bytes"
	"slices"
)

// Typed is a value with a $type: a record, or an object that can be a member of a union. Generated
// types implement it on their pointers.
type Typed interface {
	Encodable
	Decodable
	// LexType returns the $type.
	LexType() string
}

// An UnknownVariant is a member of an open union that is not in our lexicons. It is kept unchanged,
// and written as it came.
type UnknownVariant struct {
	kind string
	raw  []byte
}

// LexType returns the $type.
func (u *UnknownVariant) LexType() string { return u.kind }

// JSON returns the object as JSON. Do not change it.
func (u *UnknownVariant) JSON() []byte { return u.raw }

// As decodes the object into v, for a member that the application knows and the lexicons do not.
func (u *UnknownVariant) As(v Decodable) error { return UnmarshalJSON(u.raw, v) }

// Equal reports whether both have the same text.
func (u *UnknownVariant) Equal(v *UnknownVariant) bool {
	if u == nil || v == nil {
		return u == v
	}
	return bytes.Equal(u.raw, v.raw)
}

// EncodeLex implements Encodable.
func (u *UnknownVariant) EncodeLex(e *Encoder) error {
	e.variant = ""
	if u.raw == nil {
		e.fail(ErrMissing, "an UnknownVariant is empty: only reading a union fills one")
	}
	e.raw(u.raw)
	return e.Err()
}

// DecodeLex implements Decodable. It accepts any object with a $type.
func (u *UnknownVariant) DecodeLex(d *Decoder) error {
	if d.Type() != "" {
		*u = *d.UnknownVariant()
	}
	return d.Err()
}

// variant is what is known about the next object after a union has looked at its $type.
type variant struct {
	union  bool   // a union has looked at it, so the object's own code does not see the $type
	inside bool   // the position is after the $type, which came first
	start  int    // where the object begins
	kind   string // the $type
	given  bool   // set by TypeIs: the object may have no $type
}

// TypeIs treats the document as an object with this $type, whatever the document says. It is for
// messages of an event stream, whose type is outside of them. A union without this type fails with
// ErrUnion, even an open one, because an UnknownVariant needs an object that contains its $type.
func TypeIs(kind string) DecodeOption {
	return func(d *Decoder) { d.variant = variant{union: true, start: d.pos, kind: kind, given: true} }
}

// Type returns the $type of the next object without consuming the object. Variant, UnknownVariant
// or ClosedUnion consume it. Type fails if there is no $type.
//
// A $type that comes first is read once. Otherwise the object is searched once, for its $type and
// those of all objects inside. So reading a document takes linear time, however deep its unions
// nest.
func (d *Decoder) Type() string {
	if d.err != nil {
		return ""
	}
	if d.variant.union {
		return d.variant.kind // Type was called before
	}
	if d.cbor {
		return d.cborType()
	}
	if d.peek() != '{' {
		d.unexpected("an object with a $type")
		return ""
	}
	start := d.pos
	if rest, ok := bytes.CutPrefix(d.data[d.pos+1:], []byte(`"$type":"`)); ok {
		d.pos = len(d.data) - len(rest) - 1
		kind := d.keepType(d.stringBytes())
		d.variant = variant{union: true, inside: true, start: start, kind: kind}
		return kind
	}
	at := d.index.find(start)
	if at == notIndexed {
		if !d.buildIndex() {
			return ""
		}
		at = d.index.find(start)
	}
	if at < 0 {
		d.fail(ErrMissing, "a member of a union has no $type")
		return ""
	}
	d.pos = at
	kind := d.keepType(d.stringBytes())
	d.pos = start
	d.variant = variant{union: true, start: start, kind: kind}
	return kind
}

// keepType returns a $type as a string. A document has few different ones, each many times, and
// most are only compared.
func (d *Decoder) keepType(b []byte) string {
	if len(b) == 0 {
		d.fail(ErrMissing, "$type is empty")
		return ""
	}
	for _, kind := range d.kinds {
		if kind == string(b) {
			return kind
		}
	}
	if len(d.data) <= smallDocument {
		return d.keep(b)
	}
	kind := string(b)
	d.kinds[d.nextKind] = kind
	d.nextKind = (d.nextKind + 1) % len(d.kinds)
	return kind
}

// UnknownVariant reads the object, whose Type was called before, unchanged.
func (d *Decoder) UnknownVariant() *UnknownVariant {
	if d.err != nil {
		return nil
	}
	known := d.variant
	if known.given {
		d.fail(ErrUnion, "%.80q is not a member of this union", known.kind)
		return nil
	}
	d.variant = variant{}
	d.pos = known.start
	u := &UnknownVariant{kind: known.kind, raw: d.raw()}
	if d.err != nil {
		return nil
	}
	return u
}

// ClosedUnion fails because the result of Type is not a member of a closed union.
func (d *Decoder) ClosedUnion() {
	d.fail(ErrUnion, "%.80q is not a member of this union", d.variant.kind)
}

// Record reads the $type of a record, and fails if it is not nsid.
func (d *Decoder) Record(nsid string) {
	if d.err != nil {
		return
	}
	if kind := d.text("a $type"); d.err == nil && string(kind) != nsid {
		d.fail(ErrUnion, "$type is %.80q, not %q", kind, nsid)
	}
}

// DecodeVariant reads the object, whose Type was called before, as a T.
func DecodeVariant[T any, P interface {
	*T
	Typed
}](d *Decoder) Typed {
	v := P(new(T))
	if v.DecodeLex(d) != nil {
		return nil
	}
	return v
}

// A typeIndex holds where the $type of each object is, for a part of the document.
type typeIndex struct {
	start, end int
	entries    []typeEntry // by object, ascending
	stack      []int       // entries of the open objects
}

type typeEntry struct {
	object int // where the object begins
	value  int // where the value of its $type begins, or noType
}

const (
	notIndexed = -2
	noType     = -1
)

// find returns where the $type of the object at offset is, or noType or notIndexed.
func (x *typeIndex) find(offset int) int {
	if offset < x.start || offset >= x.end {
		return notIndexed
	}
	i, ok := slices.BinarySearchFunc(x.entries, offset, func(e typeEntry, offset int) int { return e.object - offset })
	if !ok {
		return noType
	}
	return x.entries[i].value
}

// buildIndex indexes the object at the current position and all objects inside. It looks only at
// the structure; reading the values checks them.
func (d *Decoder) buildIndex() bool {
	x := &d.index
	x.start, x.entries, x.stack = d.pos, x.entries[:0], x.stack[:0]
	data, depth := d.data, 0
	for i := d.pos; i < len(data); i++ {
		switch data[i] {
		case '{':
			x.stack = append(x.stack, len(x.entries))
			x.entries = append(x.entries, typeEntry{object: i, value: noType})
			depth++
		case '[':
			x.stack = append(x.stack, -1)
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				break
			}
			top := x.stack[len(x.stack)-1]
			x.stack = x.stack[:len(x.stack)-1]
			// An object without a $type needs no entry. Without it, a document of many small
			// objects costs little.
			if top >= 0 && top == len(x.entries)-1 && x.entries[top].value == noType {
				x.entries = x.entries[:top]
			}
			if depth == 0 {
				x.end = i + 1
				return true
			}
		case '"':
			end, key := closingQuote(data, i)
			if end < 0 {
				i = len(data)
				break
			}
			if key {
				if top := x.stack[len(x.stack)-1]; top >= 0 && x.entries[top].value == noType && isTypeKey(data[i:end+1]) {
					x.entries[top].value = valueBehind(data, end+1)
				}
			}
			i = end
		}
		if d.depth+depth > d.maxNesting {
			d.pos = i
			d.fail(ErrDepth, "more than %d levels", d.maxNesting)
			return false
		}
	}
	d.pos = len(data)
	d.fail(ErrSyntax, "the document ends within an object")
	return false
}

// closingQuote finds the end of the string that begins at i, and reports whether a colon follows.
// end is -1 if the string does not end.
func closingQuote(data []byte, i int) (end int, key bool) {
	for i++; i < len(data); {
		at, _ := scanString(data, i)
		if at < len(data) && data[at] == '"' {
			for j := at + 1; j < len(data); j++ {
				switch data[j] {
				case ' ', '\t', '\n', '\r':
					continue
				}
				return at, data[j] == ':'
			}
			return at, false
		}
		if at >= len(data) {
			break
		}
		if data[at] == '\\' {
			at++
		}
		i = at + 1
	}
	return -1, false
}

// isTypeKey reports whether the string is "$type", in any spelling.
func isTypeKey(quoted []byte) bool {
	if string(quoted) == `"$type"` {
		return true
	}
	if !bytes.ContainsRune(quoted, '\\') || len(quoted) > len(`"$type"`)*6 {
		return false
	}
	d := Decoder{data: quoted}
	return string(d.stringBytes()) == "$type"
}

// valueBehind returns where the string after the colon begins, or noType if the value is not a
// string.
func valueBehind(data []byte, i int) int {
	for ; i < len(data); i++ {
		switch data[i] {
		case ' ', '\t', '\n', '\r', ':':
		case '"':
			return i
		default:
			return noType
		}
	}
	return noType
}

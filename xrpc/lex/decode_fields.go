package lex

import "slices"

// Once notes in seen that the field with this bit was read. It fails if the field comes twice.
func (d *Decoder) Once(seen *uint64, bit uint64) {
	if *seen&bit != 0 {
		d.fail(ErrDuplicate, "key comes twice")
	}
	*seen |= bit
}

// Optional is Once for an optional field. It also accepts a null, which means the same as a missing
// field. It reports whether there is a value to read.
func (d *Decoder) Optional(seen *uint64, bit uint64) bool {
	d.Once(seen, bit)
	return d.present()
}

// Nullable is Once for a field that may be null. It reports whether there is a value to read.
func (d *Decoder) Nullable(seen *uint64, bit uint64) bool {
	d.Once(seen, bit)
	return !d.Null() && d.err == nil
}

// present reads a null where the lexicon does not allow one, and reports whether a value comes
// instead. Such a null counts as a missing field, and Extra remembers it.
func (d *Decoder) present() bool {
	d.null = d.Null()
	return !d.null && d.err == nil
}

// A nullField is a field that was null although its lexicon does not allow that.
type nullField struct {
	depth int // depth of the object
	name  string
}

// noteNull notes if the field with this key was such a null.
func (d *Decoder) noteNull(key []byte) {
	if d.null {
		d.nulls = append(d.nulls, nullField{d.depth, string(key)})
	}
	d.null = false
}

// End ends an object after its last field. It returns the first error.
func (d *Decoder) End(x *Extra) error {
	if len(d.nulls) == 0 || d.err != nil {
		return d.Err()
	}
	depth := d.depth + 1 // the object was left after its last field
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

// Missing fails if required fields were not read. names[i] is the field of bit i.
func (d *Decoder) Missing(seen uint64, names ...string) {
	for i, name := range names {
		if seen&(1<<i) == 0 {
			d.fail(ErrMissing, "required field %q is missing", name)
			return
		}
	}
}

// OptionalString reads a string, or nil for null.
func (d *Decoder) OptionalString() *string {
	if !d.present() {
		return nil
	}
	s := d.String()
	if len(s) > longString {
		return new(s) // neighbours do not keep this memory alive
	}
	p := d.stringCell()
	*p = s
	return p
}

// OptionalInt reads an integer, or nil for null.
func (d *Decoder) OptionalInt() *int64 {
	if !d.present() {
		return nil
	}
	p := cell(&d.integers)
	*p = d.Int()
	return p
}

// OptionalBool reads a boolean, or nil for null.
func (d *Decoder) OptionalBool() *bool {
	if !d.present() {
		return nil
	}
	p := cell(&d.booleans)
	*p = d.Bool()
	return p
}

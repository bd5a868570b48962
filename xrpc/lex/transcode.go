package lex

// transcode reads any value from d and writes it to e, which may use the other format. It refuses
// what is not in the data model.
func (d *Decoder) transcode(e *Encoder) {
	if d.err != nil || e.err != nil {
		return
	}
	if d.Null() {
		e.Null()
		return
	}
	switch d.kind() {
	case kindString:
		e.String(d.String())
	case kindBool:
		e.Bool(d.Bool())
	case kindInt:
		e.Int(d.Int())
	case kindBytes:
		e.Bytes(d.Bytes())
	case kindLink:
		if link := d.CIDLink(); d.err == nil {
			e.CIDLink(link)
		}
	case kindArray:
		e.BeginArray()
		for range d.Array {
			d.transcode(e.Element())
		}
		e.EndArray()
	case kindObject:
		e.BeginObject()
		for key := range d.Object {
			if k := string(key); k == "$link" || k == "$bytes" {
				d.fail(ErrType, "the data model has no other use for this key")
				return
			}
			d.transcode(e.Key(string(key)))
		}
		e.EndObject(nil)
	default:
		d.skip() // this reports what is wrong
	}
}

// A kind is a kind of value in the data model.
type kind int

const (
	kindNone kind = iota
	kindString
	kindBool
	kindInt
	kindBytes
	kindLink
	kindArray
	kindObject
)

// kind returns the kind of the next value. It reads nothing.
func (d *Decoder) kind() kind {
	if d.cbor {
		switch d.major() {
		case majorUnsigned, majorNegative:
			return kindInt
		case majorBytes:
			return kindBytes
		case majorText:
			return kindString
		case majorArray:
			return kindArray
		case majorMap:
			return kindObject
		case majorTag:
			return kindLink
		}
		if d.pos < len(d.data) && (d.data[d.pos] == cborFalse || d.data[d.pos] == cborTrue) {
			return kindBool
		}
		return kindNone
	}
	switch c := d.peek(); {
	case c == '"':
		return kindString
	case c == 't' || c == 'f':
		return kindBool
	case c == '-' || '0' <= c && c <= '9':
		return kindInt
	case c == '[':
		return kindArray
	case c == '{':
		return d.kindOfObject()
	}
	return kindNone
}

// kindOfObject distinguishes links and bytes from other objects, by the first key.
func (d *Decoder) kindOfObject() kind {
	first := Decoder{data: d.data, pos: d.pos + 1}
	if first.peek() == '"' {
		switch string(first.stringBytes()) {
		case "$link":
			return kindLink
		case "$bytes":
			return kindBytes
		}
	}
	return kindObject
}

// json reads any value of a CBOR document and returns it as JSON, in its own memory.
func (d *Decoder) json() []byte {
	e := encoders.Get().(*Encoder)
	defer e.release()
	start := d.pos
	d.transcode(e)
	if e.err != nil && d.err == nil {
		d.pos = start
		d.fail(e.err.Kind, "%s", e.err.Reason)
	}
	if d.err != nil {
		return nil
	}
	return append(make([]byte, 0, len(e.buf)), e.buf...)
}

// cborOf writes JSON as CBOR.
func (e *Encoder) cborOf(json []byte) {
	d := decoders.Get().(*Decoder)
	d.data, d.maxNesting = json, MaxCBORNesting
	d.transcode(e)
	if d.err != nil && e.err == nil {
		inner := d.err
		e.fail(inner.Kind, "%s", inner.Reason)
		e.err.path = append(inner.path, e.err.path...)
	}
	d.release()
}

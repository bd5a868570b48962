package lex

// checked is JSON that a person may have written. All of it must be valid in the data model: an
// error here, with a path, is better than an error of the server.
type checked struct {
	json    []byte
	special bool // a link, bytes or a blob
	bounded bool // integers are limited to 53 bits
}

// DecodeLex implements Decodable.
func (v *checked) DecodeLex(d *Decoder) error {
	d.strict, d.bounded = true, v.bounded
	if d.peek() == '{' {
		start := d.pos
		v.special = d.checkObject()
		v.json = d.copyFrom(start)
		return d.Err()
	}
	v.json = d.raw()
	return d.Err()
}

// checkObject checks an object, and reports whether it is a link, bytes or a blob. It refuses what
// is not in the data model, at any depth.
func (d *Decoder) checkObject() (special bool) {
	start, base, count := d.pos, len(d.keys), 0
	kind, wrapped := "", ""
	var ref, mimeType, size []byte
	for key := range d.Object {
		count++
		d.keys = append(d.keys, key)
		switch string(key) {
		case "$type":
			if kind = d.String(); kind == "" {
				d.fail(ErrType, "$type is empty")
			}
		case "$link":
			wrapped = "$link"
			if link := CIDLink(d.text("a string")); d.err == nil && link.wrong() != "" {
				d.fail(ErrType, "link %.80q %s", string(link), link.wrong())
			}
		case "$bytes":
			wrapped = "$bytes"
			if _, ok := parseBytes(d.String()); !ok && d.err == nil {
				d.fail(ErrType, "$bytes is not base64")
			}
		case "ref":
			ref = d.window()
		case "mimeType":
			mimeType = d.window()
		case "size":
			size = d.window()
		default:
			d.skip()
		}
	}
	d.distinct(base)
	if d.err != nil {
		return false
	}
	if wrapped != "" && count > 1 {
		d.pos = start
		d.fail(ErrType, "an object with %s has other keys too", wrapped)
		return false
	}
	if kind == "blob" && !isBlob(ref, mimeType, size) {
		d.pos = start
		d.fail(ErrType, "a blob needs a ref, a mimeType and a size")
		return false
	}
	return wrapped != "" || kind == "blob"
}

// isBlob reports whether these fields are those of a blob. They must be well-formed JSON.
func isBlob(ref, mimeType, size []byte) bool {
	link, kind, bytes := Decoder{data: ref, maxNesting: 1}, Decoder{data: mimeType}, Decoder{data: size}
	return link.CIDLink() != "" && kind.String() != "" && bytes.Int() >= 0 && bytes.err == nil
}

// window skips a value and returns its bytes in the document.
func (d *Decoder) window() []byte {
	d.peek()
	start := d.pos
	d.skip()
	return d.data[start:d.pos]
}

// copyFrom copies the document from start to the current position, without spare capacity. After an
// error it returns nil.
func (d *Decoder) copyFrom(start int) []byte {
	if d.err != nil {
		return nil
	}
	return d.keepBytes(d.data[start:d.pos])
}

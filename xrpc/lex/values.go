package lex

import (
	"encoding/base64"
	"strings"

	"github.com/gimucco/atproto-go/internal/cidform"
)

// Bytes is a lexicon's "bytes": {"$bytes": "…"} in JSON.
type Bytes []byte

// A CIDLink is a lexicon's "cid-link", in its text form: {"$link": "…"} in JSON.
type CIDLink string

// A Blob refers to uploaded data. UploadBlob returns one. The server keeps the data if you put the
// Blob into a record.
type Blob struct {
	Ref      CIDLink // the CID of the data
	MimeType string  // the MIME type of the data
	Size     int64   // in bytes; -1 in the legacy form, which has no size

	Extra Extra // fields that are newer than this package
}

// Legacy reports whether the blob has the form of records from 2022, with only a CID and a type. It
// is written in that form again.
func (b *Blob) Legacy() bool { return b.Size < 0 }

// DecodeLex implements Decodable.
func (b *Blob) DecodeLex(d *Decoder) error {
	*b = Blob{}
	var seen uint64
	legacy := CIDLink("")
	for key := range d.Object {
		switch string(key) {
		case "ref":
			d.Once(&seen, 1<<0)
			b.Ref = d.CIDLink()
		case "mimeType":
			d.Once(&seen, 1<<1)
			b.MimeType = d.String()
		case "size":
			d.Once(&seen, 1<<2)
			b.Size = d.Int()
		case "$type":
			d.Once(&seen, 1<<3)
			d.Record("blob")
		case "cid":
			d.Once(&seen, 1<<4)
			legacy = CIDLink(d.String())
		default:
			d.Extra(&b.Extra, key)
		}
	}
	switch {
	case seen&0b11111 == 0b10010: // only cid and mimeType
		b.Ref, b.Size = legacy, -1
	case seen&(1<<4) != 0:
		d.fail(ErrType, "a blob has the fields of both its current and its legacy form")
	case seen&0b1111 != 0b1111:
		d.Missing(seen, "ref", "mimeType", "size", "$type")
	case b.Size < 0:
		d.fail(ErrRange, "size is negative")
	}
	return d.Err()
}

// EncodeLex implements Encodable.
func (b *Blob) EncodeLex(e *Encoder) error {
	if b.Legacy() {
		e.BeginObject()
		e.Field("cid").String(string(b.Ref))
		e.Field("mimeType").String(b.MimeType)
		return e.EndObject(&b.Extra)
	}
	e.BeginRecord("blob")
	e.Field("ref").CIDLink(b.Ref)
	e.Field("size").Int(b.Size)
	e.Field("mimeType").String(b.MimeType)
	return e.EndObject(&b.Extra)
}

// MarshalJSON implements json.Marshaler.
func (b *Blob) MarshalJSON() ([]byte, error) { return MarshalJSON(b) }

// UnmarshalJSON implements json.Unmarshaler.
func (b *Blob) UnmarshalJSON(data []byte) error { return UnmarshalJSON(data, b) }

// Blob reads a blob.
func (d *Decoder) Blob() Blob {
	var b Blob
	b.DecodeLex(d)
	return b
}

// Blob writes a blob.
func (e *Encoder) Blob(b Blob) {
	e.variant = ""
	b.EncodeLex(e) // not with Value, so that b need not be on the heap
}

// only reads an object with a single key.
func (d *Decoder) only(name string) string {
	value, n := "", 0
	for key := range d.Object {
		if n++; string(key) != name || n > 1 {
			d.fail(ErrType, "want an object with the key %q alone", name)
			break
		}
		value = d.String()
	}
	if n == 0 && d.err == nil {
		d.fail(ErrMissing, "want an object with the key %q", name)
	}
	return value
}

// CIDLink reads a link.
func (d *Decoder) CIDLink() CIDLink {
	if d.cbor {
		return d.cborLink()
	}
	link := CIDLink(d.only("$link"))
	if d.err != nil {
		return ""
	}
	if wrong := link.wrong(); wrong != "" {
		d.fail(ErrType, "link %.80q %s", string(link), wrong)
		return ""
	}
	return link
}

// wrong says what is wrong with a link; "" means nothing.
func (c CIDLink) wrong() string {
	var room [cidform.MaxSize]byte
	_, wrong := cidform.Append(room[:0], c)
	return wrong
}

// CIDLink writes a link.
func (e *Encoder) CIDLink(c CIDLink) {
	if c == "" {
		e.fail(ErrMissing, "a link is empty")
	}
	e.variant = ""
	if e.cbor {
		e.cborLink(c)
		return
	}
	e.BeginObject()
	e.Field("$link").String(string(c))
	e.EndObject(nil)
}

// Bytes reads bytes. Missing padding is accepted, and extra bits after the last byte are ignored,
// because real data has both.
func (d *Decoder) Bytes() Bytes {
	if d.cbor {
		return append(Bytes{}, d.span(majorBytes, "bytes")...)
	}
	text := d.only("$bytes")
	if d.err != nil {
		return nil
	}
	b, ok := parseBytes(text)
	if !ok {
		d.fail(ErrType, "$bytes is not base64")
		return nil
	}
	return b
}

func parseBytes(text string) (b []byte, ok bool) {
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.StdEncoding
	}
	b, err := encoding.DecodeString(text)
	return b, err == nil && !strings.ContainsAny(text, "\r\n")
}

// Bytes writes bytes.
func (e *Encoder) Bytes(b Bytes) {
	e.variant = ""
	if e.cbor {
		e.head(majorBytes, uint64(len(b)))
		e.buf = append(e.buf, b...)
		return
	}
	e.BeginObject()
	e.Field("$bytes").String(base64.RawStdEncoding.EncodeToString(b))
	e.EndObject(nil)
}

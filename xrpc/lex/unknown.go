package lex

import (
	"bytes"
	"fmt"
	"io"

	"github.com/gimucco/atproto-go/internal/nilvalue"
	"github.com/gimucco/atproto-go/internal/said"
)

// An Unknown is a lexicon's "unknown": an object of any type, such as the value of a record. Of and
// Raw make one; As and Decode read it. The zero value is absent.
type Unknown struct {
	json  []byte
	value Encodable
}

// Of returns an Unknown with v. Do not change v afterwards. A record includes its $type.
func Of(v Encodable) Unknown { return Unknown{value: v} }

// Raw returns an Unknown with this JSON text. It fails if the text is not an object that is valid
// in the data model in all its parts: no floats, and only well-formed links, bytes and blobs. The
// object itself must not be one of these three.
func Raw(json []byte) (Unknown, error) {
	var v checked
	if err := UnmarshalJSON(json, &v); err != nil {
		return Unknown{}, err
	}
	if v.special || v.json[0] != '{' {
		return Unknown{}, newError(ErrType, 0, "an unknown must be an object, not a link, bytes or a blob")
	}
	return Unknown{json: v.json}, nil
}

// IsZero reports whether u is absent.
func (u Unknown) IsZero() bool { return u.json == nil && u.value == nil }

// JSON returns the object as JSON. Do not change it.
func (u Unknown) JSON() ([]byte, error) {
	if u.value != nil {
		return MarshalJSON(u.value)
	}
	return u.json, nil
}

// As decodes the object into v, such as a *appbsky.FeedPost. If v is a record, the object must have
// its $type.
func (u Unknown) As(v Decodable) error {
	json, err := u.JSON()
	if err != nil {
		return err
	}
	return UnmarshalJSON(json, v)
}

// As returns the object as a T. If T is a record, the object must have its $type.
//
//	post, err := lex.As[appbsky.FeedPost](view.Record)
func As[T any, P interface {
	*T
	Decodable
}](u Unknown) (*T, error) {
	v := new(T)
	if err := u.As(P(v)); err != nil {
		return nil, err
	}
	return v, nil
}

// Type returns the object's $type, or "" if it has none.
func (u Unknown) Type() string {
	if t, ok := u.value.(Typed); ok {
		return t.LexType()
	}
	json, err := u.JSON()
	if err != nil {
		return ""
	}
	var t typeOf
	if UnmarshalJSON(json, &t) != nil {
		return ""
	}
	return string(t)
}

// typeOf decodes only the $type of an object.
type typeOf string

func (t *typeOf) DecodeLex(d *Decoder) error {
	for key := range d.Object {
		if string(key) == "$type" {
			*t = typeOf(d.String())
			continue
		}
		d.skip()
	}
	return d.Err()
}

// A RecordSet returns an empty record for a $type, or nil if it does not know the $type. Each
// generated package has one, its function Records.
type RecordSet func(nsid string) Typed

// Decode decodes the object as a record of its $type. The first of sets that knows the $type
// decides. If none knows it, the result is an *UnknownVariant.
func (u Unknown) Decode(sets ...RecordSet) (Typed, error) {
	kind := u.Type()
	for _, set := range sets {
		if v := set(kind); v != nil {
			if err := u.As(v); err != nil {
				return nil, err
			}
			return v, nil
		}
	}
	v := new(UnknownVariant)
	if err := u.As(v); err != nil {
		return nil, err
	}
	return v, nil
}

// maxPrinted is how much of an Unknown is printed, in bytes.
const maxPrinted = 200

// Format implements fmt.Formatter. It prints the beginning of the object as JSON, on one line,
// whatever the verb is.
func (u Unknown) Format(f fmt.State, _ rune) {
	text := "<absent>"
	if !u.IsZero() {
		json, err := u.JSON()
		if text = said.Text(said.Cut(string(json), maxPrinted)); err != nil {
			text = fmt.Sprintf("<invalid: %v>", err)
		}
	}
	io.WriteString(f, text)
}

// Equal reports whether both encode to the same text.
func (u Unknown) Equal(v Unknown) bool {
	a, errA := u.JSON()
	b, errB := v.JSON()
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// DecodeLex implements Decodable.
func (u *Unknown) DecodeLex(d *Decoder) error {
	*u = d.Unknown()
	return d.Err()
}

// EncodeLex implements Encodable.
func (u *Unknown) EncodeLex(e *Encoder) error {
	e.Unknown(*u)
	return e.Err()
}

// MarshalJSON implements json.Marshaler.
func (u Unknown) MarshalJSON() ([]byte, error) { return MarshalJSON(&u) }

// UnmarshalJSON implements json.Unmarshaler.
func (u *Unknown) UnmarshalJSON(data []byte) error { return UnmarshalJSON(data, u) }

// Unknown reads an object unchanged. It checks only that it is JSON in which no key comes twice.
// The other rules of the data model are checked when the object is decoded, so that one invalid
// record does not spoil the page that it is on.
func (d *Decoder) Unknown() Unknown {
	switch {
	case d.err != nil:
	case d.cbor:
		if d.major() != majorMap {
			d.unexpectedCBOR("an object")
		}
	case d.peek() != '{':
		d.unexpected("an object")
	}
	return Unknown{json: d.raw()}
}

// Unknown writes an object unchanged.
func (e *Encoder) Unknown(u Unknown) {
	e.variant = ""
	switch {
	case u.value != nil && nilvalue.Is(u.value):
		e.fail(ErrMissing, "an unknown is a nil %T", u.value)
	case u.value != nil:
		e.Value(u.value)
	case u.json != nil:
		e.raw(u.json)
	default:
		e.fail(ErrMissing, "a required unknown is not set: set it with Of or Raw")
	}
}

package lex

import "bytes"

// An Unknown is a lexicon's "unknown": an object of any type, such as the value of a
// record. Make one with Of or Raw, read one with As or Decode. The zero value is
// absent.
type Unknown struct {
	json  []byte
	value Encodable
}

// Of is an Unknown that holds v, which must not be changed afterwards. A record
// brings its $type along.
func Of(v Encodable) Unknown { return Unknown{value: v} }

// Raw is an Unknown of JSON text. It fails if that is not an object of the data
// model in all its parts: no floats, and links, bytes and blobs well-formed. The
// object itself may be none of these three.
func Raw(json []byte) (Unknown, error) {
	var v checked
	if err := UnmarshalJSON(json, &v); err != nil {
		return Unknown{}, err
	}
	if v.special || v.json[0] != '{' {
		return Unknown{}, newError(ErrType, 0, "an unknown is an object, and no link, bytes or blob")
	}
	return Unknown{json: v.json}, nil
}

// IsZero reports whether u is absent.
func (u Unknown) IsZero() bool { return u.json == nil && u.value == nil }

// JSON returns the object as JSON. It must not be changed.
func (u Unknown) JSON() ([]byte, error) {
	if u.value != nil {
		return MarshalJSON(u.value)
	}
	return u.json, nil
}

// As decodes the object into v, such as a *appbsky.FeedPost. A record refuses an
// object of another $type.
func (u Unknown) As(v Decodable) error {
	json, err := u.JSON()
	if err != nil {
		return err
	}
	return UnmarshalJSON(json, v)
}

// As returns the object as a T. A record refuses an object of another $type.
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

// Type returns the object's $type, "" if it has none.
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

// typeOf reads the $type of an object and nothing else.
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

// A RecordSet makes an empty record of a $type, nil for one it does not know.
// Generated packages have one as their function Records.
type RecordSet func(nsid string) Typed

// Decode decodes the object as the record that the first of the sets knows its $type
// to be. A $type that none of them knows is an *UnknownVariant.
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

// Unknown reads an object as it is. What is inside has to be JSON with distinct keys;
// what else the data model asks for is looked at by whoever decodes it, so that one
// odd record does not cost the page it is on.
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

// Unknown writes an object as it is.
func (e *Encoder) Unknown(u Unknown) {
	e.variant = ""
	switch {
	case u.value != nil:
		e.Value(u.value)
	case u.json != nil:
		e.raw(u.json)
	default:
		e.fail(ErrMissing, "an unknown that may not be absent is absent")
	}
}

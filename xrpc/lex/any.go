package lex

import "bytes"

// An Any is a value of any type. Generated code uses it for the body of a method that is neither an
// object nor a union; and if it was generated with "allowMissing", in place of a type whose lexicon
// was missing. It keeps the value as it was sent. AnyOf and AnyJSON make one. The zero value holds no
// value and cannot be encoded.
type Any struct {
	json []byte
}

// AnyOf returns an Any with the current encoding of v.
func AnyOf(v Encodable) (Any, error) {
	json, err := MarshalJSON(v)
	return Any{json: json}, err
}

// AnyJSON returns an Any with this JSON text. It fails if the text is not a valid value of the data
// model in all its parts: no floats, and only well-formed links, bytes and blobs.
func AnyJSON(json []byte) (Any, error) {
	var v checked
	if err := UnmarshalJSON(json, &v); err != nil {
		return Any{}, err
	}
	return Any{json: v.json}, nil
}

// JSON returns the value as JSON. Do not change it.
func (a Any) JSON() []byte { return a.json }

// As decodes the value into v, for example a type of another package.
func (a Any) As(v Decodable) error { return UnmarshalJSON(a.json, v) }

// Equal reports whether both have the same text.
func (a Any) Equal(b Any) bool { return bytes.Equal(a.json, b.json) }

// DecodeLex implements Decodable.
func (a *Any) DecodeLex(d *Decoder) error {
	a.json = d.raw()
	return d.Err()
}

// EncodeLex implements Encodable.
func (a *Any) EncodeLex(e *Encoder) error {
	e.variant = ""
	if a.json == nil {
		e.fail(ErrMissing, "a required value is not set: make it with AnyOf or AnyJSON")
		return e.Err()
	}
	e.raw(a.json)
	return e.Err()
}

// ValidateLex implements Validatable. It checks the value by the rules of the data model.
func (a *Any) ValidateLex(v *Validator) {
	if a.json == nil {
		v.fail("is missing")
		return
	}
	v.json(a.json, false)
}

// MarshalJSON implements json.Marshaler.
func (a Any) MarshalJSON() ([]byte, error) { return MarshalJSON(&a) }

// UnmarshalJSON implements json.Unmarshaler.
func (a *Any) UnmarshalJSON(data []byte) error { return UnmarshalJSON(data, a) }

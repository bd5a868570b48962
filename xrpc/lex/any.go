package lex

import "bytes"

// An Any is a value of any type: what code that was generated with "allowMissing" has
// in place of a type whose lexicon was not at hand. It is kept as it was sent. Make one
// with AnyOf or AnyJSON. The zero value is no value and cannot be encoded.
type Any struct {
	json []byte
}

// AnyOf is an Any that holds what v encodes to now.
func AnyOf(v Encodable) (Any, error) {
	json, err := MarshalJSON(v)
	return Any{json: json}, err
}

// AnyJSON is an Any of JSON text. It fails if that is not a value of the data model in
// all its parts: no floats, and links, bytes and blobs well-formed.
func AnyJSON(json []byte) (Any, error) {
	var v checked
	if err := UnmarshalJSON(json, &v); err != nil {
		return Any{}, err
	}
	return Any{json: v.json}, nil
}

// JSON returns the value as JSON. It must not be changed.
func (a Any) JSON() []byte { return a.json }

// As decodes the value into v, such as a type of another package.
func (a Any) As(v Decodable) error { return UnmarshalJSON(a.json, v) }

// Equal reports whether both are the same text.
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
		e.fail(ErrMissing, "an any without a value")
		return e.Err()
	}
	e.raw(a.json)
	return e.Err()
}

// ValidateLex implements Validatable: it checks the value by the data model.
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

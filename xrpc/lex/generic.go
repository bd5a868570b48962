package lex

// These functions read and write values whose type the generator knows: arrays, pointers, and
// string types.

// Value reads v.
func (d *Decoder) Value(v Decodable) {
	if d.err != nil {
		return
	}
	if err := v.DecodeLex(d); err != nil && d.err == nil {
		d.fail(err, "%v", err)
	}
}

// StringOf reads a value of a string type, such as a syntax.DID.
func StringOf[S ~string](d *Decoder) S { return S(d.String()) }

// PutString writes a value of a string type.
func PutString[S ~string](e *Encoder, s S) { e.String(string(s)) }

// DecodePointer reads a T.
func DecodePointer[T any, P interface {
	*T
	Decodable
}](d *Decoder) *T {
	v := new(T)
	d.Value(P(v))
	return v
}

// DecodeSlice reads an array of objects or unions. The result is never nil.
func DecodeSlice[T any, P interface {
	*T
	Decodable
}](d *Decoder) []T {
	s := []T{}
	if d.nullList() {
		return s
	}
	for i := range d.Array {
		var zero T
		s = append(s, zero)
		d.Value(P(&s[i]))
	}
	return s
}

// DecodeStrings reads an array of a string type. The result is never nil.
func DecodeStrings[S ~string](d *Decoder) []S { return DecodeArray(d, StringOf[S]) }

// DecodeArray reads an array; read reads each element. The result is never nil.
func DecodeArray[T any](d *Decoder, read func(*Decoder) T) []T {
	s := []T{}
	if d.nullList() {
		return s
	}
	for range d.Array {
		s = append(s, read(d))
	}
	return s
}

// EncodeSlice writes an array of objects or unions; nil is an empty array.
func EncodeSlice[T any, P interface {
	*T
	Encodable
}](e *Encoder, s []T) {
	e.BeginArray()
	for i := range s {
		e.Element().Value(P(&s[i]))
	}
	e.EndArray()
}

// EncodeStrings writes an array of a string type; nil is an empty array.
func EncodeStrings[S ~string](e *Encoder, s []S) { EncodeArray(e, s, PutString[S]) }

// EncodeArray writes an array; write writes each element; nil is an empty array.
func EncodeArray[T any](e *Encoder, s []T, write func(*Encoder, T)) {
	e.BeginArray()
	for _, v := range s {
		write(e.Element(), v)
	}
	e.EndArray()
}

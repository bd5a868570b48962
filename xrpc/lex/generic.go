package lex

// What follows reads and writes values whose type the generator knows: arrays,
// pointers, strings of a kind.

// Value reads v.
func (d *Decoder) Value(v Decodable) {
	if d.err != nil {
		return
	}
	if err := v.DecodeLex(d); err != nil && d.err == nil {
		d.fail(err, "%v", err)
	}
}

// StringOf reads a string of a kind, such as a syntax.DID.
func StringOf[S ~string](d *Decoder) S { return S(d.String()) }

// PutString writes a string of a kind.
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

// DecodeSlice reads an array of objects or unions. It is never nil.
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

// DecodeStrings reads an array of strings of a kind. It is never nil.
func DecodeStrings[S ~string](d *Decoder) []S { return DecodeArray(d, StringOf[S]) }

// DecodeArray reads an array, each element by read. It is never nil.
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

// EncodeStrings writes an array of strings of a kind; nil is an empty array.
func EncodeStrings[S ~string](e *Encoder, s []S) { EncodeArray(e, s, PutString[S]) }

// EncodeArray writes an array, each element by write; nil is an empty array.
func EncodeArray[T any](e *Encoder, s []T, write func(*Encoder, T)) {
	e.BeginArray()
	for _, v := range s {
		write(e.Element(), v)
	}
	e.EndArray()
}

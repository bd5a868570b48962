package lex

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// FromAny returns an Unknown with the content of a Go map. It is for objects without a Go type,
// from encoding/json or made by hand.
//
//	record, err := lex.FromAny(map[string]any{"$type": "com.example.note", "text": "hello", "tags": []string{"a"}})
//
// The map may contain nil, booleans, strings, integers, json.Number, floats without a fraction,
// slices, arrays, maps with string keys, pointers to any of these, CIDLink, Blob, json.RawMessage,
// and everything that is Encodable. Bytes and []byte become $bytes; a nil slice becomes an empty
// list. Anything else is refused with an *Error whose Path says where it is. You may change the map
// afterwards.
func FromAny(object map[string]any) (Unknown, error) {
	if object == nil {
		return Unknown{}, newError(ErrMissing, -1, "FromAny needs a map, but got nil")
	}
	text, err := MarshalJSON(anyObject(object))
	if err != nil {
		return Unknown{}, err
	}
	return Raw(text)
}

// An anyObject encodes itself by the rules of FromAny.
type anyObject map[string]any

// EncodeLex implements Encodable.
func (o anyObject) EncodeLex(e *Encoder) error {
	e.goValue(reflect.ValueOf(map[string]any(o)), DefaultMaxNesting)
	return e.Err()
}

// goValue writes a Go value. levels is how much deeper it may go, because a map or a pointer may
// contain itself.
func (e *Encoder) goValue(v reflect.Value, levels int) {
	switch {
	case e.err != nil:
		return // this also ends a value that contains itself
	case levels == 0:
		e.fail(ErrDepth, "more than %d levels: does the value hold itself?", DefaultMaxNesting)
		return
	case !v.IsValid(), isNilValue(v):
		e.Null()
		return
	case e.knownValue(v.Interface()):
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		e.goValue(v.Elem(), levels-1)
	case reflect.Bool:
		e.Bool(v.Bool())
	case reflect.String:
		e.String(v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.Int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if v.Uint() > math.MaxInt64 {
			e.fail(ErrRange, "%d is too large for an integer", v.Uint())
			return
		}
		e.Int(int64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		e.goFloat(v.Float())
	case reflect.Map:
		e.goMap(v, levels)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			data := make([]byte, v.Len())
			reflect.Copy(reflect.ValueOf(data), v)
			e.Bytes(data)
			return
		}
		e.BeginArray()
		for i := range v.Len() {
			e.Element().goValue(v.Index(i), levels-1)
		}
		e.EndArray()
	default:
		e.fail(ErrType, "a %s is not a value of the data model; use a pointer to a generated type", v.Type())
	}
}

func isNilValue(v reflect.Value) bool {
	return (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil()
}

// knownValue writes a value whose type has a special meaning.
func (e *Encoder) knownValue(value any) bool {
	switch v := value.(type) {
	case json.Number:
		if n, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			e.Int(n)
		} else if f, err := v.Float64(); err == nil {
			e.goFloat(f)
		} else {
			e.fail(ErrType, "%q is not a number", string(v))
		}
	case json.RawMessage:
		a, err := AnyJSON(v)
		if err != nil {
			e.fail(err, "%v", err)
			return true
		}
		e.raw(a.json)
	case Bytes:
		e.Bytes(v)
	case CIDLink:
		e.CIDLink(v)
	case Blob:
		e.Blob(v)
	case Unknown:
		e.Unknown(v)
	case Any:
		e.Value(&v)
	case Typed: // a reader needs its $type
		e.Variant(v)
	case Encodable:
		e.Value(v)
	default:
		return false
	}
	return true
}

// goFloat writes a number like encoding/json.
func (e *Encoder) goFloat(f float64) {
	const exact = 1 << 53 // above this, a float64 does not hold every integer exactly
	if f != math.Trunc(f) || math.Abs(f) > exact {
		e.fail(ErrType, "%v is not an integer that a float64 holds exactly: the data model has no other numbers, so write it as a string", f)
		return
	}
	e.Int(int64(f))
}

// goMap writes a map in the order of its keys, so that the same map gives the same text.
func (e *Encoder) goMap(v reflect.Value, levels int) {
	if v.Type().Key().Kind() != reflect.String {
		e.fail(ErrType, "a %s has keys that are not strings", v.Type())
		return
	}
	fields := make(map[string]reflect.Value, v.Len())
	for key, field := range v.Seq2() {
		fields[key.String()] = field
	}
	e.BeginObject()
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		e.Key(key).goValue(fields[key], levels-1)
	}
	e.EndObject(nil)
}

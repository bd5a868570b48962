package lex

import "reflect"

// A Nullable is an optional field that may also be null. In the protocol, null and absent are
// different. The zero value is absent.
type Nullable[T any] struct {
	value *T // a pointer, so that a type may contain a Nullable of itself
	null  bool
}

// Some returns a Nullable with a value.
func Some[T any](v T) Nullable[T] { return Nullable[T]{value: &v} }

// Null returns a Nullable that is null.
func Null[T any]() Nullable[T] { return Nullable[T]{null: true} }

// Get returns the value and whether there is one.
func (n Nullable[T]) Get() (T, bool) {
	if n.value == nil {
		var zero T
		return zero, false
	}
	return *n.value, true
}

// IsNull reports whether n is null.
func (n Nullable[T]) IsNull() bool { return n.null }

// IsAbsent reports whether n is absent.
func (n Nullable[T]) IsAbsent() bool { return n.value == nil && !n.null }

// Equal reports whether both are absent, both null, or both the same value.
func (n Nullable[T]) Equal(m Nullable[T]) bool {
	return n.null == m.null && reflect.DeepEqual(n.value, m.value)
}

// DecodeNullable reads a null, or a value with read.
func DecodeNullable[T any](d *Decoder, read func(*Decoder) T) Nullable[T] {
	if d.Null() {
		return Null[T]()
	}
	return Some(read(d))
}

// EncodeNullable writes a null, or the value with write. The caller must leave out an absent one.
func EncodeNullable[T any](e *Encoder, n Nullable[T], write func(*Encoder, T)) {
	if v, ok := n.Get(); ok {
		write(e, v)
		return
	}
	e.Null()
}

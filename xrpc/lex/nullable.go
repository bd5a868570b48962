package lex

import "reflect"

// A Nullable is an optional field that may also be null, which the protocol tells
// from leaving it out. The zero value is absent.
type Nullable[T any] struct {
	value T
	state nullState
}

type nullState uint8

const (
	absent nullState = iota
	null
	present
)

// Some is a value.
func Some[T any](v T) Nullable[T] { return Nullable[T]{value: v, state: present} }

// Null is a null.
func Null[T any]() Nullable[T] { return Nullable[T]{state: null} }

// Get returns the value and whether there is one.
func (n Nullable[T]) Get() (T, bool) { return n.value, n.state == present }

// IsNull reports whether it is null.
func (n Nullable[T]) IsNull() bool { return n.state == null }

// IsAbsent reports whether it is left out.
func (n Nullable[T]) IsAbsent() bool { return n.state == absent }

// Equal reports whether both are absent, both null, or both the same value.
func (n Nullable[T]) Equal(m Nullable[T]) bool {
	return n.state == m.state && (n.state != present || reflect.DeepEqual(n.value, m.value))
}

// DecodeNullable reads a null, or a value by read.
func DecodeNullable[T any](d *Decoder, read func(*Decoder) T) Nullable[T] {
	if d.Null() {
		return Null[T]()
	}
	return Some(read(d))
}

// EncodeNullable writes a null, or the value by write. An absent one is left out by
// the caller.
func EncodeNullable[T any](e *Encoder, n Nullable[T], write func(*Encoder, T)) {
	if v, ok := n.Get(); ok {
		write(e, v)
		return
	}
	e.Null()
}

// Package nilvalue finds arguments that look like a value and hold nothing.
package nilvalue

import "reflect"

// Is reports whether v is nil, or an interface that holds a nil pointer or a nil func. Calling a
// method of such a value mostly panics, also where nobody can recover.
func Is(v any) bool {
	value := reflect.ValueOf(v)
	switch value.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return value.IsNil()
	}
	return false
}

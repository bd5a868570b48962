package xrpc

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/gimucco/atproto-go/internal/said"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// DecodedParams are parameters that can be decoded from the query of a call. It is for programs
// that serve the method. Generated types implement it.
type DecodedParams interface {
	// DecodeQuery reads the parameters out of values.
	DecodeQuery(values url.Values) error
}

// A ParamError says that a parameter is missing, or does not follow the lexicon. errors.Is also
// finds it as ErrInvalidRequest.
type ParamError struct {
	Param  string // its name, with the index in an array: "uris[3]"
	Reason string // what is wrong
}

// Error names the parameter and what is wrong.
func (e *ParamError) Error() string {
	return fmt.Sprintf("parameter %s: %s", e.Param, said.Text(e.Reason))
}

// Is reports whether target is ErrInvalidRequest.
func (e *ParamError) Is(target error) bool { return target == ErrInvalidRequest }

// A QueryDecoder decodes parameters from the query of a call, like the reference server. It ignores
// parameters that are not in the lexicon or have no value. Integers consist of digits and at most a
// sign, booleans are true or false, and only arrays may come more than once. Generated code calls
// it, and End returns the first error.
type QueryDecoder struct {
	values url.Values
	err    *ParamError
}

// NewQueryDecoder returns a decoder for values.
func NewQueryDecoder(values url.Values) *QueryDecoder { return &QueryDecoder{values: values} }

// String returns a required string.
func (d *QueryDecoder) String(name string) string { return required(d, name, d.OptionalString(name)) }

// Int returns a required integer.
func (d *QueryDecoder) Int(name string) int64 { return required(d, name, d.OptionalInt(name)) }

// Bool returns a required boolean.
func (d *QueryDecoder) Bool(name string) bool { return required(d, name, d.OptionalBool(name)) }

// OptionalString returns a string, or nil if it is missing.
func (d *QueryDecoder) OptionalString(name string) *string { return single(d, name, parseText) }

// OptionalInt returns an integer, or nil if it is missing.
func (d *QueryDecoder) OptionalInt(name string) *int64 { return single(d, name, parseInteger) }

// OptionalBool returns a boolean, or nil if it is missing.
func (d *QueryDecoder) OptionalBool(name string) *bool { return single(d, name, parseBoolean) }

// Ints returns an array of integers, or nil if it is missing.
func (d *QueryDecoder) Ints(name string) []int64 { return array(d, name, parseInteger) }

// Bools returns an array of booleans, or nil if it is missing.
func (d *QueryDecoder) Bools(name string) []bool { return array(d, name, parseBoolean) }

// QueryStrings returns an array of strings, or nil if it is missing.
func QueryStrings[S ~string](d *QueryDecoder, name string) []S {
	return array(d, name, func(text string) (S, string) {
		text, wrong := parseText(text)
		return S(text), wrong
	})
}

// QueryDefault returns value, or standard, the lexicon's default, if value is nil.
func QueryDefault[T any](value *T, standard T) *T {
	if value == nil {
		return &standard
	}
	return value
}

// Need fails if a required array is missing.
func (d *QueryDecoder) Need(name string) {
	if len(d.given(name)) == 0 {
		d.fail(name, "is missing")
	}
}

// End checks p by its lexicon if everything could be decoded. It returns the first error, a
// *ParamError.
func (d *QueryDecoder) End(p lex.Validatable) error {
	if d.err != nil {
		return d.err
	}
	err := lex.Validate(p, lex.Strict)
	if invalid, ok := errors.AsType[*lex.ValidationError](err); ok {
		first := invalid.Violations[0]
		return &ParamError{Param: first.Path, Reason: first.Reason}
	}
	return err
}

func (d *QueryDecoder) fail(name, reason string) {
	if d.err == nil {
		d.err = &ParamError{Param: name, Reason: reason}
	}
}

// given returns the values of a parameter that are not empty.
func (d *QueryDecoder) given(name string) []string {
	all := d.values[name]
	for i, v := range all {
		if v != "" {
			continue
		}
		kept := all[:i:i]
		for _, v := range all[i:] {
			if v != "" {
				kept = append(kept, v)
			}
		}
		return kept
	}
	return all
}

func required[T any](d *QueryDecoder, name string, value *T) (v T) {
	if value == nil {
		d.fail(name, "is missing")
		return v
	}
	return *value
}

// single decodes a parameter that may come only once. parse says what is wrong; "" means nothing.
func single[T any](d *QueryDecoder, name string, parse func(string) (T, string)) *T {
	given := d.given(name)
	if len(given) == 0 {
		return nil
	}
	v, wrong := parse(given[0])
	if len(given) > 1 {
		wrong = fmt.Sprintf("comes %d times; it takes one value", len(given))
	}
	if wrong != "" {
		d.fail(name, wrong)
	}
	return &v
}

func array[T any](d *QueryDecoder, name string, parse func(string) (T, string)) []T {
	var all []T
	for i, text := range d.given(name) {
		v, wrong := parse(text)
		if wrong != "" {
			d.fail(fmt.Sprintf("%s[%d]", name, i), wrong)
			return nil
		}
		all = append(all, v)
	}
	return all
}

func parseText(text string) (string, string) {
	if !utf8.ValidString(text) {
		return "", "is not UTF-8"
	}
	return text, ""
}

func parseInteger(text string) (int64, string) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case text[0] == '+' || errors.Is(err, strconv.ErrSyntax):
		return 0, said.Quote(text) + " is not an integer"
	case err != nil:
		return 0, said.Quote(text) + " is no integer of 64 bits"
	}
	return n, ""
}

func parseBoolean(text string) (bool, string) {
	switch text {
	case "true":
		return true, ""
	case "false":
		return false, ""
	}
	return false, said.Quote(text) + " is neither true nor false"
}

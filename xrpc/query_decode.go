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

// DecodedParams are parameters that can be read from the query of a call, as those need it who serve the method.
// Generated types implement it.
type DecodedParams interface {
	DecodeQuery(values url.Values) error
}

// A ParamError is a parameter that a caller has left out, or that is not what the lexicon says. It is
// ErrInvalidRequest to errors.Is.
type ParamError struct {
	Param  string // its name, with the place in an array: "uris[3]"
	Reason string
}

// Error names the parameter and what is wrong.
func (e *ParamError) Error() string {
	return fmt.Sprintf("parameter %s: %s", e.Param, said.Text(e.Reason))
}

// Is reports whether target is ErrInvalidRequest.
func (e *ParamError) Is(target error) bool { return target == ErrInvalidRequest }

// A QueryDecoder reads parameters from the query of a call, as the reference server does: parameters that the lexicon
// does not have and such without a value count as left out, integers have digits and a sign at most, booleans are
// true or false, and only arrays come more than once. Generated code drives it, and asks End for the first error.
type QueryDecoder struct {
	values url.Values
	err    *ParamError
}

// NewQueryDecoder returns a decoder of values.
func NewQueryDecoder(values url.Values) *QueryDecoder { return &QueryDecoder{values: values} }

// String returns a string that is required.
func (d *QueryDecoder) String(name string) string { return required(d, name, d.OptionalString(name)) }

// Int returns an integer that is required.
func (d *QueryDecoder) Int(name string) int64 { return required(d, name, d.OptionalInt(name)) }

// Bool returns a boolean that is required.
func (d *QueryDecoder) Bool(name string) bool { return required(d, name, d.OptionalBool(name)) }

// OptionalString returns a string, nil if it is left out.
func (d *QueryDecoder) OptionalString(name string) *string { return single(d, name, parseText) }

// OptionalInt returns an integer, nil if it is left out.
func (d *QueryDecoder) OptionalInt(name string) *int64 { return single(d, name, parseInteger) }

// OptionalBool returns a boolean, nil if it is left out.
func (d *QueryDecoder) OptionalBool(name string) *bool { return single(d, name, parseBoolean) }

// Ints returns an array of integers, nil if it is left out.
func (d *QueryDecoder) Ints(name string) []int64 { return array(d, name, parseInteger) }

// Bools returns an array of booleans, nil if it is left out.
func (d *QueryDecoder) Bools(name string) []bool { return array(d, name, parseBoolean) }

// QueryStrings returns an array of strings, nil if it is left out.
func QueryStrings[S ~string](d *QueryDecoder, name string) []S {
	return array(d, name, func(text string) (S, string) {
		text, wrong := parseText(text)
		return S(text), wrong
	})
}

// QueryDefault returns value, or the lexicon's default where it is left out.
func QueryDefault[T any](value *T, standard T) *T {
	if value == nil {
		return &standard
	}
	return value
}

// Need says that an array is required.
func (d *QueryDecoder) Need(name string) {
	if len(d.given(name)) == 0 {
		d.fail(name, "is missing")
	}
}

// End holds p to its lexicon if all could be read, and returns the first error, a *ParamError.
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

// given are the values of a parameter that are not empty.
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

// single reads a parameter that comes once. parse says what is wrong, "" if nothing is.
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

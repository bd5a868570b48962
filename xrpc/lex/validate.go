package lex

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/clipperhouse/uax29/v2/graphemes"

	"github.com/gimucco/atproto-go/internal/cidform"
	"github.com/gimucco/atproto-go/internal/nilvalue"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// A Mode says how strictly a value is checked.
type Mode int

const (
	// Strict is for values that will be written. It checks all rules of the lexicon and the data
	// model.
	Strict Mode = iota
	// Lenient is for values that were read. It accepts what old records contain: datetimes in other
	// forms; blobs in the legacy form, with another codec, or with a size or type that is not
	// allowed now; and unknown fields that are not valid in the data model.
	Lenient
)

// A Validatable checks itself with a Validator. Generated types implement it on their
// pointers.
type Validatable interface {
	// ValidateLex checks the value; v collects the violations.
	ValidateLex(v *Validator)
}

// Validate checks value by its lexicon: formats, lengths, ranges, enums, constants and the members
// of unions. Decoding checks none of these, so that data with small faults can still be read. The
// error is a *ValidationError.
func Validate(value Validatable, mode Mode) error {
	if nilvalue.Is(value) {
		return &ValidationError{Violations: []Violation{{Reason: fmt.Sprintf("there is no value, but a nil %T", value)}}}
	}
	v := Validator{mode: mode}
	value.ValidateLex(&v)
	if len(v.violations) == 0 {
		return nil
	}
	return &ValidationError{Violations: v.violations}
}

// A Violation is one broken rule of a lexicon.
type Violation struct {
	Path   string // for example "embed.images[2].alt"; empty at the top
	Reason string // the broken rule
}

// String returns the path and the broken rule.
func (v Violation) String() string {
	if v.Path == "" {
		return v.Reason
	}
	return v.Path + ": " + v.Reason
}

// maxViolations is how many violations are kept.
const maxViolations = 1000

// A ValidationError lists all violations, in the order of the lexicon, up to 1,000.
type ValidationError struct {
	Violations []Violation // at least one
}

// Error returns the number of violations, and the first ones.
func (e *ValidationError) Error() string {
	const shown = 3
	var parts []string
	for _, v := range e.Violations[:min(shown, len(e.Violations))] {
		parts = append(parts, v.String())
	}
	text := "lex: invalid: " + strings.Join(parts, "; ")
	if n := len(e.Violations) - shown; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return text
}

// A Validator checks one value. Generated code calls it: Field names a field, and the next calls
// check its value.
type Validator struct {
	mode       Mode
	path       []string // of the open values
	field      string   // the field below them
	violations []Violation
}

// Field sets the field for the next checks.
func (v *Validator) Field(name string) *Validator {
	v.field = name
	return v
}

// fail notes a violation of the field.
func (v *Validator) fail(format string, args ...any) *Validator {
	if len(v.violations) >= maxViolations {
		return v
	}
	var path strings.Builder
	for _, step := range append(v.path[:len(v.path):len(v.path)], v.field) {
		if step != "" && step[0] != '[' && path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(step)
	}
	v.violations = append(v.violations, Violation{Path: path.String(), Reason: fmt.Sprintf(format, args...)})
	return v
}

// within checks the content of the field.
func (v *Validator) within(check func()) {
	if len(v.path) >= DefaultMaxNesting {
		v.fail("more than %d levels", DefaultMaxNesting)
		return
	}
	field := v.field
	v.path = append(v.path, field)
	v.field = ""
	check()
	v.path = v.path[:len(v.path)-1]
	v.field = field
}

// Value checks an object or a union.
func (v *Validator) Value(value Validatable) { v.within(func() { value.ValidateLex(v) }) }

// ValidateSlice checks an array of objects or unions.
func ValidateSlice[T any, P interface {
	*T
	Validatable
}](v *Validator, s []T) {
	v.within(func() {
		for i := range s {
			v.field = "[" + strconv.Itoa(i) + "]"
			v.Value(P(&s[i]))
		}
	})
}

// ValidateArray checks an array; check checks each element.
func ValidateArray[T any](v *Validator, s []T, check func(v *Validator, e T)) {
	v.within(func() {
		for i, e := range s {
			v.field = "[" + strconv.Itoa(i) + "]"
			check(v, e)
		}
	})
}

// MinBytes checks that a string has at least n bytes of UTF-8.
func (v *Validator) MinBytes(s string, n int) *Validator {
	if len(s) < n {
		return v.fail("has %d bytes, at least %d are needed", len(s), n)
	}
	return v
}

// MaxBytes checks that a string has at most n bytes of UTF-8.
func (v *Validator) MaxBytes(s string, n int) *Validator {
	if len(s) > n {
		return v.fail("has %d bytes, at most %d are allowed", len(s), n)
	}
	return v
}

// MinGraphemes checks that a string has at least n graphemes, the characters that readers see:
// extended grapheme clusters (Unicode Standard Annex 29).
func (v *Validator) MinGraphemes(s string, n int) *Validator {
	if got := countGraphemes(s); got < n {
		return v.fail("has %d graphemes, at least %d are needed", got, n)
	}
	return v
}

// MaxGraphemes checks that a string has at most n graphemes.
func (v *Validator) MaxGraphemes(s string, n int) *Validator {
	if len(s) <= n { // each grapheme has at least one byte
		return v
	}
	if got := countGraphemes(s); got > n {
		return v.fail("has %d graphemes, at most %d are allowed", got, n)
	}
	return v
}

// countGraphemes counts by the rules of Unicode 17, like servers do. A conjunct of an Indic script
// counts as one (GB9c).
func countGraphemes(s string) (n int) {
	for g := graphemes.FromString(s); g.Next(); {
		n++
	}
	return n
}

// Format checks a string with a format.
func (v *Validator) Format(s interface{ Validate() error }) *Validator {
	if _, ok := s.(syntax.Datetime); ok && v.mode == Lenient {
		return v
	}
	if err := s.Validate(); err != nil {
		return v.fail("%v", err)
	}
	return v
}

// OneOf checks a string with an enum or a constant.
func (v *Validator) OneOf(s string, values ...string) *Validator {
	if slices.Contains(values, s) {
		return v
	}
	if len(values) == 1 {
		return v.fail("%.40q is not %.40q", s, values[0])
	}
	return v.fail("%.40q is not one of the %d values allowed", s, len(values))
}

// maxInteger is the largest integer that every implementation reads exactly: numbers of JavaScript
// have 53 bits.
const maxInteger = 1<<53 - 1

// Int checks that an integer has at most 53 bits. Servers refuse or change larger ones.
func (v *Validator) Int(n int64) *Validator {
	if v.mode == Strict && (n > maxInteger || n < -maxInteger) {
		return v.fail("%d has more than 53 bits", n)
	}
	return v
}

// OneOfInts checks an integer with an enum or a constant.
func (v *Validator) OneOfInts(n int64, values ...int64) *Validator {
	if slices.Contains(values, n) {
		return v
	}
	return v.fail("%d is not one of %v", n, values)
}

// Is checks a boolean with a constant.
func (v *Validator) Is(b, want bool) *Validator {
	if b != want {
		return v.fail("is not %t", want)
	}
	return v
}

// AtLeast checks an integer with a minimum.
func (v *Validator) AtLeast(n, minimum int64) *Validator {
	if n < minimum {
		return v.fail("%d is less than %d", n, minimum)
	}
	return v
}

// AtMost checks an integer with a maximum.
func (v *Validator) AtMost(n, maximum int64) *Validator {
	if n > maximum {
		return v.fail("%d is more than %d", n, maximum)
	}
	return v
}

// MinLen checks the length of an array or of bytes.
func (v *Validator) MinLen(n, minimum int) *Validator {
	if n < minimum {
		return v.fail("has a length of %d, at least %d is needed", n, minimum)
	}
	return v
}

// MaxLen checks the length of an array or of bytes.
func (v *Validator) MaxLen(n, maximum int) *Validator {
	if n > maximum {
		return v.fail("has a length of %d, at most %d is allowed", n, maximum)
	}
	return v
}

// CIDLink checks a link.
func (v *Validator) CIDLink(c CIDLink) *Validator {
	if wrong := c.check(v.mode, codecDAGCBOR, codecRaw); wrong != "" {
		return v.fail("link %.80q %s", string(c), wrong)
	}
	return v
}

// check says what is wrong with a link. Only in Strict mode must it use SHA-256 and one of the
// codecs.
func (c CIDLink) check(mode Mode, codecs ...byte) (wrong string) {
	var room [cidform.MaxSize]byte
	b, wrong := cidform.Append(room[:0], c)
	switch {
	case wrong != "" || mode == Lenient:
	case len(b) != 36 || b[2] != hashSHA256 || b[3] != 32:
		return "is not by SHA-256"
	case !slices.Contains(codecs, b[1]):
		return fmt.Sprintf("is of codec 0x%x", b[1])
	}
	return wrong
}

// Blob checks a blob. maxSize is in bytes; a negative one means no limit. accept are MIME types,
// which may end in "/*"; none means any.
func (v *Validator) Blob(b *Blob, maxSize int64, accept ...string) *Validator {
	if v.mode == Lenient {
		return v
	}
	if b.Legacy() {
		return v.fail("a blob in the legacy form must not be written: upload it again")
	}
	if wrong := b.Ref.check(v.mode, codecRaw); wrong != "" {
		v.fail("link %.80q of the blob %s", string(b.Ref), wrong)
	}
	if b.MimeType == "" {
		v.fail("the blob has no MIME type")
	}
	if maxSize >= 0 && b.Size > maxSize {
		v.fail("the blob has %d bytes, at most %d are allowed", b.Size, maxSize)
	}
	if len(accept) > 0 && !slices.ContainsFunc(accept, func(pattern string) bool { return accepts(pattern, b.MimeType) }) {
		v.fail("the blob is %.40q, not %s", b.MimeType, strings.Join(accept, ", "))
	}
	return v
}

// accepts reports whether a pattern of MIME types matches one.
func accepts(pattern, mimeType string) bool {
	if pattern == "*/*" {
		return true
	}
	if kind, ok := strings.CutSuffix(pattern, "/*"); ok {
		return strings.HasPrefix(mimeType, kind+"/")
	}
	return pattern == mimeType
}

// Unknown checks an object without a lexicon, by the rules of the data model.
func (v *Validator) Unknown(u Unknown) *Validator {
	switch value := u.value.(type) {
	case nil:
		if u.json == nil {
			return v.fail("is missing")
		}
		return v.json(u.json, true)
	case Validatable:
		v.Value(value)
	}
	return v
}

// json checks a value without a lexicon. If object is set, it must be an object, and not a link,
// bytes or a blob.
func (v *Validator) json(json []byte, object bool) *Validator {
	if v.mode == Lenient && !object {
		return v
	}
	c := checked{bounded: true}
	err := UnmarshalJSON(json, &c)
	switch e, _ := err.(*Error); {
	case e != nil && v.mode == Lenient: // only its kind at the top matters
		c.special = false
	case e != nil:
		field := v.field
		if at := e.Path(); at != "" && at[0] != '[' && field != "" {
			v.field += "." + at
		} else {
			v.field += at
		}
		v.fail("%s", e.Reason)
		v.field = field
		return v
	}
	if object && c.special {
		return v.fail("a link, bytes or a blob, not an object")
	}
	return v
}

// Variant checks the member of a union.
func (v *Validator) Variant(member Typed) {
	switch m := member.(type) {
	case *UnknownVariant:
		if m == nil || m.raw == nil {
			v.fail("is missing")
			return
		}
		v.json(m.raw, true)
	case Validatable:
		m.ValidateLex(v)
	}
}

// NotAMember fails because the value of a union is not one of its members.
func (v *Validator) NotAMember(value Typed) {
	switch {
	case value == nil:
		v.fail("is missing")
	default:
		v.fail("%.80q is not a member of this union", value.LexType())
	}
}

// Extra checks the fields that are not in the lexicon, by the rules of the data model. It fails if
// a field was null although that is not allowed.
func (v *Validator) Extra(x *Extra) {
	for _, name := range x.nulls() {
		v.Field(name).fail("is null")
	}
	if v.mode == Lenient {
		return
	}
	for _, name := range x.Names() {
		value, _ := x.Get(name)
		v.Field(name).json(value, false)
	}
}

// ValidateLex implements Validatable.
func (u *Unknown) ValidateLex(v *Validator) { v.Unknown(*u) }

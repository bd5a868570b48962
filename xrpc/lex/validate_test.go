package lex

import (
	"errors"
	"strings"
	"testing"

	"github.com/gimucco/atproto-go/xrpc/syntax"
	"github.com/google/go-cmp/cmp"
)

// checks is a Validatable of a test's own.
type checks func(v *Validator)

func (c checks) ValidateLex(v *Validator) { c(v) }

func violations(t testing.TB, mode Mode, c checks) []string {
	t.Helper()
	err := Validate(c, mode)
	if err == nil {
		return nil
	}
	var invalid *ValidationError
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var out []string
	for _, v := range invalid.Violations {
		out = append(out, v.String())
	}
	return out
}

func TestValidator(t *testing.T) {
	const (
		rawLink  = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"
		cborLink = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
		family   = "👩‍👩‍👧‍👧"
	)
	png := &Blob{Ref: rawLink, MimeType: "image/png", Size: 10}
	for name, tc := range map[string]struct {
		check           checks
		strict, lenient []string
	}{
		"L14 bytes": {check: func(v *Validator) {
			v.Field("a").MinBytes("é", 2).MaxBytes("é", 2)
			v.Field("b").MaxBytes("é", 1)
			v.Field("c").MinBytes("é", 3)
		}, strict: []string{"b: has 2 bytes, at most 1 are allowed", "c: has 2 bytes, at least 3 are needed"}},
		"L14 graphemes": {check: func(v *Validator) {
			v.Field("a").MaxGraphemes(family, 1).MinGraphemes(family, 1)
			v.Field("b").MaxGraphemes(family+"🇩🇪", 1)
			v.Field("c").MinGraphemes(family, 2)
		}, strict: []string{"b: has 2 graphemes, at most 1 are allowed", "c: has 1 graphemes, at least 2 are needed"}},
		"L51 datetime": {check: func(v *Validator) {
			v.Field("a").Format(syntax.Datetime("2020-01-01"))
		}, strict: []string{`a: invalid datetime "2020-01-01": does not start like 2006-01-02T15:04:05`}, lenient: []string{}},
		"another format": {check: func(v *Validator) { v.Field("a").Format(syntax.DID("x")) }, strict: []string{`a: invalid did "x": does not start with "did:"`}},
		"numbers": {check: func(v *Validator) {
			v.Field("a").AtLeast(1, 1).AtMost(1, 1).OneOfInts(1, 1, 2).Is(true, true)
			v.Field("b").AtLeast(0, 1).AtMost(2, 1).OneOfInts(3, 1, 2).Is(true, false)
		}, strict: []string{"b: 0 is less than 1", "b: 2 is more than 1", "b: 3 is not one of [1 2]", "b: is not false"}},
		"strings": {check: func(v *Validator) {
			v.Field("a").OneOf("x", "x", "y")
			v.Field("b").OneOf("z", "x", "y").OneOf("z", "x")
		}, strict: []string{`b: "z" is not one of the 2 values allowed`, `b: "z" is not "x"`}},
		"L18 links": {check: func(v *Validator) {
			v.Field("a").CIDLink(rawLink).CIDLink(cborLink)
			v.Field("b").CIDLink("Qm").CIDLink("")
		}, strict: []string{`b: link "Qm" is not a CID in base32`, `b: link "" is empty`}},
		"L19 blobs": {check: func(v *Validator) {
			v.Field("a").Blob(png, 10, "image/*").Blob(png, -1).Blob(png, 10, "*/*").Blob(png, 10, "text/plain", "image/png")
			v.Field("b").Blob(png, 9, "image/jpeg", "video/*")
			v.Field("c").Blob(&Blob{Ref: cborLink, Size: -1}, 9)
			v.Field("d").Blob(&Blob{Ref: cborLink}, 9)
		}, strict: []string{
			"b: the blob has 10 bytes, at most 9 are allowed", `b: the blob is "image/png", not image/jpeg, video/*`,
			"c: a blob in the legacy form must not be written: upload it again", `d: link "` + cborLink + `" of the blob is of codec 0x71`, "d: the blob has no MIME type",
		}, lenient: []string{}},
		"paths": {check: func(v *Validator) {
			ValidateArray(v.Field("list"), [][]string{{"a"}, {"b", ""}}, func(v *Validator, e []string) {
				ValidateArray(v, e, func(v *Validator, e string) { v.MinBytes(e, 1) })
			})
			v.Field("after").Value(checks(func(v *Validator) { v.Field("x").Is(true, false) }))
			v.MinLen(1, 2).MaxLen(1, 0)
		}, strict: []string{"list[1][1]: has 0 bytes, at least 1 are needed", "after.x: is not false", "after: has a length of 1, at least 2 is needed", "after: has a length of 1, at most 0 is allowed"}},
		"L26 unknown": {check: func(v *Validator) {
			v.Field("a").Unknown(Unknown{json: []byte(`{"a":[{"$bytes":"AA"}]}`)})
			v.Field("b").Unknown(Unknown{json: []byte(`{"a":[{"$bytes":1}]}`)})
			v.Field("c").Unknown(Unknown{})
			v.Field("d").Unknown(Unknown{json: []byte(`{"$bytes":"AA"}`)})
		}, strict: []string{"b.a[0].$bytes: a number where a string should be", "c: is missing", "d: a link, bytes or a blob, not an object"},
			lenient: []string{"c: is missing", "d: a link, bytes or a blob, not an object"}},
		"L47 unknown fields": {check: func(v *Validator) {
			var n node
			if err := UnmarshalJSON([]byte(`{"$type":"com.example.node","name":"","children":[],"link":null,"newer":1.5,"fine":{}}`), &n); err != nil {
				t.Fatal(err)
			}
			v.Extra(&n.Extra)
		}, strict: []string{"link: is null", "newer: 1.5 is not an integer"}, lenient: []string{"link: is null"}},
		"L27 unions": {check: func(v *Validator) {
			v.Field("a").NotAMember(nil)
			v.Field("b").NotAMember(&node{})
			v.Field("c").Variant(&UnknownVariant{kind: "x", raw: []byte(`{"$type":"x","a":1.5}`)})
		}, strict: []string{"a: is missing", `b: "com.example.node" is not a member of this union`, "c.a: 1.5 is not an integer"},
			lenient: []string{"a: is missing", `b: "com.example.node" is not a member of this union`}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.strict, violations(t, Strict, tc.check)); diff != "" {
				t.Errorf("strict: %s", diff)
			}
			want := tc.lenient
			if want == nil {
				want = tc.strict
			}
			if diff := cmp.Diff(want, append([]string{}, violations(t, Lenient, tc.check)...)); diff != "" {
				t.Errorf("lenient: %s", diff)
			}
		})
	}
	t.Run("a flood", func(t *testing.T) {
		err := Validate(checks(func(v *Validator) {
			for range 5000 {
				v.Field("a").Is(true, false)
			}
		}), Strict)
		if len(err.(*ValidationError).Violations) != maxViolations || !strings.HasSuffix(err.Error(), "; and 997 more") {
			t.Error(err)
		}
	})
	t.Run("a value that holds itself", func(t *testing.T) {
		var endless checks
		endless = func(v *Validator) { v.Field("a").Value(endless) }
		if err := Validate(endless, Strict); err == nil || !strings.Contains(err.Error(), "more than 4096 levels") {
			t.Error(err)
		}
	})
}

package lex

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pair is an open union of one member.
type pair struct{ value Typed }

func (u *pair) DecodeLex(d *Decoder) error {
	if d.Type() == "com.example.reference" {
		u.value = DecodeVariant[reference](d)
	} else if v := d.UnknownVariant(); v != nil {
		u.value = v
	}
	return d.Err()
}

func TestCutCBOR(t *testing.T) {
	for _, tt := range []struct {
		name string
		data string
		head string
		rest string
		want error
	}{
		{"two documents", "\xa1\x61a\x01\xa0", `{"a":1}`, "\xa0", nil},
		{"one", "\xa1\x61a\x01", `{"a":1}`, "", nil},
		{"what is behind is not looked at", "\xa0\xff\xff", `{}`, "\xff\xff", nil},
		{"none", "", "", "", ErrSyntax},
		{"one that is cut short", "\xa1\x61a", "", "", ErrSyntax},
	} {
		t.Run("X39 "+tt.name, func(t *testing.T) {
			var head Unknown
			rest, err := CutCBOR([]byte(tt.data), &head)
			if diff := cmp.Diff([]string{tt.head, tt.rest}, []string{string(head.json), string(rest)}); diff != "" || !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Error(diff, err)
			}
		})
	}
}

func TestTypeIs(t *testing.T) {
	for _, tt := range []struct {
		name, kind, json string
		want             error
	}{
		{"an object that does not say", "com.example.reference", `{"uri":"a","cid":"b"}`, nil},
		{"one that says the same", "com.example.reference", `{"$type":"com.example.reference","uri":"a","cid":"b"}`, nil},
		{"one that says something else", "com.example.reference", `{"$type":"x","uri":"a","cid":"b"}`, nil},
		{"one that says it last", "com.example.reference", ` {"uri":"a","cid":"b","$type":"x"}`, nil},
		{"one that is none", "com.example.reference", `[]`, ErrType},
		{"a type that the union does not have", "com.example.other", `{"uri":"a","cid":"b"}`, ErrUnion},
	} {
		t.Run("X41 "+tt.name, func(t *testing.T) {
			var inJSON, inCBOR pair
			err := UnmarshalJSON([]byte(tt.json), &inJSON, TypeIs(tt.kind))
			any, err2 := AnyJSON([]byte(tt.json))
			data, err3 := MarshalCBOR(&any)
			if err2 != nil || err3 != nil {
				t.Fatal(err2, err3)
			}
			err2 = UnmarshalCBOR(data, &inCBOR, TypeIs(tt.kind))
			for _, got := range []struct {
				pair
				err error
			}{{inJSON, err}, {inCBOR, err2}} {
				if !errors.Is(got.err, tt.want) || (got.err == nil) != (tt.want == nil) {
					t.Errorf("%v, want %v", got.err, tt.want)
				}
				r, ok := got.value.(*reference)
				if ok != (tt.want == nil) || ok && (r.URI != "a" || r.CID != "b" || r.Extra.Len() != 0) {
					t.Errorf("got %+v", got.value)
				}
			}
		})
	}
	t.Run("X41 the next document is not of the type", func(t *testing.T) {
		var u pair
		if err := UnmarshalJSON([]byte(`{"uri":"a","cid":"b"}`), &u, TypeIs("com.example.other")); !errors.Is(err, ErrUnion) {
			t.Fatal(err)
		}
		if err := UnmarshalJSON([]byte(`{"uri":"a","cid":"b"}`), &u); !errors.Is(err, ErrMissing) {
			t.Error(err)
		}
	})
}

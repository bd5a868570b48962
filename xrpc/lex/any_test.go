package lex_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/gimucco/atproto-go/xrpc/lex"
)

func TestAny(t *testing.T) {
	for _, text := range []string{`[{"a":1},{"b":[],"$type":"x.y.z"}]`, `"x"`, `3`, `true`, `{"$link":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"}`} {
		var a lex.Any
		if err := lex.UnmarshalJSON([]byte(text), &a); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		out, err := json.Marshal(a)
		if string(out) != text || err != nil {
			t.Errorf("%s became %s, %v", text, out, err)
		}
		cbor, err := lex.MarshalCBOR(&a)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		var b lex.Any
		if err := lex.UnmarshalCBOR(cbor, &b); err != nil || !b.Equal(a) {
			t.Errorf("%s came back from CBOR as %s, %v", text, b.JSON(), err)
		}
		if made, err := lex.AnyJSON([]byte(text)); err != nil || !made.Equal(a) {
			t.Errorf("%s was made into %s, %v", text, made.JSON(), err)
		}
		if err := lex.Validate(&a, lex.Strict); err != nil {
			t.Error(err)
		}
	}
	t.Run("L13 no floats", func(t *testing.T) {
		if _, err := lex.AnyJSON([]byte(`[1.5]`)); err == nil {
			t.Error("a float was taken")
		}
		var a lex.Any
		if err := lex.UnmarshalJSON([]byte(`{"a":1.5}`), &a); err != nil {
			t.Fatal(err) // what a server sends is kept
		}
		if err := lex.Validate(&a, lex.Strict); err == nil {
			t.Error("a float is valid")
		}
	})
	t.Run("L8 no value is no JSON", func(t *testing.T) {
		if _, err := lex.MarshalJSON(new(lex.Any)); !errors.Is(err, lex.ErrMissing) {
			t.Errorf("got %v", err)
		}
		if err := lex.Validate(new(lex.Any), lex.Strict); err == nil {
			t.Error("no value is valid")
		}
	})
	t.Run("a value goes in and out by its type", func(t *testing.T) {
		blob := lex.Blob{Ref: "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity", MimeType: "image/png", Size: 3}
		a, err := lex.AnyOf(&blob)
		if err != nil {
			t.Fatal(err)
		}
		var back lex.Blob
		if err := a.As(&back); err != nil || back.Ref != blob.Ref {
			t.Errorf("got %v, %v", back, err)
		}
	})
}

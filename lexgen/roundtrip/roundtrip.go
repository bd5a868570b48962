// Package roundtrip shows that generated types read and write documents without loss:
// what `lexgen corpus` runs on everything it generates.
package roundtrip

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/google/go-cmp/cmp"
)

// A Value is a pointer to a generated type.
type Value interface {
	lex.Encodable
	lex.Decodable
	lex.Validatable
}

// A Document is a line of the file of samples.
type Document struct {
	Type string          `json:"type"` // "nsid#name", "nsid(input)", "nsid(output)", "nsid(message)"
	Name string          `json:"name"` // what is special about it
	JSON json.RawMessage `json:"json"`
}

// Run reads documents from a file of JSON lines and checks each with its type. It fails
// if a type has none.
func Run(t *testing.T, file string, types map[string]func() Value) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	missing := maps.Clone(types)
	count := 0
	for dec := json.NewDecoder(f); ; {
		var doc Document
		if err := dec.Decode(&doc); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		make := types[doc.Type]
		if make == nil {
			t.Errorf("%s: no type", doc.Type)
			continue
		}
		delete(missing, doc.Type)
		count++
		if err := Check(doc.JSON, make); err != nil {
			t.Errorf("%s, %s: %v\n%.2000s", doc.Type, doc.Name, err, doc.JSON)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		t.Errorf("%s: no document", name)
	}
	t.Logf("%d documents of %d types", count, len(types))
}

// Check decodes a document, checks it, and writes it again: as JSON and as DAG-CBOR,
// each read and written once more. Nothing may be lost, and the CBOR has to be that of
// the document itself, as somebody without lexicons writes it.
func Check(document []byte, make func() Value) error {
	v := make()
	if err := lex.UnmarshalJSON(document, v); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if err := lex.Validate(v, lex.Strict); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	out, err := lex.MarshalJSON(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if err := same(document, out); err != nil {
		return err
	}
	again := make()
	if err := lex.UnmarshalJSON(out, again); err != nil {
		return fmt.Errorf("decode what was encoded: %w", err)
	}
	if !reflect.DeepEqual(v, again) { // much faster than cmp, which then says why
		return fmt.Errorf("another value comes back (-first +second):\n%s", cmp.Diff(v, again))
	}
	if twice, err := lex.MarshalJSON(again); err != nil || !bytes.Equal(out, twice) {
		return fmt.Errorf("encoded again, it is other text (%v): %s", err, twice)
	}

	untyped, err := lex.AnyJSON(document) // the body of a method need not be an object
	if err != nil {
		return fmt.Errorf("decode without a type: %w", err)
	}
	want, err := lex.MarshalCBOR(&untyped)
	if err != nil {
		return fmt.Errorf("encode as CBOR without a type: %w", err)
	}
	cbor, err := lex.MarshalCBOR(v)
	if err != nil {
		return fmt.Errorf("encode as CBOR: %w", err)
	}
	if !bytes.Equal(want, cbor) {
		return fmt.Errorf("CBOR is %x, want %x", cbor, want)
	}
	back := make()
	if err := lex.UnmarshalCBOR(cbor, back); err != nil {
		return fmt.Errorf("decode CBOR: %w", err)
	}
	if twice, err := lex.MarshalCBOR(back); err != nil || !bytes.Equal(cbor, twice) {
		return fmt.Errorf("encoded as CBOR again, it is other (%v): %x", err, twice)
	}
	fromCBOR, err := lex.MarshalJSON(back)
	if err != nil {
		return fmt.Errorf("encode what came as CBOR: %w", err)
	}
	return same(document, fromCBOR)
}

// same compares two documents, whatever the order of their fields.
func same(want, got []byte) error {
	var values [2]any
	for i, text := range [][]byte{want, got} {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if err := dec.Decode(&values[i]); err != nil {
			return err
		}
	}
	if !reflect.DeepEqual(values[0], values[1]) {
		return fmt.Errorf("something was lost or changed (-document +written):\n%s", cmp.Diff(values[0], values[1]))
	}
	return nil
}

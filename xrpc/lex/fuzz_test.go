package lex

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-faster/jx"
	"github.com/google/go-cmp/cmp"
)

var seeds = []string{
	`{}`, `{"a":[1,2.5,-3e4,true,false,null,"x"]}`, `{"a":"\u00e9\ud83d\ude00\n"}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}",
	`{"a":1,"a":2}`, `{"a":{"b":{"c":[[[]]]}}}`, `{"a":01}`, `{"a":1.}`, `{ "a" : [ ] , "b" : { } }`, `{"a":1}x`, `{"a":"` + "\x00" + `"}`,
	`{"$type":"com.example.node","name":"n","children":[{"uri":"u","cid":"c","$type":"com.example.reference"}]}`,
	`{"name":"n","children":[{"x":{"$type":"a"},"$type":"b"}]}`, `1E1000`, `123.0`, `-0`, `"eight bytes and \"more\" é"`,
	`{"a":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"a/b","size":1}}`,
	`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"\u0061":10}`,
}

// anyValue is any value, as its text.
type anyValue []byte

func (v *anyValue) DecodeLex(d *Decoder) error {
	*v = d.raw()
	return d.Err()
}

// tree is any value, as encoding/json has it.
type tree struct{ value any }

func (t *tree) DecodeLex(d *Decoder) error {
	switch d.peek() {
	case '{':
		m := map[string]any{}
		for key := range d.Object {
			var inner tree
			name := string(key)
			d.Value(&inner)
			if _, twice := m[name]; twice {
				d.fail(ErrDuplicate, "key comes twice")
			}
			m[name] = inner.value
		}
		t.value = m
	case '[':
		s := []any{}
		for range d.Array {
			var inner tree
			d.Value(&inner)
			s = append(s, inner.value)
		}
		t.value = s
	case '"':
		t.value = d.String()
	case 't', 'f':
		t.value = d.Bool()
	case 'n':
		d.Null()
	default:
		t.value = big.NewRat(d.Int(), 1)
	}
	return d.Err()
}

// rationals makes the numbers of encoding/json comparable.
func rationals(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = rationals(v[name])
		}
	case []any:
		for i := range v {
			v[i] = rationals(v[i])
		}
	case json.Number:
		r, _ := new(big.Rat).SetString(string(v))
		return r
	}
	return v
}

// repeats reports whether an object of a valid document has a key twice, in the
// reading of encoding/json.
func repeats(t *testing.T, data []byte) bool {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	type object struct {
		keys map[string]bool // nil in an array
		key  bool            // a key comes next
	}
	var open []*object
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		var top *object
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		if delimiter, ok := token.(json.Delim); ok && (delimiter == '}' || delimiter == ']') {
			open = open[:len(open)-1]
			continue
		}
		if top != nil && top.keys != nil {
			if name, ok := token.(string); ok && top.key {
				if top.keys[name] {
					return true
				}
				top.keys[name], top.key = true, false
				continue
			}
			top.key = true
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &object{keys: map[string]bool{}, key: true})
		case json.Delim('['):
			open = append(open, &object{})
		}
	}
}

// What encoding/json and jx both refuse we refuse; what both accept we accept, but
// for what the data model does not have.
func FuzzGrammarAgreesWithOtherParsers(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v anyValue
		err := UnmarshalJSON(data, &v)
		standard := json.Valid(data)
		other := jx.DecodeBytes(data).Validate() == nil
		switch {
		case err == nil && !standard:
			t.Errorf("accepted %q, which encoding/json refuses", data)
		case err == nil && !other:
			t.Errorf("accepted %q, which jx refuses", data)
		case errors.Is(err, ErrDepth):
		case errors.Is(err, ErrDuplicate):
			if standard && !bytes.Contains(data, []byte(`\u`)) && utf8.Valid(data) && !repeats(t, data) {
				t.Errorf("refused %q: %v", data, err)
			}
		case err != nil && standard && utf8.Valid(data) && !bytes.Contains(data, []byte(`\u`)):
			t.Errorf("refused %q: %v", data, err)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(v, bytes.Trim(data, " \t\r\n")) {
			t.Errorf("%q is not what was read of %q", v, data)
		}
		if repeats(t, data) {
			t.Errorf("accepted %q, where a key comes twice", data)
		}
	})
}

// What we read of a document is what encoding/json reads.
func FuzzValuesAgreeWithEncodingJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got tree
		if UnmarshalJSON(data, &got) != nil {
			return // FuzzGrammarAgreesWithOtherParsers compares what is refused
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("accepted %q, which encoding/json refuses: %v", data, err)
		}
		same := cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })
		if diff := cmp.Diff(rationals(want), got.value, same); diff != "" {
			t.Errorf("%q (-encoding/json +lex):\n%s", data, diff)
		}
	})
}

// Whatever a typed document is, decoding does not panic, and what was decoded
// encodes to something that decodes to the same.
func FuzzTypedDocumentsRoundTrip(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var n node
		if UnmarshalJSON(data, &n) != nil {
			return
		}
		first, err := MarshalJSON(&n)
		if err != nil {
			t.Fatalf("%q was decoded but not encoded: %v", data, err)
		}
		var again node
		if err := UnmarshalJSON(first, &again); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		second, err := MarshalJSON(&again)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("encoded differently the second time: %v\n%s\n%s", err, first, second)
		}
	})
}

// What Raw accepts is an object that the decoder reads again as it is.
func FuzzRaw(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := Raw([]byte(text))
		if err != nil {
			return
		}
		out, err := MarshalJSON(&u)
		if err != nil || string(out) != strings.Trim(text, " \t\r\n") {
			t.Fatalf("%q went out as %q, %v", text, out, err)
		}
		var again Unknown
		if err := UnmarshalJSON(out, &again); err != nil || !again.Equal(u) {
			t.Fatalf("%q came back as %v, %v", text, again, err)
		}
	})
}

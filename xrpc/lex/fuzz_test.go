package lex

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/go-faster/jx"
)

var seeds = []string{
	`{}`, `{"a":[1,2.5,-3e4,true,false,null,"x"]}`, `{"a":"\u00e9\ud83d\ude00\n"}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}",
	`{"a":1,"a":2}`, `{"a":{"b":{"c":[[[]]]}}}`, `{"a":01}`, `{"a":1.}`, `{ "a" : [ ] , "b" : { } }`, `{"a":1}x`, `{"a":"` + "\x00" + `"}`,
	`{"$type":"com.example.node","name":"n","children":[{"uri":"u","cid":"c","$type":"com.example.reference"}]}`,
	`{"name":"n","children":[{"x":{"$type":"a"},"$type":"b"}]}`, `1E1000`,
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
		case err != nil && standard && utf8.Valid(data) && !bytes.Contains(data, []byte(`\u`)) && !bytes.Contains(data, []byte(`\U`)) && bytes.Count(data, []byte("[")) < 1000 && bytes.Count(data, []byte("{")) < 1000:
			t.Errorf("refused %q: %v", data, err)
		}
		if err == nil && !bytes.Equal(v, bytes.Trim(data, " \t\r\n")) {
			t.Errorf("%q is not what was read of %q", v, data)
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

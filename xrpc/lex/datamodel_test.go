package lex

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// fixtures reads a file of the interoperability tests of the data model.
func fixtures(t testing.TB, name string) (cases []struct {
	Note string
	JSON json.RawMessage
}) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../internal/interop/testdata/data-model", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 3 {
		t.Fatalf("%s has only %d cases", name, len(cases))
	}
	return cases
}

func TestInteropDataModel(t *testing.T) { // L13, L17–L19, L26, L47
	for _, c := range fixtures(t, "data-model-valid.json") {
		t.Run("valid/"+c.Note, func(t *testing.T) {
			u, err := Raw(c.JSON)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := MarshalJSON(&u); err != nil || string(out) != string(c.JSON) {
				t.Errorf("went out as %s, %v", out, err)
			}
		})
	}
	for _, c := range fixtures(t, "data-model-invalid.json") {
		t.Run("invalid/"+c.Note, func(t *testing.T) {
			if _, err := Raw(c.JSON); err == nil {
				t.Errorf("%s was accepted", c.JSON)
			}
		})
	}
}

func TestRawIsOfTheDataModelInAllItsParts(t *testing.T) {
	const link = `{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"}`
	const blob = `{"$type":"blob","ref":` + link + `,"mimeType":"image/png","size":1}`
	for _, doc := range []string{`{}`, `{"a":` + link + `}`, `{"a":[` + blob + `]}`, `{"a":1e2,"$new":5}`, `{"ref":1.0,"size":"x"}`} {
		if _, err := Raw([]byte(doc)); err != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
	for _, tt := range []struct {
		name, doc string
		kind      error
		path      string
	}{
		{"L13 a float, deep inside", `{"a":[{"b":0.5}]}`, ErrRange, "a[0].b"},
		{"a float in a field that blobs have", `{"a":{"ref":[0.5]}}`, ErrRange, "a.ref[0]"},
		{"an integer of 65 bits", `{"a":18446744073709551616}`, ErrRange, "a"},
		{"L24 a key twice", `{"a":{"b":1,"\u0062":2}}`, ErrDuplicate, "a.b"},
		{"$type twice", `{"a":{"$type":"x","$type":"y"}}`, ErrDuplicate, "a.$type"},
		{"L47 an empty $type", `{"a":{"$type":""}}`, ErrType, "a.$type"},
		{"L18 a CID of version 0", `{"a":{"$link":"QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n"}}`, ErrType, "a.$link"},
		{"L17 bytes for URLs", `{"a":{"$bytes":"_-"}}`, ErrType, "a.$bytes"},
		{"L19 a blob of a negative size", `{"a":{"$type":"blob","ref":` + link + `,"mimeType":"a/b","size":-1}}`, ErrType, "a"},
		{"L19 a blob without a type", `{"a":{"$type":"blob","ref":` + link + `,"mimeType":"","size":1}}`, ErrType, "a"},
		{"L26 a link at the top", link, ErrType, ""},
		{"L26 a blob at the top", blob, ErrType, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Raw([]byte(tt.doc))
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(err, tt.kind) || e.Path() != tt.path {
				t.Errorf("got %v, want %v at %q", err, tt.kind, tt.path)
			}
			if tt.path == "" {
				return
			}
			if err := new(Extra).Set("x", []byte(tt.doc)); !errors.Is(err, tt.kind) {
				t.Errorf("as a field: %v, want %v", err, tt.kind)
			}
		})
	}
	if err := new(Extra).Set("x", []byte(blob)); err != nil {
		t.Errorf("a blob as a field: %v", err)
	}
}

// What a server sends inside an unknown is kept as it is: one odd record must not
// cost the page it is on.
func TestUnknownsOfServersAreKeptAsTheyAre(t *testing.T) { // P32
	const doc = `{"a":0.5,"b":{"$link":5}}`
	var u Unknown
	if err := UnmarshalJSON([]byte(doc), &u); err != nil {
		t.Fatal(err)
	}
	if out, err := MarshalJSON(&u); err != nil || string(out) != doc {
		t.Errorf("went out as %s, %v", out, err)
	}
}

func TestNestedBlobsAreCheckedInLinearTime(t *testing.T) {
	const link = `{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"}`
	doc := `{}`
	for range 1000 {
		doc = `{"$type":"blob","ref":` + link + `,"mimeType":"a/b","size":1,"x":` + doc + `}`
	}
	// Were each blob read once more by the one around it, this would never end.
	if _, err := Raw([]byte(`{"a":` + doc + `}`)); err != nil {
		t.Error(err)
	}
}

package lex

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/xrpc/syntax"
)

// holder has a field of each kind of value.
type holder struct {
	Blob  *Blob
	Link  *CIDLink
	Bytes Bytes
}

func (h *holder) DecodeLex(d *Decoder) error {
	for key := range d.Object {
		switch string(key) {
		case "blob":
			h.Blob = new(d.Blob())
		case "link":
			h.Link = new(d.CIDLink())
		case "bytes":
			h.Bytes = d.Bytes()
		}
	}
	return d.Err()
}

func (h *holder) EncodeLex(e *Encoder) error {
	e.BeginObject()
	if h.Blob != nil {
		e.Key("blob").Blob(*h.Blob)
	}
	if h.Link != nil {
		e.Key("link").CIDLink(*h.Link)
	}
	if h.Bytes != nil {
		e.Key("bytes").Bytes(h.Bytes)
	}
	return e.EndObject(nil)
}

// The CIDs of a file and of a record.
const (
	file   = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"
	record = "bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"
)

func TestValues(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     holder
		out      string // "": as in
	}{
		{"L19 blob", `{"blob":{"$type":"blob","ref":{"$link":"` + file + `"},"size":5,"mimeType":"image/png"}}`,
			holder{Blob: &Blob{Ref: file, MimeType: "image/png", Size: 5}}, ""},
		{"L19 empty blob", `{"blob":{"$type":"blob","ref":{"$link":"` + file + `"},"size":0,"mimeType":"image/png"}}`,
			holder{Blob: &Blob{Ref: file, MimeType: "image/png"}}, ""},
		{"L19 legacy blob keeps its form", `{"blob":{"cid":"bafkrei","mimeType":"image/png"}}`,
			holder{Blob: &Blob{Ref: "bafkrei", MimeType: "image/png", Size: -1}}, ""},
		{"L18 link", `{"link":{"$link":"` + record + `"}}`, holder{Link: new(CIDLink(record))}, ""},
		{"L17 bytes", `{"bytes":{"$bytes":"AQID"}}`, holder{Bytes: Bytes{1, 2, 3}}, ""},
		{"L17 no bytes", `{"bytes":{"$bytes":""}}`, holder{Bytes: Bytes{}}, ""},
		{"L17 bytes with padding", `{"bytes":{"$bytes":"AQ=="}}`, holder{Bytes: Bytes{1}}, `{"bytes":{"$bytes":"AQ"}}`},
		{"L17 bytes with bits behind the last", `{"bytes":{"$bytes":"123"}}`, holder{Bytes: Bytes{0xd7, 0x6d}}, `{"bytes":{"$bytes":"120"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got holder
			if err := UnmarshalJSON([]byte(tt.in), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			out, err := MarshalJSON(&got)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.out
			if want == "" {
				want = tt.in
			}
			if diff := cmp.Diff(want, string(out)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABlobIsReadAnew(t *testing.T) {
	b := Blob{Ref: "old", MimeType: "old", Size: 7}
	if err := b.Extra.Set("old", []byte(`1`)); err != nil {
		t.Fatal(err)
	}
	if err := UnmarshalJSON([]byte(`{"cid":"new","mimeType":"a/b","old":2}`), &b); err != nil {
		t.Fatal(err)
	}
	out, err := MarshalJSON(&b)
	if err != nil || string(out) != `{"cid":"new","mimeType":"a/b","old":2}` {
		t.Errorf("went out as %s, %v", out, err)
	}
}

func TestMalformedValues(t *testing.T) {
	for _, in := range []string{
		`{"blob":{}}`, `{"blob":{"$type":"blob"}}`, `{"blob":null}`, `{"blob":"x"}`,
		`{"blob":{"$type":"blub","ref":{"$link":"` + file + `"},"mimeType":"a/b","size":1}}`,
		`{"blob":{"$type":"blob","ref":"` + file + `","mimeType":"a/b","size":1}}`,
		`{"blob":{"$type":"blob","ref":{"$link":"` + file + `"},"mimeType":"a/b","size":-1}}`,
		`{"blob":{"$type":"blob","ref":{"$link":"` + file + `"},"mimeType":"a/b","size":1.5}}`,
		`{"blob":{"$type":"blob","ref":{"$link":"` + file + `"},"mimeType":"a/b"}}`,
		`{"blob":{"cid":"b","mimeType":"a/b","size":1}}`,
		`{"link":{}}`, `{"link":{"$link":""}}`, `{"link":{"$link":"` + record + `","x":1}}`, `{"link":{"x":1,"$link":"` + record + `"}}`, `{"link":{"$link":5}}`, `{"link":"a"}`,
		`{"link":{"$link":"` + record + `","$link":"` + record + `"}}`,
		`{"bytes":{"$bytes":"A"}}`, `{"bytes":{"$bytes":"_-"}}`, `{"bytes":{"$bytes":"AQ="}}`, `{"bytes":{"$bytes":"AQ====="}}`, `{"bytes":{"$bytes":"AQ=="," x":1}}`, `{"bytes":{"$bytes":5}}`, `{"bytes":"AQ"}`, `{"bytes":{"$bytes":"A\nQ"}}`,
	} {
		if err := UnmarshalJSON([]byte(in), new(holder)); err == nil {
			t.Errorf("%s was accepted", in)
		}
	}
}

func TestLinksAreCIDs(t *testing.T) {
	for _, tt := range []struct{ name, link string }{
		{"spare bits", record[:len(record)-1] + "b"},
		{"a digest that is cut short", record[:len(record)-8]},
		{"another base", "zdj7WhuEjrB52m1BisYCtmjH1hSKa7yZ3jEZ9JcXaFRD51wVz"},
		{"a line break", record[:9] + `\n` + record[9:]},
	} {
		doc := `{"link":{"$link":"` + tt.link + `"}}`
		reads := map[string]error{
			"a field": UnmarshalJSON([]byte(doc), new(holder)),
			"a blob":  UnmarshalJSON([]byte(`{"blob":{"$type":"blob","ref":{"$link":"`+tt.link+`"},"mimeType":"a/b","size":1}}`), new(holder)),
		}
		_, reads["raw"] = Raw([]byte(doc))
		_, reads["any"] = AnyJSON([]byte(doc))
		_, reads["CBOR of JSON"] = MarshalCBOR(&anything{[]byte(doc)})
		for where, err := range reads {
			t.Run("P90 "+where+", "+tt.name, func(t *testing.T) {
				if !errors.Is(err, ErrType) {
					t.Errorf("error %v, want ErrType", err)
				}
			})
		}
		t.Run("P90 a struct, "+tt.name, func(t *testing.T) {
			link := CIDLink(strings.ReplaceAll(tt.link, `\n`, "\n"))
			if b, err := MarshalCBOR(&holder{Link: &link}); !errors.Is(err, ErrType) {
				t.Errorf("%x, %v, want ErrType", b, err)
			}
			if _, err := syntax.ParseCID(string(link)); err == nil && link[0] == 'b' {
				t.Error("ParseCID takes it")
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	record := &node{Name: "n", Children: []childUnion{}}
	parsed, err := Raw([]byte(`{"$type":"com.example.node","name":"n","children":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, u := range map[string]Unknown{"Of": Of(record), "Raw": parsed} {
		t.Run(name, func(t *testing.T) {
			if got := u.Type(); got != "com.example.node" {
				t.Errorf("type %q", got)
			}
			var n node
			if err := u.As(&n); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*record, n); diff != "" {
				t.Error(diff)
			}
			v, err := u.Decode(func(nsid string) Typed {
				if nsid == "com.example.node" {
					return new(node)
				}
				return nil
			})
			if _, ok := v.(*node); !ok || err != nil {
				t.Errorf("decoded as %T, %v", v, err)
			}
			v, err = u.Decode()
			if x, ok := v.(*UnknownVariant); !ok || err != nil || x.LexType() != "com.example.node" {
				t.Errorf("decoded without a set as %T, %v", v, err)
			}
		})
	}
	if !Of(record).Equal(parsed) {
		t.Error("the same object is not equal")
	}
	if !(Unknown{}).IsZero() || parsed.IsZero() {
		t.Error("IsZero")
	}
	if _, err := MarshalJSON(&Unknown{}); !errors.Is(err, ErrMissing) {
		t.Errorf("an absent unknown: %v", err)
	}
	for _, in := range []string{``, `5`, `[]`, `"x"`, `{`, `{} {}`} {
		if _, err := Raw([]byte(in)); err == nil {
			t.Errorf("L26 %q was accepted", in)
		}
	}
}

func TestExtra(t *testing.T) {
	var x Extra
	if err := x.Set("a", []byte(`[1,2]`)); err != nil {
		t.Fatal(err)
	}
	shared := x
	if err := x.Set("b", []byte(`"s"`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a"}, shared.Names()); diff != "" {
		t.Errorf("a copy changed too:\n%s", diff)
	}
	if err := x.Set("c", []byte(`{"a":1`)); err == nil {
		t.Error("malformed JSON was accepted")
	}
	out, err := MarshalJSON(&reference{URI: "u", CID: "c", Extra: x})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"uri":"u","cid":"c","a":[1,2],"b":"s"}`, string(out)); diff != "" {
		t.Error(diff)
	}
	x.Delete("a")
	x.Delete("b")
	if diff := cmp.Diff(Extra{}, x); diff != "" {
		t.Errorf("an emptied Extra is not empty:\n%s", diff)
	}
}

func TestNilIsAnError(t *testing.T) {
	var nothing *holder
	object, err := Raw([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	encoded := func(_ []byte, err error) error { return err }
	for name, err := range map[string]error{
		"nothing to encode":                   encoded(MarshalJSON(nil)),
		"a nil pointer to encode":             encoded(MarshalJSON(nothing)),
		"a nil pointer to encode as CBOR":     encoded(MarshalCBOR(nothing)),
		"an unknown of a nil pointer":         encoded(MarshalJSON(&[]Unknown{Of(nothing)}[0])),
		"the JSON of a nil pointer":           encoded(Of(nothing).JSON()),
		"nothing to decode into":              UnmarshalJSON([]byte("{}"), nil),
		"a nil pointer to decode into":        UnmarshalJSON([]byte("{}"), nothing),
		"nothing to decode CBOR into":         UnmarshalCBOR([]byte{0xa0}, nil),
		"nothing to read an unknown as":       object.As(nil),
		"a nil pointer to read an unknown as": object.As(nothing),
	} {
		t.Run(name, func(t *testing.T) {
			if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Error(), "nil") {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, v := range map[string]Validatable{"nothing to validate": nil, "a nil pointer to validate": (*checks)(nil)} {
		t.Run(name, func(t *testing.T) {
			if _, ok := errors.AsType[*ValidationError](Validate(v, Strict)); !ok {
				t.Error("no error")
			}
		})
	}
}

func TestUnknownAndExtraPrintInOneLine(t *testing.T) {
	object, err := Raw([]byte("{\"a\":\"é\u009b31m\u202e\"}"))
	if err != nil {
		t.Fatal(err)
	}
	long, err := Raw([]byte(`{"a":"` + strings.Repeat("x", 500) + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	var extra, many Extra
	if err := extra.Set("token", []byte(`"hunter2"`)); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := many.Set("field"+strconv.Itoa(i), []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	type output struct {
		Value Unknown
		Extra Extra
	}
	for _, tt := range []struct {
		name  string
		value any
		want  string
	}{
		{"an object", object, `{"a":"é\u009b31m\u202e"}`},
		{"a value", Of(&holder{Bytes: []byte("x")}), `{"bytes":{"$bytes":"eA"}}`},
		{"a long object is cut", long, `{"a":"` + strings.Repeat("x", 194) + "…"},
		{"none", Unknown{}, "<absent>"},
		{"fields show their names only", extra, "{token}"},
		{"no fields", Extra{}, "{}"},
		{"parts of an output", output{object, extra}, `{{"a":"é\u009b31m\u202e"} {token}}`},
		{"parts of a printed pointer", &output{Unknown{}, Extra{}}, "&{<absent> {}}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%s", "%d", "%x"} {
				if got := fmt.Sprintf(verb, tt.value); got != tt.want {
					t.Errorf("%s prints %s, want %s", verb, got, tt.want)
				}
			}
		})
	}
	if got := fmt.Sprint(many); !strings.HasPrefix(got, "{field0 field1 ") || !strings.HasSuffix(got, "…}") || len(got) > maxPrinted+5 {
		t.Errorf("many fields print %s", got)
	}
	if got := fmt.Sprintf("%v", Of((*holder)(nil))); !strings.HasPrefix(got, "<invalid: ") {
		t.Errorf("got %s", got)
	}
}

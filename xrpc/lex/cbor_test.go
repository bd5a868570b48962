package lex

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
)

func TestDataModelFixtures(t *testing.T) {
	text, err := os.ReadFile("../../internal/interop/testdata/data-model/data-model-fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixtures []struct {
		JSON json.RawMessage
		CBOR string `json:"cbor_base64"`
		CID  string
	}
	if err := json.Unmarshal(text, &fixtures); err != nil {
		t.Fatal(err)
	}
	if len(fixtures) != 3 {
		t.Errorf("%d fixtures", len(fixtures))
	}
	for _, f := range fixtures {
		t.Run("L48 "+f.CID, func(t *testing.T) {
			var u Unknown
			if err := UnmarshalJSON(f.JSON, &u); err != nil {
				t.Fatal(err)
			}
			b, err := MarshalCBOR(&u)
			if err != nil {
				t.Fatal(err)
			}
			if got := base64.RawStdEncoding.EncodeToString(b); got != f.CBOR {
				t.Errorf("CBOR %s, want %s", got, f.CBOR)
			}
			if cid, err := CID(&u); err != nil || string(cid) != f.CID {
				t.Errorf("CID %s, %v", cid, err)
			}
			var back Unknown
			if err := UnmarshalCBOR(b, &back); err != nil {
				t.Fatal(err)
			}
			again, err := MarshalCBOR(&back)
			if err != nil || string(again) != string(b) {
				t.Errorf("%x, %v", again, err)
			}
			var want, got any
			if err := errors.Join(json.Unmarshal(f.JSON, &want), json.Unmarshal(back.json, &got)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// any value, for tests of what has no type
type anything struct{ raw []byte }

func (v *anything) DecodeLex(d *Decoder) error {
	v.raw = d.raw()
	return d.Err()
}

func (v *anything) EncodeLex(e *Encoder) error {
	e.raw(v.raw)
	return e.Err()
}

func TestCBORIsStrict(t *testing.T) {
	for _, tc := range []struct {
		name, hex string
		want      error
	}{
		{"nothing", "", ErrSyntax},
		{"trailing data", "0000", ErrSyntax},
		{"a length cut short", "18", ErrSyntax},
		{"a number not in its shortest form", "1817", ErrSyntax},
		{"a number not in its shortest form, 2 bytes", "1900ff", ErrSyntax},
		{"a number not in its shortest form, 4 bytes", "1a0000ffff", ErrSyntax},
		{"a number not in its shortest form, 8 bytes", "1b00000000ffffffff", ErrSyntax},
		{"a length not in its shortest form", "780161", ErrSyntax},
		{"an integer beyond 64 bits", "1b8000000000000000", ErrRange},
		{"a negative integer beyond 64 bits", "3b8000000000000000", ErrRange},
		{"half a float", "f93c00", ErrType},
		{"a float", "fb3ff0000000000000", ErrType},
		{"undefined", "f7", ErrType},
		{"a simple value", "f8ff", ErrType},
		{"an indefinite array", "9fff", ErrSyntax},
		{"an indefinite map", "bfff", ErrSyntax},
		{"an indefinite string", "7f6161ff", ErrSyntax},
		{"another tag", "c000", ErrType},
		{"a link of text", "d82a6161", ErrType},
		{"a link without its zero", "d82a450171122000", ErrType},
		{"a link of version 0", "d82a5823001220" + strings.Repeat("00", 32), ErrType},
		{"a link with nothing in it", "d82a40", ErrType},
		{"a link with a digest cut short", "d82a58240001711220" + strings.Repeat("00", 31), ErrType},
		{"a link with a digest too long", "d82a58260001711220" + strings.Repeat("00", 33), ErrType},
		{"a link by half of SHA-256", "d82a5500017112 10" + strings.Repeat("00", 16), ErrType},
		{"a link with a codec not in its shortest form", "d82a58260001f1001220" + strings.Repeat("00", 32), ErrType},
		{"a tag not in its shortest form", "d9002a4500017112", ErrSyntax},
		{"keys out of order", "a2616200616100", ErrSyntax},
		{"keys out of order by length", "a2626161006162 00", ErrSyntax},
		{"a key twice", "a2616100616100", ErrDuplicate},
		{"a key that is no text", "a10000", ErrType},
		{"a string that is not UTF-8", "61ff", ErrSyntax},
		{"a string longer than the document", "7b7fffffffffffffff", ErrSyntax},
		{"an array longer than the document", "9b7fffffffffffffff", ErrSyntax},
		{"a map longer than the document", "bb7fffffffffffffff", ErrSyntax},
		{"$link as a key", "a1652 46c696e6b6161", ErrType},
		{"$bytes as a key", "a166246279746573 6161", ErrType},
		{"too deep", strings.Repeat("81", 300) + "00", ErrDepth},
	} {
		t.Run("L48 "+tc.name, func(t *testing.T) {
			data, err := hex.DecodeString(strings.ReplaceAll(tc.hex, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			var v anything
			if err := UnmarshalCBOR(data, &v); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v; read %s", err, tc.want, v.raw)
			}
		})
	}
}

func TestCBORValues(t *testing.T) {
	for _, tc := range []struct{ json, hex string }{
		{`0`, "00"}, {`-1`, "20"}, {`23`, "17"}, {`24`, "1818"}, {`255`, "18ff"}, {`256`, "190100"}, {`65536`, "1a00010000"},
		{`4294967296`, "1b0000000100000000"}, {`9223372036854775807`, "1b7fffffffffffffff"}, {`-9223372036854775808`, "3b7fffffffffffffff"},
		{`true`, "f5"}, {`false`, "f4"}, {`null`, "f6"}, {`""`, "60"}, {`[]`, "80"}, {`{}`, "a0"}, {`{"$bytes":""}`, "40"}, {`[null,[]]`, "82f680"},
		{`{"b":1,"a":2,"aa":3,"$type":"x"}`, "a4616102616201626161036524747970656178"},
	} {
		t.Run(tc.json, func(t *testing.T) {
			b, err := MarshalCBOR(&anything{[]byte(tc.json)})
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(b); got != tc.hex {
				t.Errorf("%s, want %s", got, tc.hex)
			}
			var v anything
			if err := UnmarshalCBOR(b, &v); err != nil {
				t.Fatal(err)
			}
			again, err := MarshalCBOR(&v)
			if err != nil || string(again) != string(b) {
				t.Errorf("%x, %v", again, err)
			}
		})
	}
	t.Run("many fields and elements", func(t *testing.T) {
		var text strings.Builder
		for _, n := range []int{23, 24, 255, 256, 70000} {
			text.Reset()
			text.WriteString(`[{`)
			for i := range n {
				if i > 0 {
					text.WriteByte(',')
				}
				text.WriteString(`"k` + strings.Repeat("x", i%7) + hex.EncodeToString([]byte{byte(i >> 16), byte(i >> 8), byte(i)}) + `":[0]`)
			}
			text.WriteString(`},[` + strings.TrimSuffix(strings.Repeat("1,", n), ",") + `]]`)
			b, err := MarshalCBOR(&anything{[]byte(text.String())})
			if err != nil {
				t.Fatal(err)
			}
			if err := cbor.Wellformed(b); err != nil {
				t.Fatal(err)
			}
			var v anything
			if err := UnmarshalCBOR(b, &v); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Run("P35 a float is refused with its place", func(t *testing.T) {
		_, err := MarshalCBOR(&anything{[]byte(`{"a":[1,{"b":1.5}]}`)})
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrRange) || e.Path() != "a[1].b" {
			t.Errorf("error %v", err)
		}
	})
}

// A CBOR library that knows nothing of us has to agree with what we write, and on what
// we refuse as not canonical.
func FuzzCBOR(f *testing.F) {
	for _, seed := range []string{"a0", "a1616100", "a2616180616 2f6", "820102", "d82a58250001711220" + strings.Repeat("00", 32), "7818" + strings.Repeat("61", 24), "fb3ff0000000000000", "1b8000000000000000", "9f00ff"} {
		b, err := hex.DecodeString(strings.ReplaceAll(seed, " ", ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	canonical, err := cbor.EncOptions{Sort: cbor.SortLengthFirst, NilContainers: cbor.NilContainerAsNull}.EncMode()
	if err != nil {
		f.Fatal(err)
	}
	reader, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, MaxNestedLevels: 300, UTF8: cbor.UTF8RejectInvalid}.DecMode()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v anything
		if err := UnmarshalCBOR(data, &v); err != nil {
			return
		}
		out, err := MarshalCBOR(&v)
		if err != nil || string(out) != string(data) {
			t.Fatalf("%x was read as %s and written as %x, %v", data, v.raw, out, err)
		}
		var theirs any
		if err := reader.Unmarshal(data, &theirs); err != nil {
			t.Fatalf("%x: %v", data, err)
		}
		again, err := canonical.Marshal(theirs)
		if err != nil || string(again) != string(data) {
			t.Fatalf("%x is %x for others, %v", data, again, err)
		}
	})
}

func TestNullsOfAbsentFieldsGoOutAsTheyCame(t *testing.T) {
	const begin = `{"$type":"com.example.node","name":"","children":`
	for _, text := range []string{
		begin + `[],"link":null}`,
		begin + `[{"$type":"com.example.reference","uri":"","cid":"","tags":null,"note":null}],"newer":null,"link":null,"swap":null,"parent":null}`,
		begin + `[],"value":null,"link":{"uri":"","count":null,"cid":"","seen":false,"x":null},"n":null}`,
	} {
		t.Run("P36 "+text, func(t *testing.T) {
			var u Unknown
			if err := UnmarshalJSON([]byte(text), &u); err != nil {
				t.Fatal(err)
			}
			want, err := CID(&u)
			if err != nil {
				t.Fatal(err)
			}
			var n node
			if err := UnmarshalJSON([]byte(text), &n); err != nil {
				t.Fatal(err)
			}
			got, err := CID(&n)
			if err != nil || got != want {
				out, _ := MarshalJSON(&n)
				t.Errorf("CID %s, want %s, %v: %s", got, want, err, out)
			}
			// A field that got a value is written once.
			n.Link = &reference{}
			for name, marshal := range map[string]func(Encodable) ([]byte, error){"JSON": MarshalJSON, "CBOR": MarshalCBOR} {
				out, err := marshal(&n)
				if err != nil || strings.Count(string(out), "link") != 1 {
					t.Errorf("%s: %q, %v", name, out, err)
				}
			}
		})
	}
}

// ordered is an object as generated code writes it.
type ordered []string

func (o ordered) EncodeLex(e *Encoder) error {
	e.BeginRecord("x.y.z")
	for _, key := range o {
		e.Field(key).Null()
	}
	return e.EndObject(nil)
}

func TestFieldsInOrderAreNotSorted(t *testing.T) {
	for _, tt := range []struct {
		name, want string // the keys in the order of DAG-CBOR
		in         ordered
		sorted     bool
	}{
		{"none", "$type", ordered{}, false},
		{"all before the $type", "a bb dddd $type", ordered{"a", "bb", "dddd"}, false},
		{"all behind it", "$type other longer", ordered{"other", "longer"}, false},
		{"around it", "a b #type $type ztype longer " + strings.Repeat("x", 30), ordered{"a", "b", "#type", "ztype", "longer", strings.Repeat("x", 30)}, false},
		{"one too late", "b a2 $type", ordered{"a2", "b"}, true},
		{"one too late, behind the $type", "b $type longer", ordered{"longer", "b"}, true},
		{"long ones", "$type " + strings.Repeat("x", 30) + " " + strings.Repeat("a", 31), ordered{strings.Repeat("a", 31), strings.Repeat("x", 30)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &Encoder{cbor: true}
			if err := e.document(tt.in); err != nil {
				t.Fatal(err)
			}
			if sorted := len(e.scratch) > 0; sorted != tt.sorted {
				t.Errorf("sorted: %t", sorted)
			}
			var u Unknown
			if err := UnmarshalCBOR(e.buf, &u); err != nil {
				t.Fatal(err)
			}
			var keys []string
			d := &Decoder{data: e.buf, maxNesting: 1, cbor: true}
			for key := range d.Object {
				keys = append(keys, string(key))
				d.skip()
			}
			if diff := cmp.Diff(tt.want, strings.Join(keys, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("a key that comes twice", func(t *testing.T) {
		if b, err := MarshalCBOR(ordered{"longer", "longer"}); !errors.Is(err, ErrDuplicate) {
			t.Errorf("%x, %v", b, err)
		}
	})
}

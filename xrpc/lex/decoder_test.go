package lex

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTripChangesNothing(t *testing.T) { // P32, P33, P36, L22–L27
	for name, doc := range map[string]string{
		"required only":                    `{"$type":"com.example.node","name":"","children":[]}`,
		"unknown fields":                   `{"$type":"com.example.node","name":"n","children":[],"new":{"a":[1,null,"x"]},"flag":false}`,
		"unknown variant":                  `{"$type":"com.example.node","name":"n","children":[{"$type":"org.other","x":[{}]}]}`,
		"known variants, type first":       `{"$type":"com.example.node","name":"n","children":[{"$type":"com.example.reference","uri":"u","cid":"c"}]}`,
		"P33 zeros are kept":               `{"$type":"com.example.node","name":"n","children":[],"link":{"uri":"","cid":"","note":"","count":0,"seen":false,"tags":[]}}`,
		"P34 null is not absent":           `{"$type":"com.example.node","name":"n","children":[],"swap":null}`,
		"P34 a value":                      `{"$type":"com.example.node","name":"n","children":[],"swap":"x"}`,
		"unknown":                          `{"$type":"com.example.node","name":"n","children":[],"value":{"b":1,"a":{"$type":"x"}}}`,
		"$type of a plain reference stays": `{"$type":"com.example.node","name":"n","children":[],"link":{"uri":"u","cid":"c","$type":"com.example.reference"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var n node
			if err := UnmarshalJSON([]byte(doc), &n); err != nil {
				t.Fatal(err)
			}
			out, err := MarshalJSON(&n)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(doc, string(out)); diff != "" {
				t.Errorf("(-in +out):\n%s", diff)
			}
			var again node
			if err := UnmarshalJSON(out, &again); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(n, again); diff != "" {
				t.Errorf("decoded twice:\n%s", diff)
			}
		})
	}
}

func TestUnionTypeMayComeAnywhere(t *testing.T) {
	want := node{Name: "n", Children: []childUnion{
		{&node{Name: "inner", Children: []childUnion{{&reference{URI: "u", CID: "c"}}}}},
		{&reference{URI: "a", CID: "b"}},
	}}
	for name, doc := range map[string]string{
		"first":        `{"name":"n","children":[{"$type":"com.example.node","name":"inner","children":[{"$type":"com.example.reference","uri":"u","cid":"c"}]},{"$type":"com.example.reference","uri":"a","cid":"b"}]}`,
		"last":         `{"name":"n","children":[{"name":"inner","children":[{"uri":"u","cid":"c","$type":"com.example.reference"}],"$type":"com.example.node"},{"uri":"a","cid":"b","$type":"com.example.reference"}]}`,
		"with spaces":  "{ \"name\" : \"n\" , \"children\" : [ {\n\t\"$type\" : \"com.example.node\" , \"name\":\"inner\",\"children\":[{\"uri\":\"u\",\"$type\": \"com.example.reference\",\"cid\":\"c\"}]}, {\"uri\":\"a\",\"cid\":\"b\",\"$type\" :\"com.example.reference\"}]}",
		"key escaped":  `{"name":"n","children":[{"\u0024type":"com.example.node","name":"inner","children":[{"uri":"u","cid":"c","$typ\u0065":"com.example.reference"}]},{"uri":"a","cid":"b","$type":"com.example.reference"}]}`,
		"type escaped": `{"name":"n","children":[{"$type":"com.example.n\u006fde","name":"inner","children":[{"uri":"u","cid":"c","$type":"com.example.reference"}]},{"uri":"a","cid":"b","$type":"com.example.reference"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var got node
			if err := UnmarshalJSON([]byte(doc), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnionIgnoresTypesOfStringsAndValues(t *testing.T) {
	doc := `{"name":"n","children":[{"uri":"\"$type\":\"com.example.node\"","cid":"$type","x":{"$type":"org.inner"},"$type":"com.example.reference"}]}`
	var got node
	if err := UnmarshalJSON([]byte(doc), &got); err != nil {
		t.Fatal(err)
	}
	r, ok := got.Children[0].Value.(*reference)
	if !ok || r.CID != "$type" {
		t.Errorf("got %#v", got.Children[0].Value)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		kind      error
		path      string
	}{
		{"nothing", ``, ErrSyntax, ""},
		{"cut off", `{"name":"n"`, ErrSyntax, ""},
		{"cut off in a string", `{"name":"n`, ErrSyntax, "name"},
		{"data after the document", `{"name":"n","children":[]}x`, ErrSyntax, ""},
		{"a second document", `{"name":"n","children":[]}{}`, ErrSyntax, ""},
		{"trailing comma", `{"name":"n","children":[],}`, ErrSyntax, ""},
		{"leading comma", `{,"name":"n","children":[]}`, ErrSyntax, ""},
		{"array with a trailing comma", `{"name":"n","children":[{"$type":"a"},]}`, ErrSyntax, "children[1]"},
		{"no colon", `{"name" "n"}`, ErrSyntax, ""},
		{"byte order mark", "\ufeff{}", ErrSyntax, ""},
		{"control character", "{\"name\":\"a\nb\",\"children\":[]}", ErrSyntax, "name"},
		{"bad escape", `{"name":"\x","children":[]}`, ErrSyntax, "name"},
		{"L15 not UTF-8", "{\"name\":\"a\xff\",\"children\":[]}", ErrSyntax, "name"},
		{"L15 not UTF-8 behind an escape", "{\"name\":\"\\n\xff\",\"children\":[]}", ErrSyntax, "name"},
		{"L15 lone high surrogate", `{"name":"\ud800","children":[]}`, ErrSyntax, "name"},
		{"L15 lone low surrogate", `{"name":"\udc00","children":[]}`, ErrSyntax, "name"},
		{"L15 two low surrogates", `{"name":"\udc00\udc00","children":[]}`, ErrSyntax, "name"},
		{"L15 two high surrogates", `{"name":"\ud800\ud800","children":[]}`, ErrSyntax, "name"},
		{"L24 duplicate key", `{"name":"n","name":"m","children":[]}`, ErrDuplicate, "name"},
		{"L24 duplicate key, spelled otherwise", `{"name":"n","n\u0061me":"m","children":[]}`, ErrDuplicate, "name"},
		{"L24 duplicate unknown key", `{"name":"n","children":[],"x":1,"x":1}`, ErrDuplicate, "x"},
		{"L24 duplicate key in an unknown", `{"name":"n","children":[],"value":{"a":[{"b":1,"c":2,"b":3}]}}`, ErrDuplicate, "value.a[0].b"},
		{"L24 duplicate key among many", `{"name":"n","children":[],"x":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"\u0064":0}}`, ErrDuplicate, "x.d"},
		{"duplicate $type in an unknown member", `{"name":"n","children":[{"$type":"org.a","$type":"org.b"}]}`, ErrDuplicate, "children[0].$type"},
		{"$type of a record is no string", `{"$type":5,"name":"n","children":[]}`, ErrType, "$type"},
		{"duplicate $type in a union, not first", `{"name":"n","children":[{"uri":"u","$type":"com.example.reference","cid":"c","$type":"org.b"}]}`, ErrDuplicate, "children[0]"},
		{"duplicate $type in a union", `{"name":"n","children":[{"$type":"com.example.reference","uri":"u","cid":"c","$type":"com.example.reference"}]}`, ErrDuplicate, "children[0]"},
		{"L24 names are case sensitive", `{"Name":"n","children":[]}`, ErrMissing, ""},
		{"required field missing", `{"name":"n"}`, ErrMissing, ""},
		{"required field null", `{"name":null,"children":[]}`, ErrType, "name"},
		{"required array null", `{"name":"n","children":null}`, ErrType, "children"},
		{"wrong type", `{"name":1,"children":[]}`, ErrType, "name"},
		{"path through arrays", `{"name":"n","children":[{"$type":"x"},{"$type":"com.example.reference","uri":"u","cid":"c","tags":["a",5]}]}`, ErrType, "children[1].tags[1]"},
		{"L27 no $type", `{"name":"n","children":[{"uri":"u"}]}`, ErrMissing, "children[0]"},
		{"L27 empty $type", `{"name":"n","children":[{"$type":""}]}`, ErrMissing, "children[0]"},
		{"L27 $type is no string", `{"name":"n","children":[{"$type":5}]}`, ErrMissing, "children[0]"},
		{"L27 member is no object", `{"name":"n","children":["x"]}`, ErrType, "children[0]"},
		{"L31 another record", `{"$type":"com.example.other","name":"n","children":[]}`, ErrUnion, "$type"},
		{"L26 unknown is no object", `{"name":"n","children":[],"value":"x"}`, ErrType, "value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := UnmarshalJSON([]byte(tt.doc), new(node))
			if !errors.Is(err, tt.kind) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			e, _ := errors.AsType[*Error](err)
			if e.Path() != tt.path {
				t.Errorf("path %q, want %q: %v", e.Path(), tt.path, err)
			}
		})
	}
}

func TestClosedUnionRefusesOthers(t *testing.T) {
	var u closedUnion
	if err := UnmarshalJSON([]byte(`{"$type":"com.example.node"}`), &u); !errors.Is(err, ErrUnion) {
		t.Errorf("got %v, want ErrUnion", err)
	}
	if _, err := MarshalJSON(&closedUnion{}); !errors.Is(err, ErrMissing) {
		t.Errorf("encoding an empty union: %v, want ErrMissing", err)
	}
}

// integer is a document that is one integer.
type integer int64

func (n *integer) DecodeLex(d *Decoder) error {
	*n = integer(d.Int())
	return d.Err()
}

func TestIntegersAreExact(t *testing.T) { // P35, L12, L13
	for in, want := range map[string]int64{
		"0": 0, "-0": 0, "7": 7, "-7": -7, "123.0": 123, "1e3": 1000, "1.5e1": 15, "12000e-3": 12, "0e999999999999": 0, "0.000": 0,
		"9007199254740993": 9007199254740993, "9007199254740993.0": 9007199254740993,
		"9223372036854775807": 1<<63 - 1, "-9223372036854775808": -1 << 63, "922337203685477580.7e1": 1<<63 - 1,
	} {
		var n integer
		if err := UnmarshalJSON([]byte(in), &n); err != nil || int64(n) != want {
			t.Errorf("%s: got %d, %v; want %d", in, n, err, want)
		}
	}
	const fraction, large = "is not an integer", "does not fit into 64 bits"
	for in, want := range map[string]string{
		"123.456": fraction, "1e-1": fraction, "9223372036854775808": large, "-9223372036854775809": large, "1e400": large,
		"1e99999999999999999999": large, "1e-99999999999999999999": fraction,
		// P127: at the edges of what exponents are added in.
		"1e2147483647": large, "12e2147483647": large, "100e4294967295": large, "1e4294967296": large, "1.5e2147483648": large,
		"1e-2147483648": fraction, "1.5e-2147483648": fraction, "1.5e-4294967296": fraction,
		"1e9223372036854775807": large, "100e9223372036854775807": large, "1e9223372036854775808": large, "100e99999999999999999999": large,
		"1e-9223372036854775808": fraction, "1.5e-9223372036854775808": fraction, "1.5e-99999999999999999999": fraction,
	} {
		t.Run("P127 "+in, func(t *testing.T) {
			if err := UnmarshalJSON([]byte(in), new(integer)); !errors.Is(err, ErrRange) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want ErrRange: it %s", err, want)
			}
		})
	}
	for _, in := range []string{"01", "+1", "1.", ".5", "1e", "-", "0x1", "1_0", "NaN"} {
		if err := UnmarshalJSON([]byte(in), new(integer)); err == nil {
			t.Errorf("%s was taken for an integer", in)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	nested := func(levels int) string {
		open, closing := `{"name":"n","children":[{"$type":"com.example.node",`, `}]`
		inner := `"name":"n","children":[]`
		doc := inner
		for range levels {
			doc = strings.TrimPrefix(open, "{") + doc + closing
		}
		return "{" + doc + "}"
	}
	// Each level is an object and an array.
	if err := UnmarshalJSON([]byte(nested(1000)), new(node)); err != nil {
		t.Error(err)
	}
	if err := UnmarshalJSON([]byte(nested(3000)), new(node)); !errors.Is(err, ErrDepth) {
		t.Errorf("got %v, want ErrDepth", err)
	}
	if err := UnmarshalJSON([]byte(nested(3000)), new(node), MaxNesting(7000)); err != nil {
		t.Error(err)
	}
	for name, doc := range map[string]string{
		"unknown field":   `{"x":` + strings.Repeat("[", 100_000),
		"unknown variant": `{"name":"n","children":[{"$type":"x","x":` + strings.Repeat(`{"a":`, 100_000),
		"type to come":    `{"name":"n","children":[{"x":` + strings.Repeat(`{"a":`, 100_000),
	} {
		err := UnmarshalJSON([]byte(doc), new(node))
		if !errors.Is(err, ErrDepth) {
			t.Errorf("P30 %s: got %v, want ErrDepth", name, err)
			continue
		}
		if n := len(err.Error()); n > 1000 {
			t.Errorf("%s: the message has %d bytes", name, n)
		}
	}
}

func TestDeepUnionsWithTheTypeLastAreReadInLinearTime(t *testing.T) {
	t.Run("P38 objects are looked through once, however deep they are", func(t *testing.T) {
		document := func(levels int) string {
			return strings.Repeat(`{"children":[`, levels) + strings.Repeat(`],"name":"n","$type":"com.example.node"}`, levels)
		}
		// Count what is read instead of measuring time: each object is indexed once.
		d := &Decoder{data: []byte(document(1900)), maxNesting: DefaultMaxNesting}
		var u childUnion
		if err := u.DecodeLex(d); err != nil {
			t.Fatal(err)
		}
		if d.index.start != 0 || d.index.end != len(d.data) {
			t.Errorf("the index was built again, for [%d,%d) of %d bytes", d.index.start, d.index.end, len(d.data))
		}
		if got := len(d.index.entries); got != 1900 {
			t.Errorf("%d objects indexed, want 1900", got)
		}
		depth := 0
		for v := u.Value; ; depth++ {
			n := v.(*node)
			if len(n.Children) == 0 {
				break
			}
			v = n.Children[0].Value
		}
		if depth != 1899 {
			t.Errorf("read %d levels", depth)
		}
	})
}

func TestManyUnknownFieldsAreReadInLinearTime(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"name":"n","children":[]`)
	for i := range 50_000 {
		fmt.Fprintf(&b, `,"k%d":%d`, i, i)
	}
	b.WriteString(`}`)
	var n node
	if err := UnmarshalJSON([]byte(b.String()), &n); err != nil {
		t.Fatal(err)
	}
	if n.Extra.Len() != 50_000 || n.Extra.fields.places == nil {
		t.Errorf("%d fields, found by map: %t", n.Extra.Len(), n.Extra.fields.places != nil)
	}
	if v, ok := n.Extra.Get("k49999"); !ok || string(v) != "49999" {
		t.Errorf("got %q, %t", v, ok)
	}
}

func TestNothingAliasesTheInput(t *testing.T) {
	t.Run("P37 what was decoded stays as it is when the document is used again", func(t *testing.T) {
		doc := []byte(`{"name":"a name","children":[{"$type":"org.x","v":"kept"}],"value":{"k":"kept"},"extra":"kept","link":{"uri":"a uri","cid":"c","tags":["one","two"]}}`)
		var n node
		if err := UnmarshalJSON(doc, &n); err != nil {
			t.Fatal(err)
		}
		before, err := MarshalJSON(&n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range doc {
			doc[i] = 'X'
		}
		// Room behind a slice would let an append write over its neighbour.
		value, _ := n.Value.JSON()
		extra, _ := n.Extra.Get("extra")
		variant := n.Children[0].Value.(*UnknownVariant).JSON()
		for _, b := range [][]byte{value, extra, variant} {
			if cap(b) != len(b) {
				t.Errorf("%s has room for %d more bytes", b, cap(b)-len(b))
			}
		}
		var other node
		for range 10 {
			if err := UnmarshalJSON([]byte(`{"name":"another one","children":[],"link":{"uri":"zzz","cid":"zzz"}}`), &other); err != nil {
				t.Fatal(err)
			}
		}
		after, err := MarshalJSON(&n)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(before), string(after)); diff != "" {
			t.Error(diff)
		}
		runtime.KeepAlive(doc)
	})
}

func TestWhatIsKeptPinsLittle(t *testing.T) {
	const documents = 200
	list := func(n int, item string) []byte {
		return []byte(`{"name":"","children":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}`)
	}
	short := strings.Repeat("s", 200)
	item := `{"$type":"com.example.reference","uri":"at://alice.example/x/y","cid":"c","note":"` + short + `","count":1}`
	large := `{"$type":"com.example.reference","uri":"","cid":"","note":"` + strings.Repeat("l", 10_000) + `"},`
	reference := func(n *node, i int) *reference { return n.Children[i].Value.(*reference) }
	for _, tt := range []struct {
		name string
		doc  []byte
		keep func(n *node) any
		most uint64 // bytes a document
	}{
		{"a string", list(500, item), func(n *node) any { return reference(n, 250).URI[5:] }, 5 << 10 / 4},
		{"an optional string", list(500, item), func(n *node) any { return reference(n, 250).Note }, 3 << 10 / 2},
		{"an optional string among large ones", list(100, large+item), func(n *node) any { return reference(n, 101).Note }, 3 << 10 / 2},
		{"an optional number", list(500, item), func(n *node) any { return reference(n, 250).Count }, 5 << 10 / 4},
		{"JSON of what is not known", list(500, `{"$type":"x.y.z","a":"`+short+`"}`), func(n *node) any { return n.Children[250].Value.(*UnknownVariant).JSON() }, 5 << 10 / 4},
		{"an empty string", list(100, `{"$type":"com.example.reference","uri":"`+short+`","cid":""}`), func(n *node) any { return []string{reference(n, 50).CID} }, 1 << 8},
	} {
		t.Run("P37 "+tt.name, func(t *testing.T) {
			heap := func() uint64 {
				runtime.GC()
				runtime.GC() // empties pools
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			kept := make([]any, documents)
			before := heap()
			for i := range kept {
				var n node
				if err := UnmarshalJSON(tt.doc, &n); err != nil {
					t.Fatal(err)
				}
				kept[i] = tt.keep(&n)
			}
			after := heap()
			if each := (max(after, before) - before) / documents; each > tt.most {
				t.Errorf("%d bytes are kept for each, at most %d", each, tt.most)
			}
			runtime.KeepAlive(kept)
		})
	}
}

func TestLeavingALoopEarlyIsAnError(t *testing.T) {
	for name, read := range map[string]func(d *Decoder){
		"object": func(d *Decoder) {
			for range d.Object {
				d.Unknown()
				break
			}
		},
		"array in an object": func(d *Decoder) {
			for range d.Object {
				for range d.Array {
					break
				}
			}
		},
	} {
		d := &Decoder{data: []byte(`{"a":[1,2],"b":[]}`), maxNesting: DefaultMaxNesting}
		if name == "object" {
			d.data = []byte(`{"a":{},"b":{}}`)
		}
		if read(d); d.Err() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTypeIsWrittenOnce(t *testing.T) { // L28
	const doc = `{"uri":"u","cid":"c","$type":"com.example.reference"}`
	var r reference
	if err := UnmarshalJSON([]byte(doc), &r); err != nil {
		t.Fatal(err)
	}
	out, err := MarshalJSON(&r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc, string(out)); diff != "" {
		t.Errorf("alone (-in +out):\n%s", diff)
	}
	if out, err = MarshalJSON(&childUnion{&r}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"$type":"com.example.reference","uri":"u","cid":"c"}`, string(out)); diff != "" {
		t.Errorf("as a member of a union (-want +out):\n%s", diff)
	}
}

func TestTypeMayBeAskedForTwice(t *testing.T) {
	for _, doc := range []string{`{"$type":"org.x","a":1}`, `{"a":1,"$type":"org.x"}`} {
		d := &Decoder{data: []byte(doc), maxNesting: DefaultMaxNesting}
		first, second := d.Type(), d.Type()
		v := d.UnknownVariant()
		if first != "org.x" || second != "org.x" || d.Err() != nil || string(v.JSON()) != doc {
			t.Errorf("%s: %q, %q, %v", doc, first, second, d.Err())
		}
	}
}

func TestOptionalScalarsDoNotShareTheirPlaces(t *testing.T) {
	var n node
	doc := `{"name":"n","children":[{"$type":"com.example.reference","uri":"u","cid":"c","count":1,"seen":true,"note":"a"},{"$type":"com.example.reference","uri":"u","cid":"c","count":1,"seen":true,"note":"a"}]}`
	if err := UnmarshalJSON([]byte(doc), &n); err != nil {
		t.Fatal(err)
	}
	a, b := n.Children[0].Value.(*reference), n.Children[1].Value.(*reference)
	*a.Count, *a.Seen, *a.Note = 9, false, "z"
	if *b.Count != 1 || !*b.Seen || *b.Note != "a" {
		t.Error("a change of one value showed in another")
	}
}

// encodable is a value that writes itself by a function.
type encodable func(e *Encoder) error

func (f encodable) EncodeLex(e *Encoder) error { return f(e) }

func TestEncodeRefuses(t *testing.T) {
	loop := &node{Name: "n"}
	loop.Parent = childUnion{loop}
	own := errors.New("own error")
	for _, tt := range []struct {
		name string
		v    Encodable
		kind error
		path string
	}{
		{"a string that is not UTF-8", &node{Name: "\xff"}, ErrSyntax, "name"},
		{"a path", &node{Children: []childUnion{{&reference{}}, {&reference{Tags: []string{"a", "\xff"}}}}}, ErrSyntax, "children[1].tags[1]"},
		{"an empty union", &node{Children: []childUnion{{}}}, ErrMissing, "children[0]"},
		{"an unknown member of nothing", &node{Children: []childUnion{{&UnknownVariant{}}}}, ErrMissing, "children[0]"},
		{"a value that holds itself", loop, ErrDepth, strings.Repeat("parent.", 7) + "parent…" + strings.Repeat(".parent", 7) + ".children"},
		{"nothing", nil, ErrMissing, ""},
		{"a value that writes nothing", encodable(func(*Encoder) error { return nil }), ErrSyntax, ""},
		{"a value that does not end", encodable(func(e *Encoder) error { e.BeginObject(); return nil }), ErrSyntax, ""},
		{"an end without a beginning", encodable(func(e *Encoder) error { return e.EndObject(nil) }), ErrSyntax, ""},
		{"a field outside of an object", encodable(func(e *Encoder) error { e.Key("a").Int(1); return nil }), ErrSyntax, ""},
		{"an error of its own", encodable(func(e *Encoder) error {
			e.BeginObject()
			e.Key("a").Value(encodable(func(*Encoder) error { return own }))
			return e.EndObject(nil)
		}), own, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := MarshalJSON(tt.v)
			if !errors.Is(err, tt.kind) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Path() != tt.path {
				t.Errorf("path of %v, want %q", err, tt.path)
			}
		})
	}
}

func TestAppendJSONKeepsWhatWasThere(t *testing.T) {
	dst, err := AppendJSON([]byte("before "), &reference{URI: "u", CID: "c"})
	if err != nil || string(dst) != `before {"uri":"u","cid":"c"}` {
		t.Errorf("got %s, %v", dst, err)
	}
	dst, err = AppendJSON([]byte("before "), &reference{URI: "\xff"})
	if err == nil || string(dst) != "before " {
		t.Errorf("after an error: %q, %v", dst, err)
	}
}

func TestStringsAreEscapedAsEncodingJSONReadsThem(t *testing.T) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "ü€😀\u2028", strings.Repeat("long ", 200) + "\n"} {
		out, err := MarshalJSON(&node{Name: s})
		if err != nil {
			t.Fatal(err)
		}
		var v struct{ Name string }
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatal(err)
		}
		var n node
		if err := UnmarshalJSON(out, &n); err != nil {
			t.Fatal(err)
		}
		if v.Name != s || n.Name != s {
			t.Errorf("%q came back as %q and %q", s, v.Name, n.Name)
		}
	}
}

func TestNullsAreWrittenInLinearTime(t *testing.T) {
	t.Run("P91 a null of no use at every level", func(t *testing.T) {
		const levels = 1900
		text := strings.Repeat("word ", 200)
		document := func(inside string) *node {
			var n node
			doc := `{` + strings.Repeat(`"name":"`+text+`",`+inside+`"children":[{"$type":"com.example.node",`, levels) + `"name":"","children":[]}` + strings.Repeat(`]}`, levels)
			if err := UnmarshalJSON([]byte(doc), &n); err != nil {
				t.Fatal(err)
			}
			return &n
		}
		fastest := func(n *node) time.Duration {
			best := time.Hour
			for range 5 {
				started := time.Now()
				if _, err := MarshalJSON(n); err != nil {
					t.Fatal(err)
				}
				best = min(best, time.Since(started))
			}
			return best
		}
		// The same number of fields, so that only looking into them can make a difference: a hundred times as long, when
		// each level looks through all that are inside.
		with, without := fastest(document(`"link":null,`)), fastest(document(`"more":null,`))
		if with > 10*without {
			t.Errorf("%v, %v without nulls", with, without)
		}
	})
}

// This file is copied into a module together with the generated packages.
package golden

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"example.test/golden/comexample"
	"github.com/gimucco/atproto-go/xrpc"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/gimucco/atproto-go/xrpc/syntax"
)

const required = `"$type":"com.example.thing.kitchen","text":"","count":0,"flag":false,"raw":{"$bytes":""},"link":{"$link":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"},` +
	`"file":{"$type":"blob","ref":{"$link":"bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity"},"mimeType":"image/png","size":1},"any":{"a":[1,{"b":null}]},"ref":{"uri":"at://did:plc:a/b.c.d/e"},` +
	`"choice":{"$type":"com.example.thing.tree","children":[{"children":[]}]},"list":[],"inline":{"a":""},"nilText":null,"nilRef":null,"status":"on"`

const part = `{"uri":"at://did:plc:a/b.c.d/e","when":"2026-01-01T00:00:00Z","newer":[1]}`

func same(t *testing.T, want, got string) {
	t.Helper()
	var a, b any
	if err := errors.Join(json.Unmarshal([]byte(want), &a), json.Unmarshal([]byte(got), &b)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("want %s\n got %s", want, got)
	}
}

func TestKitchenComesBack(t *testing.T) {
	for name, text := range map[string]string{
		"only required":           `{` + required + `}`,
		"unknown fields":          `{` + required + `,"newer":{"a":[1,2]},"other":null}`,
		"P33 falsy optional ones": `{` + required + `,"optText":"","optCount":0,"optFlag":false,"optRaw":{"$bytes":""},"dids":[],"links":[],"files":[],"anys":[],"choices":[],"inlines":[],"matrix":[],"cube":[],"namedList":[],"namedInt":0}`,
		"P34 nulls":               `{` + required + `,"maybe":null,"maybeList":null,"maybeRef":null}`,
		"P34 no nulls":            `{` + required + `,"maybe":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a","maybeList":[1,2],"maybeRef":` + part + `}`,
		"P45 arrays":              `{` + required + `,"dids":["did:plc:a"],"links":[{"$link":"bafyreidfayvfuwqa7qlnopdjiqrxzs6blmoeu4rujcjtnci5beludirz2a"}],"anys":[{"a":1}],"inlines":[{"a":"b"},{}],"matrix":[[1,2],[]],"cube":[[[` + part + `]],[]],"choices":[{"$type":"com.example.thing.kitchen#part","uri":"at://did:plc:a"},{"$type":"com.example.newer","x":[true]}]}`,
		"P45 named":               `{` + required + `,"named":"low","namedList":[{"$type":"com.example.newer"}],"namedInt":7,"namedID":"did:plc:a","elsewhere":{"a":"1","b":"2"},"elsewhereList":[{"a":"1","b":"2"}]}`,
		"P45 empty open union":    `{` + required + `,"optNothing":{"$type":"com.example.newer","x":{"y":[]}},"optChoice":{"$type":"com.example.thing.kitchen#part","uri":"at://did:plc:a"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var k comexample.ThingKitchen
			if err := lex.UnmarshalJSON([]byte(text), &k); err != nil {
				t.Fatal(err)
			}
			out, err := lex.MarshalJSON(&k)
			if err != nil {
				t.Fatal(err)
			}
			same(t, text, string(out))
			std, err := json.Marshal(k) // by value: encoding/json must find MarshalJSON
			if err != nil {
				t.Fatal(err)
			}
			same(t, text, string(std))
		})
	}
}

func TestKitchenRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want error
	}{
		"missing":              {`{"$type":"com.example.thing.kitchen"}`, lex.ErrMissing},
		"twice":                {`{` + required + `,"optText":"a","optText":"b"}`, lex.ErrDuplicate},
		"twice, unknown":       {`{` + required + `,"newer":"a","newer":"b"}`, lex.ErrDuplicate},
		"L27 a closed union":   {`{` + required + `,"optChoice":{"$type":"com.example.newer"}}`, lex.ErrUnion},
		"L28 another $type":    {`{"$type":"com.example.other"}`, lex.ErrUnion},
		"L27 union sans $type": {`{` + required + `,"optNothing":{}}`, lex.ErrMissing},
	} {
		t.Run(name, func(t *testing.T) {
			var k comexample.ThingKitchen
			if err := lex.UnmarshalJSON([]byte(tc.text), &k); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
		})
	}
}

func TestDefaultsAreSent(t *testing.T) {
	for name, tc := range map[string]struct {
		params *comexample.ShopListParams
		want   string
	}{
		"X4 nil":   {nil, "owner=&range=0&ctx=false&type=a%22b&order=asc&limit=50"},
		"X4 unset": {&comexample.ShopListParams{Owner: "did:plc:a", Range: 2}, "owner=did%3Aplc%3Aa&range=2&ctx=false&type=a%22b&order=asc&limit=50"},
		"set": {&comexample.ShopListParams{Owner: "did:plc:a", Ctx: new(true), Type: new(""), C: []int64{1, 2}, Params: []bool{true}, Opts: nil, Limit: new(int64(0)), Cursor: new("x")},
			"owner=did%3Aplc%3Aa&range=0&ctx=true&type=&c=1&c=2&params=true&order=asc&limit=0&cursor=x"},
	} {
		t.Run(name, func(t *testing.T) {
			var q xrpc.Query
			tc.params.EncodeQuery(&q)
			if got := q.Encode(); got != tc.want {
				t.Errorf("query %q, want %q", got, tc.want)
			}
		})
	}
}

func TestWhatIsLeftOutIsTheDefault(t *testing.T) {
	for in, want := range map[string]string{
		`{"count":1}`:                            `{"amount":7,"open":true,"level":"low","count":1}`,
		`{"count":1,"amount":0,"open":false}`:    `{"amount":0,"open":false,"level":"low","count":1}`,
		`{"count":1,"open":null,"level":null}`:   `{"amount":7,"open":null,"level":null,"count":1}`,
		`{"level":"high","count":1,"amount":-1}`: `{"amount":-1,"open":true,"level":"high","count":1}`,
	} {
		t.Run("P88 in "+in, func(t *testing.T) {
			v := comexample.ThingKitchenLeft{Amount: 5, Open: new(false)}
			if err := lex.UnmarshalJSON([]byte(in), &v); err != nil {
				t.Fatal(err)
			}
			out, err := lex.MarshalJSON(&v)
			if err != nil {
				t.Fatal(err)
			}
			same(t, want, string(out))
		})
	}
	t.Run("P88 but not one without a default", func(t *testing.T) {
		if err := lex.UnmarshalJSON([]byte(`{"amount":1,"open":true,"level":"low"}`), new(comexample.ThingKitchenLeft)); !errors.Is(err, lex.ErrMissing) {
			t.Errorf("error %v", err)
		}
	})
}

func TestParametersAreReadFromQueries(t *testing.T) {
	for name, tc := range map[string]struct {
		query string
		want  *comexample.ShopListParams // nil: refused
		err   string
	}{
		"defaults": {"owner=did:plc:a&range=2", &comexample.ShopListParams{Owner: "did:plc:a", Range: 2, Ctx: new(false), Type: new(`a"b`), Order: new(comexample.ShopListParamsOrderAsc), Limit: new(int64(50))}, ""},
		"all": {"owner=did:plc:a&range=-2&ctx=true&type=t&c=1&c=2&params=true&params=false&opts=com.example.c&order=desc&limit=7&cursor=x&newer=1",
			&comexample.ShopListParams{Owner: "did:plc:a", Range: -2, Ctx: new(true), Type: new("t"), C: []int64{1, 2}, Params: []bool{true, false}, Opts: []syntax.NSID{"com.example.c"}, Order: new(comexample.ShopListParamsOrderDesc), Limit: new(int64(7)), Cursor: new("x")}, ""},
		"a boolean in an array":  {"owner=did:plc:a&range=2&params=true&params=1", nil, `parameter params[1]: "1" is neither true nor false`},
		"an integer in an array": {"owner=did:plc:a&range=2&c=&c=1&c=1.5", nil, `parameter c[1]: "1.5" is not an integer`},
		"an enum":                {"owner=did:plc:a&range=2&order=down", nil, `parameter order: "down" is not one of the 2 values allowed`},
		"an integer is missing":  {"owner=did:plc:a", nil, "parameter range: is missing"},
		"the first one counts":   {"range=x", nil, "parameter owner: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := url.ParseQuery(tc.query)
			if err != nil {
				t.Fatal(err)
			}
			got := &comexample.ShopListParams{Cursor: new("of before")}
			err = got.DecodeQuery(values)
			if tc.want == nil {
				var wrong *xrpc.ParamError
				if !errors.As(err, &wrong) || !errors.Is(err, xrpc.ErrInvalidRequest) || err.Error() != tc.err {
					t.Errorf("error %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(tc.want, got) {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestMoreThan64Fields(t *testing.T) {
	text := func(fields int) []byte {
		b := []byte("{")
		for i := range fields {
			b = fmt.Appendf(b, `"f%02d":%d,`, i, i)
		}
		b[len(b)-1] = '}'
		return b
	}
	var w comexample.ThingWide
	for _, fields := range []int{66, 70} {
		w = comexample.ThingWide{}
		if err := lex.UnmarshalJSON(text(fields), &w); err != nil {
			t.Fatal(err)
		}
		out, err := lex.MarshalJSON(&w)
		if err != nil {
			t.Fatal(err)
		}
		same(t, string(text(fields)), string(out))
	}
	if err := lex.UnmarshalJSON(text(65), &w); !errors.Is(err, lex.ErrMissing) || !strings.Contains(err.Error(), `"f65"`) {
		t.Errorf("error %v", err)
	}
	twice := append(text(70)[:len(text(70))-1], `,"f69":1}`...)
	if err := lex.UnmarshalJSON(twice, &w); !errors.Is(err, lex.ErrDuplicate) {
		t.Errorf("error %v", err)
	}
}

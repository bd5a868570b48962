// This file is copied into a module together with what is generated from the lexicons
// of the interop fixtures.
package catalog_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"example.test/catalog"
	"github.com/gimucco/atproto-go/xrpc/lex"
	"github.com/google/go-cmp/cmp"
)

type fixture struct {
	Name string
	Data map[string]any
}

func fixtures(t *testing.T, name string) []fixture {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []fixture
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// check decodes and validates, and returns the paths of what is wrong.
func check(t *testing.T, data map[string]any, mode lex.Mode) []string {
	t.Helper()
	b, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	var r catalog.Record
	if err := lex.UnmarshalJSON(b, &r); err != nil {
		var e *lex.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		return []string{e.Path()}
	}
	err = lex.Validate(&r, mode)
	if err == nil {
		return nil
	}
	var invalid *lex.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	var paths []string
	for _, v := range invalid.Violations {
		paths = append(paths, v.Path)
	}
	return paths
}

func TestValidRecords(t *testing.T) {
	list := fixtures(t, "record-data-valid.json")
	if len(list) != 3 {
		t.Errorf("%d fixtures", len(list))
	}
	for _, f := range list {
		t.Run("L20 "+f.Name, func(t *testing.T) {
			if paths := check(t, f.Data, lex.Lenient); paths != nil {
				t.Errorf("lenient: wrong at %q", paths)
			}
			// The blobs of this one are of the codec dag-cbor, which may not be written.
			var want []string
			if f.Name == "full" {
				want = []string{"blob", "sizeBlob", "acceptBlob"}
			}
			if diff := cmp.Diff(want, check(t, f.Data, lex.Strict)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// wrongAt is where a fixture is wrong, for those where the field's name does not say it.
var wrongAt = map[string]string{
	"missing required field":        "",
	"invalid bytes: empty object":   "bytes",
	"invalid bytes: wrong type":     "bytes.bytes",
	"invalid array element":         "array[0]",
	"object nested wrong data type": "object.a",
	"invalid blob: wrong type":      "blob.mimeType",
}

func TestInvalidRecords(t *testing.T) {
	list := fixtures(t, "record-data-invalid.json")
	if len(list) != 50 {
		t.Errorf("%d fixtures", len(list))
	}
	for i, f := range list {
		t.Run("L50 "+f.Name, func(t *testing.T) {
			if check(t, f.Data, lex.Strict) == nil {
				t.Fatal("passes")
			}
			if f.Data["integer"] == nil && len(f.Data) > 1 {
				f.Data["integer"] = 1 // it is not what the fixture is about
			}
			fields := slices.DeleteFunc(slices.Sorted(maps.Keys(f.Data)), func(k string) bool { return k == "$type" || k == "integer" && len(f.Data) > 2 })
			want := strings.Join(fields, "")
			if inner, ok := f.Data["formats"].(map[string]any); ok {
				want += "." + slices.Collect(maps.Keys(inner))[0]
			}
			if at, ok := wrongAt[f.Name]; ok {
				want = at
			}
			if f.Name == "union inner invalid" {
				want = []string{"union.a", "closedUnion"}[i%2]
			}
			got := check(t, f.Data, lex.Strict)
			for _, at := range got {
				if at != want {
					t.Errorf("wrong at %q, want %q", got, want)
				}
			}
		})
	}
}

func TestMessages(t *testing.T) {
	for kind, document := range map[string]string{
		"example.lexicon.subscription#yo":   `{"seq":7,"yo":true}`,
		"example.lexicon.subscription#info": `{"name":"OutdatedCursor"}`,
	} {
		t.Run("X41 L33 "+kind, func(t *testing.T) {
			v, err := lex.AnyJSON([]byte(document))
			if err != nil {
				t.Fatal(err)
			}
			data, err := lex.MarshalCBOR(&v)
			if err != nil {
				t.Fatal(err)
			}
			var m catalog.SubscriptionMessage
			if err := lex.UnmarshalCBOR(data, &m, lex.TypeIs(kind)); err != nil {
				t.Fatal(err)
			}
			switch v := m.Value.(type) {
			case *catalog.SubscriptionYo:
				if seq, ok := m.Sequence(); seq != 7 || !ok || !v.Yo {
					t.Errorf("%+v at %d", v, seq)
				}
			case *catalog.SubscriptionInfo:
				if seq, ok := m.Sequence(); seq != 0 || ok || v.Name != catalog.SubscriptionInfoNameOutdatedCursor {
					t.Errorf("%+v at %d", v, seq)
				}
			default:
				t.Errorf("%s was read as %T", kind, v)
			}
		})
	}
}

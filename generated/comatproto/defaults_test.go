package comatproto_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gimucco/atproto-go/generated/comatproto"
	"github.com/gimucco/atproto-go/xrpc/lex"
)

// Some servers leave out what is as the lexicon says by default.
func TestRequiredFieldsWithADefault(t *testing.T) {
	for text, want := range map[string]string{
		`{"useCount":2}`:                 `{"codeCount":1,"useCount":2}`,
		`{"codeCount":0,"useCount":2}`:   `{"codeCount":0,"useCount":2}`,
		`{"useCount":2,"codeCount":700}`: `{"codeCount":700,"useCount":2}`,
	} {
		t.Run("P88 in "+text, func(t *testing.T) {
			v := comatproto.ServerCreateInviteCodesInput{CodeCount: 5}
			if err := lex.UnmarshalJSON([]byte(text), &v); err != nil {
				t.Fatal(err)
			}
			got, err := lex.MarshalJSON(&v)
			if diff := cmp.Diff(want, string(got), sameJSON); err != nil || diff != "" {
				t.Errorf("%v, (-want +got):\n%s", err, diff)
			}
		})
	}
	for text, kind := range map[string]error{`{"codeCount":1}`: lex.ErrMissing, `{"codeCount":null,"useCount":1}`: lex.ErrType, `{"codeCount":1,"codeCount":1,"useCount":1}`: lex.ErrDuplicate} {
		t.Run("P88 but not in "+text, func(t *testing.T) {
			if err := lex.UnmarshalJSON([]byte(text), new(comatproto.ServerCreateInviteCodesInput)); !errors.Is(err, kind) {
				t.Errorf("got %v", err)
			}
		})
	}
}
